"""Reading FITS files that others wrote, with errors that name the file, the HDU and the field."""

from __future__ import annotations

import contextlib
import functools
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits

from ..errors import InputError, LamellaError, MissingPartError, ShapeError, UnreadableFileError
from .cards import Cards, parse_cards
from .hdus import PIXEL_TYPES, Container, Unit
from .quiet import Header, lenient_header, quiet_astropy
from .scaling import physical_values, restore_zeros, with_nan
from .scan import header_texts

__all__ = (
    "Header",
    "ImageData",
    "hdu_label",
    "hdu_name",
    "header_integer",
    "header_number",
    "header_text",
    "image_axes",
    "image_shape",
    "is_hdu",
    "open_fits",
    "optional_number",
    "read_cards",
    "read_flags",
    "read_headers",
    "read_image",
    "read_images",
    "read_rows",
    "read_table",
    "require_shape",
)

_COLORS = 3
"""Planes of a cube of colours."""
_EXACT = 2**53
"""Up to this, floating point numbers are the whole numbers that somebody meant."""
# Of a damaged table, astropy misses keywords, attributes, and sizes that make sense.
_DAMAGE = (
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    fits.VerifyError,
)


@contextlib.contextmanager
def open_fits(path: Path) -> Iterator[fits.HDUList]:
    """Open a file of tables with astropy, and turn damage into a typed error.

    Yields
    ------
    `astropy.io.fits.HDUList`
        The file; arrays taken from it stay valid after it is closed.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, truncated, or not FITS.
    """
    # astropy counts up to any number of axes or columns, and gives what is left of a file that is cut off.
    read_headers(path)
    try:
        # It leaves a file open that it fails on; one that we open is closed.
        with quiet_astropy(), path.open("rb") as stream, fits.open(stream, memmap=False) as hdus:
            yield hdus
    except LamellaError:
        raise
    except _DAMAGE as err:
        reason = " ".join(str(err).split()).rstrip(".") or type(err).__name__
        raise UnreadableFileError(path, found=reason, expected="a complete FITS file") from err


_header_of = functools.lru_cache(maxsize=512)(lenient_header)


def read_cards(path: Path, limit: int | None = None) -> tuple[Cards, ...]:
    """Read the values of headers as `read_headers` does, for the recognition of many files.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, truncated, or not FITS.
    """
    return tuple(map(parse_cards, header_texts(path, limit)))


def read_headers(path: Path, limit: int | None = None) -> tuple[Header, ...]:
    """Read the headers of a file, of at most ``limit`` HDUs, but no pixels.

    Headers of images in compressed tiles are those of the images.  A file that
    is compressed as a whole is inflated up to the last of these headers.

    The headers of the last few files are remembered, because a file can hold
    some sixty exposures; they must not be changed.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, truncated, or not FITS.
    """
    texts = header_texts(path, limit)
    return tuple(_header_of(text, path, hdu_label(index)) for index, text in enumerate(texts))


def read_image(path: Path, hdu: str | int, *, is_noise: bool = False) -> tuple[np.ndarray, Header]:
    """Read a 2-d image in the machine's byte order, and its header.

    Parameters
    ----------
    path, hdu
        File and HDU.
    is_noise
        Whether the image is a map of weights or variances, so that zeros mean
        something and are restored (`lamella.fits.scaling.restore_zeros`).

    Raises
    ------
    MissingPartError
        Raised when there is no such HDU.
    InputError
        Raised when the HDU is not a 2-d image.
    """
    (image,) = read_images([(path, hdu)], noise=[(path, hdu)] if is_noise else ())
    return image.pixels, image.header


class ImageData(NamedTuple):
    """A 2-d image of a file."""

    pixels: np.ndarray
    """Shape (y, x), in the machine's byte order, with NaN where it is undefined (BLANK)."""
    header: Header
    undefined: np.ndarray | None = None
    """Of flags, which have no NaN: bool, true where they are undefined; `None` where none is."""


