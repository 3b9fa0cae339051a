"""The mean of inputs on one pixel grid, clipped against their known noise.

It takes two walks over the planes, between which a third kernel looks at the
pixels around each: `find_centres` writes order statistics of each pixel,
`local_range` how much they differ between neighbours, and `stack_noise_clip` clips and combines.

Each pass tests all usable values again.  A pass that would leave nothing is not
made: the values of the pass before stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit
from .rows import (
    PADDING,
    add_count,
    block_size,
    finish_mask,
    finish_mean,
    order_keys,
    raise_lost,
    screen,
    select_probable,
)
from .screen import PRECISION, screen_block
from .sort import quantile, sort_rows
from .sums import INPUT_ERROR, SCATTER_ERROR, add_probable, add_scatter, next_four, rows_of
from .weights import four_weights, set_weights, weight_space

__all__ = ("PAIR_LIMIT", "find_centres", "local_range", "stack_noise_clip")

HALF_PI = 0.5 * np.pi
COARSE = 1.5
"""Limit of the first of several passes over that of the others, as long as it is below `PAIR_LIMIT`.

The median is noisier than the mean; at a narrow limit it would reject good values on the far side, and
the mean of the rest would follow it.
"""
PAIR_LIMIT = 5.0
"""Least limit, in sigma, for two inputs that disagree."""
RANGE_OF_NOISE = 5.0
"""Standard deviations that nine values of noise may span: 3 on average, 4.6 in one of a hundred cases."""


@jit
def find_centres(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    rules: tuple[Any, ...],
    network: np.ndarray,
    start: int,
    stop: int,
    lower: np.ndarray,
    median: np.ndarray,
    shared: np.ndarray,
) -> None:
    """Write the median of the usable values of each pixel, and the lower one of the two in the middle.

    Parameters
    ----------
    planes, inputs, rules, start, stop
        As for `combine.stack_mean`.
    network
        Exchanges that sort as many values as there are inputs to use.
    lower, median
        float64 of shape (pixels,), written; without meaning where no value is usable.
    shared
        The former where two values or more are usable, NaN elsewhere.
    """
    images, masks, variances = planes
    rows = inputs[0]
    bad, use_variance, floor = rules[0], rules[1], rules[2]
    block = block_size(rows.size)
    columns = block + PADDING
    kept, keys = np.empty(block, np.float32), np.empty((rows.size, columns), np.int32)
    good, low, high = (np.empty(block, np.int32), np.empty(block, np.int32), np.empty(block, np.int32))
    for p in range(start, stop, block):
        q = min(p + block, stop)
        b = q - p
        good[:b] = 0
        for k in range(rows.size):
            i = rows[k]
            screen(images[i, p:q], masks[i, p:q], variances[i, p:q], bad, use_variance, floor, kept[:b])
            add_count(kept[:b], good[:b])
            order_keys(kept[:b].view(np.int32), keys[k, :b])
        sort_rows(keys, network, b)
        quantile(keys, good[:b], 0.5, False, low[:b], high[:b], lower[p:q])
        quantile(keys, good[:b], 0.5, True, low[:b], high[:b], median[p:q])
        for j in range(b):
            # Alone, a value may be wrong, and would excuse what is wrong beside it.
            shared[p + j] = lower[p + j] if good[j] > 1 else np.nan


@jit
def local_range(plane: np.ndarray, out: np.ndarray) -> None:
    """Write the range of the values of a pixel and the eight around it, up to the second highest of them.

    The highest may be a pixel where half of the inputs are wrong, and must not
    excuse what is wrong in one input beside it.

    Parameters
    ----------
    plane
        float64 of shape (y, x); NaN does not count.
    out
        float64 of the same shape, written; 0 where less than two values count.
    """
    height, width = plane.shape
    outside = np.full(width, np.nan)
    # The two highest values, and the lowest, of three rows.
    first, second, lowest = (
        np.full(width + 2, -np.inf),
        np.full(width + 2, -np.inf),
        np.full(width + 2, np.inf),
    )
    for y in range(height):
        above = plane[y - 1] if y > 0 else outside
        here = plane[y]
        below = plane[y + 1] if y < height - 1 else outside
        for x in range(width):
            a, b, c = above[x], here[x], below[x]
            lowest[x + 1] = min(
                min(a if a == a else np.inf, b if b == b else np.inf), c if c == c else np.inf
            )
            a, b, c = a if a == a else -np.inf, b if b == b else -np.inf, c if c == c else -np.inf
            top, next_top = max(a, b), min(a, b)
            first[x + 1] = max(top, c)
            second[x + 1] = max(next_top, min(top, c))
        for x in range(width):
            top = max(first[x], first[x + 1])
            next_top = max(min(first[x], first[x + 1]), max(second[x], second[x + 1]))
            next_top = max(max(next_top, second[x + 2]), min(top, first[x + 2]))
            bottom = min(min(lowest[x], lowest[x + 1]), lowest[x + 2])
            out[y, x] = next_top - bottom if next_top > bottom else 0.0


@jit
def first_limits(
    good: np.ndarray,
    precision: np.ndarray,
    centres: tuple[np.ndarray, np.ndarray, np.ndarray],
    sigmas: float,
    tolerances: tuple[float, float],
    limits: np.ndarray,
    before: np.ndarray,
) -> None:
    """Set the limits of a clip from the median and its noise.

    Where not a single value agrees with the median (as when half of the values
    are wrong), and for two values, the lower one of the two in the middle takes
    its place: light is more often added than taken away.
    """
    lower, median, reach = centres
    flux, gradient = tolerances
    pair = max(sigmas, PAIR_LIMIT)
    for j in range(good.size):
        centre = lower[j] if good[j] == 2 else median[j]
        noise = HALF_PI / precision[j]
        slope = max(reach[j] - RANGE_OF_NOISE * np.sqrt(noise), 0.0) * gradient
        limits[0, j] = centre
        limits[1, j] = noise + (flux * centre) * (flux * centre) + slope * slope
        limits[2, j] = pair * pair if good[j] == 2 else sigmas * sigmas
        limits[4, j] = good[j] / precision[j]
        limits[5, j] = slope * slope
        before[0, j] = lower[j]
        before[1, j] = noise + (flux * lower[j]) * (flux * lower[j]) + slope * slope
        before[2, j] = limits[2, j]


@jit
def next_limits(
    sums: np.ndarray, used: np.ndarray, good: np.ndarray, sigmas: float, flux: float, limits: np.ndarray
) -> None:
    """Move the limits of a clip to the mean of what it left, and the noise of that mean."""
    pair = max(sigmas, PAIR_LIMIT)
    for j in range(good.size):
        limits[2, j] = pair * pair if good[j] == 2 else sigmas * sigmas
    for j in range(good.size):
        sw, swd, swv = sums[0, j], sums[1, j], sums[4, j]
        c = limits[0, j] + swd / sw
        spread = swv / (sw * sw) + (flux * c) * (flux * c) + limits[5, j]
        limits[0, j] = c if used[j] > 0 else limits[0, j]
        limits[1, j] = spread if used[j] > 0 else limits[1, j]


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
    `combine_sums.add_scatter`; ``kept`` and ``limits`` are those of `stack_noise_clip`.
    """
    masks, variances = planes[1], planes[2]
    rows, weights, space = inputs
    b = q - p
    centre, sw, swd = limits[0, :b], sums[0, :b], sums[1, :b]
    near = (centre, limits[3, :b])
    bits, used = tallies[0, :b], tallies[3, :b]
    sums.fill(0.0)
    bits.fill(0)
    used.fill(0)
    for k in range(0, rows.size, 4):
        which = next_four(rows, k)
        m, v = rows_of(masks, which, p, q), rows_of(variances, which, p, q)
        w = four_weights(weights, which, b, space)
        values = rows_of(kept, (k, k + 1, k + 2, k + 3), 0, b)
        if error != SCATTER_ERROR:
            agree = (centre, limits[1, :b], limits[2, :b], limits[4, :b])
            noise_sums = (sw, swd, sums[4, :b], bits, used)
            add_probable(values, v, m, w, flags, error, agree, noise_sums)
            continue
        for t in range(4):
            select_probable(
                values[t], v[t], centre, limits[1, :b], limits[2, :b], limits[4, :b], chosen[t, :b]
            )
        scatter = (sw, swd, sums[2, :b], sums[3, :b], bits, used)
        add_scatter(rows_of(chosen, (0, 1, 2, 3), 0, b), v, m, w, flags, near, scatter)


