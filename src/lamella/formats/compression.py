"""Compression of planes for archives, by tiles and in threads.

The convention is that of FITS 4.0, section 10, with GZIP_2: a tile is a block of
rows whose bytes are sorted by significance and then compressed like a gzip file.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from astropy.io import fits
from lsst.images.fits import FitsOpaqueMetadata, PrecompressedImage

from ..kernels.words import split_bytes
from .deflate import deflate

__all__ = ("compress_plane", "with_compressed")

_TILE_PIXELS = 1 << 16
"""Tiles of this size compress as well as larger ones, and fit into the caches of a processor."""
_BITPIX = {np.dtype(np.float32): -32, np.dtype(np.int32): 32}
_MAX_HEAP = 2**31 - 1


def compress_plane(plane: np.ndarray, threads: int = 1) -> PrecompressedImage:
    """Compress a plane without loss.

    Parameters
    ----------
    plane
        float32 or int32 of shape (y, x).
    threads
        Number of threads; the result does not depend on it.

    Returns
    -------
    lsst.images.fits.PrecompressedImage
        Header cards and table of a tile-compressed image.
    """
    height, width = plane.shape
    rows = max(_TILE_PIXELS // width, 1)
    starts = range(0, height, rows)
    with ThreadPoolExecutor(threads) as pool:
        tiles = list(pool.map(lambda start: _compress(plane[start : start + rows]), starts))
    column = fits.Column(
        "COMPRESSED_DATA", "QB" if sum(map(len, tiles)) > _MAX_HEAP else "PB", array=_ragged(tiles)
    )
    table = fits.BinTableHDU.from_columns([column])
    for keyword, value in {
        "ZIMAGE": True, "ZTENSION": "IMAGE", "ZBITPIX": _BITPIX[plane.dtype], "ZNAXIS": 2,
        "ZNAXIS1": width, "ZNAXIS2": height, "ZPCOUNT": 0, "ZGCOUNT": 1,
        "ZTILE1": width, "ZTILE2": min(rows, height), "ZCMPTYPE": "GZIP_2",
    }.items():  # fmt: skip
        table.header[keyword] = value
    return PrecompressedImage.from_bintable(table)


def _compress(strip: np.ndarray) -> np.ndarray:
    words = np.ascontiguousarray(strip).reshape(-1).view(np.uint32)
    shuffled = np.empty(4 * words.size, np.uint8)
    split_bytes(words, shuffled)
    return np.frombuffer(deflate(shuffled.data), np.uint8)


def _ragged(tiles: list[np.ndarray]) -> np.ndarray:
    array = np.empty(len(tiles), dtype=object)
    array[:] = tiles
    return array


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
