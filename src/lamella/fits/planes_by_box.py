"""Pixels of images, plain or in compressed tiles, read by the box.

The bytes of a box go from the file into the caller's array and are put in order
there, and of compressed images only the tiles that the box touches are inflated:
those of GZIP, in which afw and lamella write, by the fastest library at hand, all
else by astropy.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import threading
from collections.abc import Collection
from typing import Protocol

import numpy as np

from ..kernels.byteorder import join_bytes, swap_words
from .deflate import DeflateError, inflate
from .hdus import PIXEL_TYPES, Container, Unit
from .scaling import restore_zeros
from .sums import PIECE, ImageSums, PieceSums, check_unit
from .tables import Table

__all__ = ("PlainPlane", "Plane", "open_plane", "open_planes")

_MAX_OVERHEAD = 1024
"""Bytes by which a tile of noise may become larger, beyond its own size; more is damage."""
_MAX_RATIO = 1100
"""Bytes that deflate, the strongest of the algorithms in use, can make of one."""


class Plane(Protocol):
    """Pixels of an HDU as they are stored, without BSCALE and BZERO."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (y, x)."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Type in the byte order of the machine."""
        ...

    def read(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a box, in the byte order of the machine; several threads may do so at a time.

        Parameters
        ----------
        rows, columns
            The box, counted from the first pixel of the plane; not beyond the last one.
        out
            Array of the shape (y, x) of the box, and of the plane's type.

        Raises
        ------
        UnreadableFileError
            Raised when the file ends before, or the pixels are damaged.
        """
        ...


def open_plane(unit: Unit, sums: PieceSums | None = None) -> Plane:
    """Open an image for reading by the box.

    Parameters
    ----------
    unit
        HDU of the image.
    sums
        Checksums of the file: what is read is compared with them.

    Raises
    ------
    InputError
        Raised when the HDU is not a 2-d image.
    UnreadableFileError
        Raised when sizes contradict each other, or the header and its checksum differ.
    """
    check_unit(unit, sums, data=False)
    shape = unit.shape
    if shape is None:
        raise unit.problem(f"axes {unit.cards.get('NAXIS')}", "a 2-d image")
    if not unit.is_compressed:
        checked = None if sums is None else ImageSums(unit, sums)
        stored = PIXEL_TYPES[unit.cards["BITPIX"]]
        return PlainPlane(unit.container, unit.start, shape, stored, unit.label, checked)
    _check_tiles(unit, shape)
    quantised = "ZSCALE" in unit.cards or "ZZERO" in unit.cards
    if unit.cards.get("ZCMPTYPE") in ("GZIP_1", "GZIP_2") and not quantised:
        table = Table(unit)
        # Tiles that did not become smaller are in a second column: that is left to astropy.
        if table.names == ("COMPRESSED_DATA",):
            return _GzippedPlane(table, shape)
    return _AstropyPlane(unit, shape)


def open_planes(
    container: Container, names: Collection[str], sums: PieceSums | None = None
) -> dict[str, Plane] | None:
    """Open planes of a file by their EXTNAME; a primary image has the name ``""``.

    What is read is compared with the checksums of the file, where it has them.

    `None` when one is absent, has numbers that must be scaled, or is stored in a
    way that only astropy knows, which takes long for each box.

    Raises
    ------
    UnreadableFileError
        Raised when the file cannot be opened, is damaged, or ends too early.
    """
    planes: dict[str, Plane] = {}
    for unit in container.walk():
        cards, name = unit.cards, str(unit.cards.get("EXTNAME", ""))
        if name in names:
            scaled = cards.get("BSCALE", 1) != 1 or cards.get("BZERO", 0) != 0
            if unit.shape is None or scaled or "BLANK" in cards or "ZBLANK" in cards:
                return None
            planes[name] = open_plane(unit, sums)
            if isinstance(planes[name], _AstropyPlane):
                return None
        if len(planes) == len(names):
            return planes
    return None


type _Slices = tuple[slice, slice]


