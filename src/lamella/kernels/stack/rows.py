"""Loops over one row of pixels, of which the stack kernels are made.

Every function here works on one-dimensional contiguous rows of the same
length and treats its pixels independently of each other, so that the compiler
can use vector instructions while each pixel still sees plain IEEE arithmetic
in input order.  The loops are short on purpose: few arrays and plain selects
are what the compiler vectorises.

A pixel that must not be used is NaN in the row of screened or chosen values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit
from ..arrays import LARGEST
from .rules import INPUT_ERROR, MOSAIC_ERROR, Masking, Output, Rules, Sums, Tallies
from .sums import Known
from .weights import row_weight

__all__ = (
    "PADDING",
    "REJECTED_KEY",
    "add_bits",
    "add_chances",
    "add_count",
    "add_precision",
    "add_weights",
    "block_size",
    "finish_mask",
    "finish_mean",
    "order_keys",
    "screen",
    "select_probable",
    "tally",
    "weigh",
)

PADDING = 40
"""Columns that the working arrays of a block have beyond its pixels.

Rows that begin a multiple of 4096 bytes apart make the processor wait for stores that it takes for those
of the row just read.
"""
# So many inputs of 2048 pixels, screened and sorted, stay in the second-level cache.
FEW_INPUTS = 40
REJECTED_KEY = np.int32(np.iinfo(np.int32).max)
NAN = np.float32(np.nan)
INFINITY = np.float32(np.inf)


@jit
def block_size(n: int) -> int:
    """Return how many pixels of ``n`` inputs are combined at a time.

    Larger blocks have fewer beginnings of loops, and read longer pieces of each input.
    """
    return 2048 if n <= FEW_INPUTS else 1024


@jit
def screen(x: np.ndarray, m: np.ndarray, v: np.ndarray, rules: Rules, kept: np.ndarray) -> None:
    """Write the values that may be used, and NaN for the others.

    Parameters
    ----------
    x, m, v
        Values (float32), mask (int32) and variances (float32), of shape (pixels,).
    rules
        Says which bits and which variances reject a value.
    kept
        Screened values (float32), written.
    """
    bad, floor = rules.bad, rules.floor
    if rules.use_variance:
        for j in range(x.size):
            flaw = m[j] & bad
            flaw = flaw if abs(x[j]) <= LARGEST else 1
            flaw = flaw if v[j] > floor else 1
            flaw = flaw if v[j] <= LARGEST else 1
            kept[j] = x[j] if flaw == 0 else NAN
    else:
        for j in range(x.size):
            flaw = m[j] & bad
            flaw = flaw if abs(x[j]) <= LARGEST else 1
            kept[j] = x[j] if flaw == 0 else NAN


@jit
def tally(kept: np.ndarray, m: np.ndarray, seen: np.ndarray) -> np.int32:
    """Collect the mask bits of the values that may not be used, per pixel, and return all of them."""
    union = np.int32(0)
    for j in range(kept.size):
        rejected = np.int32(0) if kept[j] == kept[j] else m[j]
        seen[j] |= rejected
        union |= rejected
    return union


@jit
def weigh(v: np.ndarray, weight: Any, per_pixel: bool, w: np.ndarray) -> None:
    """Write the weights of one input: a number, a row, or the inverse of the variance."""
    if per_pixel:
        for j in range(w.size):
            w[j] = 1.0 / np.float64(v[j])
    else:
        for j in range(w.size):
            w[j] = row_weight(weight, j)


@jit
def select_probable(kept: np.ndarray, v: np.ndarray, limits: Known, chosen: np.ndarray) -> None:
    """Choose the usable values that agree with a centre within their known noise; the others become NaN.

    The square of the distance must not exceed ``limit * (v + spread)``, where below
    the centre ``v`` is at least ``least``: a variance that was estimated from the
    value itself is too small where the value is low.
    """
    centre, spread, limit, least = limits
    for j in range(kept.size):
        d = np.float64(kept[j]) - centre[j]
        own = np.float64(v[j])
        noise = least[j] if (d < 0.0) & (own < least[j]) else own
        chosen[j] = kept[j] if d * d <= limit[j] * (noise + spread[j]) else NAN


@jit
def add_weights(kept: np.ndarray, w: np.ndarray, sw: np.ndarray) -> None:
    """Add the weights of the usable values."""
    for j in range(w.size):
        sw[j] += w[j] if kept[j] == kept[j] else 0.0


@jit
def add_precision(kept: np.ndarray, v: np.ndarray, power_half: bool, total: np.ndarray) -> None:
    """Add ``1/v`` of the usable values that have noise, or ``1/sqrt(v)`` of all that are usable."""
    if power_half:
        for j in range(kept.size):
            # In single precision, as the variances are: twice as many fit into a register.
            p = np.float32(1.0) / np.sqrt(v[j])
            total[j] += np.float64(p) if kept[j] == kept[j] else 0.0
    else:
        for j in range(kept.size):
            p = np.float32(1.0) / v[j] if v[j] > np.float32(0.0) else np.float32(0.0)
            total[j] += np.float64(p) if kept[j] == kept[j] else 0.0


@jit
def add_bits(kept: np.ndarray, m: np.ndarray, bits: np.ndarray) -> None:
    """Collect the mask bits of the usable values."""
    for j in range(kept.size):
        bits[j] |= m[j] if kept[j] == kept[j] else 0


@jit
def add_count(kept: np.ndarray, good: np.ndarray) -> None:
    """Count the usable values."""
    for j in range(kept.size):
        good[j] += 1 if kept[j] == kept[j] else 0


@jit
def add_chances(
    kept: np.ndarray, m: np.ndarray, v: np.ndarray, w: np.ndarray, rules: Rules, bit: int, lost: np.ndarray
) -> None:
    """Add the weights of the rejected values that carry a mask bit."""
    use_variance, floor = rules.per_pixel, rules.floor
    for j in range(kept.size):
        good = kept[j] == kept[j]
        # A weight that follows from an unusable variance is none.
        usable = not use_variance or (v[j] > floor and v[j] <= LARGEST)
        if not good and usable and m[j] & bit != 0:
            lost[j] += w[j]


@jit
def order_keys(bits: np.ndarray, key: np.ndarray) -> None:
    """Write integers that sort as the floats do, with NaN after all others."""
    for j in range(bits.size):
        b = bits[j]
        k = b ^ ((b >> 31) & 0x7FFFFFFF)
        # What lies above the bits of infinity is NaN, of either sign.
        key[j] = k if (b & 0x7FFFFFFF) <= 0x7F800000 else REJECTED_KEY


@jit
def finish_mean(centre: np.ndarray, sums: Sums, error: int, image: np.ndarray, variance: np.ndarray) -> None:
    """Write the weighted mean (float32) and the variance of that mean, of shape (pixels,)."""
    sw, swd, sww, swdd, swv = sums
    for j in range(image.size):
        image[j] = centre[j] + swd[j] / sw[j]
    if error == INPUT_ERROR:
        for j in range(image.size):
            variance[j] = swv[j] / (sw[j] * sw[j])
    elif error == MOSAIC_ERROR:
        for j in range(image.size):
            variance[j] = swv[j] / sw[j]
    else:
        for j in range(image.size):
            shift = swd[j] / sw[j]
            biased = swdd[j] / sw[j] - shift * shift
            biased = biased if biased > 0.0 else 0.0
            # The second factor makes the variance of the mean unbiased, for any weights.
            variance[j] = biased * sww[j] / (sw[j] * sw[j] - sww[j])


@jit
def finish_mask(
    tallies: Tallies, total: np.ndarray, lost: np.ndarray, at: int, masking: Masking, out: Output
) -> None:
    """Write mask and count of a row, and mark the pixels without data.

    Parameters
    ----------
    tallies
        Bits and counts of the row.
    total
        Sum of the weights (float64) of the usable values.
    lost
        Sums of the weights (float64) of the rejected values with each bit, of shape (thresholds, columns).
    at
        Column of ``lost`` where the row begins.
    masking
        How the mask is made.
    out
        Rows of the result; image and variance become NaN and +inf where there is no usable value.
    """
    bits, seen, good, used = tallies
    image, mask, variance, number = out
    no_data, clipped, maps = masking.no_data, masking.clipped, masking.maps
    for j in range(mask.size):
        own = bits[j] if good[j] > 0 else no_data
        mask[j] = own | clipped if used[j] < good[j] else own
    for j in range(mask.size):
        image[j] = image[j] if good[j] > 0 else NAN
        variance[j] = variance[j] if good[j] > 0 else INFINITY
    for j in range(number.size):
        number[j] = used[j]
    for k in range(maps.shape[0]):
        wanted, raised = maps[k, 0], maps[k, 1]
        for j in range(mask.size):
            mask[j] |= raised if seen[j] & wanted != 0 else 0
    for k in range(masking.bits.size):
        bit, threshold = masking.bits[k], masking.thresholds[k]
        for j in range(mask.size):
            # Where nothing is lost and nothing used, it is NaN, and no share is exceeded.
            share = lost[k, at + j] / (total[j] + lost[k, at + j])
            mask[j] |= bit if share > threshold else 0
