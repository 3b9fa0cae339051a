"""Order statistics of many pixels at once, by sorting networks on integer keys.

The inputs of a block of pixels are the rows of an array; one exchange of a
network orders two rows for all pixels of the block.  The keys are integers
that sort as the floats do, because compilers turn the minimum and maximum of
integers, but not those of floats, into vector instructions.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .._jit import jit
from ..arrays import Plane, Row

__all__ = ("quantile", "sort_rows", "sorting_network")


@cache
def sorting_network(n: int) -> np.ndarray:
    """Return the exchanges that sort ``n`` values, of shape (exchanges, 2).

    Batcher's merge exchange, in the form for any ``n`` (Knuth, The Art of
    Computer Programming, vol. 3, algorithm 5.2.2M).
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << max(n - 1, 0).bit_length() >> 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@jit
def exchange(low: Row, high: Row) -> None:
    """Order two rows, pixel by pixel."""
    for j in range(low.size):
        a, b = low[j], high[j]
        low[j] = min(a, b)
        high[j] = max(a, b)


@jit
def sort_rows(keys: Plane, pairs: np.ndarray, width: int) -> None:
    """Sort the rows of an array (n, columns) in its first ``width`` columns."""
    for k in range(pairs.shape[0]):
        exchange(keys[pairs[k, 0], :width], keys[pairs[k, 1], :width])


@jit
def decode_keys(key: Row) -> None:
    """Turn keys back into the bits of floats, in place."""
    for j in range(key.size):
        k = key[j]
        # The sign bit, spread over all others, turns the order of negative numbers round.
        key[j] = k ^ ((k >> 31) & 0x7FFFFFFF)


@jit
def quantile(keys: Plane, good: Row, fraction: float, between: bool, low: Row, high: Row, value: Row) -> None:
    """Write a quantile of each pixel, by its position ``fraction * (good - 1)``.

    Parameters
    ----------
    keys
        Sorted keys (int32) of shape (n, columns).
    good
        Number of usable values (int32); where it is zero the result has no meaning.
    fraction
        Which quantile, from 0 to 1.
    between
        Whether to interpolate linearly between two neighbours; otherwise the
        lower one is taken.
    low, high
        Work space: arrays (int32) of the length of ``value``.
    value
        The quantile (float64), written.
    """
    # Places first, then one array at a time: only so does the compiler gather with vector instructions.
    flat, columns = keys.reshape(-1), np.int32(keys.shape[1])
    for j in range(good.size):
        last = max(good[j] - 1, 0)
        at = np.int32(fraction * last)
        low[j] = at * columns + j
        high[j] = min(at + 1, last) * columns + j
    for j in range(good.size):
        low[j] = flat[np.uint32(low[j])]
    for j in range(good.size):
        high[j] = flat[np.uint32(high[j])]
    decode_keys(low)
    decode_keys(high)
    below, above = low.view(np.float32), high.view(np.float32)
    for j in range(good.size):
        at = fraction * max(good[j] - 1, 0)
        share = at - np.floor(at) if between else 0.0
        value[j] = (1.0 - share) * np.float64(below[j]) + share * np.float64(above[j])
