"""Reading FITS files that others wrote, with errors that name the file, the HDU and the field.

Real surveys bend the FITS standard in harmless ways (units without quotes,
old keywords), and astropy warns about each.  Those warnings are of no use to a
person who wants a coadd and are dropped here; the one that matters, a file
that is shorter than its headers say, becomes an error.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
import warnings
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from ..errors import InputError, LamellaError, MissingPartError, ShapeError, UnreadableFileError
from .scaling import physical_values, restore_zeros, with_nan

__all__ = (
    "Header",
    "ImageData",
    "hdu_label",
    "header_integer",
    "header_number",
    "header_text",
    "image_axes",
    "image_shape",
    "open_fits",
    "optional_number",
    "parsed",
    "quiet_astropy",
    "raw_headers",
    "read_flags",
    "read_headers",
    "read_image",
    "read_images",
    "read_rows",
    "read_table",
    "require_shape",
)

type Header = fits.Header
"""Header of one HDU."""

# `warnings.catch_warnings` changes the state of the whole process, so that two
# threads that read at a time would undo each other's filters.
_FILTERS = threading.RLock()
# A file that is cut off in the data, or in a header: astropy would give what is left.
_SYMPTOMS = (".*truncated.*", "Error validating header.*", "An exception occurred matching an HDU header.*")
_MAX_COUNT = 999
"""Axes and columns that the standard allows."""
_COLORS = 3
"""Planes of a cube of colours."""
_EXACT = 2**53
"""Up to this, floating point numbers are the whole numbers that somebody meant."""
# Of a damaged header, astropy misses keywords, attributes, and sizes that make sense.
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
    AstropyWarning,
)


class _ImpossibleHDU(fits.PrimaryHDU):  # type: ignore[misc]
    """Is no HDU, but has astropy take headers for damaged that state more axes or columns than there can be.

    astropy would count up to that number, which takes years.
    """

    @classmethod
    def match_header(cls, header: Any) -> bool:
        for key in ("NAXIS", "ZNAXIS", "TFIELDS"):
            count = header.get(key, 0)
            if isinstance(count, int) and count > _MAX_COUNT:
                raise ValueError(f"{key} is {count}")
        return False


fits.register_hdu(_ImpossibleHDU)


@contextlib.contextmanager
def quiet_astropy() -> Iterator[None]:
    """Drop the warnings of astropy, in one thread at a time."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        yield


@contextlib.contextmanager
def open_fits(path: Path, *, as_stored: bool = False) -> Iterator[fits.HDUList]:
    """Open a FITS file, compressed or not, and turn damage into a typed error.

    Parameters
    ----------
    path
        The file.
    as_stored
        Whether images are left as they are stored, without BSCALE, BZERO and BLANK.

    Yields
    ------
    `astropy.io.fits.HDUList`
        The file; arrays taken from it stay valid after it is closed.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, truncated, or not FITS.
    """
    with quiet_astropy():
        for symptom in _SYMPTOMS:
            warnings.filterwarnings("error", symptom, AstropyWarning)
        # astropy leaves a file open that it fails on; one that we open is closed.
        with (
            _damage_told(path),
            path.open("rb") as stream,
            fits.open(stream, memmap=False, do_not_scale_image_data=as_stored) as hdus,
        ):
            yield hdus


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except LamellaError:
        raise
    except _DAMAGE as err:
        reason = " ".join(str(err).split()).rstrip(".") or type(err).__name__
        # What astropy says here goes on with advice to those who call it.
        reason = "no FITS header" if reason.startswith("No SIMPLE card") else reason
        raise UnreadableFileError(path, found=reason, expected="a complete FITS file") from err


def read_headers(path: Path, limit: int | None = None) -> tuple[Header, ...]:
    """Read the headers of a file, of at most ``limit`` HDUs, but no pixels.

    The headers of the last few files are remembered, because a file can hold
    some sixty exposures; they must not be changed.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, truncated, or not FITS.
    """
    return _parsed_headers(path, limit, _stamp(path))


