"""Stack statistics as the original pipelines compute them, quirks included.

One pixel at a time, in two passes over its values: the first gives a crude
mean around which the second takes its sums.  These kernels exist for
comparisons; `combine`, `combine_clip` and their neighbours serve all other
uses and differ where the original does something that it should not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit

__all__ = ("KINDS", "stack_strict")

IQR_TO_SIGMA = 0.741301109252802
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
def moments_of(
    x: np.ndarray,
    v: np.ndarray,
    w: np.ndarray,
    n: int,
    error: int,
    origin: float,
    centre: float,
    reach: float,
) -> tuple[float, float, float, int, float]:
    """Return mean, variance, squared error, number and weight of the values within reach.

    ``reach`` below zero takes all values.
    """
    sw = sww = swd = swdd = swv = 0.0
    used = 0
    for i in range(n):
        value = np.float64(x[i])
        if reach >= 0.0 and not abs(value - centre) <= reach:
            continue
        d = value - origin
        sw += w[i]
        sww += w[i] * w[i]
        swd += w[i] * d
        swdd += w[i] * d * d
        if error == 1:
            swv += w[i] * w[i] * np.float64(v[i])
        elif error == 2:
            swv += w[i] * np.float64(v[i])
        used += 1
    shift = swd / sw
    sample = (swdd / sw - shift * shift) * (sw * sw / (sw * sw - sww))
    if error == 1:
        squared = swv / (sw * sw)
    elif error == 2:
        squared = swv / sw
    else:
        squared = sample * sww / (sw * sw)
    return origin + shift, sample, squared, used, sw


@jit
def clipped_moments(
    x: np.ndarray,
    v: np.ndarray,
    w: np.ndarray,
    n: int,
    ordered: np.ndarray,
    error: int,
    sigmas: float,
    passes: int,
) -> tuple[float, float, float, int, float]:
    """Return what `moments_of` does for the values that a clip leaves."""
    centre = quantile_of(ordered, n, 0.5)
    spread = IQR_TO_SIGMA * (quantile_of(ordered, n, 0.75) - quantile_of(ordered, n, 0.25))
    mean, sample, squared, used, sw = np.nan, np.nan, np.nan, 0, 0.0
    for k in range(passes):
        reach = sigmas * spread
        if k > 0:
            centre = mean
            if n > 1:
                reach = sigmas * np.sqrt(max(sample, 0.0) if sample == sample else sample)
        if not (abs(centre) < np.inf and reach == reach):
            return np.nan, np.nan, np.nan, 0, 0.0
        mean, sample, squared, used, sw = moments_of(x, v, w, n, error, centre, centre, reach)
    return mean, sample, squared, used, sw


@jit
def statistic_of(
    kind: int,
    x: np.ndarray,
    v: np.ndarray,
    w: np.ndarray,
    n: int,
    ordered: np.ndarray,
    first: tuple[Any, ...],
    error: int,
    clip: tuple[Any, ...],
) -> tuple[float, float, int]:
    """Return a statistic of ``n`` values, its variance, and how many a clip left."""
    mean, sample, squared, used, sw = first
    if kind in (MEANCLIP, VARIANCECLIP, STDEVCLIP):
        mean, sample, squared, used, sw = clipped_moments(x, v, w, n, ordered, error, clip[0], clip[1])
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
    if kind == MEANSQUARE:
        value = (n - 1.0) / n * sample + mean * mean
        root = np.sqrt(2.0 * (value / n) * (value / n))
        return value, root * root, used
    return np.nan, np.nan, used


@jit
def extreme_of(kind: int, x: np.ndarray, n: int, crude: float) -> float:
    """Return the smallest or largest value, looked for from the crude mean on."""
    best = crude
    for i in range(n):
        value = np.float64(x[i])
        best = (value if value < best else best) if kind == MIN else value if value > best else best
    return best


@jit
def stack_strict(
    planes: tuple[Any, ...],
    weights: np.ndarray,
    kind: int,
    rules: tuple[Any, ...],
    clip: tuple[Any, ...],
    masking: tuple[Any, ...],
    start: int,
    stop: int,
    out: tuple[Any, ...],
) -> None:
    """Write a statistic of the pixels from ``start`` to ``stop``.

    Parameters
    ----------
    planes, masking, start, stop, out
        As for `combine.stack_mean`.
    weights
        One weight (float64) per input.
    kind
        Number of the statistic.
    rules
        Rejecting mask bits, whether only finite values are taken, whether
        weights are ``1/variance``, and which error is wanted.
    clip
        Limit in sigma, and number of passes.
    """
    images, masks, variances = planes
    bad, finite_only, per_pixel, error = rules
    no_data, clipped, maps, threshold_bits, thresholds = masking
    total = images.shape[0]
    x, v, ordered = np.empty(total, np.float32), np.empty(total, np.float32), np.empty(total, np.float32)
    w = np.empty(total)
    lost = np.empty(threshold_bits.size)
    for p in range(start, stop):
        n, bits, every = 0, 0, 0
        lost.fill(0.0)
        for i in range(total):
            value, m = images[i, p], masks[i, p]
            weight = np.float64(np.float32(1.0) / variances[i, p]) if per_pixel else weights[i]
            every |= m
            if m & bad == 0 and (not finite_only or abs(value) < np.inf):
                x[n], v[n], w[n] = value, variances[i, p], weight
                bits |= m
                n += 1
            else:
                for k in range(threshold_bits.size):
                    lost[k] += weight if m & threshold_bits[k] != 0 else 0.0
        crude = 0.0
        for i in range(n):
            crude += w[i] * np.float64(x[i])
        crude /= n
        first = moments_of(x, v, w, n, error, crude, 0.0, -1.0)
        for i in range(n):
            ordered[i] = x[i]
        sort_first(ordered, n)
        used = n
        if kind in (MIN, MAX):
            value, variance = extreme_of(kind, x, n, crude), 0.0
        else:
            value, variance, used = statistic_of(kind, x, v, w, n, ordered, first, error, clip)
        for k in range(threshold_bits.size):
            if lost[k] / (first[4] + lost[k]) > thresholds[k]:
                bits |= threshold_bits[k]
        if n == 0:
            bits = no_data
        if n > used:
            bits |= clipped
        if total > n:
            for k in range(maps.shape[0]):
                bits |= maps[k, 1] if every & maps[k, 0] != 0 else 0
        out[0][p], out[1][p], out[2][p], out[3][p] = value, bits, variance, n
