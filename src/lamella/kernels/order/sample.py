"""Exact statistics of one flat sample of single-precision numbers.

Quantiles are found by counting, not by sorting, and sums are kept as integers,
so that the results are those of unlimited precision, rounded once.  They
depend on the set of numbers only: not on their order, nor on how a plane is cut
into parts, nor on the machine.

A sample is given as parts, each a pair of arrays of one shape: the values, and
an int32 mask.  The parts are walked through several times; an object whose
``__iter__`` reads strips from a file serves as well as a list.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from .._jit import jit
from ..arrays import SIGMA_OF_QUARTILES

__all__ = ("ClippedMean", "Parts", "clipped_mean", "moments", "quantiles")

type Parts = Collection[tuple[np.ndarray, np.ndarray]]
"""Pairs of values and mask that can be walked through more than once."""

_HALF = 1 << 16
_BLOCK = 4096
# Exponent of infinite values and NaN.
_INFINITE = 255
# Up to so many exponents in a block, each has a walk of its own, which is faster.
_FEW = 4


class ClippedMean(NamedTuple):
    """Mean of the values that are left after clipping outliers."""

    mean: float
    """NaN where nothing is left."""
    variance: float
    """Unbiased variance of the values that are left; NaN for fewer than two."""
    used: int
    """Number of values that are left."""
    total: int
    """Number of values before clipping."""


def clipped_mean(parts: Parts, bad: int, sigma_clip: float, clip_iter: int) -> ClippedMean:
    """Return the mean after clipping values far from the centre.

    The first pass clips around the median, with a width from the quartiles;
    each further pass around the mean of the pass before, with the standard
    deviation of what that pass left.  Every pass looks at all values again, and
    values at the limit are kept.

    Parameters
    ----------
    parts
        Values (float32) and masks (int32): pairs of arrays of any shape, the same for both.
    bad
        Values with one of these mask bits, NaN and infinite ones do not count.
    sigma_clip
        Half-width of the interval, in standard deviations.
    clip_iter
        Number of passes; 0 gives the plain mean.
    """
    ends = _running_count(parts, bad)
    count = int(ends[-1])
    if count == 0 or clip_iter == 0:
        return moments(parts, bad)
    first, centre, third = _quantiles(parts, bad, ends, (0.25, 0.5, 0.75))
    half_width = sigma_clip * SIGMA_OF_QUARTILES * (third - first)
    for _ in range(clip_iter):
        result = moments(parts, bad, centre, half_width)
        centre = result.mean
        # A single value that is left stays: it has no scatter to clip with.
        half_width = sigma_clip * math.sqrt(result.variance) if result.used > 1 else 0.0
    return result._replace(total=count)


def moments(parts: Parts, bad: int, centre: float = 0.0, half_width: float = math.inf) -> ClippedMean:
    """Return mean and variance of the values with ``abs(x - centre) <= half_width``.

    Parameters
    ----------
    parts
        Values and masks.
    bad
        Values with one of these mask bits, NaN and infinite ones do not count.
    centre, half_width
        Interval of the values that are used.
    """
    sums = np.zeros((3, 256), dtype=np.int64)
    used = 0
    for bits, mask in _flat(parts):
        used += _add_moments(bits, mask, bad, centre, half_width, sums)
    if used == 0:
        return ClippedMean(math.nan, math.nan, 0, 0)
    # The smallest float32 is 2^-149: all values are whole multiples of it, and their squares of 2^-298.
    total = Fraction(_add_up(sums[0], 1), 1 << 149)
    squares = Fraction(_add_up(sums[1], 2) + (_add_up(sums[2], 2) << 24), 1 << 298)
    variance = (squares - total * total / used) / (used - 1) if used > 1 else math.nan
    return ClippedMean(float(total / used), float(variance), used, used)


def quantiles(parts: Parts, bad: int, fractions: Sequence[float]) -> tuple[float, ...]:
    """Return quantiles, interpolated linearly between the two nearest values.

    Parameters
    ----------
    parts
        Values and masks.
    bad
        Values with one of these mask bits, NaN and infinite ones do not count.
    fractions
        Which quantiles, between 0 and 1.

    Returns
    -------
    tuple [float, ...]
        One number for each fraction; NaN where there is no value.
    """
    return _quantiles(parts, bad, _running_count(parts, bad), fractions)


def _running_count(parts: Parts, bad: int) -> np.ndarray:
    """Return how many values have upper 16 bits (of their key) up to each number."""
    counts = np.zeros(_HALF, dtype=np.int64)
    for bits, mask in _flat(parts):
        _count_upper(bits, mask, bad, counts)
    return np.cumsum(counts)


def _quantiles(parts: Parts, bad: int, ends: np.ndarray, fractions: Sequence[float]) -> tuple[float, ...]:
    n = int(ends[-1])
    if n == 0:
        return (math.nan,) * len(fractions)
    places = [fraction * (n - 1) for fraction in fractions]
    ranks = sorted({rank for position in places for rank in (math.floor(position), math.ceil(position))})
    value = dict(zip(ranks, _values_at(parts, bad, ends, np.array(ranks)), strict=True))
    pairs = [(p, value[math.floor(p)], value[math.ceil(p)]) for p in places]
    return tuple(low + (high - low) * (p - math.floor(p)) for p, low, high in pairs)


def _values_at(parts: Parts, bad: int, ends: np.ndarray, ranks: np.ndarray) -> list[float]:
    """Return the values of some ranks, given the running count of their upper 16 bits."""
    uppers = np.searchsorted(ends, ranks, side="right")
    distinct = np.unique(uppers)
    row = np.full(_HALF, -1, dtype=np.int32)
    row[distinct] = np.arange(len(distinct))
    counts = np.zeros((len(distinct), _HALF), dtype=np.int64)
    for bits, mask in _flat(parts):
        _count_lower(bits, mask, bad, row, counts)
    inner = np.cumsum(counts, axis=1)
    before = np.concatenate([[0], ends])
    keys = [
        int(upper) << 16 | int(np.searchsorted(inner[row[upper]], rank - before[upper], side="right"))
        for rank, upper in zip(ranks, uppers, strict=True)
    ]
    # The numbers that `_key` has mapped to these.
    numbers = [key ^ (0x80000000 if key & 0x80000000 else 0xFFFFFFFF) for key in keys]
    return [float(number) for number in np.array(numbers, np.uint32).view(np.float32)]


def _flat(parts: Parts) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yield the bits of the values, and the masks, as one-dimensional arrays."""
    for values, mask in parts:
        bits = np.ascontiguousarray(values, dtype=np.float32).reshape(-1).view(np.uint32)
        yield bits, np.ascontiguousarray(mask, dtype=np.int32).reshape(-1)


