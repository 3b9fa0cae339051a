"""Compression of planes, by tiles and in threads.

The convention is that of FITS 4.0, section 10, with GZIP_2: a tile is a block of
rows whose bytes are sorted by significance and then compressed like a gzip file.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import NamedTuple

import numpy as np

from ..kernels.byteorder import split_bytes
from .deflate import deflate

__all__ = ("Tiles", "submit_tiles")

_TILE_PIXELS = 1 << 16
"""Tiles of this size compress as well as larger ones, and fit into the caches of a processor."""
_TILES_OF_A_JOB = 8
"""Handing a job to another thread takes time; some milliseconds of work are worth it."""


class Tiles(NamedTuple):
    """A plane that is being compressed."""

    rows: int
    """Rows of the plane in a tile; the last one may have fewer."""
    number: int
    """Number of tiles."""
    jobs: list[Future[list[bytes]]]
    """The tiles, some in each job, from the first row on."""


def submit_tiles(plane: np.ndarray, pool: Executor) -> Tiles:
    """Have a plane compressed without loss.

    Parameters
    ----------
    plane
        float32 or int32 of shape (y, x); it must stay as it is until the last job is done.
    pool
        Does the work; the tiles do not depend on its size.

    Returns
    -------
    Tiles
        Blocks of whole rows.
    """
    height, width = plane.shape
    rows = min(max(_TILE_PIXELS // width, 1), height)
    step = rows * _TILES_OF_A_JOB
    jobs = [pool.submit(_compress, plane[start : start + step], rows) for start in range(0, height, step)]
    return Tiles(rows, -(-height // rows), jobs)


def _compress(block: np.ndarray, rows: int) -> list[bytes]:
    shuffled = np.empty(4 * rows * block.shape[1], np.uint8)
    tiles = []
    for start in range(0, len(block), rows):
        words = np.ascontiguousarray(block[start : start + rows]).reshape(-1).view(np.uint32)
        split_bytes(words, shuffled[: 4 * words.size])
        tiles.append(deflate(shuffled[: 4 * words.size].data))
    return tiles
