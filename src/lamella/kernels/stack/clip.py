"""The mean of inputs on one pixel grid, clipped against the scatter that they show.

It starts from order statistics, makes a fixed number of passes, and tests all
usable values again in each pass.  A pass that would leave nothing is not made: the
values of the pass before stay.
"""

from __future__ import annotations

import numpy as np

from .._jit import jit
from ..arrays import SIGMA_OF_QUARTILES
from .block import (
    NOTHING,
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
from .rows import block_size, finish_mean
from .rules import SCATTER_ERROR, Limits, Stack, Sums
from .sort import quantile, sort_rows
from .sums import Adding, add_within, four_of, rows_of

__all__ = ("stack_clip",)


@jit
def scatter_limits(sums: Sums, used: np.ndarray, sigmas: float, limits: Limits) -> None:
    """Move the limits of a clip to the mean and the scatter of what it left.

    Where one value or none is left there is no scatter, and the limits stay.
    """
    sw, swd, sww, swdd = sums.w, sums.wd, sums.ww, sums.wdd
    centre, reach = limits
    for j in range(sw.size):
        shift = swd[j] / sw[j]
        biased = swdd[j] / sw[j] - shift * shift
        biased = biased if biased > 0.0 else 0.0
        # Unbiased for any weights: n / (n - 1) where all are equal.
        sample = biased * (sw[j] * sw[j]) / (sw[j] * sw[j] - sww[j])
        centre[j] = centre[j] + shift if used[j] > 1 else centre[j]
        reach[j] = sigmas * np.sqrt(sample) if used[j] > 1 else reach[j]


@jit
def first_scatter_limits(space: Space, sigmas: float, limits: Limits) -> None:
    """Set the limits of a clip from the median and the quartiles of the sorted keys."""
    centre, reach = limits
    b = centre.size
    good, low, high = space.tallies[2, :b], space.tallies[0, :b], space.tallies[3, :b]
    lower, upper = space.work[0, :b], space.work[1, :b]
    quantile(space.keys, good, 0.25, True, low, high, lower)
    quantile(space.keys, good, 0.75, True, low, high, upper)
    quantile(space.keys, good, 0.5, True, low, high, centre)
    for j in range(b):
        reach[j] = sigmas * (SIGMA_OF_QUARTILES * (upper[j] - lower[j]))


@jit
def clip_pass(stack: Stack, space: Space, adding: Adding, limits: Limits, p: int, q: int) -> None:
    """Add up what lies within the limits, for all inputs of the pixels from ``p`` to ``q``."""
    b = q - p
    sums, tallies = sum_rows(space, b), tally_rows(space, b)
    # Looked up once: each look at an array of a tuple counts its owners.
    planes, inputs, kept, weights = stack.planes, stack.inputs, space.kept, space.weights
    space.sums.fill(0.0)
    tallies.bits.fill(0)
    tallies.used.fill(0)
    for k in range(0, inputs.rows.size, 4):
        four = four_of(planes, inputs, k, p, q, weights)
        values = rows_of(kept, (k, k + 1, k + 2, k + 3), 0, b)
        add_within(values, four, adding, limits, sums, tallies)


@jit
def clip_block(stack: Stack, space: Space, limits: np.ndarray, before: np.ndarray, p: int, q: int) -> None:
    """Make all passes over a block whose values are screened and sorted.

    ``limits`` (float64, shape (2, columns)) are centre and reach of the clip, and those of the pass before.
    """
    rules, clip = stack.rules, stack.clip
    b = q - p
    tallies, near = tally_rows(space, b), Limits(limits[0, :b], limits[1, :b])
    first_scatter_limits(space, clip.sigmas, near)
    for j in range(b):
        before[0, j] = near.centre[j]
        # Before the first pass there is no limit: the values that it loses come back.
        before[1, j] = np.inf
    k = 0
    while k < clip.passes:
        last = k == clip.passes - 1
        adding = Adding(rules.error if last else SCATTER_ERROR, rules.per_pixel, last)
        clip_pass(stack, space, adding, near, p, q)
        if restore_lost(tallies, before, limits) > 0:
            # Once more with limits that do leave something.
            continue
        k += 1
        if not last:
            copy_limits(limits, before)
            scatter_limits(sum_rows(space, b), tallies.used, clip.sigmas, near)


@jit
def stack_clip(stack: Stack, start: int, stop: int) -> None:
    """Write the clipped mean of the pixels from ``start`` to ``stop``."""
    n = stack.inputs.rows.size
    block, space = block_size(n), make_space(stack, n)
    columns = space.sums.shape[1]
    limits, before = np.zeros((2, columns)), np.empty((2, columns))
    for p in range(start, stop, block):
        q = min(p + block, stop)
        b = q - p
        screen_block(stack, NOTHING, p, q, space)
        sort_rows(space.keys, stack.network, b)
        clip_block(stack, space, limits, before, p, q)
        out = output_rows(stack.out, p, q)
        finish_mean(limits[0, :b], sum_rows(space, b), stack.rules.error, out.image, out.variance)
        finish_block(stack, tally_rows(space, b), p, q, space)