@jit
def clip_block(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    rules: tuple[Any, ...],
    clip: tuple[Any, ...],
    centres: tuple[np.ndarray, np.ndarray, np.ndarray],
    precision: np.ndarray,
    p: int,
    q: int,
    kept: np.ndarray,
    limits: np.ndarray,
    before: np.ndarray,
    chosen: np.ndarray,
    sums: np.ndarray,
    tallies: np.ndarray,
) -> None:
    """Make all passes over a block whose values are screened."""
    sigmas, passes, tolerances = clip
    per_pixel, error = rules[3], rules[4]
    b = q - p
    good, used = tallies[2, :b], tallies[3, :b]
    coarse = sigmas if passes == 1 else max(sigmas, min(COARSE * sigmas, PAIR_LIMIT))
    first_limits(good, precision, centres, coarse, tolerances, limits, before)
    k = 0
    while k < passes:
        last = k == passes - 1
        clip_pass(
            planes,
            inputs,
            (per_pixel, last),
            error if last else INPUT_ERROR,
            p,
            q,
            kept,
            limits,
            chosen,
            sums,
            tallies,
        )
        if restore_lost(good, used, before, limits) > 0:
            # Once more with limits that do leave something.
            continue
        k += 1
        if not last:
            before[:, :b] = limits[:3, :b]
            next_limits(sums, used, good, sigmas, tolerances[0], limits)


