"""The part of a source that a tile of destination pixels needs, laid out for `lamella.kernels.window`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ._jit import jit

__all__ = ("Planes", "Source", "load_source")

_BEYOND = 2
"""A window may be loaded with this many columns more than it has."""

# Rows whose distance in memory is a multiple of this share one set of the
# first-level cache, and evict each other.
_CACHE_WAY = 4096
_CACHE_SLACK = 384


class Planes(NamedTuple):
    """Planes of the source, and the coordinates of their first pixel."""

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    x0: int
    y0: int


class Source(NamedTuple):
    """Pixels of a part of the source, the coordinates of the first, and the number of real columns."""

    pairs: np.ndarray
    """Values and variances, shape (y, x, 2): what is used together lies together."""
    mask: np.ndarray
    x0: int
    y0: int
    width: int


@jit
def load_source(planes: Any, no_data: int, grid: Any, tile: Any, half: int) -> Source:
    """Copy the pixels that windows of a tile can reach.

    Parameters
    ----------
    planes
        `Planes`: float32, int32 and float32.
    no_data
        Bits of pixels whose value becomes NaN.
    grid
        `lamella.kernels.resample.PositionGrid`.
    tile
        Coordinates (y0, y1, x0, x1) of destination pixels; y1 and x1 are not included.
    half
        Half the number of taps.
    """
    height, width = planes.image.shape
    j0, j1 = _node_range(tile[0], tile[1], grid.y0, grid.spacing, grid.x.shape[0])
    i0, i1 = _node_range(tile[2], tile[3], grid.x0, grid.spacing, grid.x.shape[1])
    y0, y1 = _reach(grid.y[j0:j1, i0:i1], half, planes.y0, height)
    x0, x1 = _reach(grid.x[j0:j1, i0:i1], half, planes.x0, width)
    columns = _stride(x1 - x0 + _BEYOND)
    pairs = np.empty((y1 - y0, columns, 2), np.float32)
    mask = np.empty((y1 - y0, columns), np.int32)
    for y in range(y0, y1):
        _load_row(
            planes.image[y, x0:x1],
            planes.mask[y, x0:x1],
            planes.variance[y, x0:x1],
            no_data,
            pairs[y - y0],
            mask[y - y0],
        )
    return Source(pairs, mask, planes.x0 + x0, planes.y0 + y0, x1 - x0)


@jit
def _load_row(image, mask, variance, no_data, pairs, flags):  # type: ignore[no-untyped-def]
    n = image.size
    for x in range(n):
        flags[x] = mask[x]
        pairs[x, 0] = image[x] if mask[x] & no_data == 0 else np.float32(np.nan)
        pairs[x, 1] = variance[x]
    flags[n:] = 0
    pairs[n:] = 0.0


@jit
def _node_range(start: int, stop: int, first: int, spacing: int, size: int) -> tuple[int, int]:
    """Return the first and last (not included) node from which positions of some pixels follow."""
    last = (stop - 1 - first) // spacing
    return (start - first) // spacing, min(last + (1 if spacing == 1 else 2), size)


@jit
def _reach(positions: Any, half: int, origin: int, size: int) -> tuple[int, int]:
    """Return the range of pixels that windows around some positions need."""
    low, high = math.inf, -math.inf
    for j in range(positions.shape[0]):
        for i in range(positions.shape[1]):
            if math.isfinite(positions[j, i]):
                low, high = min(low, positions[j, i]), max(high, positions[j, i])
    if low > high:
        return 0, 0
    # One pixel more than a window has, for positions taken to the centre of a pixel.
    margin = half + 1 + _BEYOND
    first = min(max(low - origin - margin, 0.0), float(size))
    last = min(max(high - origin + margin + 1, first), float(size))
    return math.floor(first), math.ceil(last)


@jit
def _stride(width: int) -> int:
    """Return a row length in pixels, of 8 bytes, whose rows do not fall on one set of the cache."""
    over = 8 * width % _CACHE_WAY
    if over < _CACHE_SLACK:
        return width + (_CACHE_SLACK - over + 7) // 8
    if over > _CACHE_WAY - _CACHE_SLACK:
        return width + (_CACHE_WAY - over + _CACHE_SLACK + 7) // 8
    return width
