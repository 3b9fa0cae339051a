"""The meshes of a plane: samples of their pixels, the sky in each, and a spline through them."""

from __future__ import annotations

import numpy as np

from ._jit import jit
from .arrays import Plane, Row
from .clipped import clip_ordered

__all__ = ("measure_skies", "pick_samples", "spline_rows")

_BLOCK = 8
"""Side of the blocks, in pixels.  The mean of 64 pixels has an eighth of their skewness, and no steps."""
_LEAST_BLOCK = 4
_BLOCKS_ALONG = 4
"""So many blocks should lie along a mesh, so that their order statistics mean something."""
_LEAST_SHARE = 0.25
"""The mean of a block counts when this share of its pixels may be used."""
_PIXEL_CLIP = 5.0
"""Pixels beyond this many standard deviations do not count: cosmic rays, cores of stars.

Of counts with a mean of one, the most skew ones that are to be measured, the tail beyond holds 0.0005 of
the standard deviation.
"""
_CLIP = 3.0


@jit
def pick_samples(
    values: Plane, chosen: Plane, size: tuple[int, int], least: Row, samples: Plane, counts: Row
) -> None:
    """Pick pixels of each mesh, evenly.

    Parameters
    ----------
    values
        float32, shape (y, x), finite where chosen.
    chosen
        bool of the same shape: the pixels that count.
    size
        Size (y, x) of the meshes; the last ones may be smaller.
    least
        float64, shape (2,): a mesh counts with so many chosen pixels and more than this part of them.
    samples
        float32, shape (meshes, room), written: the values of each mesh, row by row of meshes, and then +inf.
    counts
        int64, shape (meshes,), written: numbers of values; 0 for a mesh that does not count.
    """
    across, room = -(-values.shape[1] // size[1]), samples.shape[1]
    for k in range(counts.size):
        y, x = k // across * size[0], k % across * size[1]
        good, mesh = chosen[y : y + size[0], x : x + size[1]], values[y : y + size[0], x : x + size[1]]
        number = 0
        for i in range(good.shape[0]):
            for j in range(good.shape[1]):
                number += 1 if good[i, j] else 0
        counts[k] = 0
        samples[k] = np.float32(np.inf)
        if number >= least[0] and number > least[1] * good.size:
            # An odd step does not stay in the same columns.
            counts[k] = _pick(mesh, good, -(-number // room) | 1, samples[k])


@jit
def _pick(values: Plane, chosen: Plane, step: int, sample: Row) -> int:
    """Write each of so many chosen values, and return how many there are."""
    count, wait = 0, 0
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            if chosen[i, j]:
                if wait == 0:
                    sample[count] = values[i, j]
                    count += 1
                    wait = step
                wait -= 1
    return count


@jit
def measure_skies(
    values: Plane,
    chosen: Plane,
    size: tuple[int, int],
    samples: Plane,
    counts: Row,
    level: Row,
    sigma: Row,
) -> None:
    """Measure the sky in each mesh: the midmean of the means of blocks of 8 x 8 pixels.

    Parameters
    ----------
    values, chosen, size
        As for `pick_samples`.
    samples, counts
        What that wrote, with each row sorted.
    level, sigma
        float64, shape (meshes,), written where there is a sample: sky, and standard deviation of the pixels.
    """
    across = -(-values.shape[1] // size[1])
    for k in range(counts.size):
        if counts[k] == 0:
            continue
        first, stop, scatter = clip_ordered(samples[k, : counts[k]], 0.0)
        centre = _mean(samples[k, first:stop])
        level[k], sigma[k] = centre, scatter
        if scatter > 0.0:
            y, x = k // across * size[0], k % across * size[1]
            mesh, good = values[y : y + size[0], x : x + size[1]], chosen[y : y + size[0], x : x + size[1]]
            level[k] += _midmean(np.sort(_block_means(mesh, good, centre, _PIXEL_CLIP * scatter)))


@jit
def _mean(values: Row) -> float:
    total = 0.0
    for value in values:
        total += np.float64(value)
    return total / values.size


@jit
def _midmean(ordered: Row) -> float:
    """Return the mean of the middle half of the means that are left after clipping."""
    if ordered.size == 0:
        return 0.0
    first, stop, spread = clip_ordered(ordered, 0.0)
    middle = _mean(ordered[first:stop])
    first, stop = 0, ordered.size
    while stop - first > 1 and ordered[first] < middle - _CLIP * spread:
        first += 1
    while stop - first > 1 and ordered[stop - 1] > middle + _CLIP * spread:
        stop -= 1
    cut = (stop - first) // 4
    return _mean(ordered[first + cut : stop - cut])


@jit
def _block_means(values: Plane, chosen: Plane, centre: float, reach: float) -> Row:
    """Return the means, less a centre, of the blocks of a mesh that have enough pixels near it."""
    (rows, ny), (columns, nx) = (
        (_blocks(values.shape[0]), values.shape[0]),
        (_blocks(values.shape[1]), values.shape[1]),
    )
    means, count = np.empty(rows * columns), 0
    for i in range(rows):
        top, bottom = i * ny // rows, (i + 1) * ny // rows
        for j in range(columns):
            left, right = j * nx // columns, (j + 1) * nx // columns
            total, number = _sum_near(
                values[top:bottom, left:right], chosen[top:bottom, left:right], centre, reach
            )
            if number >= max(_LEAST_SHARE * (bottom - top) * (right - left), 1.0):
                means[count] = total / number
                count += 1
    return means[:count]


@jit
def _blocks(length: int) -> int:
    return max(1, length // min(_BLOCK, max(_LEAST_BLOCK, length // _BLOCKS_ALONG)))


@jit
def _sum_near(values: Plane, chosen: Plane, centre: float, reach: float) -> tuple[float, int]:
    """Return the sum of the distances from a centre of the chosen values near it, and their number."""
    total, number = 0.0, 0
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            # Sums around the level of the sky are exact enough in double precision whatever the pedestal.
            distance = np.float64(values[i, j]) - centre
            near = chosen[i, j] & (abs(distance) <= reach)
            total += distance if near else 0.0
            number += 1 if near else 0
    return total, number


@jit
def spline_rows(pieces: np.ndarray, breaks: Row, out: Plane) -> None:
    """Evaluate a piecewise cubic along each row of a plane, at whole numbers.

    Parameters
    ----------
    pieces
        float64, shape (4, pieces, y): coefficients of the third power of the distance from the
        break where a piece begins, of the second, the first, and the constant.
    breaks
        float64, shape (pieces + 1,), ascending.  The outermost pieces go on beyond the ends.
    out
        float32, shape (y, x), written.
    """
    ny, nx = out.shape
    last = pieces.shape[1] - 1
    for y in range(ny):
        start = 0
        for piece in range(last + 1):
            stop = nx if piece == last else min(max(int(np.ceil(breaks[piece + 1])), start), nx)
            cubic, square = pieces[0, piece, y], pieces[1, piece, y]
            slope, constant = pieces[2, piece, y], pieces[3, piece, y]
            for x in range(start, stop):
                t = x - breaks[piece]
                out[y, x] = np.float32(((cubic * t + square) * t + slope) * t + constant)
            start = stop
