"""Pixels of files on their way to exposures: flags by name, and what has no measurement."""

from __future__ import annotations

import numpy as np

from ._jit import jit
from .arrays import Plane, Row

__all__ = ("lacks_value", "mark_missing", "mark_untold", "or_where", "translate_flags")


@jit
def translate_flags(flags: Plane, old: Row, new: Row, out: Plane) -> None:
    """Turn the bits of flags into others.

    Parameters
    ----------
    flags
        Integers of shape (y, x).
    old, new
        int64 of shape (n,): a pixel with any of the bits ``old[k]`` gets
        ``new[k]``.
    out
        int32 of shape (y, x).
    """
    last, bits = np.int64(0), np.int32(0)
    for y in range(flags.shape[0]):
        for x in range(flags.shape[1]):
            value = np.int64(flags[y, x])
            # Neighbours are mostly equal.
            if value != last:
                last, bits = value, np.int32(0)
                for k in range(old.size):
                    if value & old[k]:
                        bits |= np.int32(new[k])
            out[y, x] = bits


@jit
def or_where(plane: Plane, bit: int, mask: Plane) -> None:
    """Set a bit of an int32 mask where a boolean plane is true; both of shape (y, x)."""
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            mask[y, x] |= bit if plane[y, x] else 0


@jit
def lacks_value(image: Plane, variance: Plane) -> bool:
    """Tell whether any pixel has a finite variance, but no finite value; both of shape (y, x)."""
    for y in range(image.shape[0]):
        orphans = np.int64(0)
        for x in range(image.shape[1]):
            value, spread = image[y, x], variance[y, x]
            # What is not finite differs from itself by NaN.
            orphans += np.int64((value - value != 0) & (spread - spread == 0))
        if orphans > 0:
            return True
    return False


@jit
def mark_missing(
    image: Plane, variance: Plane, mask: Plane, no_data: int, reasons: int, rows: Row, columns: Row
) -> tuple[int, int]:
    """Settle pixels without a measurement whose mask says why, in place.

    Parameters
    ----------
    image, variance
        float32 of shape (y, x); missing pixels become NaN and +inf.  The
        variance of those with a value but without a reason becomes -inf: they
        are left to `mark_untold`, as are those without either.
    mask
        int32 of shape (y, x); missing pixels with a reason get ``no_data``.
    no_data
        Bit of missing pixels; one that has it already is missing, whatever its value.
    reasons
        Bits that account for a missing value.
    rows, columns
        bool of shape (y,) and (x,): set where the data are, that is a
        measurement, or a pixel that has a reason, but not ``no_data``: whether
        such a pixel holds a number must not move the ends of the data.

    Returns
    -------
    untold, measured : int
        Numbers of missing pixels without a reason, and of pixels with a measurement.
    """
    untold, measured = 0, 0
    for y in range(image.shape[0]):
        without_reason, kept, inside = _mark_row(image[y], variance[y], mask[y], no_data, reasons, columns)
        untold += int(without_reason)
        measured += int(kept)
        rows[y] = inside > 0
    return untold, measured


@jit
def _mark_row(
    image: Plane, variance: Plane, mask: Plane, no_data: int, reasons: int, columns: Row
) -> tuple[np.int32, np.int32, np.int32]:
    """Do one row of `mark_missing`, without branches; return how many are untold, measured, data."""
    infinite, zero = np.float32(np.inf), np.float32(0.0)
    missing, why = np.int32(no_data), np.int32(reasons)
    untold, kept, inside = np.int32(0), np.int32(0), np.int32(0)
    for x in range(image.size):
        value, spread, bits = image[x], variance[x], mask[x]
        # Written so that NaN is not there.
        there = (abs(value) < infinite) & (spread > zero) & (spread < infinite) & (bits & missing == 0)
        told = bits & why != 0
        image[x] = value if there else np.float32(np.nan)
        variance[x] = spread if there else (infinite if told | (not abs(value) < infinite) else -infinite)
        mask[x] = bits | (missing if told & (not there) else np.int32(0))
        data = there | (told & (bits & missing == 0))
        columns[x] |= data
        inside += np.int32(data)
        kept += np.int32(there)
        untold += np.int32(not (there | told))
    return untold, kept, inside


@jit
def mark_untold(
    image: Plane,
    variance: Plane,
    mask: Plane,
    no_data: int,
    no_value: int,
    no_weight: int,
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> None:
    """Settle the missing pixels that `mark_missing` has found without a reason, in place.

    Parameters
    ----------
    image, variance, mask
        As `mark_missing` leaves them.
    no_data, no_value, no_weight
        Bits of missing pixels: of all, of those within the data whose value is
        not finite, and of the others within the data.
    rows, columns
        First and last (not included) row and column of the data.
    """
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if mask[y, x] & no_data or not np.isnan(image[y, x]):
                continue
            bits = no_data
            if rows[0] <= y < rows[1] and columns[0] <= x < columns[1]:
                bits |= no_weight if variance[y, x] < 0 else no_value
            mask[y, x] |= bits
            variance[y, x] = np.inf
