"""Pixels of archives, read straight into the arrays of a computation.

`lsst.images` reads a part of a plane through astropy, which copies the pixels a
few times and inflates compressed ones slowly.  Here the bytes of a box go from
the file into the caller's array and are put in order there, and tiles that GZIP
has compressed are inflated by the fastest library at hand.  What a file holds in
another way is left to `lsst.images`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection, Mapping
from os import PathLike
from typing import Protocol, Self

import numpy as np

from ..kernels.byteorder import join_bytes, swap_words
from .cards import Cards, RawFile, place_type, read_places, walk_headers, whole_number
from .deflate import DeflateError, inflate

__all__ = ("Strips", "open_strips")

_TYPES: Mapping[object, type] = {-32: np.float32, 32: np.int32}
_MAX_OVERHEAD = 1024
"""Bytes by which a tile of noise may become larger, beyond its own size; more is damage."""
_SCALING = frozenset({"BSCALE", "BZERO", "BLANK", "ZSCALE", "ZZERO", "ZBLANK", "ZQUANTIZ"})


class Strips:
    """Planes of an open archive; several threads may read at a time.

    It is a context manager, and closes the file at the end.

    Attributes
    ----------
    planes
        Shape (y, x) and type of each plane, by the name of its extension.
    """

    def __init__(self, path: str, descriptor: int, planes: Mapping[str, _Plane]) -> None:
        self.path = path
        self.planes = {name: (plane.shape, plane.dtype) for name, plane in planes.items()}
        self._descriptor = descriptor
        self._planes = planes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        os.close(self._descriptor)

    def read(self, name: str, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a part of a plane, in the byte order of the machine.

        Parameters
        ----------
        name
            The extension.
        rows, columns
            The part, counted from the first pixel; not beyond the last one.
        out
            Array of the part's shape (y, x) and of the plane's type.

        Raises
        ------
        UnreadableFileError
            Raised when the file ends before, or the pixels are damaged.
        """
        self._planes[name].read(rows, columns, out)


def open_strips(path: str | PathLike[str], names: Collection[str]) -> Strips | None:
    """Open planes of a FITS file.

    Parameters
    ----------
    path
        The file.
    names
        Extensions to find, by EXTNAME; a primary image has the name ``""``.

    Returns
    -------
    Strips or None
        The planes; `None` when one is absent or is stored in a way that this
        module does not know: of another type than float32 and int32, scaled,
        quantised, or compressed by something else than GZIP.

    Raises
    ------
    UnreadableFileError
        Raised when the file cannot be opened, is damaged, or ends too early.
    """
    file = RawFile(path)
    try:
        planes = _find_planes(file, names)
    except BaseException:
        os.close(file.descriptor)
        raise
    if planes is None:
        os.close(file.descriptor)
        return None
    return Strips(file.path, file.descriptor, planes)


