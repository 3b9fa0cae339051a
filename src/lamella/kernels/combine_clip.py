"""Clipped means: against the scatter of the inputs, and against their known noise.

Both clips start from order statistics, make a fixed number of passes, and test
all usable values again in each pass.  A pass that would leave nothing is not
made: the values of the pass before stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit
from .combine_rows import PADDING, block_size, finish_mask, finish_mean, raise_lost, select_probable
from .combine_screen import NOTHING, PRECISION, screen_block
from .combine_sort import quantile, sort_rows
from .combine_sums import INPUT_ERROR, SCATTER_ERROR, add_noise, add_scatter, next_four, rows_of
from .weights import four_weights, set_weights, weight_space

__all__ = ("PAIR_LIMIT", "stack_clip")

IQR_TO_SIGMA = 0.741301109252802
HALF_PI = 0.5 * np.pi
COARSE = 1.5
"""Limit of the first of several passes against the known noise, over that of the others.

The median is noisier than the mean; at the final limit it would reject good
values on the far side, and the mean of the rest would follow it.
"""
PAIR_LIMIT = 5.0
"""Least limit, in sigma, for two inputs that disagree."""


@jit
def scatter_limits(
    sw: np.ndarray,
    swd: np.ndarray,
    sww: np.ndarray,
    swdd: np.ndarray,
    used: np.ndarray,
    sigmas: float,
    centre: np.ndarray,
    reach: np.ndarray,
) -> None:
    """Move the limits of a clip to the mean and the scatter of what it left.

    Where one value or none is left there is no scatter, and the limits stay.
    """
    for j in range(sw.size):
        shift = swd[j] / sw[j]
        biased = swdd[j] / sw[j] - shift * shift
        biased = biased if biased > 0.0 else 0.0
        sample = biased * (sw[j] * sw[j]) / (sw[j] * sw[j] - sww[j])
        centre[j] = centre[j] + shift if used[j] > 1 else centre[j]
        reach[j] = sigmas * np.sqrt(sample) if used[j] > 1 else reach[j]


@jit
def noise_limits(
    sw: np.ndarray,
    swd: np.ndarray,
    swv: np.ndarray,
    used: np.ndarray,
    good: np.ndarray,
    sigmas: float,
    tolerance: float,
    centre: np.ndarray,
    spread: np.ndarray,
    limit: np.ndarray,
) -> None:
    """Move the limits of a clip to the mean of what it left, and the noise of that mean."""
    pair = max(sigmas, PAIR_LIMIT)
    for j in range(sw.size):
        limit[j] = pair * pair if good[j] == 2 else sigmas * sigmas
    for j in range(sw.size):
        c = centre[j] + swd[j] / sw[j]
        tolerated = tolerance * c
        s = swv[j] / (sw[j] * sw[j]) + tolerated * tolerated
        centre[j] = c if used[j] > 0 else centre[j]
        spread[j] = s if used[j] > 0 else spread[j]


@jit
def first_scatter_limits(
    keys: np.ndarray,
    good: np.ndarray,
    sigmas: float,
    low: np.ndarray,
    high: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    centre: np.ndarray,
    reach: np.ndarray,
) -> None:
    """Set the limits of a clip from the median and the quartiles."""
    quantile(keys, good, 0.25, True, low, high, lower)
    quantile(keys, good, 0.75, True, low, high, upper)
    quantile(keys, good, 0.5, True, low, high, centre)
    for j in range(good.size):
        reach[j] = sigmas * (IQR_TO_SIGMA * (upper[j] - lower[j]))


@jit
def first_noise_limits(
    keys: np.ndarray,
    good: np.ndarray,
    precision: np.ndarray,
    sigmas: float,
    tolerance: float,
    low: np.ndarray,
    high: np.ndarray,
    lower: np.ndarray,
    limits: np.ndarray,
    before: np.ndarray,
) -> None:
    """Set the limits of a clip from the median and its noise.

    Where not a single value agrees with the median (as when half of the values
    are wrong), and for two values, the lower one of the two in the middle takes
    its place: light is more often added than taken away.
    """
    quantile(keys, good, 0.5, False, low, high, lower)
    quantile(keys, good, 0.5, True, low, high, limits[0])
    pair = max(sigmas, PAIR_LIMIT)
    for j in range(good.size):
        centre = lower[j] if good[j] == 2 else limits[0, j]
        noise = HALF_PI / precision[j]
        limits[0, j] = centre
        limits[1, j] = noise + (tolerance * centre) * (tolerance * centre)
        limits[2, j] = pair * pair if good[j] == 2 else sigmas * sigmas
        before[0, j] = lower[j]
        before[1, j] = noise + (tolerance * lower[j]) * (tolerance * lower[j])
        before[2, j] = limits[2, j]


@jit
def restore_lost(good: np.ndarray, used: np.ndarray, before: np.ndarray, limits: np.ndarray) -> int:
    """Put back the limits where a pass left nothing, and return how often."""
    changed = 0
    for j in range(good.size):
        if good[j] > 0 and used[j] == 0:
            limits[0, j] = before[0, j]
            limits[1, j] = before[1, j]
            limits[2, j] = before[2, j]
            changed += 1
    return changed


@jit
def clip_pass(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    flags: tuple[bool, bool],
    by_noise: bool,
    error: int,
    p: int,
    q: int,
    kept: np.ndarray,
    limits: np.ndarray,
    chosen: np.ndarray,
    sums: np.ndarray,
    tallies: np.ndarray,
) -> None:
    """Add up what lies within the limits, for all inputs of a block of pixels.

    ``inputs`` are those of `combine_screen.screen_block`, ``flags`` those of
    `combine_sums.add_scatter`; ``kept`` and ``limits`` are those of `stack_clip`.
    """
    masks, variances = planes[1], planes[2]
    rows, weights, space = inputs
    b = q - p
    centre, sw, swd = limits[0, :b], sums[0, :b], sums[1, :b]
    near = (centre, limits[3, :b] if by_noise else limits[1, :b])
    bits, used = tallies[0, :b], tallies[3, :b]
    sums.fill(0.0)
    bits.fill(0)
    used.fill(0)
    for k in range(0, rows.size, 4):
        which = next_four(rows, k)
        m, v = rows_of(masks, which, p, q), rows_of(variances, which, p, q)
        w = four_weights(weights, which, b, space)
        values = rows_of(kept, (k, k + 1, k + 2, k + 3), 0, b)
        if by_noise:
            for t in range(4):
                select_probable(values[t], v[t], centre, limits[1, :b], limits[2, :b], chosen[t, :b])
            values = rows_of(chosen, (0, 1, 2, 3), 0, b)
        if error == SCATTER_ERROR:
            scatter = (sw, swd, sums[2, :b], sums[3, :b], bits, used)
            add_scatter(values, v, m, w, flags, near, scatter)
        else:
            add_noise(values, v, m, w, flags, error, near, (sw, swd, sums[4, :b], bits, used))


@jit
def copy_limits(limits: np.ndarray, before: np.ndarray) -> None:
    """Remember the centre and the width of the clip."""
    for k in range(before.shape[0]):
        for j in range(before.shape[1]):
            before[k, j] = limits[k, j]


@jit
def clip_block(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    rules: tuple[Any, ...],
    clip: tuple[Any, ...],
    p: int,
    q: int,
    kept: np.ndarray,
    keys: np.ndarray,
    limits: np.ndarray,
    before: np.ndarray,
    chosen: np.ndarray,
    work: np.ndarray,
    sums: np.ndarray,
    tallies: np.ndarray,
    total: np.ndarray,
) -> None:
    """Make all passes over a block whose values are screened and sorted."""
    by_noise, sigmas, passes, tolerance = clip
    per_pixel, error = rules[3], rules[4]
    b = q - p
    good, used = tallies[2, :b], tallies[3, :b]
    low, high = tallies[0, :b], tallies[3, :b]
    sw, swd, sww, swdd, swv = sums[0, :b], sums[1, :b], sums[2, :b], sums[3, :b], sums[4, :b]
    centre, width, lower = limits[0, :b], limits[1, :b], work[0, :b]
    if by_noise:
        coarse = sigmas if passes == 1 else COARSE * sigmas
        first_noise_limits(keys, good, total, coarse, tolerance, low, high, lower, limits, before)
    else:
        first_scatter_limits(keys, good, sigmas, low, high, lower, work[1, :b], centre, width)
        for j in range(b):
            before[0, j] = centre[j]
            before[1, j] = np.inf
            before[2, j] = 0.0
    k = 0
    while k < passes:
        last = k == passes - 1
        wanted = error if last else (INPUT_ERROR if by_noise else SCATTER_ERROR)
        flags = (per_pixel, last)
        clip_pass(planes, inputs, flags, by_noise, wanted, p, q, kept, limits, chosen, sums, tallies)
        if restore_lost(good, used, before, limits) > 0:
            # Once more with limits that do leave something.
            continue
        k += 1
        if not last:
            copy_limits(limits, before)
            if by_noise:
                noise_limits(sw, swd, swv, used, good, sigmas, tolerance, centre, width, limits[2, :b])
            else:
                scatter_limits(sw, swd, sww, swdd, used, sigmas, centre, width)


@jit
def stack_clip(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    rules: tuple[Any, ...],
    clip: tuple[Any, ...],
    masking: tuple[Any, ...],
    network: np.ndarray,
    start: int,
    stop: int,
    out: tuple[Any, ...],
) -> None:
    """Write the clipped mean of the pixels from ``start`` to ``stop``.

    Parameters
    ----------
    planes, inputs, rules, masking, start, stop, out
        As for `combine.stack_mean`.
    clip
        Whether to clip against the known noise, the limit in sigma, the number
        of passes, and the tolerated difference as a fraction of the signal.
    network
        Exchanges that sort as many values as there are inputs to use.
    """
    n = inputs[0].size
    block = block_size(n)
    columns = block + PADDING
    # Rows of NaN make up the last four inputs; the last row of limits is a reach without end.
    kept = np.full((n + 3, columns), np.nan, np.float32)
    keys = np.empty((n, columns), np.int32)
    limits = np.zeros((4, columns))
    limits[3] = np.inf
    before = np.empty((3, columns))
    work = np.empty((2, columns))
    chosen = np.empty((4, columns), np.float32)
    sums = np.empty((5, columns))
    totals = np.empty((2, columns))
    tallies = np.empty((4, columns), np.int32)
    lost = np.empty((masking[3].size, columns))
    space = weight_space(inputs[1], block)
    for p in range(start, stop, block):
        q = min(p + block, stop)
        b = q - p
        set_weights(inputs[1], p, q, space)
        weighed = (inputs[0], inputs[1], space)
        precision = PRECISION if clip[0] else NOTHING
        screen_block(
            planes, weighed, rules, masking, precision, p, q, kept, keys, work, totals, tallies, lost
        )
        sort_rows(keys, network, b)
        total = totals[1, :b]
        clip_block(
            planes,
            weighed,
            rules,
            clip,
            p,
            q,
            kept,
            keys,
            limits,
            before,
            chosen,
            work,
            sums,
            tallies,
            total,
        )
        image, mask, variance, count = out[0][p:q], out[1][p:q], out[2][p:q], out[3][p:q]
        good, used = tallies[2, :b], tallies[3, :b]
        sw, swd, swv = sums[0, :b], sums[1, :b], sums[4, :b]
        finish_mean(limits[0, :b], sw, swd, sums[2, :b], sums[3, :b], swv, rules[4], image, variance)
        finish_mask(tallies[0, :b], tallies[1, :b], good, used, masking, mask, image, variance)
        raise_lost(totals[0, :b], lost, 0, masking, mask)
        for j in range(b):
            count[j] = used[j]