def raw_headers(path: Path) -> tuple[Header, ...]:
    """Read all headers of a file as `read_headers` does, but leave their cards unparsed.

    To parse takes longer than to read: take the header that you want through
    `parsed`.
    """
    return _raw_headers(path, None, _stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as err:
        raise UnreadableFileError(path, found=err.strerror or str(err), expected="a FITS file") from err
    return stat.st_mtime_ns, stat.st_size


@functools.lru_cache(maxsize=16)
def _parsed_headers(path: Path, limit: int | None, stamp: tuple[int, int]) -> tuple[Header, ...]:
    return tuple(parsed(header, path) for header in _raw_headers(path, limit, stamp))


@functools.lru_cache(maxsize=16)
def _raw_headers(path: Path, limit: int | None, stamp: tuple[int, int]) -> tuple[Header, ...]:
    with open_fits(path) as hdus:
        headers: list[Header] = []
        while limit is None or len(headers) < limit:
            try:
                headers.append(hdus[len(headers)].header)
            except IndexError:
                break
        return tuple(headers)


def parsed(header: Header, path: Path) -> Header:
    """Parse all cards of a header, so that one that is malformed (an unquoted NaN) is a text and no error.

    Parameters
    ----------
    header
        Header; it is changed, and returned.
    path
        Its file, for messages.

    Raises
    ------
    UnreadableFileError
        Raised when a card cannot be parsed.
    """
    with _damage_told(path), quiet_astropy():
        for card in header.cards:
            try:
                card.value  # noqa: B018
            except fits.VerifyError:
                card.verify("silentfix")
    return header


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
    return image.pixels, parsed(image.header, path)


class ImageData(NamedTuple):
    """A 2-d image of a file."""

    pixels: np.ndarray
    """Shape (y, x), in the machine's byte order, with NaN where it is undefined (BLANK)."""
    header: Header
    """Take it through `parsed` before you use it."""
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
        with open_fits(path, as_stored=True) as hdus:
            for located in dict.fromkeys(places):
                if located[0] == path:
                    image = _take_image(hdus, located[1], path, layer, is_noise=located in noise)
                    if located not in flags:
                        image = ImageData(with_nan(image.pixels, image.undefined), image.header)
                    images[located] = image
    return [images[located] for located in places]


def read_flags(path: Path, hdu: str | int) -> ImageData:
    """Read integer flags as `read_image` reads an image, but leave them integers.

    Raises
    ------
    MissingPartError, InputError
        As in `read_image`.
    """
    (image,) = read_images([(path, hdu)], flags=[(path, hdu)])
    return image


def _take_image(
    hdus: fits.HDUList, hdu: str | int, path: Path, layer: int | None, *, is_noise: bool
) -> ImageData:
    unit = _find_hdu(hdus, hdu, path)
    data = unit.data
    if isinstance(data, np.ndarray) and layer is not None and data.ndim >= 3 and data.shape[-3] == _COLORS:
        data = data[..., layer, :, :].copy()
    if isinstance(data, np.ndarray) and data.ndim > 2 and set(data.shape[:-2]) == {1}:
        data = data.reshape(data.shape[-2:])
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.dtype.names is not None:
        shape = "no data" if data is None else f"an array of shape {data.shape}"
        raise InputError(path, where=hdu_label(hdu), found=shape, expected="a 2-d image")
    if is_noise:
        restore_zeros(unit, data)
    # What is changed in place must not be given to others.
    del unit.data
    pixels, undefined = physical_values(_native(data), unit.header, path, hdu_label(hdu))
    return ImageData(pixels, unit.header, undefined)


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
    with open_fits(path) as hdus:
        table = _find_hdu(hdus, hdu, path)
        if not isinstance(table, fits.BinTableHDU):
            kind = type(table).__name__
            raise InputError(path, where=hdu_label(hdu), found=f"a {kind}", expected="a binary table")
        return table.data, parsed(table.header, path)


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
    """
    with open_fits(path, as_stored=True) as hdus:
        unit = hdus[hdu]
        first = (0,) * (len(unit.shape) - 2)
        return np.concatenate([np.asarray(unit.section[(*first, block, slice(None))]) for block in rows])


def _find_hdu(hdus: fits.HDUList, hdu: str | int, path: Path) -> Any:
    name, comma, version = str(hdu).rpartition(",")
    try:
        if comma and version.strip().isdecimal() and hdu not in hdus:
            return hdus[name.strip(), int(version)]
        return hdus[hdu]
    except (KeyError, IndexError):
        names = ", ".join(f"{n} {unit.name}".strip() for n, unit in enumerate(hdus))
        raise MissingPartError(
            path, where=hdu_label(hdu), found=f"only HDUs {names}", expected="this HDU"
        ) from None


def hdu_label(hdu: str | int) -> str:
    """Return how an HDU is named in messages."""
    return f"HDU {hdu}"


def image_shape(header: Header) -> tuple[int, int] | None:
    """Return the shape (y, x) of the 2-d image that a header describes, or `None`."""
    axes = image_axes(header)
    return (axes[0], axes[1]) if len(axes) == 2 else None


def image_axes(header: Header) -> tuple[int, ...]:
    """Return the shape of the image that a header describes, compressed or not; empty when it has none."""
    # Tile-compressed images look like tables to a reader of headers alone.
    key = "ZNAXIS" if header.get("ZIMAGE") else "NAXIS"
    if header.get("XTENSION") == "BINTABLE" and key == "NAXIS":
        return ()
    return tuple(int(header[f"{key}{axis}"]) for axis in range(int(header.get(key, 0)), 0, -1))


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
