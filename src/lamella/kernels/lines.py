"""Sums along all straight lines of an image, by pairwise merging.

Two lines of n rows that meet make one line of 2 n rows, so that all sums over
2^k rows follow from those over 2^(k-1) rows with one addition each: n^2 log n
operations instead of n^3 (the fast Radon transform of Brady 1998, SIAM J.
Comput. 27, 107, whose partial results are sums over shorter segments).
"""

from __future__ import annotations

import math

import numpy as np

from ._jit import jit
from .arrays import Plane, Row, copy_row

__all__ = ("bin_significance", "strongest_lines")


@jit
def bin_significance(
    image: Plane, variance: Plane, bad: Plane, size: int, values: Plane, weights: Plane
) -> None:
    """Sum an image in square bins, in units of the noise.

    Parameters
    ----------
    image, variance
        float32, C-contiguous, shape (y, x).  Pixels that are not finite or have no
        positive, finite variance are left out.
    bad
        bool, the same shape: pixels to leave out.
    size
        Side of the bins.
    values
        Output, float32, shape (rows, columns) of bins: the sum of the pixels over the
        square root of the sum of their variances; 0 without enough pixels.
    weights
        Output, float32, the same shape: 1, or 0 where less than half of the pixels can be used.
    """
    rows, columns = values.shape
    height, width = image.shape
    total = np.empty(width, np.float32)
    noise = np.empty(width, np.float32)
    count = np.empty(width, np.float32)
    for row in range(rows):
        total[:] = 0.0
        noise[:] = 0.0
        count[:] = 0.0
        for y in range(row * size, min((row + 1) * size, height)):
            for x in range(width):
                v = variance[y, x]
                d = image[y, x]
                good = (not bad[y, x]) and v > 0.0 and v < np.float32(np.inf) and (d - d == 0.0)
                total[x] += d if good else np.float32(0.0)
                noise[x] += v if good else np.float32(0.0)
                count[x] += np.float32(1.0) if good else np.float32(0.0)
        for column in range(columns):
            t = np.float32(0.0)
            n = np.float32(0.0)
            c = np.float32(0.0)
            for x in range(column * size, min((column + 1) * size, width)):
                t += total[x]
                n += noise[x]
                c += count[x]
            # With fewer pixels a bin has so much noise that it says little, but counts as others do.
            enough = 2.0 * c >= size * size
            weights[row, column] = 1.0 if enough else 0.0
            values[row, column] = t / math.sqrt(n) if enough else 0.0


@jit
def strongest_lines(
    values: Plane,
    weights: Plane,
    levels: int,
    first_level: int,
    min_cover: float,
    best: Row,
    where: Plane,
    samples: Plane,
    filled: Row,
) -> None:
    """Find the strongest sums along lines that are at most 45 degrees from the direction of the rows' normal.

    The rows are taken in strips of 2^levels, and in each strip the
    blocks of 2^level rows are looked at.  A line of a block begins at column
    x of its first row, and ends ``slope`` columns to the right in the last,
    with 0 <= slope < 2^level.

    Parameters
    ----------
    values, weights
        float32, C-contiguous, shape (row, column): values, and 1 or 0 for whether they count;
        values without weight are 0.
    levels
        Binary logarithm of the height of a strip.
    first_level
        Least level that is looked at.
    min_cover
        Least sum of the weights, relative to 2^level.
    best
        In and out, float64, shape (levels + 1,): per level, the largest sum of values over the
        square root of the sum of weights.
    where
        In and out, int64, shape (levels + 1, 3): first row, first column (which may be
        negative), and slope of that line.
    samples
        Output, float32, shape (levels + 1, n): some of the sums at each level, over the square
        root of the sum of weights.
    filled
        In and out, int64, shape (levels + 1,): how many of the samples are set.
    """
    rows, columns = values.shape
    height = 1 << levels
    width = columns + height
    sums = np.zeros((height, width), np.float32)
    covers = np.zeros((height, width), np.float32)
    new_sums = np.zeros((height, width), np.float32)
    new_covers = np.zeros((height, width), np.float32)
    for top in range(0, rows, height):
        for y in range(height):
            sums[y, :height] = 0.0
            covers[y, :height] = 0.0
            if top + y < rows:
                copy_row(values[top + y], sums[y, height:])
                copy_row(weights[top + y], covers[y, height:])
            else:
                sums[y, height:] = 0.0
                covers[y, height:] = 0.0
        for level in range(1, levels + 1):
            _merge(sums, new_sums, level)
            _merge(covers, new_covers, level)
            sums, new_sums = new_sums, sums
            covers, new_covers = new_covers, covers
            if level >= first_level:
                _scan(sums, covers, level, top, min_cover, best, where)
                _sample(sums, covers, level, min_cover, samples, filled)


@jit
def _merge(old: Plane, new: Plane, level: int) -> None:
    """Make the sums over blocks of 2^level rows; row block * 2^level + slope holds those of one slope."""
    height, width = old.shape
    half = 1 << (level - 1)
    for block in range(0, height, 2 * half):
        for slope in range(2 * half):
            lower = old[block + slope // 2]
            upper = old[block + half + slope // 2]
            out = new[block + slope]
            # The upper half begins where the lower one ends: both have half of the slope, rounded down.
            shift = (slope + 1) // 2
            for x in range(width - shift):
                out[x] = lower[x] + upper[x + shift]
            for x in range(width - shift, width):
                out[x] = lower[x]


@jit
def _scan(
    sums: Plane, covers: Plane, level: int, top: int, min_cover: float, best: Row, where: Plane
) -> None:
    height, width = sums.shape
    size = 1 << level
    least = np.float32(min_cover * size)
    highest = np.float32(best[level] * best[level])
    for row in range(height):
        # Rows without a new maximum, which are nearly all, are passed at the speed of vector instructions.
        better = 0
        for x in range(width):
            s = sums[row, x]
            n = covers[row, x]
            better += (s > 0.0) & (n >= least) & (s * s > highest * n)
        if better == 0:
            continue
        for x in range(width):
            s = sums[row, x]
            n = covers[row, x]
            if s > 0.0 and n >= least and s * s > highest * n:
                highest = s * s / n
                best[level] = math.sqrt(highest)
                where[level, 0] = top + row // size * size
                where[level, 1] = x - height
                where[level, 2] = row % size


@jit
def _sample(sums: Plane, covers: Plane, level: int, min_cover: float, samples: Plane, filled: Row) -> None:
    height, width = sums.shape
    least = np.float32(min_cover * (1 << level))
    # Every fifth row and thirteenth column: neither divides 2^level, so that all slopes are sampled.
    for row in range(level % 5, height, 5):
        for x in range(row % 13, width, 13):
            if covers[row, x] >= least and filled[level] < samples.shape[1]:
                samples[level, filled[level]] = sums[row, x] / math.sqrt(covers[row, x])
                filled[level] += 1