def read_images(
    places: Sequence[tuple[Path, str | int]],
    *,
    noise: Collection[tuple[Path, str | int]] = (),
    flags: Collection[tuple[Path, str | int]] = (),
    layer: int | None = None,
) -> list[ImageData]:
    """Read 2-d images in the machine's byte order, opening each file once.

    Parameters
    ----------
    places
        File and HDU of each image.
    noise
        Those that are maps of weights or variances, whose zeros are restored.
    flags
        Those that are integer flags, which stay integers.
    layer
        Which plane of cubes of three planes is read; by default such a cube is no 2-d image.

    Returns
    -------
    list
        Each image, in this order.

    Raises
    ------
    MissingPartError, InputError
        As in `read_image`.
    """
    images: dict[tuple[Path, str | int], ImageData] = {}
    for path in dict.fromkeys(path for path, _ in places):
        hdus = dict.fromkeys(hdu for other, hdu in places if other == path)
        for hdu, unit in _find_units(path, hdus):
            located = path, hdu
            image = _take_image(unit, hdu, layer, is_noise=located in noise)
            if located not in flags:
                image = ImageData(with_nan(image.pixels, image.undefined), image.header)
            images[located] = image
    return [images[located] for located in places]


def _find_units(path: Path, hdus: Collection[str | int]) -> Iterator[tuple[str | int, Unit]]:
    """Iterate over some HDUs of a file as they lie there; it is not parsed beyond the last of them."""
    missing, names = dict.fromkeys(hdus), list[str]()
    with Container(path, in_order=True) as file:
        for unit in file.walk():
            names.append(f"{unit.index} {hdu_name(unit.cards, unit.index)}".strip())
            for hdu in [hdu for hdu in missing if is_hdu(hdu, unit.index, unit.cards)]:
                del missing[hdu]
                yield hdu, unit
            if not missing:
                file.check_packed()
                return
    hdu, *_ = missing
    present = f"only HDUs {', '.join(names)}"
    raise MissingPartError(path, where=hdu_label(hdu), found=present, expected="this HDU")


def is_hdu(hdu: str | int, index: int, header: Header | Mapping[str, Any]) -> bool:
    """Return whether an HDU is that of an index, or of a name: EXTNAME, or EXTNAME,EXTVER, in any case.

    Parameters
    ----------
    hdu
        Index or name that is looked for.
    index, header
        Those of the HDU.
    """
    if isinstance(hdu, int):
        return hdu == index
    name = hdu_name(header, index)
    wanted = ",".join(word.strip() for word in hdu.upper().split(","))
    return wanted in (name, f"{name},{header.get('EXTVER', 1)}")


def hdu_name(header: Header | Mapping[str, Any], index: int) -> str:
    """Return the EXTNAME of an HDU in capitals; PRIMARY for a first one without."""
    return str(header.get("EXTNAME", "")).strip().upper() or ("PRIMARY" if index == 0 else "")


def read_flags(path: Path, hdu: str | int) -> ImageData:
    """Read integer flags as `read_image` reads an image, but leave them integers.

    Raises
    ------
    MissingPartError, InputError
        As in `read_image`.
    """
    (image,) = read_images([(path, hdu)], flags=[(path, hdu)])
    return image


def _take_image(unit: Unit, hdu: str | int, layer: int | None, *, is_noise: bool) -> ImageData:
    axes, path = unit.axes, unit.container.path
    is_cube = layer is not None and len(axes) > 2 and axes[-3] == _COLORS
    _require_image(unit, hdu, axes[:-3] if is_cube else axes[:-2])
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(unit.opened()) if unit.is_compressed else None
        data = _stored_array(unit) if opened is None else opened.data
        data = data.reshape(-1, *axes[-2:])[layer if is_cube else 0]
        if is_noise and opened is not None:
            restore_zeros(opened, data)
    header = lenient_header(unit.image_text, path, hdu_label(hdu))
    pixels, undefined = physical_values(_native(data), header, path, hdu_label(hdu))
    return ImageData(pixels, header, undefined)


def _require_image(unit: Unit, hdu: str | int, further: tuple[int, ...] = ()) -> None:
    """Refuse what is no image, or has more axes than two that are longer than a pixel."""
    axes = unit.axes
    if len(axes) < 2 or set(further) - {1} or 0 in axes:
        content = f"an array of shape {axes}" if axes else "no image"
        path = unit.container.path
        raise InputError(path, where=hdu_label(hdu), found=content, expected="a 2-d image")


def _stored_array(unit: Unit) -> np.ndarray:
    """Return the numbers of an image that is not compressed, shape (..., y, x)."""
    dtype = PIXEL_TYPES[unit.cards["BITPIX"]]
    data = unit.container.read(unit.start, math.prod(unit.axes) * dtype.itemsize, unit.label)
    unit.compare_datasum(data)
    return np.frombuffer(data, dtype).reshape(unit.axes)


