"""Tile-compressed images: GZIP without loss, in which afw writes by default, and all else through astropy."""

from __future__ import annotations

import io
import math
import zlib

import numpy as np
from astropy.io import fits

from ..errors import InputError, LamellaError, UnreadableFileError
from .hdus import Container, Unit
from .read import image_shape, quiet_astropy
from .scaling import restore_zeros
from .tables import Table

__all__ = ("PIXEL_TYPES", "read_tiles")

PIXEL_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
"""Types of pixels by BITPIX."""

_MAX_RATIO = 1100
"""Bytes that deflate, the strongest of the algorithms in use, can make of one."""
_GZIP = 31
_LOSSY = ("ZSCALE", "ZZERO")


def read_tiles(container: Container, unit: Unit, rows: slice, columns: slice) -> np.ndarray:
    """Inflate a part of a compressed image; only the tiles that it touches.

    Parameters
    ----------
    container, unit
        The file, and the HDU in it.
    rows, columns
        The part, counted from the first pixel of the array.

    Returns
    -------
    `numpy.ndarray`
        Array [y, x], without BSCALE and BZERO.

    Raises
    ------
    InputError
        Raised when sizes contradict each other.
    UnreadableFileError
        Raised when the compressed pixels are damaged.
    """
    _check_sizes(container, unit)
    if _is_plain_gzip(unit):
        table = Table(container, unit)
        # Tiles that did not become smaller are in a second column: that is left to astropy.
        if table.names == ("COMPRESSED_DATA",):
            return _Gzip(table).read(rows, columns)
    return _read_with_astropy(container, unit, rows, columns)


def _tile_shape(unit: Unit) -> tuple[int, int]:
    """Return the shape (y, x) of a tile; by default a row."""
    _, width = image_shape(unit.header) or (0, 0)
    return unit.header.get("ZTILE2", 1), unit.header.get("ZTILE1", width)


def _check_sizes(container: Container, unit: Unit) -> None:
    """Refuse sizes that contradict each other, before anything is allocated for them."""
    header, shape, tile = unit.header, image_shape(unit.header) or (0, 0), _tile_shape(unit)
    whole = all(isinstance(size, int) and size > 0 for size in tile)
    count = math.prod(-(-axis // size) for axis, size in zip(shape, tile, strict=True)) if whole else 0
    if count != header.get("NAXIS2") or header.get("ZBITPIX") not in PIXEL_TYPES:
        found = f"{header.get('NAXIS2')} tiles of {tile} pixels for an image of {shape}"
        raise InputError(container.path, where=unit.label, found=found, expected="tiles that cover the image")
    size = abs(header["ZBITPIX"]) // 8 * math.prod(shape)
    if size > _MAX_RATIO * max(unit.size, 1) or math.prod(tile) > 4 * math.prod(shape):
        found = f"{size} bytes of pixels in {unit.size}, tiles of {tile}"
        raise InputError(container.path, where=unit.label, found=found, expected="a possible compression")


def _is_plain_gzip(unit: Unit) -> bool:
    header = unit.header
    return str(header.get("ZCMPTYPE", "")).strip() in ("GZIP_1", "GZIP_2") and not any(
        key in header for key in _LOSSY
    )


class _Gzip:
    """Tiles that are gzipped one by one; their bytes sorted by significance for GZIP_2."""

    def __init__(self, table: Table) -> None:
        self.table = table
        unit = table.unit
        self.shape = image_shape(unit.header) or (0, 0)
        self.tile = _tile_shape(unit)
        self.dtype = np.dtype(PIXEL_TYPES[unit.header["ZBITPIX"]])
        self.shuffled = str(unit.header["ZCMPTYPE"]).strip() == "GZIP_2"
        self.across = -(-self.shape[1] // self.tile[1])

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """Return a part of the image in the machine's byte order."""
        height, width = self.tile
        first, last = rows.start // height, (rows.stop - 1) // height
        left, right = columns.start // width, (columns.stop - 1) // width
        canvas = np.empty(
            (rows.stop - rows.start, columns.stop - columns.start), self.dtype.newbyteorder("=")
        )
        stored = self.table.rows(first * self.across, (last + 1 - first) * self.across)
        pieces = stored.column("COMPRESSED_DATA")
        for down in range(first, last + 1):
            for across in range(left, right + 1):
                data = pieces[(down - first) * self.across + across]
                self._place(canvas, self._inflate(data, down, across), (down, across), (rows, columns))
        return canvas

    def _size(self, index: int, axis: int) -> int:
        """Return the size of a tile along an axis; the last ones may be smaller."""
        return min(self.tile[axis], self.shape[axis] - index * self.tile[axis])

    def _inflate(self, data: np.ndarray, down: int, across: int) -> np.ndarray:
        shape = self._size(down, 0), self._size(across, 1)
        size = math.prod(shape) * self.dtype.itemsize
        inflater = zlib.decompressobj(wbits=_GZIP)
        try:
            raw = inflater.decompress(data.tobytes(), size + 1)
        except zlib.error as err:
            raise self._damage(down, across, str(err)) from err
        if len(raw) != size:
            raise self._damage(down, across, f"{len(raw)} bytes instead of {size}")
        if self.shuffled:
            planes = np.frombuffer(raw, np.uint8).reshape(self.dtype.itemsize, -1)
            raw = np.ascontiguousarray(planes.T).tobytes()
        return np.frombuffer(raw, self.dtype).reshape(shape)

    def _damage(self, down: int, across: int, found: str) -> UnreadableFileError:
        where = f"{self.table.unit.label}, tile {down * self.across + across}"
        path = self.table.container.path
        return UnreadableFileError(path, where=where, found=found, expected="gzipped pixels")

    def _place(
        self, canvas: np.ndarray, tile: np.ndarray, place: tuple[int, int], part: tuple[slice, slice]
    ) -> None:
        """Copy what a tile and the part have in common."""
        here, there = [], []
        for axis in (0, 1):
            origin = place[axis] * self.tile[axis]
            start, stop = max(origin, part[axis].start), min(origin + tile.shape[axis], part[axis].stop)
            here.append(slice(start - origin, stop - origin))
            there.append(slice(start - part[axis].start, stop - part[axis].start))
        canvas[tuple(there)] = tile[tuple(here)]


def _read_with_astropy(container: Container, unit: Unit, rows: slice, columns: slice) -> np.ndarray:
    stored = container.read(unit.origin, unit.start + unit.size - unit.origin)
    padding = b"\0" * (-len(stored) % 2880)
    stream = io.BytesIO(fits.PrimaryHDU().header.tostring().encode("ascii") + stored + padding)
    try:
        with quiet_astropy(), fits.open(stream, memmap=False, do_not_scale_image_data=True) as hdus:
            data = np.array(hdus[1].section[rows, columns])
            if unit.kind == "VARIANCE":
                restore_zeros(hdus[1], data, rows, columns)
    except (LamellaError, MemoryError):
        raise
    except Exception as err:
        # The decoders have errors of their own, and let those of struct, zlib and numpy through.
        reason = " ".join(str(err).split())[:200].rstrip(".") or type(err).__name__
        expected = "a compressed image"
        raise UnreadableFileError(container.path, where=unit.label, found=reason, expected=expected) from err
    return np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("="))