def _add_up(sums: np.ndarray, power: int) -> int:
    """Add sums of integer mantissas of all exponents, in units of the smallest one."""
    return sum(int(s) << power * (max(e, 1) - 1) for e, s in enumerate(sums) if s)


@jit
def _key(bits: np.uint32) -> np.uint32:
    """Map the bits of a number to an integer of the same order."""
    return bits ^ np.uint32(0xFFFFFFFF) if bits & np.uint32(0x80000000) else bits ^ np.uint32(0x80000000)


@jit
def _counts(bits: np.uint32, mask: np.int32, bad: int) -> bool:
    """Tell whether a value is finite and its pixel good."""
    good: bool = mask & bad == 0 and bits & np.uint32(0x7F800000) != np.uint32(0x7F800000)
    return good


@jit
def _count_upper(bits: np.ndarray, mask: np.ndarray, bad: int, counts: np.ndarray) -> None:
    for i in range(bits.size):
        if _counts(bits[i], mask[i], bad):
            counts[_key(bits[i]) >> np.uint32(16)] += 1


@jit
def _count_lower(bits: np.ndarray, mask: np.ndarray, bad: int, row: np.ndarray, counts: np.ndarray) -> None:
    for i in range(bits.size):
        if _counts(bits[i], mask[i], bad):
            key = _key(bits[i])
            r = row[key >> np.uint32(16)]
            if r >= 0:
                counts[r, key & np.uint32(0xFFFF)] += 1


@jit
def _add_moments(
    bits: np.ndarray, mask: np.ndarray, bad: int, centre: float, half_width: float, sums: np.ndarray
) -> int:
    """Add mantissas and their squares, the latter in two halves of 24 bits, by exponent."""
    used = 0
    exponents = np.empty(_BLOCK, np.int32)
    for first in range(0, bits.size, _BLOCK):
        block = bits[first : first + _BLOCK]
        count, low, high = _find_exponents(
            block, mask[first : first + _BLOCK], np.int32(bad), centre, half_width, exponents
        )
        used += int(count)
        if high - low < _FEW:
            for exponent in range(low, high + 1):
                _add_one_exponent(block, exponents, exponent, sums)
        else:
            _add_all_exponents(block, exponents, sums)
    return used


@jit
def _find_exponents(
    bits: np.ndarray, mask: np.ndarray, bad: np.int32, centre: float, half_width: float, exponents: np.ndarray
) -> tuple[np.int32, np.int32, np.int32]:
    """Fill exponents, -1 for values that do not count; return how many do, the lowest and the highest."""
    values = bits.view(np.float32)
    count, low, high = np.int32(0), np.int32(_INFINITE), np.int32(-1)
    for i in range(bits.size):
        exponent = np.int32((bits[i] >> np.uint32(23)) & np.uint32(0xFF))
        near = not abs(np.float64(values[i]) - centre) > half_width
        used = (mask[i] & bad == 0) & (exponent != _INFINITE) & near
        exponents[i] = exponent if used else np.int32(-1)
        count += np.int32(used)
        low = min(low, exponent if used else np.int32(_INFINITE))
        high = max(high, exponents[i])
    return count, low, high


@jit
def _add_one_exponent(bits: np.ndarray, exponents: np.ndarray, exponent: int, sums: np.ndarray) -> None:
    """Add the values of one exponent; without branches."""
    # Numbers of the exponent 0 are denormal: their mantissa has no leading one.
    leading = np.int64(0x800000 if exponent else 0)
    total, low, high = np.int64(0), np.int64(0), np.int64(0)
    for i in range(bits.size):
        mantissa = np.int64(bits[i] & np.uint32(0x7FFFFF)) | leading
        mantissa = mantissa if exponents[i] == exponent else np.int64(0)
        square = mantissa * mantissa
        total += -mantissa if bits[i] >> np.uint32(31) else mantissa
        # Sums of halves of 24 bits do not overflow below 2^39 values.
        low += square & 0xFFFFFF
        high += square >> 24
    sums[0, exponent] += total
    sums[1, exponent] += low
    sums[2, exponent] += high


@jit
def _add_all_exponents(bits: np.ndarray, exponents: np.ndarray, sums: np.ndarray) -> None:
    for i in range(bits.size):
        exponent = exponents[i]
        if exponent < 0:
            continue
        mantissa = np.int64(bits[i] & np.uint32(0x7FFFFF))
        if exponent:
            mantissa |= 0x800000
        square = mantissa * mantissa
        sums[0, exponent] += -mantissa if bits[i] >> np.uint32(31) else mantissa
        sums[1, exponent] += square & 0xFFFFFF
        sums[2, exponent] += square >> 24