def _box_within(box: _Slices, other: _Slices) -> _Slices:
    """Return a box counted from the first pixel of another."""
    (rows, columns), (y, x) = box, (other[0].start, other[1].start)
    return slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)


class _Scratch(threading.local):
    """Space of a thread for words as the file has them."""

    def __init__(self) -> None:
        self.words = np.empty(1 << 16, np.uint32)


_SCRATCH = _Scratch()


@dataclasses.dataclass(frozen=True)
class PlainPlane:
    """A plane that is stored as it is.

    Attributes
    ----------
    file
        The file.
    start
        First byte of the plane.
    shape
        Shape (y, x).
    stored
        Type of the words in the file, with their byte order.
    label
        Name in messages.
    sums
        Checksums of its pieces; `None` where there are none.
    """

    file: Container
    start: int
    shape: tuple[int, int]
    stored: np.dtype
    label: str = ""
    sums: ImageSums | None = None

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels."""
        return self.stored.newbyteorder("=")

    def read(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a box of the plane."""
        width = self.shape[1]
        if columns == slice(0, width) and out.flags.c_contiguous:
            self._read_words(rows.start * width, out.reshape(-1))
            return
        # Whole rows, of which some columns are used: one read is faster than many.
        strip = np.empty((rows.stop - rows.start, width), self.dtype)
        self._read_words(rows.start * width, strip.reshape(-1))
        out[...] = strip[:, columns]

    def _read_words(self, first: int, out: np.ndarray) -> None:
        """Fill a flat array; bytes are put in order on their way, while they are in the nearest caches."""
        begin = out.itemsize * first
        if self.sums is not None and not self.sums.are_intact(begin, begin + out.nbytes):
            self._read_checked(self.sums, begin, out)
            return
        size = out.itemsize
        begin, scratch = self.start + size * first, _SCRATCH.words.view(np.uint8)
        step = out.size if self.stored.isnative else scratch.nbytes // size
        with self.file as file:
            for start in range(0, out.size, step):
                words = out[start : start + step]
                raw = words if self.stored.isnative else scratch[: words.nbytes]
                file.fill_open(begin + size * start, raw, self.label)
                if raw is not words:
                    _order_bytes(raw, words)

    def _read_checked(self, sums: ImageSums, begin: int, out: np.ndarray) -> None:
        """Fill a flat array with words of pieces that are compared with their checksums on their way."""
        size, scratch = out.itemsize, _SCRATCH.words.view(np.uint8)
        end, stop = begin + out.nbytes, size * math.prod(self.shape)
        with self.file as file:
            start = sums.first_byte(begin)
            while start < end:
                # Up to the end of a piece, but no more pieces than are asked for.
                last = min(start // PIECE * PIECE + scratch.nbytes, -(-end // PIECE) * PIECE, stop)
                raw = scratch[: last - start]
                file.fill_open(self.start + start, raw, self.label)
                sums.check(start, raw)
                low, high = max(start, begin), min(last, end)
                words = out[(low - begin) // size : (high - begin) // size]
                _order_bytes(raw[low - start : high - start], words)
                start = last


def _order_bytes(raw: np.ndarray, out: np.ndarray) -> None:
    """Turn big-endian words, given as bytes, into those of the machine."""
    if out.itemsize == 4 and sys.byteorder == "little":
        swap_words(raw.view(np.uint32), out.view(np.uint32))
    else:
        out[...] = raw.view(out.dtype.newbyteorder(">"))


def _tile_shape(unit: Unit, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the shape (y, x) of the tiles of a compressed image; by default a row."""
    return unit.whole("ZTILE2", 1), unit.whole("ZTILE1", shape[1])


def _check_tiles(unit: Unit, shape: tuple[int, int]) -> None:
    """Refuse sizes that contradict each other, before anything is allocated for them."""
    tile, pixel = _tile_shape(unit, shape), PIXEL_TYPES.get(unit.cards.get("ZBITPIX", 0))
    count = math.prod(-(-axis // size) for axis, size in zip(shape, tile, strict=True)) if min(tile) else 0
    if count != unit.cards.get("NAXIS2") or pixel is None:
        stated = f"{unit.cards.get('NAXIS2')} tiles of {tile} pixels for an image of {shape}"
        raise unit.damage(stated, "tiles that cover the image")
    size = pixel.itemsize * math.prod(shape)
    if size > _MAX_RATIO * max(unit.size, 1) or math.prod(tile) > 4 * math.prod(shape):
        stated = f"{size} bytes of pixels in {unit.size}, tiles of {tile}"
        raise unit.damage(stated, "a possible compression")


class _GzippedPlane:
    """A plane whose tiles are gzipped one by one; for GZIP_2, their bytes are sorted by significance."""

    def __init__(self, table: Table, shape: tuple[int, int]) -> None:
        self.unit, self.shape = table.unit, shape
        self.dtype = PIXEL_TYPES[self.unit.cards["ZBITPIX"]].newbyteorder("=")
        self._tile = _tile_shape(self.unit, shape)
        self._shuffled = self.unit.cards["ZCMPTYPE"] == "GZIP_2"
        self._starts, self._stops = table.rows().heap_ranges("COMPRESSED_DATA")

    def read(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a box of the plane; only tiles that it touches are inflated."""
        (height, width), box = self._tile, (rows, columns)
        with self.unit.container:
            for y in range(rows.start // height * height, rows.stop, height):
                for x in range(columns.start // width * width, columns.stop, width):
                    here = slice(y, min(y + height, self.shape[0])), slice(x, min(x + width, self.shape[1]))
                    self._copy(here, box, out)

    def _copy(self, tile: _Slices, box: _Slices, out: np.ndarray) -> None:
        """Copy the pixels that a tile and a box have in common."""
        (y, x), (rows, columns) = tile, box
        common = (
            slice(max(y.start, rows.start), min(y.stop, rows.stop)),
            slice(max(x.start, columns.start), min(x.stop, columns.stop)),
        )
        target = out[_box_within(common, box)]
        across = -(-self.shape[1] // self._tile[1])
        index = y.start // self._tile[0] * across + x.start // self._tile[1]
        if tile == common and target.flags.c_contiguous:
            self._inflate(index, target.reshape(-1))
            return
        pixels = np.empty((y.stop - y.start, x.stop - x.start), self.dtype)
        self._inflate(index, pixels.reshape(-1))
        target[...] = pixels[_box_within(common, tile)]

    def _inflate(self, index: int, out: np.ndarray) -> None:
        """Fill a flat array with the pixels of a tile."""
        start, stop = int(self._starts[index]), int(self._stops[index])
        where, expected = f"tile {index}", f"{out.nbytes} bytes of gzipped pixels"
        if stop - start > 2 * out.nbytes + _MAX_OVERHEAD:
            raise self.unit.damage(f"{stop - start} bytes", expected, where)
        try:
            raw = inflate(self.unit.container.read(start, stop - start, where), out.nbytes)
        except DeflateError as err:
            raise self.unit.damage(str(err), expected, where) from err
        if len(raw) != out.nbytes:
            raise self.unit.damage(f"{len(raw)} bytes", expected, where)
        pixels = np.frombuffer(raw, np.uint8)
        if self._shuffled and out.itemsize == 4:
            join_bytes(pixels, out.view(np.uint32))
            return
        if self._shuffled:
            pixels = pixels.reshape(out.itemsize, -1).T.reshape(-1)
        # In place: the kernel is compiled for arrays that can be written to.
        words = out.view(np.uint8)
        words[...] = pixels
        _order_bytes(words, out)


class _AstropyPlane:
    """A plane that is compressed in another way: astropy takes the HDU alone, as a file of its own."""

    def __init__(self, unit: Unit, shape: tuple[int, int]) -> None:
        self.unit, self.shape = unit, shape
        self.dtype = PIXEL_TYPES[unit.cards["ZBITPIX"]].newbyteorder("=")

    def read(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a box of the plane."""
        with self.unit.opened() as hdu:
            data = np.array(hdu.section[rows, columns])
            if self.unit.kind == "VARIANCE":
                restore_zeros(hdu, data, rows, columns)
            out[...] = data
