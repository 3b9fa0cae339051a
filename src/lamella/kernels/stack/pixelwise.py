"""Statistics pixel by pixel: those that coadds rarely need, and all as the original pipelines compute them.

The values of a pixel are gathered first.  Spreads, extremes, sums and counts come with the variance that
they have for normally distributed values, or NaN where none is known.  Strict statistics repeat the original,
quirks included: in two passes over the values, of which the first gives a crude mean around which the
second takes its sums.  They exist for comparisons, and differ where the original does something that it
should not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._jit import jit, jit_inline
from ..arrays import LARGEST, SIGMA_OF_QUARTILES
from .rules import INPUT_ERROR, MOSAIC_ERROR, SCATTER_ERROR, Clip, Limits, Masking, Stack
from .weights import four_weights, row_weight, set_weights, weight_space

__all__ = ("KINDS", "stack_pixelwise")

MEAN, MEANCLIP, MEDIAN, VARIANCE, VARIANCECLIP, STDEV, STDEVCLIP = 0, 1, 2, 3, 4, 5, 6
IQRANGE, MIN, MAX, SUM, MEANSQUARE, NPOINT = 7, 8, 9, 10, 11, 12
KINDS = {
    "MEAN": MEAN,
    "MEANCLIP": MEANCLIP,
    "MEDIAN": MEDIAN,
    "VARIANCE": VARIANCE,
    "VARIANCECLIP": VARIANCECLIP,
    "STDEV": STDEV,
    "STDEVCLIP": STDEVCLIP,
    "IQRANGE": IQRANGE,
    "MIN": MIN,
    "MAX": MAX,
    "SUM": SUM,
    "MEANSQUARE": MEANSQUARE,
    "NPOINT": NPOINT,
}
"""Numbers of the statistics in the kernels that go pixel by pixel."""

# n times the variance of an interquartile range over its square, for many normal values: p (1 - p) / f^2 of
# the two quartiles, with the density f = 0.3178 there.
IQR_NOISE = 0.25 / 0.3177765727**2 * SIGMA_OF_QUARTILES * SIGMA_OF_QUARTILES


class Pixel(NamedTuple):
    """The usable values of a pixel: arrays of shape (n,), of which the first few are set.

    They are values and variances (float32), weights (float64), masks (int32), and the values in their order;
    ``lost`` (float64) are the weights of the rejected values with each bit of the thresholds.
    """

    x: np.ndarray
    v: np.ndarray
    w: np.ndarray
    m: np.ndarray
    ordered: np.ndarray
    lost: np.ndarray


class Moments(NamedTuple):
    """Mean, variance, squared error, number and weight of some values."""

    mean: float
    sample: float
    squared: float
    used: int | np.integer
    sw: float


@jit
def quantile_of(ordered: np.ndarray, n: int, fraction: float) -> float:
    """Return a quantile of the first ``n`` sorted values."""
    if n == 0:
        return np.nan
    if n == 1:
        return np.float64(ordered[0])
    at = fraction * (n - 1)
    below = int(at)
    above = below + 1
    high = np.float64(ordered[min(above, n - 1)])
    return (above - at) * np.float64(ordered[below]) + (at - below) * high


@jit
def sort_first(values: np.ndarray, n: int) -> None:
    """Sort the first few values of an array by insertion; there are tens of them, rarely more."""
    for i in range(1, n):
        value = values[i]
        k = i
        while k > 0 and values[k - 1] > value:
            values[k] = values[k - 1]
            k -= 1
        values[k] = value


@jit
def moments_of(x: np.ndarray, v: np.ndarray, w: np.ndarray, n: int, error: int, limits: Limits) -> Moments:
    """Return the moments, around a centre, of the values within reach; all of them, if that is below zero."""
    origin, reach = limits
    sw = sww = swd = swdd = swv = 0.0
    used = 0
    for i in range(n):
        value = np.float64(x[i])
        if reach >= 0.0 and not abs(value - origin) <= reach:
            continue
        d = value - origin
        sw += w[i]
        sww += w[i] * w[i]
        swd += w[i] * d
        swdd += w[i] * d * d
        if error == INPUT_ERROR:
            swv += w[i] * w[i] * np.float64(v[i])
        elif error == MOSAIC_ERROR:
            swv += w[i] * np.float64(v[i])
        used += 1
    shift = swd / sw
    sample = (swdd / sw - shift * shift) * (sw * sw / (sw * sw - sww))
    if error == INPUT_ERROR:
        squared = swv / (sw * sw)
    elif error == MOSAIC_ERROR:
        squared = swv / sw
    else:
        squared = sample * sww / (sw * sw)
    return Moments(origin + shift, sample, squared, used, sw)


@jit
def clip_limits(pixel: Pixel, n: int, clip: Clip) -> tuple[float, float]:
    """Return centre and reach of the last pass of a clip that leaves something."""
    x, v, w, ordered = pixel.x, pixel.v, pixel.w, pixel.ordered
    centre = quantile_of(ordered, n, 0.5)
    reach = clip.sigmas * SIGMA_OF_QUARTILES * (quantile_of(ordered, n, 0.75) - quantile_of(ordered, n, 0.25))
    before, far = centre, np.inf
    for _ in range(clip.passes):
        left = moments_of(x, v, w, n, SCATTER_ERROR, Limits(centre, reach))
        if left.used == 0:
            return before, far
        before, far = centre, reach
        if left.used > 1:
            centre, reach = left.mean, clip.sigmas * np.sqrt(max(left.sample, 0.0))
    return before, far


@jit
def spread_of(kind: int, pixel: Pixel, n: int, error: int, clip: Clip) -> tuple[float, float, float, float]:
    """Return a statistic of ``n`` values, its variance, and the limits within which values were used."""
    x, v, w, ordered = pixel.x, pixel.v, pixel.w, pixel.ordered
    centre: float = np.float64(x[0])
    reach: float = np.inf
    if kind in (VARIANCECLIP, STDEVCLIP):
        centre, reach = clip_limits(pixel, n, clip)
    mean, sample, squared, used, sw = moments_of(x, v, w, n, error, Limits(centre, reach))
    sww = 0.0
    for i in range(n):
        sww += w[i] * w[i] if abs(np.float64(x[i]) - centre) <= reach else 0.0
    # As many values of equal weight would have the same noise.
    effective = sw * sw / sww
    sample = max(sample, 0.0) if used > 1 else np.nan
    value: float = np.float64(used)
    variance: float = 0.0
    # Normal values: the variance of s^2 is 2 s^4 / (n - 1), that of s is s^2 / (2 (n - 1)).
    if kind in (VARIANCE, VARIANCECLIP):
        value, variance = sample, 2.0 * sample * sample / (effective - 1.0)
    elif kind in (STDEV, STDEVCLIP):
        value, variance = np.sqrt(sample), sample / (2.0 * (effective - 1.0))
    elif kind == IQRANGE:
        value = quantile_of(ordered, n, 0.75) - quantile_of(ordered, n, 0.25)
        variance = IQR_NOISE * value * value / n if n > 1 else np.nan
    elif kind == SUM:
        value = mean * sw
        variance = (squared if error != SCATTER_ERROR else sample * sww / (sw * sw)) * sw * sw
    elif kind == MEANSQUARE:
        biased = sample * (1.0 - 1.0 / effective) if used > 1 else 0.0
        value = biased + mean * mean
        variance = (4.0 * mean * mean * sample + 2.0 * sample * sample) / effective
    elif kind in (MIN, MAX):
        best = 0
        for i in range(n):
            if (x[i] < x[best]) if kind == MIN else (x[i] > x[best]):
                best = i
        value = np.float64(x[best])
        variance = np.float64(v[best]) if error != SCATTER_ERROR else np.nan
    return value, variance, centre, reach


@jit
def strict_clip(pixel: Pixel, n: int, error: int, clip: Clip) -> Moments:
    """Return the moments of the values that a clip leaves, as the original has them."""
    x, v, w, ordered = pixel.x, pixel.v, pixel.w, pixel.ordered
    centre = quantile_of(ordered, n, 0.5)
    spread = SIGMA_OF_QUARTILES * (quantile_of(ordered, n, 0.75) - quantile_of(ordered, n, 0.25))
    left = Moments(np.nan, np.nan, np.nan, np.int64(0), 0.0)
    for k in range(clip.passes):
        reach = clip.sigmas * spread
        if k > 0:
            centre = left.mean
            if n > 1:
                reach = clip.sigmas * np.sqrt(
                    max(left.sample, 0.0) if left.sample == left.sample else left.sample
                )
        if not (abs(centre) < np.inf and reach == reach):
            return Moments(np.nan, np.nan, np.nan, np.int64(0), 0.0)
        left = moments_of(x, v, w, n, error, Limits(centre, reach))
    return left


@jit
def strict_of(
    kind: int, pixel: Pixel, n: int, error: int, clip: Clip
) -> tuple[float, float, int | np.integer]:
    """Return a statistic of ``n`` values as the original has it, its variance, and how many a clip left."""
    x, v, w, ordered = pixel.x, pixel.v, pixel.w, pixel.ordered
    crude = 0.0
    for i in range(n):
        crude += w[i] * np.float64(x[i])
    crude /= n
    if kind in (MIN, MAX):
        best = crude
        for i in range(n):
            value = np.float64(x[i])
            best = (value if value < best else best) if kind == MIN else value if value > best else best
        return best, 0.0, n
    left = moments_of(x, v, w, n, error, Limits(crude, -1.0))
    if kind in (MEANCLIP, VARIANCECLIP, STDEVCLIP):
        left = strict_clip(pixel, n, error, clip)
    mean, sample, squared, used, sw = left
    if kind in (MEAN, MEANCLIP):
        root = np.sqrt(squared)
        return mean, root * root, used
    if kind == MEDIAN:
        root = np.sqrt(0.5 * np.pi * sample / n)
        return quantile_of(ordered, n, 0.5), root * root, used
    if kind in (VARIANCE, VARIANCECLIP):
        root = np.sqrt(2.0 * (n - 1) * sample * sample / (np.float64(n) * n))
        return sample, (root * root if kind == VARIANCE else np.nan), used
    if kind in (STDEV, STDEVCLIP):
        m = np.float64(used)
        sd = np.sqrt(sample)
        root = 0.5 * np.sqrt(2.0 * (m - 1.0) * sample * sample / (m * m)) / sd
        return sd, root * root, used
    if kind == IQRANGE:
        return quantile_of(ordered, n, 0.75) - quantile_of(ordered, n, 0.25), np.nan, used
    if kind == SUM:
        return (mean * sw if sw != 0.0 else 0.0), 0.0, used
    if kind == NPOINT:
        return np.float64(n), 0.0, used
    square = (n - 1.0) / n * sample + mean * mean
    # The original squares a standard error that it made: its rounding is repeated.
    root = np.sqrt(2.0 * (square / n) * (square / n))
    return square, root * root, used


@jit_inline
def gather(
    stack: Stack, p: int, strict: bool, space: np.ndarray, pixel: Pixel
) -> tuple[int, float, np.int32]:
    """Collect the usable values of a pixel; return their number and weight, and the bits of the others."""
    images, masks, variances = stack.planes
    rows, weights = stack.inputs
    rules, threshold_bits = stack.rules, stack.masking.bits
    xs, vs, ws, ms, ordered, lost = pixel
    n, total, seen = 0, 0.0, np.int32(0)
    weight: float
    lost.fill(0.0)
    set_weights(weights, p, p + 1, space)
    for i in rows:
        x, m, v = images[i, p], masks[i, p], variances[i, p]
        usable = strict or (v > rules.floor and v <= LARGEST)
        if not rules.per_pixel:
            weight = row_weight(four_weights(weights, (i, i, i, i), 1, space)[0], 0)
        elif strict:
            weight = np.float64(np.float32(1.0) / v)
        else:
            weight = 1.0 / np.float64(v)
        finite = abs(x) <= LARGEST or (strict and not rules.finite_only)
        if m & rules.bad == 0 and finite and (usable or not rules.use_variance):
            xs[n], vs[n], ws[n], ms[n], ordered[n] = x, v, weight, m, x
            total += weight
            n += 1
            continue
        seen |= m
        for k in range(threshold_bits.size):
            lost[k] += weight if m & threshold_bits[k] != 0 and (usable or not rules.per_pixel) else 0.0
    sort_first(ordered, n)
    return n, total, seen


@jit_inline
def raised(masking: Masking, total: float, seen: np.int32, lost: np.ndarray) -> int:
    """Return the bits that rejected values raise: by their share of the weight, and by the maps."""
    bits = 0
    for k in range(masking.bits.size):
        bits |= masking.bits[k] if lost[k] / (total + lost[k]) > masking.thresholds[k] else 0
    for k in range(masking.maps.shape[0]):
        bits |= masking.maps[k, 1] if seen & masking.maps[k, 0] != 0 else 0
    return bits


@jit
def stack_pixelwise(stack: Stack, kind: int, strict: bool, start: int, stop: int) -> None:
    """Write a statistic, by its number, of the pixels from ``start`` to ``stop``; or as the original does."""
    error, out, masking, size = stack.rules.error, stack.out, stack.masking, stack.inputs.rows.size
    x, v, ordered = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    m, lost = np.empty(size, np.int32), np.empty(masking.bits.size)
    pixel = Pixel(x, v, np.empty(size), m, ordered, lost)
    space = weight_space(stack.inputs.weights, 1)
    for p in range(start, stop):
        n, total, seen = gather(stack, p, strict, space, pixel)
        value, variance, centre, reach = np.nan, np.inf, 0.0, np.inf
        left: int | np.integer = n
        if strict:
            value, variance, left = strict_of(kind, pixel, n, error, stack.clip)
        elif n > 0:
            value, variance, centre, reach = spread_of(kind, pixel, n, error, stack.clip)
        elif kind == NPOINT:
            value, variance = 0.0, 0.0
        bits, used = masking.no_data if n == 0 else 0, 0
        for i in range(n):
            if strict or abs(np.float64(x[i]) - centre) <= reach:
                bits |= m[i]
                used += 1
        if strict:
            # The original maps the bits of used values, too, and marks no shares where there are none.
            seen |= bits if 0 < n < size else 0
            lost *= 1.0 if n > 0 else 0.0
        bits |= masking.clipped if min(used, left) < n else 0
        bits |= raised(masking, total, seen, lost)
        out.image[p], out.mask[p], out.variance[p], out.number[p] = value, bits, variance, used