@jit
def stack_noise_clip(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    rules: tuple[Any, ...],
    clip: tuple[Any, ...],
    masking: tuple[Any, ...],
    centres: tuple[np.ndarray, np.ndarray, np.ndarray],
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
        The limit in sigma, the number of passes, and two tolerances: of a
        difference as a fraction of the signal, and as one of its range among
        the pixels around.
    centres
        Lower median and median of each pixel, and the range of the former
        (float64, shape (pixels,)), of `find_centres` and `local_range`.
    """
    n = inputs[0].size
    block = block_size(n)
    columns = block + PADDING
    # Rows of NaN make up the last four inputs.
    kept = np.full((n + 3, columns), np.nan, np.float32)
    no_keys = np.empty((0, columns), np.int32)
    # Centre, what is added to a variance, square of the limit in sigma; a reach without end; the variance
    # that values below the centre have at least; tolerance of slopes.
    limits = np.zeros((6, columns))
    limits[3] = np.inf
    before = np.empty((3, columns))
    work = np.empty((1, columns))
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
        screen_block(
            planes, weighed, rules, masking, PRECISION, p, q, kept, no_keys, work, totals, tallies, lost
        )
        precision = totals[1, :b]
        around = (centres[0][p:q], centres[1][p:q], centres[2][p:q])
        clip_block(
            planes, weighed, rules, clip, around, precision, p, q, kept, limits, before, chosen, sums, tallies
        )
        image, mask, variance, count = out[0][p:q], out[1][p:q], out[2][p:q], out[3][p:q]
        good, used = tallies[2, :b], tallies[3, :b]
        sw, swd, swv = sums[0, :b], sums[1, :b], sums[4, :b]
        finish_mean(limits[0, :b], sw, swd, sums[2, :b], sums[3, :b], swv, rules[4], image, variance)
        finish_mask(tallies[0, :b], tallies[1, :b], good, used, masking, mask, image, variance)
        raise_lost(totals[0, :b], lost, 0, masking, mask)
        for j in range(b):
            count[j] = used[j]
