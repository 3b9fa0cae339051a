"""Interpolation over narrow runs of lost pixels, along rows and then along columns."""

from __future__ import annotations

import math

import numpy as np

from ._jit import jit
from .arrays import Plane, Row
from .fill import FillRule, fill_run

__all__ = (
    "FILLED",
    "blank_lost",
    "fill_columns",
    "fill_lost_rows",
    "find_lost",
    "flag_filled",
)

# Bit of a pixel without a value.
LOST = 1
FILLED = 2
"""Bit of a pixel whose value was interpolated."""


@jit
def find_lost(image: Plane, variance: Plane, mask: Plane, bits: int, state: Plane, counts: Row) -> None:
    """Mark pixels whose value or variance is not finite, or whose mask has one of some bits.

    Parameters
    ----------
    image, variance
        float32 of shape (y, x).
    mask
        int32 of shape (y, x).
    bits
        Bits of the mask.
    state
        uint8 of shape (y, x); set to `LOST` or zero.
    counts
        int64 of shape (y,); set to the number of lost pixels of each row.
    """
    infinite = np.float32(np.inf)
    for y in range(image.shape[0]):
        count = 0
        for x in range(image.shape[1]):
            # Written so that NaN is lost, and without branches.
            lost = (
                (not abs(image[y, x]) < infinite)
                | (not abs(variance[y, x]) < infinite)
                | (mask[y, x] & bits != 0)
            )
            state[y, x] = lost
            count += lost
        counts[y] = count


@jit
def fill_lost_rows(
    image: Plane, variance: Plane, state: Plane, counts: Row, table: np.ndarray, width: int, reach: int
) -> None:
    """Fill runs of lost pixels along rows, if they are narrow and good pixels are at both ends.

    Parameters
    ----------
    image, variance
        float32 of shape (y, x), changed in place.
    state
        uint8 of shape (y, x); a pixel that is filled becomes `FILLED`.
    counts
        int64 of shape (y,): number of lost pixels of each row; reduced by those
        that are filled.
    table
        What `lamella.kernels.fill.coefficient_table` returns.
    width
        Widest run.
    reach
        A pixel further than this from the end of its run is not filled.
    """
    for y in range(image.shape[0]):
        if counts[y] == 0:
            continue
        row = state[y]
        x, nx = 0, row.size
        while x < nx:
            start = x
            while x < nx and row[x] & LOST:
                x += 1
            if 0 < start < x < nx and x - start <= width:
                counts[y] -= _fill(image, variance, state, y, start, x, table, reach)
            x += x == start
        # Only now: a pixel must not be made from others that were made.
        for x in range(nx):
            if row[x] & FILLED:
                row[x] = FILLED


@jit
def fill_columns(
    image: Plane, variance: Plane, state: Plane, counts: Row, table: np.ndarray, width: int, reach: int
) -> None:
    """Fill what `fill_lost_rows` has left, along columns; pixels that it has filled are good.

    Parameters are those of `fill_lost_rows`.  Pixels that are filled have both
    bits in the end.
    """
    ny = image.shape[0]
    for y in range(1, ny):
        if counts[y] == 0:
            continue
        for x in range(image.shape[1]):
            if not state[y, x] & LOST or state[y - 1, x] & LOST:
                continue
            stop = y
            while stop < ny and stop - y <= width and state[stop, x] & LOST:
                stop += 1
            if stop < ny and stop - y <= width:
                _fill(image.T, variance.T, state.T, x, y, stop, table, reach)


@jit
def _fill(
    image: Plane, variance: Plane, state: Plane, y: int, start: int, stop: int, table: np.ndarray, reach: int
) -> int:
    """Fill one run, and return how many of its pixels have a value and a variance now."""
    before = image[y, start:stop].copy()
    fill_run(image, variance, state, LOST, (y, start, stop), FillRule(table, np.nan, reach, False))
    filled = 0
    for x in range(start, stop):
        if math.isfinite(image[y, x]) and math.isfinite(variance[y, x]):
            state[y, x] |= FILLED
            filled += 1
        else:
            image[y, x] = before[x - start]
    return filled


@jit
def flag_filled(
    mask: Plane, state: Plane, cleared: int, bits: int, reasons: int, default: int, out: Plane
) -> None:
    """Copy a mask, with other bits for pixels that were filled.

    Parameters
    ----------
    mask
        int32 of shape (y, x).
    state
        uint8 of shape (y, x).
    cleared, bits
        Bits that filled pixels lose, and those that they get.
    reasons, default
        Filled pixels that are left without any of the bits ``reasons`` get those of ``default``.
    out
        int32 of shape (y, x).
    """
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            filled = state[y, x] & FILLED != 0
            kept = mask[y, x] & ~cleared
            kept |= bits if kept & reasons else bits | default
            out[y, x] = kept if filled else mask[y, x]


@jit
def blank_lost(image: Plane, variance: Plane, mask: Plane, bits: int, state: Plane) -> None:
    """Take the values away from masked pixels that were not filled, in place.

    Parameters
    ----------
    image, variance
        float32 of shape (y, x); these pixels become NaN and +inf.
    mask
        int32 of shape (y, x).
    bits
        Bits of the mask whose pixels have no value of their own.
    state
        uint8 of shape (y, x).
    """
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            blank = (state[y, x] == LOST) & (mask[y, x] & bits != 0)
            image[y, x] = np.float32(np.nan) if blank else image[y, x]
            variance[y, x] = np.float32(np.inf) if blank else variance[y, x]