class _Plane(Protocol):
    shape: tuple[int, int]
    dtype: type

    def read(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a part of the plane."""
        ...


def _find_planes(file: RawFile, names: Collection[str]) -> dict[str, _Plane] | None:
    """Walk over the headers until all planes are found."""
    found: dict[str, _Plane] = {}
    for cards, start in walk_headers(file):
        name = str(cards.get("EXTNAME", ""))
        if name in names:
            plane = _make_plane(file, name, cards, start)
            if plane is None:
                return None
            found[name] = plane
        if len(found) == len(names):
            return found
    return None


def _make_plane(file: RawFile, name: str, cards: Cards, start: int) -> _Plane | None:
    if _SCALING & cards.keys():
        return None
    compressed = cards.get("ZIMAGE") == "T"
    prefix = "Z" if compressed else ""
    dtype = _TYPES.get(cards.get(f"{prefix}BITPIX"))
    if dtype is None or cards.get(f"{prefix}NAXIS") != 2:
        return None
    shape = whole_number(file, cards, f"{prefix}NAXIS2"), whole_number(file, cards, f"{prefix}NAXIS1")
    if not compressed:
        if cards.get("XTENSION", "IMAGE") != "IMAGE":
            return None
        return _PlainPlane(file, name, shape, dtype, start)
    tiles = _Tiles.from_cards(file, cards, start, shape)
    return None if tiles is None else _TiledPlane(file, name, shape, dtype, tiles)


class _PlainPlane:
    """A plane that is stored as it is, in big-endian words."""

    def __init__(self, file: RawFile, name: str, shape: tuple[int, int], dtype: type, start: int) -> None:
        self.file, self.name, self.shape, self.dtype = file, name, shape, dtype
        self._start = start
        if start + 4 * shape[0] * shape[1] > file.size:
            end = start + 4 * shape[0] * shape[1]
            raise file.damage(f"a file of {file.size} bytes", f"data up to byte {end}", name)

    def read(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a part of the plane."""
        width = self.shape[1]
        if columns.start == 0 and columns.stop == width and out.flags.c_contiguous:
            self._read_words(rows.start * width, out.reshape(-1))
            return
        # Whole rows, of which a part is used: one read is faster than many.
        strip = np.empty((rows.stop - rows.start, width), self.dtype)
        self._read_words(rows.start * width, strip.reshape(-1))
        out[...] = strip[:, columns]

    def _read_words(self, first: int, out: np.ndarray) -> None:
        """Fill a flat array; bytes are put in order on their way, while they are in the nearest caches."""
        start = self._start + 4 * first
        if sys.byteorder == "big":
            self.file.read(start, out, self.name)
            return
        words = out.view(np.uint32)
        for done in range(0, words.size, _SCRATCH_WORDS):
            part = words[done : done + _SCRATCH_WORDS]
            raw = _SCRATCH.words[: part.size]
            self.file.read(start + 4 * done, raw, self.name)
            swap_words(raw, part)


class _Scratch(threading.local):
    """Space of a thread for words as the file has them."""

    def __init__(self) -> None:
        self.words = np.empty(_SCRATCH_WORDS, np.uint32)


_SCRATCH_WORDS = 1 << 16
_SCRATCH = _Scratch()


def _to_native(out: np.ndarray) -> None:
    """Turn the big-endian words in a flat array into those of the machine."""
    if sys.byteorder == "little":
        words = out.view(np.uint32)
        swap_words(words, words)


class _Tiles:
    """Where the compressed tiles of a plane lie."""

    def __init__(self, shape: tuple[int, int], places: np.ndarray, heap: int, *, shuffled: bool) -> None:
        self.shape = shape
        self.places = places
        self.heap = heap
        self.shuffled = shuffled

    @classmethod
    def from_cards(cls, file: RawFile, cards: Cards, start: int, shape: tuple[int, int]) -> Self | None:
        """Read the table of tiles; `None` when it is of a kind that is not known here."""
        kind = place_type(cards, "COMPRESSED_DATA")
        if kind is None or cards.get("ZCMPTYPE") not in ("GZIP_1", "GZIP_2"):
            return None
        name = str(cards["EXTNAME"])
        tile = whole_number(file, cards, "ZTILE2", 1), whole_number(file, cards, "ZTILE1", shape[1])
        count = whole_number(file, cards, "NAXIS2")
        fits = min(tile) > 0 and count == -(-shape[0] // tile[0]) * -(-shape[1] // tile[1])
        if not fits or cards.get("NAXIS1") != 2 * kind.itemsize:
            raise file.damage(f"{count} tiles of {tile}", f"tiles that cover an image of {shape}", name)
        rows, heap = read_places(file, cards, start, kind, name)
        if (rows < 0).any() or (count and heap + int(rows.sum(axis=1).max()) > file.size):
            raise file.damage("tiles beyond the end of the file", "tiles inside of it", name)
        return cls(tile, rows, heap, shuffled=cards["ZCMPTYPE"] == "GZIP_2")


class _TiledPlane:
    """A plane whose tiles are compressed by GZIP one by one."""

    def __init__(self, file: RawFile, name: str, shape: tuple[int, int], dtype: type, tiles: _Tiles) -> None:
        self.file, self.name, self.shape, self.dtype = file, name, shape, dtype
        self._tiles = tiles

    def read(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Fill an array with a part of the plane; only tiles that it touches are inflated."""
        height, width = self._tiles.shape
        for down in range(rows.start // height, -(-rows.stop // height)):
            for across in range(columns.start // width, -(-columns.stop // width)):
                self._place(down, across, rows, columns, out)

    def _place(self, down: int, across: int, rows: slice, columns: slice, out: np.ndarray) -> None:
        (height, width), (y0, x0) = self._tiles.shape, (0, 0)
        y0, x0 = down * height, across * width
        y1, x1 = min(y0 + height, self.shape[0]), min(x0 + width, self.shape[1])
        top, bottom = max(y0, rows.start), min(y1, rows.stop)
        left, right = max(x0, columns.start), min(x1, columns.stop)
        there = out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
        index = down * -(-self.shape[1] // width) + across
        if (y0, y1, x0, x1) == (top, bottom, left, right) and there.flags.c_contiguous:
            self._inflate(index, there.reshape(-1))
            return
        tile: np.ndarray = np.empty((y1 - y0, x1 - x0), self.dtype)
        self._inflate(index, tile.reshape(-1))
        there[...] = tile[top - y0 : bottom - y0, left - x0 : right - x0]

    def _inflate(self, index: int, out: np.ndarray) -> None:
        """Fill a flat array with the pixels of a tile."""
        count, offset = (int(number) for number in self._tiles.places[index])
        where = f"{self.name}, tile {index}"
        if count > 2 * out.nbytes + _MAX_OVERHEAD:
            raise self.file.damage(f"{count} bytes", f"at most those of {out.size} pixels", where)
        data = self.file.read_bytes(self._tiles.heap + offset, count, where)
        try:
            raw = inflate(data, out.nbytes)
        except DeflateError as err:
            raise self.file.damage(str(err), "gzipped pixels", where) from err
        if len(raw) != out.nbytes:
            raise self.file.damage(f"{len(raw)} bytes", f"{out.nbytes} bytes of pixels", where)
        if self._tiles.shuffled:
            join_bytes(np.frombuffer(raw, np.uint8), out.view(np.uint32))
        else:
            out.view(np.uint8)[...] = np.frombuffer(raw, np.uint8)
            _to_native(out)
