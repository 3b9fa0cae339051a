"""Statistics that coadds rarely need: spreads, extremes, sums, counts.

One pixel at a time.  Each statistic comes with the variance that it has for
normally distributed values, or NaN where none is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit
from ..arrays import LARGEST
from .clip import IQR_TO_SIGMA
from .mean import SCATTER_ERROR
from .strict import (
    IQRANGE,
    MAX,
    MEANSQUARE,
    MIN,
    NPOINT,
    STDEV,
    STDEVCLIP,
    SUM,
    VARIANCE,
    VARIANCECLIP,
    moments_of,
    quantile_of,
    sort_first,
)
from .weights import four_weights, row_weight, set_weights, weight_space

__all__ = ("stack_spread",)

IQR_NOISE = 0.25 / 0.3177765727**2 * IQR_TO_SIGMA * IQR_TO_SIGMA
"""``n`` times the variance of an interquartile range over its square, for many normal values."""


@jit
def clip_limits(
    x: np.ndarray, v: np.ndarray, w: np.ndarray, n: int, ordered: np.ndarray, clip: tuple[Any, ...]
) -> tuple[float, float]:
    """Return centre and reach of the last pass of a clip that leaves something."""
    centre = quantile_of(ordered, n, 0.5)
    reach = clip[0] * IQR_TO_SIGMA * (quantile_of(ordered, n, 0.75) - quantile_of(ordered, n, 0.25))
    before, far = centre, np.inf
    for _ in range(clip[1]):
        mean, sample, _, used, _ = moments_of(x, v, w, n, 0, centre, centre, reach)
        if used == 0:
            return before, far
        before, far = centre, reach
        if used > 1:
            centre, reach = mean, clip[0] * np.sqrt(max(sample, 0.0))
    return before, far


@jit
def spread_of(
    kind: int, values: tuple[Any, ...], ordered: np.ndarray, error: int, clip: tuple[Any, ...]
) -> tuple[float, float, float, float]:
    """Return a statistic, its variance, and the limits within which values were used."""
    x, v, w, n = values
    centre: float = np.float64(x[0])
    reach: float = np.inf
    if kind in (VARIANCECLIP, STDEVCLIP):
        centre, reach = clip_limits(x, v, w, n, ordered, clip)
    mean, sample, squared, used, sw = moments_of(x, v, w, n, error, centre, centre, reach)
    sww = 0.0
    for i in range(n):
        sww += w[i] * w[i] if abs(np.float64(x[i]) - centre) <= reach else 0.0
    effective = sw * sw / sww
    sample = max(sample, 0.0) if used > 1 else np.nan
    value: float = np.float64(used)
    variance: float = 0.0
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
def stack_spread(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
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
    planes, inputs, rules, masking, start, stop, out
        As for `combine.stack_mean`.
    kind
        Number of the statistic.
    clip
        Limit in sigma, and number of passes.
    """
    images, masks, variances = planes
    rows, weights = inputs
    space = weight_space(weights, 1)
    bad, use_variance, floor, per_pixel, error = rules
    no_data, clipped, maps, threshold_bits, thresholds = masking
    x, v, ordered = (
        np.empty(rows.size, np.float32),
        np.empty(rows.size, np.float32),
        np.empty(rows.size, np.float32),
    )
    w, m = np.empty(rows.size), np.empty(rows.size, np.int32)
    lost = np.empty(thresholds.size)
    for p in range(start, stop):
        n, seen = 0, 0
        total = 0.0
        lost.fill(0.0)
        set_weights(weights, p, p + 1, space)
        for i in rows:
            usable = variances[i, p] > floor and variances[i, p] <= LARGEST
            weight = (
                1.0 / np.float64(variances[i, p])
                if per_pixel
                else row_weight(four_weights(weights, (i, i, i, i), 1, space)[0], 0)
            )
            good = masks[i, p] & bad == 0 and abs(images[i, p]) <= LARGEST
            if good and (usable or not use_variance):
                x[n], v[n], w[n], m[n] = images[i, p], variances[i, p], weight, masks[i, p]
                ordered[n] = x[n]
                total += weight
                n += 1
                continue
            seen |= masks[i, p]
            for k in range(thresholds.size):
                lost[k] += (
                    weight if masks[i, p] & threshold_bits[k] != 0 and (usable or not per_pixel) else 0.0
                )
        bits, used, value, variance = no_data, 0, np.nan, np.inf
        if n > 0:
            sort_first(ordered, n)
            value, variance, centre, reach = spread_of(kind, (x, v, w, n), ordered, error, clip)
            bits = 0
            for i in range(n):
                if abs(np.float64(x[i]) - centre) <= reach:
                    bits |= m[i]
                    used += 1
            bits |= clipped if used < n else 0
        elif kind == NPOINT:
            value, variance = 0.0, 0.0
        for k in range(thresholds.size):
            bits |= threshold_bits[k] if lost[k] / (total + lost[k]) > thresholds[k] else 0
        for k in range(maps.shape[0]):
            bits |= maps[k, 1] if seen & maps[k, 0] != 0 else 0
        out[0][p], out[1][p], out[2][p], out[3][p] = value, bits, variance, used
