"""The mean of inputs on one pixel grid, clipped against their known noise.

It takes two walks over the planes, between which a third kernel looks at the
pixels around each: `find_centres` writes order statistics of each pixel,
`local_range` how much they differ between neighbours, and `stack_noise_clip` clips and combines.

Each pass tests all usable values again.  A pass that would leave nothing is not
made: the values of the pass before stay.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._jit import jit
from .block import (
    PRECISION,
    Space,
    copy_limits,
    finish_block,
    make_space,
    output_rows,
    restore_lost,
    screen_block,
    sum_rows,
    tally_rows,
)
from .rows import PADDING, add_count, block_size, finish_mean, order_keys, screen, select_probable
from .rules import HALF_PI, INPUT_ERROR, SCATTER_ERROR, Limits, Stack, Sums, Tallies
from .sort import quantile, sort_rows
from .sums import Adding, Known, Noise, Scatter, add_probable, add_scatter, four_of, rows_of

__all__ = ("Centres", "find_centres", "local_range", "stack_noise_clip")

# The first of several passes has this times the limit of the others, as long as it is below `PAIR_LIMIT`.
# The median is noisier than the mean; at a narrow limit it would reject good values on the far side, and
# the mean of the rest would follow it.
COARSE = 1.5
# Least limit, in sigma, for two inputs that disagree: nothing tells which of them is wrong.
PAIR_LIMIT = 5.0
# Standard deviations that nine values of noise may span: 3 on average, 4.6 in one of a hundred cases.
RANGE_OF_NOISE = 5.0


class Centres(NamedTuple):
    """Order statistics of each pixel: float64, shape (pixels,), without meaning where no value is usable."""

    # The lower one of the two values in the middle, and its range among the pixels around: see `local_range`.
    lower: np.ndarray
    median: np.ndarray
    reach: np.ndarray


class Around(NamedTuple):
    """Limits of a clip by known noise: rows (float64) of a block, of which the first three change.

    They are the centre, what is added to the variance of a value, the square of the limit in sigma, the
    variance that values below the centre have at least, and the square of the tolerance of slopes.
    """

    centre: np.ndarray
    spread: np.ndarray
    limit: np.ndarray
    least: np.ndarray
    slope: np.ndarray


@jit
def find_centres(stack: Stack, centres: Centres, shared: np.ndarray, start: int, stop: int) -> None:
    """Write the median of the usable values of each pixel, and the lower one of the two in the middle.

    ``shared`` (float64, shape (pixels,)) is the latter where two values or more are usable, NaN elsewhere.
    """
    images, masks, variances = stack.planes
    rows, lower, median = stack.inputs.rows, centres.lower, centres.median
    block = block_size(rows.size)
    kept, keys = np.empty(block, np.float32), np.empty((rows.size, block + PADDING), np.int32)
    good, low, high = (np.empty(block, np.int32), np.empty(block, np.int32), np.empty(block, np.int32))
    for p in range(start, stop, block):
        q = min(p + block, stop)
        b = q - p
        good[:b] = 0
        for k in range(rows.size):
            i = rows[k]
            screen(images[i, p:q], masks[i, p:q], variances[i, p:q], stack.rules, kept[:b])
            add_count(kept[:b], good[:b])
            order_keys(kept[:b].view(np.int32), keys[k, :b])
        sort_rows(keys, stack.network, b)
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
            # Of three columns with their two highest values each, merged two by two.
            top = max(first[x], first[x + 1])
            next_top = max(min(first[x], first[x + 1]), max(second[x], second[x + 1]))
            next_top = max(max(next_top, second[x + 2]), min(top, first[x + 2]))
            bottom = min(min(lowest[x], lowest[x + 1]), lowest[x + 2])
            out[y, x] = next_top - bottom if next_top > bottom else 0.0


@jit
def limits_of(rows: np.ndarray, b: int) -> Around:
    """Return the limits of the first ``b`` pixels of a block, of shape (5, columns)."""
    return Around(rows[0, :b], rows[1, :b], rows[2, :b], rows[3, :b], rows[4, :b])


@jit
def first_limits(
    good: np.ndarray,
    precision: np.ndarray,
    centres: Centres,
    stack: Stack,
    limits: Around,
    before: np.ndarray,
) -> None:
    """Set the limits of a clip from the median and its noise.

    Where not a single value agrees with the median (as when half of the values
    are wrong), and for two values, the lower one of the two in the middle takes
    its place: light is more often added than taken away.
    """
    lower, median, reach = centres
    clip = stack.clip
    sigmas, flux, gradient = clip.sigmas, clip.flux, clip.gradient
    coarse = sigmas if clip.passes == 1 else max(sigmas, min(COARSE * sigmas, PAIR_LIMIT))
    pair = max(coarse, PAIR_LIMIT)
    for j in range(good.size):
        # The mean of two values, of which one is wrong, agrees with neither.
        centre = lower[j] if good[j] == 2 else median[j]
        noise = HALF_PI / precision[j]
        slope = max(reach[j] - RANGE_OF_NOISE * np.sqrt(noise), 0.0) * gradient
        limits.centre[j] = centre
        limits.spread[j] = noise + (flux * centre) * (flux * centre) + slope * slope
        limits.limit[j] = pair * pair if good[j] == 2 else coarse * coarse
        limits.least[j] = good[j] / precision[j]
        limits.slope[j] = slope * slope
        before[0, j] = lower[j]
        before[1, j] = noise + (flux * lower[j]) * (flux * lower[j]) + slope * slope
        before[2, j] = limits.limit[j]


@jit
def next_limits(sums: Sums, tallies: Tallies, sigmas: float, flux: float, limits: Around) -> None:
    """Move the limits of a clip to the mean of what it left, and the noise of that mean."""
    good, used, pair = tallies.good, tallies.used, max(sigmas, PAIR_LIMIT)
    centre, spread = limits.centre, limits.spread
    for j in range(good.size):
        limits.limit[j] = pair * pair if good[j] == 2 else sigmas * sigmas
    for j in range(good.size):
        sw = sums.w[j]
        c = centre[j] + sums.wd[j] / sw
        noise = sums.wv[j] / (sw * sw) + (flux * c) * (flux * c) + limits.slope[j]
        centre[j] = c if used[j] > 0 else centre[j]
        spread[j] = noise if used[j] > 0 else spread[j]


@jit
def clip_pass(
    stack: Stack, space: Space, adding: Adding, limits: Around, chosen: np.ndarray, p: int, q: int
) -> None:
    """Add up what lies within the limits, for all inputs of the pixels from ``p`` to ``q``.

    ``chosen`` (float32, shape (4, columns)) has room for values, and ``work[1]`` is a reach without end.
    """
    b = q - p
    sums, tallies = sum_rows(space, b), tally_rows(space, b)
    planes, inputs, kept, weights = stack.planes, stack.inputs, space.kept, space.weights
    fixed = Known(limits.centre, limits.spread, limits.limit, limits.least)
    near = Limits(limits.centre, space.work[1, :b])
    noise = Noise(sums.w, sums.wd, sums.wv, tallies.bits, tallies.used)
    scatter = Scatter(sums.w, sums.wd, sums.ww, sums.wdd, tallies.bits, tallies.used)
    space.sums.fill(0.0)
    tallies.bits.fill(0)
    tallies.used.fill(0)
    for k in range(0, inputs.rows.size, 4):
        four = four_of(planes, inputs, k, p, q, weights)
        values = rows_of(kept, (k, k + 1, k + 2, k + 3), 0, b)
        if adding.error != SCATTER_ERROR:
            add_probable(values, four, adding, fixed, noise)
            continue
        for t in range(4):
            select_probable(values[t], four.variance[t], fixed, chosen[t, :b])
        add_scatter(rows_of(chosen, (0, 1, 2, 3), 0, b), four, adding, near, scatter)


@jit
def stack_noise_clip(stack: Stack, centres: Centres, start: int, stop: int) -> None:
    """Write the mean clipped at the known noise, of the pixels from ``start`` to ``stop``."""
    clip, rules, block = stack.clip, stack.rules, block_size(stack.inputs.rows.size)
    space = make_space(stack, 0)
    columns = space.sums.shape[1]
    all_limits, before = np.zeros((5, columns)), np.empty((3, columns))
    chosen = np.empty((4, columns), np.float32)
    space.work[1] = np.inf
    for p in range(start, stop, block):
        q = min(p + block, stop)
        b = q - p
        screen_block(stack, PRECISION, p, q, space)
        sums, tallies, limits = sum_rows(space, b), tally_rows(space, b), limits_of(all_limits, b)
        around = Centres(centres.lower[p:q], centres.median[p:q], centres.reach[p:q])
        first_limits(tallies.good, space.totals[1, :b], around, stack, limits, before)
        k = 0
        while k < clip.passes:
            last = k == clip.passes - 1
            adding = Adding(rules.error if last else INPUT_ERROR, rules.per_pixel, last)
            clip_pass(stack, space, adding, limits, chosen, p, q)
            if restore_lost(tallies, before, all_limits) > 0:
                # Once more with limits that do leave something.
                continue
            k += 1
            if not last:
                copy_limits(all_limits, before)
                next_limits(sums, tallies, clip.sigmas, clip.flux, limits)
        out = output_rows(stack.out, p, q)
        finish_mean(limits.centre, sums, rules.error, out.image, out.variance)
        finish_block(stack, tallies, p, q, space)
