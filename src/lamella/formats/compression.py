"""Compression of planes for archives, by tiles and in threads.

The convention is that of FITS 4.0, section 10, with GZIP_2: a tile is a block of
rows whose bytes are sorted by significance and then compressed like a gzip file.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from lsst.images.fits import FitsOpaqueMetadata, PrecompressedImage

from ..kernels.words import split_bytes
from .deflate import deflate

__all__ = ("Tiles", "compress_plane", "compress_tiles", "with_compressed")

_TILE_PIXELS = 1 << 16
"""Tiles of this size compress as well as larger ones, and fit into the caches of a processor."""
_BITPIX = {np.dtype(np.float32): -32, np.dtype(np.int32): 32}
_MAX_HEAP = 2**31 - 1


class Tiles(NamedTuple):
    """A compressed plane."""

    rows: int
    """Rows of the plane in a tile; the last one may have fewer."""
    data: list[bytes]
    """The tiles, from the first row on."""


def compress_tiles(plane: np.ndarray, threads: int = 1) -> Tiles:
    """Compress a plane without loss.

    Parameters
    ----------
    plane
        float32 or int32 of shape (y, x).
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    Tiles
        Blocks of whole rows.
    """
    rows = min(max(_TILE_PIXELS // plane.shape[1], 1), plane.shape[0])
    with ThreadPoolExecutor(threads) as pool:
        strips = (plane[start : start + rows] for start in range(0, plane.shape[0], rows))
        return Tiles(rows, list(pool.map(_compress, strips)))


def _compress(strip: np.ndarray) -> bytes:
    words = np.ascontiguousarray(strip).reshape(-1).view(np.uint32)
    shuffled = np.empty(4 * words.size, np.uint8)
    split_bytes(words, shuffled)
    return deflate(shuffled.data)


def compress_plane(plane: np.ndarray, threads: int = 1) -> PrecompressedImage:
    """Compress a plane without loss, for `lsst.images`.

    Parameters
    ----------
    plane, threads
        As for `compress_tiles`.

    Returns
    -------
    lsst.images.fits.PrecompressedImage
        Header cards and table of a tile-compressed image.
    """
    tiles = compress_tiles(plane, threads)
    ragged = np.empty(len(tiles.data), dtype=object)
    ragged[:] = [np.frombuffer(tile, np.uint8) for tile in tiles.data]
    form = "QB" if sum(map(len, tiles.data)) > _MAX_HEAP else "PB"
    table = fits.BinTableHDU.from_columns([fits.Column("COMPRESSED_DATA", form, array=ragged)])
    for keyword, value in {
        "ZIMAGE": True, "ZTENSION": "IMAGE", "ZBITPIX": _BITPIX[plane.dtype], "ZNAXIS": 2,
        "ZNAXIS1": plane.shape[1], "ZNAXIS2": plane.shape[0], "ZPCOUNT": 0, "ZGCOUNT": 1,
        "ZTILE1": plane.shape[1], "ZTILE2": tiles.rows, "ZCMPTYPE": "GZIP_2",
    }.items():  # fmt: skip
        table.header[keyword] = value
    return PrecompressedImage.from_bintable(table)


def with_compressed(opaque: object, planes: Mapping[str, np.ndarray], threads: int = 1) -> FitsOpaqueMetadata:
    """Return what `lsst.images` needs to write planes that are compressed here.

    Parameters
    ----------
    opaque
        Opaque metadata of the object that is written; its headers are kept.
    planes
        Planes by the name of their extensions.
    threads
        Number of threads.
    """
    headers = dict(opaque.headers) if isinstance(opaque, FitsOpaqueMetadata) else {}
    compressed = {name: compress_plane(plane, threads) for name, plane in planes.items()}
    return FitsOpaqueMetadata(headers=headers, precompressed=compressed)
