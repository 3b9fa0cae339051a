"""The median of a large plane, of which only the values around it are looked at twice."""

from __future__ import annotations

import math

import numpy as np

from .._jit import jit
from ..arrays import kernel_array
from .ordered import OrderedSample

__all__ = ("median",)

# About so many values tell where the median is, to a few thousandths of all ranks.
_SAMPLE = 1 << 16
# Part of the ranks that lie between the limits, to either side.
_MARGIN = 0.01
# Of so many values one may lie between the limits.
_ROOM = 8
_BLOCK = 4096


def median(values: np.ndarray, chosen: np.ndarray) -> float:
    """Return the median: the mean of the two in the middle where the number of values is even.

    Parameters
    ----------
    values
        float32 of any shape.
    chosen
        bool of the same shape: which of them count; these must be finite.

    Returns
    -------
    float
        NaN where none is chosen.
    """
    flat, flags = kernel_array(values, np.float32).reshape(-1), kernel_array(chosen, bool).reshape(-1)
    count = int(np.count_nonzero(flags))
    if count == 0:
        return math.nan
    ranks = (count - 1) // 2, count // 2
    between = _between_limits(flat, flags, ranks)
    if between is None:
        sample = OrderedSample(flat, flags)
        between = sample[ranks[0]], sample[ranks[1]]
    lower, upper = between
    return lower + 0.5 * (upper - lower)


def _between_limits(
    values: np.ndarray, chosen: np.ndarray, ranks: tuple[int, int]
) -> tuple[float, float] | None:
    """Return the values of two ranks in the middle; `None` where a few values have told wrong limits."""
    # An odd step does not stay in the same columns of a plane.
    step = values.size // _SAMPLE | 1
    few = np.sort(values[::step][chosen[::step]])
    if few.size == 0:
        return None
    low, high = (few[round((0.5 + side * _MARGIN) * (few.size - 1))] for side in (-1, 1))
    room = values.size // _ROOM
    inner = np.empty(room + _BLOCK, np.float32)
    below, to_low, to_inner, to_high = _gather_between(values, chosen, low, high, inner).tolist()
    if not below <= ranks[0] <= ranks[1] < to_high or to_inner - to_low > room:
        return None
    places = [rank - to_low for rank in ranks]
    inner = inner[: max(to_inner - to_low, 0)]
    inside = [rank for rank in places if 0 <= rank < inner.size]
    if inside:
        inner.partition(inside)
    first, second = (low if n < 0 else inner[n] if n < inner.size else high for n in places)
    return float(first), float(second)


@jit
def _gather_between(
    values: np.ndarray, chosen: np.ndarray, low: np.float32, high: np.float32, inner: np.ndarray
) -> np.ndarray:
    """Write the values between two limits; those that do not fit are not written.

    Returned is how many values are below the lower limit, not above it, below the upper one and not above it.
    """
    counts = np.zeros(4, np.int64)
    flags = np.empty(_BLOCK, np.uint8)
    for start in range(0, values.size, _BLOCK):
        block, good = values[start : start + _BLOCK], chosen[start : start + _BLOCK]
        rank = max(counts[2] - counts[1], 0)
        below, to_low, to_inner, to_high = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
        for i in range(block.size):
            below += np.int32(good[i] & (block[i] < low))
            to_low += np.int32(good[i] & (block[i] <= low))
            to_inner += np.int32(good[i] & (block[i] < high))
            to_high += np.int32(good[i] & (block[i] <= high))
            flags[i] = np.uint8(good[i] & (block[i] > low) & (block[i] < high))
        counts[0] += below
        counts[1] += to_low
        counts[2] += to_inner
        counts[3] += to_high
        if rank + block.size <= inner.size:
            # Without branches, which could not be predicted.
            for i in range(block.size):
                inner[rank] = block[i]
                rank += np.int64(flags[i])
    return counts
