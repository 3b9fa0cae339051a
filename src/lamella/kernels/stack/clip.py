"""The mean of inputs on one pixel grid, clipped against the scatter that they show.

It starts from order statistics, makes a fixed number of passes, and tests all
usable values again in each pass.  A pass that would leave nothing is not made: the
values of the pass before stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit
from .rows import PADDING, block_size, finish_mask, finish_mean, raise_lost
from .screen import NOTHING, screen_block
from .sort import quantile, sort_rows
from .sums import SCATTER_ERROR, add_noise, add_scatter, next_four, rows_of
from .weights import four_weights, set_weights, weight_space

__all__ = ("stack_clip",)

IQR_TO_SIGMA = 0.741301109252802


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
def restore_lost(good: np.ndarray, used: np.ndarray, before: np.ndarray, limits: np.ndarray) -> int:
    """Put back the limits where a pass left nothing, and return how often."""
    changed = 0
    for j in range(good.size):
        if good[j] > 0 and used[j] == 0:
            limits[0, j] = before[0, j]
            limits[1, j] = before[1, j]
            changed += 1
    return changed


@jit
def clip_pass(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    flags: tuple[bool, bool],
    error: int,
    p: int,
    q: int,
    kept: np.ndarray,
    limits: np.ndarray,
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
    near = (centre, limits[1, :b])
    bits, used = tallies[0, :b], tallies[3, :b]
    sums.fill(0.0)
    bits.fill(0)
    used.fill(0)
    for k in range(0, rows.size, 4):
        which = next_four(rows, k)
        m, v = rows_of(masks, which, p, q), rows_of(variances, which, p, q)
        w = four_weights(weights, which, b, space)
        values = rows_of(kept, (k, k + 1, k + 2, k + 3), 0, b)
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
    work: np.ndarray,
    sums: np.ndarray,
    tallies: np.ndarray,
) -> None:
    """Make all passes over a block whose values are screened and sorted."""
    sigmas, passes = clip
    per_pixel, error = rules[3], rules[4]
    b = q - p
    good, used = tallies[2, :b], tallies[3, :b]
    low, high = tallies[0, :b], tallies[3, :b]
    sw, swd, sww, swdd = sums[0, :b], sums[1, :b], sums[2, :b], sums[3, :b]
    centre, width, lower = limits[0, :b], limits[1, :b], work[0, :b]
    first_scatter_limits(keys, good, sigmas, low, high, lower, work[1, :b], centre, width)
    for j in range(b):
        before[0, j] = centre[j]
        before[1, j] = np.inf
    k = 0
    while k < passes:
        last = k == passes - 1
        wanted = error if last else SCATTER_ERROR
        flags = (per_pixel, last)
        clip_pass(planes, inputs, flags, wanted, p, q, kept, limits, sums, tallies)
        if restore_lost(good, used, before, limits) > 0:
            # Once more with limits that do leave something.
            continue
        k += 1
        if not last:
            copy_limits(limits, before)
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
        The limit in sigma, and the number of passes.
    network
        Exchanges that sort as many values as there are inputs to use.
    """
    n = inputs[0].size
    block = block_size(n)
    columns = block + PADDING
    # Rows of NaN make up the last four inputs.
    kept = np.full((n + 3, columns), np.nan, np.float32)
    keys = np.empty((n, columns), np.int32)
    limits = np.zeros((2, columns))
    before = np.empty((2, columns))
    work = np.empty((2, columns))
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
        screen_block(planes, weighed, rules, masking, NOTHING, p, q, kept, keys, work, totals, tallies, lost)
        sort_rows(keys, network, b)
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
            work,
            sums,
            tallies,
        )
        image, mask, variance, count = out[0][p:q], out[1][p:q], out[2][p:q], out[3][p:q]
        good, used = tallies[2, :b], tallies[3, :b]
        sw, swd, swv = sums[0, :b], sums[1, :b], sums[4, :b]
        finish_mean(limits[0, :b], sw, swd, sums[2, :b], sums[3, :b], swv, rules[4], image, variance)
        finish_mask(tallies[0, :b], tallies[1, :b], good, used, masking, mask, image, variance)
        raise_lost(totals[0, :b], lost, 0, masking, mask)
        for j in range(b):
            count[j] = used[j]