def _native(data: np.ndarray) -> np.ndarray:
    """Return an array that nobody else uses, contiguous and in the machine's byte order."""
    if not data.dtype.isnative and data.flags.c_contiguous and data.flags.writeable:
        # In place: this is half the time of a copy.
        return data.byteswap(inplace=True).view(data.dtype.newbyteorder("="))
    return np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("="))


def read_table(path: Path, hdu: str | int) -> tuple[fits.FITS_rec, Header]:
    """Read a binary table, and its header; ``.names`` of the table are its columns.

    Raises
    ------
    MissingPartError
        Raised when there is no such HDU.
    InputError
        Raised when the HDU is not a table.
    """
    ((_, unit),) = _find_units(path, [hdu])
    if not unit.is_table:
        kind = "an image" if unit.axes else f"a {unit.cards.get('XTENSION', 'primary')} HDU"
        raise InputError(path, where=hdu_label(hdu), found=kind, expected="a binary table")
    with unit.opened() as table:
        return table.data, unit.header


def read_rows(path: Path, hdu: int, rows: Sequence[slice]) -> np.ndarray:
    """Read some rows of a 2-d image as they are stored, without BSCALE and BZERO, and not the others.

    Parameters
    ----------
    path, hdu
        File and HDU.
    rows
        The rows.

    Returns
    -------
    `numpy.ndarray`
        All these rows, one below the other: shape (y, x).

    Raises
    ------
    MissingPartError, InputError
        As in `read_image`.
    """
    ((_, unit),) = _find_units(path, [hdu])
    _require_image(unit, hdu)
    if unit.is_compressed:
        with unit.opened() as opened:
            first = (0,) * (len(unit.axes) - 2)
            return np.concatenate(
                [np.asarray(opened.section[(*first, block, slice(None))]) for block in rows]
            )
    dtype, width = PIXEL_TYPES[unit.cards["BITPIX"]], unit.axes[-1]
    pieces = (
        unit.container.read(
            unit.start + block.start * width * dtype.itemsize,
            (block.stop - block.start) * width * dtype.itemsize,
        )
        for block in rows
    )
    return np.frombuffer(b"".join(pieces), dtype).reshape(-1, width)


def hdu_label(hdu: str | int) -> str:
    """Return how an HDU is named in messages."""
    return f"HDU {hdu}"


def image_shape(header: Header) -> tuple[int, int] | None:
    """Return the shape (y, x) of the 2-d image that a header describes, or `None`."""
    axes = image_axes(header)
    return (axes[0], axes[1]) if len(axes) == 2 else None


def image_axes(header: Header) -> tuple[int, ...]:
    """Return the shape of the image that a header describes, compressed or not; empty when it has none."""
    if header.get("XTENSION") == "BINTABLE":
        return ()
    return tuple(int(header[f"NAXIS{axis}"]) for axis in range(int(header.get("NAXIS", 0)), 0, -1))


def header_number(header: Header, key: str, *, path: Path, where: str = "") -> float:
    """Return a finite number from a header.

    Raises
    ------
    MissingPartError
        Raised when the keyword is absent.
    InputError
        Raised when its value is not a finite number.
    """
    label = f"{where}, {key}" if where else key
    if key not in header:
        raise MissingPartError(path, where=label, found="no such keyword", expected="a number")
    value = optional_number(header, key)
    if value is None:
        raise InputError(path, where=label, found=repr(header[key]), expected="a finite number")
    return value


def header_integer(header: Header, key: str, *, path: Path, where: str = "") -> int:
    """Return a whole number from a header, exactly.

    Raises
    ------
    MissingPartError
        Raised when the keyword is absent.
    InputError
        Raised when its value is not a whole number.
    """
    if isinstance(header.get(key), int) and not isinstance(header[key], bool):
        return int(header[key])
    value = header_number(header, key, path=path, where=where)
    if value != int(value) or abs(value) > _EXACT:
        label = f"{where}, {key}" if where else key
        raise InputError(path, where=label, found=repr(header[key]), expected="a whole number")
    return int(value)


def optional_number(header: Header, key: str) -> float | None:
    """Return a finite number from a header, or `None` when there is none."""
    try:
        value = float(header[key])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def header_text(header: Header, key: str) -> str:
    """Return a text from a header without surrounding blanks, or an empty text."""
    return str(header.get(key, "")).strip()


def require_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    """Raise `ShapeError` unless an array has the expected shape (y, x)."""
    if array.shape != tuple(expected):
        raise ShapeError(name, found=tuple(array.shape), expected=tuple(expected))
