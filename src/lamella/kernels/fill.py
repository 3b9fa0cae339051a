"""Interpolation along rows over runs of bad pixels, by ordinary kriging.

A bad pixel gets the linear combination of its nearest good neighbours, at
most two on either side of its run, that predicts a field with the covariance
``exp(-d**2 / 4)`` best: the autocorrelation of a point source whose PSF is a
Gaussian with a standard deviation of one pixel.  The coefficients sum to one,
so that a constant stays what it is.

The value at position ``t`` is ``sum(c * x)`` where ``c`` solves

    [ C  1 ] [  c ]   [ k(t) ]
    [ 1  0 ] [ mu ] = [  1   ]

with the covariances ``C`` between the neighbours, and ``k(t)`` between them
and the place that is wanted (Cressie, *Statistics for Spatial Data*, 1993,
section 3.2).  Neighbours are told apart by patterns of two bits for each side:
1 for the pixel next to the run, 2 for the one behind it, 3 for both.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ._jit import jit, jit_inline
from .arrays import LARGEST, Plane, Row

__all__ = (
    "FillRule",
    "coefficient_table",
    "fill_rows",
    "fill_rows_strict",
    "fill_run",
    "find_narrow_runs",
    "kriging_coefficients",
)

# From this width on the two ends of a run do not feel each other: their covariance underflows.
_TABLE_WIDTH = 32

# So many pixels are looked at together to see whether one is bad.
_BLOCK = 64

# Runs of this width or more are filled by the original as if each end were alone.
_STRICT_WIDE = 11

# What the original takes for a neighbour that it counts on but never reads.
_STRICT_UNSET = -1.0


class FillRule(NamedTuple):
    """How runs of bad pixels are filled.

    ``table`` is what `coefficient_table` returns, and ``fallback`` the value where there is nothing to
    interpolate from.  A pixel further than ``reach`` from the end of its run has infinite variance; with
    ``use_fallback`` a run that is wider, with good pixels on one side only, goes over to the fallback value.
    """

    table: np.ndarray
    fallback: float
    reach: int
    use_fallback: bool


def kriging_coefficients(width: int, left: int, right: int) -> np.ndarray:
    """Return the weights of the neighbours of a run of bad pixels.

    Parameters
    ----------
    width
        Number of bad pixels, at least 1.
    left, right
        Which neighbours are good, as bits: 1 the pixel next to the run, 2 the
        one behind it.

    Returns
    -------
    numpy.ndarray
        float64 of shape (width, 4): for each bad pixel, from left to right,
        the weights of the nearest and second pixel on the left, then of the
        nearest and second pixel on the right; 0 for a neighbour that is not
        good.  Each row sums to one.
    """
    offsets = np.array([-1.0, -2.0, float(width), width + 1.0])
    used = np.array([left & 1, left & 2, right & 1, right & 2], dtype=bool)
    places = offsets[used]
    n = len(places)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = _covariance(places[:, np.newaxis] - places)
    system[n, n] = 0.0
    wanted = np.ones((n + 1, width))
    wanted[:n] = _covariance(places[:, np.newaxis] - np.arange(width))
    result = np.zeros((width, 4))
    result[:, used] = np.linalg.solve(system, wanted)[:n].T
    return result


def _covariance(distance: Plane) -> np.ndarray:
    return np.exp(-0.25 * distance**2)


@functools.cache
def coefficient_table(decimals: int | None = None) -> np.ndarray:
    """Return the coefficients of all patterns and widths, as the kernels take them.

    Parameters
    ----------
    decimals
        Round to this many decimals, as the table of the original is.

    Returns
    -------
    numpy.ndarray
        float64 of shape (4, 4, 33, 32, 4), indexed by the patterns of good
        neighbours on the left and right, the width of the run, the position
        in it, and the neighbour.  Read-only.
    """
    table = np.zeros((4, 4, _TABLE_WIDTH + 1, _TABLE_WIDTH, 4))
    for left in range(4):
        for right in range(0 if left else 1, 4):
            for width in range(1, _TABLE_WIDTH + 1):
                table[left, right, width, :width] = kriging_coefficients(width, left, right)
    if decimals is not None:
        np.round(table, decimals, out=table)
    table.flags.writeable = False
    return table


@jit_inline
def _far_from_one_end(width: int, t: int) -> tuple[int, int]:
    """Return width and position in the table that serve for a wide run."""
    half = _TABLE_WIDTH // 2
    if t <= width - 1 - t:
        return _TABLE_WIDTH, min(t, half - 1)
    return _TABLE_WIDTH, max(_TABLE_WIDTH - width + t, half)


@jit
def fill_rows(
    image: Plane, variance: Plane, mask: Plane, bad: int, interpolated: int, rule: FillRule, widest: int
) -> tuple[int, int]:
    """Fill runs of bad pixels along rows, in place.

    Parameters
    ----------
    image, variance
        Arrays of shape (y, x), changed in place.
    mask
        int32 of shape (y, x), changed in place.
    bad
        A pixel with one of these bits is filled.
    interpolated
        Bits that filled pixels get.
    rule
        How runs are filled.
    widest
        Runs of more pixels, and those that touch the ends of the row, stay as
        they are; 0 to fill all.

    Returns
    -------
    filled, fallen : int
        Numbers of pixels filled, and of those on which the fallback value has
        an influence.
    """
    ny, nx = image.shape
    filled, fallen = 0, 0
    for y in range(ny):
        x = _next_bad(mask[y], bad, 0)
        while x < nx:
            start = x
            while x < nx and mask[y, x] & bad != 0:
                x += 1
            if widest == 0 or (start > 0 and x < nx and x - start <= widest):
                for i in range(start, x):
                    mask[y, i] |= interpolated
                filled += x - start
                fallen += fill_run(image, variance, mask, bad, (y, start, x), rule)
            x = _next_bad(mask[y], bad, x)
    return filled, fallen


@jit
def _next_bad(mask: Plane, bad: int, x: int) -> int:
    """Return the first pixel from ``x`` on that has one of some bits, or the length of the row."""
    while x + _BLOCK <= mask.size:
        bits = np.int32(0)
        for i in range(x, x + _BLOCK):
            bits |= mask[i]
        if bits & bad != 0:
            break
        x += _BLOCK
    while x < mask.size and mask[x] & bad == 0:
        x += 1
    return x


@jit
def fill_run(
    image: Plane, variance: Plane, mask: Plane, bad: int, span: tuple[int, int, int], rule: FillRule
) -> int:
    """Fill one run, ``span = (y, start, stop)``, and return how many pixels depend on the fallback value."""
    y, start, stop = span
    reach, fallback = rule.reach, rule.fallback
    values = np.full(4, fallback)
    variances = np.full(4, np.inf)
    pattern = _look_around(image, variance, mask, bad, span, values, variances)
    left, right = pattern & 3, pattern >> 2
    first, last = start, stop
    if left == 0 and right == 0:
        first = stop
    elif rule.use_fallback and stop - start > reach:
        # Two pixels of the fallback value stand in for a side without data.
        if left == 0:
            first, left = stop - reach, 3
        elif right == 0:
            last, right = start + reach, 3
    for x in range(start, stop):
        if first <= x < last:
            image[y, x], variance[y, x] = _combine(
                values, variances, left, right, last - first, x - first, rule
            )
        else:
            image[y, x] = fallback
            variance[y, x] = np.inf
    untouched = pattern != 0 and left == pattern & 3 and right == pattern >> 2
    return 0 if untouched else stop - start


@jit
def _look_around(
    image: Plane,
    variance: Plane,
    mask: Plane,
    bad: int,
    span: tuple[int, int, int],
    values: Row,
    variances: Row,
) -> int:
    """Collect the good neighbours of a run, and return their pattern: left, then right from bit 2."""
    y, start, stop = span
    pattern = 0
    for i, x in enumerate((start - 1, start - 2, stop, stop + 1)):
        if 0 <= x < image.shape[1] and mask[y, x] & bad == 0 and np.isfinite(image[y, x]):
            pattern |= 1 << i
            values[i] = image[y, x]
            variances[i] = variance[y, x]
    return pattern


@jit
def _combine(
    values: Row, variances: Row, left: int, right: int, width: int, t: int, rule: FillRule
) -> tuple[float, float]:
    """Return value and variance at position ``t`` of a run."""
    w, u = (width, t) if width <= _TABLE_WIDTH else _far_from_one_end(width, t)
    value, spread = 0.0, 0.0
    for i in range(4):
        c = rule.table[left, right, w, u, i]
        # A neighbour without weight may be NaN.
        if c != 0.0:
            value += c * values[i]
            spread += c * c * variances[i]
    distance = min(t + 1 if left else width, width - t if right else width)
    # Variances of neighbours that are NaN or negative end here, too.
    return value, spread if distance <= rule.reach and spread >= 0.0 else np.inf


@jit
def find_narrow_runs(flags: Plane, max_width: int, narrow: Plane) -> int:
    """Find the runs of flags along rows that are narrow and do not touch the ends of the row.

    Parameters
    ----------
    flags
        bool, shape (y, x).
    max_width
        Widest run.
    narrow
        bool, shape (y, x), false at the start; set where such a run is.

    Returns
    -------
    int
        Number of their pixels.
    """
    ny, nx = flags.shape
    count = 0
    for y in range(ny):
        start = 0
        for x in range(nx + 1):
            if x < nx and flags[y, x]:
                continue
            if start > 0 and start < x < nx and x - start <= max_width:
                narrow[y, start:x] = True
                count += x - start
            start = x + 1
    return count


@jit
def fill_rows_strict(plane: Plane, mask: Plane, bad: int, rule: FillRule) -> tuple[int, int]:
    """Fill runs of bad pixels of one plane as the original code does, in place.

    Image and variance are filled alike, each by itself.  `fill_rows` is what
    to use unless results must be those of the original.

    Parameters
    ----------
    plane
        Image or variance of shape (y, x), changed in place.
    mask
        int32 of shape (y, x).
    bad
        A pixel with one of these bits is filled.
    rule
        How runs are filled, with coefficients of 4 decimals and a reach of 6 pixels.

    Returns
    -------
    filled, fallen : int
        Numbers of pixels filled, and of those on which the fallback value has
        an influence.
    """
    ny, nx = plane.shape
    filled, fallen = 0, 0
    for y in range(ny):
        x = 0
        while x < nx:
            if mask[y, x] & bad == 0:
                x += 1
                continue
            start = x
            while x < nx and mask[y, x] & bad != 0:
                x += 1
            filled += x - start
            fallen += _fill_run_strict(plane, mask, bad, (y, start, x), rule)
    return filled, fallen


@jit
def _fill_run_strict(plane: Plane, mask: Plane, bad: int, span: tuple[int, int, int], rule: FillRule) -> int:
    (y, start, stop), fallback = span, rule.fallback
    nx: int = plane.shape[1]
    if start == 0 and stop == nx:
        plane[y, :] = fallback
        return nx
    left, right = _neighbours_strict(mask, bad, y, start, stop)
    first, last = start, stop
    if rule.use_fallback and stop - start > rule.reach:
        if left == 0:
            first, left = stop - rule.reach, 3
            plane[y, :first] = fallback
        elif right == 0:
            last, right = start + rule.reach, 3
            plane[y, last:] = fallback
    values = np.full(4, _STRICT_UNSET)
    for i, x in enumerate((first - 1, first - 2, last, last + 1)):
        if 0 <= x < nx:
            values[i] = plane[y, x]
    width = last - first
    for t in range(width):
        plane[y, first + t] = _value_strict(values, left, right, width, t, rule.table)
    return 0 if first == start and last == stop else stop - start


@jit
def _neighbours_strict(mask: Plane, bad: int, y: int, start: int, stop: int) -> tuple[int, int]:
    """Return the patterns of neighbours that the original uses.

    A second neighbour should not be used when it is bad itself.  The original
    forgets this on the left of a run that ends the row, and on the right of a
    run that starts in the second column.
    """
    nx = mask.shape[1]
    left = 1 if start >= 1 else 0
    right = 1 if stop < nx else 0
    if start >= 2 and (stop == nx or mask[y, start - 2] & bad == 0):
        left |= 2
    if stop + 1 < nx and (start == 1 or mask[y, stop + 1] & bad == 0):
        right |= 2
    return left, right


@jit
def _value_strict(values: Row, left: int, right: int, width: int, t: int, table: Plane) -> float:
    w, u = width, t
    if width > _TABLE_WIDTH:
        w, u = _far_from_one_end(width, t)
    elif width >= _STRICT_WIDE and left and right:
        w, u = _TABLE_WIDTH, t if t < width // 2 else _TABLE_WIDTH - width + t
    total = 0.0
    for i in range(4):
        if (left | right << 2) >> i & 1:
            total += table[left, right, w, u, i] * values[i]
    # Two pixels with one neighbour each: there alone the original cuts off negative values.
    if width == 2 and left == 1 and right == 1 and total < 0.0:
        return 0.0
    if total >= -LARGEST:
        return total
    if left and right:
        return 0.5 * (float(values[0]) + float(values[2]))
    return float(values[0] if left else values[2])
