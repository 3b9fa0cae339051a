"""The default mode against a plain rendering of its documentation, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from lamella.coadd.stack.stack import statistics_stack
from lamella.coadd.stack.stack_control import StackControl

from .test_stack import field

BAD, EDGE, DETECTED, NO_DATA, CLIPPED, REJECTED, SENSOR_EDGE = 1, 16, 32, 256, 2048, 4096, 8192


def mean_of(x, v, w, control):
    """Return the weighted mean, its variance, and the unbiased variance of the sample."""
    mean = np.sum(w * x) / np.sum(w)
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.sum(w) ** 2 / np.sum(w**2)
        sample = (
            np.sum(w * (x - mean) ** 2) / np.sum(w) * effective / (effective - 1) if len(x) > 1 else np.nan
        )
    if control.error_from_input_variance:
        return mean, np.sum(w**2 * v) / np.sum(w) ** 2, sample
    if control.mosaic_error:
        return mean, np.sum(w * v) / np.sum(w), sample
    return mean, sample / effective, sample


def keep_by_scatter(x, v, w, control):
    low, centre, high = np.quantile(x, [0.25, 0.5, 0.75])
    reach, kept = control.sigma_clip * 0.741301109252802 * (high - low), np.ones(len(x), bool)
    for _ in range(control.clip_iter):
        near = np.abs(x - centre) <= reach
        if not near.any():
            return kept
        kept = near
        if kept.sum() > 1:
            centre, _, sample = mean_of(x[kept], v[kept], w[kept], control)
            reach = control.sigma_clip * np.sqrt(sample)
    return kept


def usable_values(m, x, v, per_pixel, uses_variance, control):
    """Return which values may be used."""
    good = (m & control.bad_mask == 0) & np.isfinite(x)
    return good & np.isfinite(v) & ((v > 0) if per_pixel else (v >= 0)) if uses_variance else good


def local_ranges(planes, per_pixel, control):
    """Return how far the lower medians around each pixel reach from the lowest to the second highest."""
    x, m, v = planes
    good = usable_values(m, x, v, per_pixel, True, control)
    lower = np.full(x.shape[1:], np.nan)
    for place in np.ndindex(lower.shape):
        column = np.sort(x[:, *place][good[:, *place]].astype(float))
        lower[place] = column[(len(column) - 1) // 2] if len(column) > 1 else np.nan
    ranges = np.zeros(lower.shape)
    for row, column in np.ndindex(lower.shape):
        around = lower[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        around = np.sort(around[np.isfinite(around)])
        ranges[row, column] = around[-2] - around[0] if len(around) > 1 else 0.0
    return ranges


def keep_by_noise(x, v, w, reach, control):
    limit = max(control.sigma_clip, control.least_noise_clip)
    precision = np.sum(1 / v[v > 0])
    least, first_noise = (len(x) / precision, np.pi / 2 / precision) if precision > 0 else (np.inf, np.inf)
    slope = control.gradient_tolerance * max(reach - 5 * np.sqrt(first_noise), 0.0)

    def near(centre, noise, sigmas):
        sigmas = max(sigmas, 5.0) if len(x) == 2 else sigmas
        spread = noise + (control.flux_tolerance * centre) ** 2 + slope**2
        own = np.where(x < centre, np.maximum(v, least), v)
        return (x - centre) ** 2 <= sigmas**2 * (own + spread)

    lower = np.sort(x)[(len(x) - 1) // 2]
    coarse = max(limit, min(1.5 * limit, 5.0)) if control.clip_iter > 1 else limit
    kept = near(lower if len(x) == 2 else np.median(x), first_noise, coarse)
    if not kept.any():
        kept = near(lower, first_noise, coarse)
    for _ in range(control.clip_iter - 1):
        centre = np.sum(w[kept] * x[kept]) / np.sum(w[kept])
        noise = np.sum(w[kept] ** 2 * v[kept]) / np.sum(w[kept]) ** 2
        found = near(centre, noise, limit)
        if not found.any():
            return kept
        kept = found
    return kept


def reference(x, m, v, w, reach, control):
    """Return image, mask, variance and count of one pixel."""
    uses_error = control.error_from_input_variance or control.mosaic_error
    uses_variance = w is None or uses_error or control.statistic == "NOISECLIP"
    good = usable_values(m, x, v, w is None, uses_variance, control)
    if w is None:
        with np.errstate(divide="ignore"):
            w = np.where(np.isfinite(v) & (v > 0), 1 / v, 0)
    image, bits, variance, count = np.nan, control.no_good_mask, np.inf, 0
    if good.any():
        xg, vg, wg, mg = x[good], v[good], w[good], m[good]
        kept = np.ones(len(xg), bool)
        if control.statistic == "MEANCLIP":
            kept = keep_by_scatter(xg, vg, wg, control)
        elif control.statistic == "NOISECLIP":
            kept = keep_by_noise(xg, vg, wg, reach, control)
        image, variance, _ = mean_of(xg[kept], vg[kept], wg[kept], control)
        bits, count = np.bitwise_or.reduce(mg[kept]), kept.sum()
        bits |= CLIPPED if count < len(xg) else 0
    for wanted, raised in control.mask_map:
        bits |= raised if np.any(m[~good] & wanted) else 0
    for bit, threshold in control.propagation_thresholds.items():
        lost = np.sum(w[~good & (m & (1 << bit) != 0)])
        if lost > 0 and lost / (np.sum(w[good]) + lost) > threshold:
            bits |= 1 << bit
    return image, bits, variance, count


@pytest.mark.parametrize("statistic", ["MEAN", "MEANCLIP", "NOISECLIP"])
@pytest.mark.parametrize("error", ["input", "mosaic", "scatter"])
@pytest.mark.parametrize("weighting", ["vector", "pixel"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
def test_every_pixel_follows_the_documentation(statistic, error, weighting, n):
    masks = (0, 0, 0, 0, BAD, BAD | EDGE, EDGE, DETECTED, NO_DATA)
    planes, weights = field(n, (11, 24), n, 50.0, masks=masks, outliers=0.05, useless=0.0)
    control = StackControl(
        statistic=statistic,
        sigma_clip=2.0,
        clip_iter=2 if n != 5 else 3,
        flux_tolerance=0.01,
        gradient_tolerance=0.1,
        least_noise_clip=2.5 if n == 12 else 1.0,
        bad_mask=BAD | NO_DATA,
        weighted=weighting == "pixel" or None,
        error_from_input_variance=error == "input",
        mosaic_error=error == "mosaic",
        no_good_mask=NO_DATA,
        clipped_mask=CLIPPED,
        mask_map=((BAD, REJECTED), (EDGE, SENSOR_EDGE)),
        propagation_thresholds={0: 0.3},
    )
    vector = weights if weighting == "vector" else None
    result = statistics_stack(*planes, vector, control=control)
    clipped = 0
    ranges = local_ranges(planes, vector is None, control)
    for y, x in np.ndindex(result.image.shape):
        column = [plane[:, y, x] for plane in planes]
        values = column[0].astype(float), column[1], column[2].astype(float)
        image, bits, variance, count = reference(*values, vector, ranges[y, x], control)
        found = (result.mask[y, x], result.count[y, x])
        assert found == (bits, count), (y, x)
        assert result.image[y, x] == pytest.approx(image, rel=1e-6, nan_ok=True)
        assert result.variance[y, x] == pytest.approx(variance, rel=1e-5, abs=1e-9, nan_ok=True)
        clipped += bool(bits & CLIPPED)
    assert clipped > 0 or statistic == "MEAN" or n < 4
