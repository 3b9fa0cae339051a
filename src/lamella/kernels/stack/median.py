"""The median of inputs on one pixel grid, with an honest variance."""

from __future__ import annotations

import numpy as np

from .._jit import jit
from .block import (
    INVERSE_SIGMA,
    NOTHING,
    finish_block,
    make_space,
    output_rows,
    screen_block,
    sum_rows,
    tally_rows,
)
from .rows import add_bits, block_size
from .rules import HALF_PI, INPUT_ERROR, MOSAIC_ERROR, Inputs, Limits, Stack, Sums, Tallies
from .sort import quantile, sort_rows
from .sums import NO, Adding, add_within, four_of, rows_of

__all__ = ("stack_median",)


@jit
def median_noise(n: int) -> float:
    """Return ``n`` times the variance of the median of ``n`` normal values of variance one.

    The limit for large ``n`` is pi/2; the correction for finite ``n`` was fitted to
    simulations and holds to 0.4 %.
    """
    extra = 0.4292 + 0.2832 / (n + 1.0) if n % 2 == 1 else 1.4292 - 0.5752 / n
    return HALF_PI * n / (n + extra)


@jit
def finish_median(
    error: int, sums: Sums, precision: np.ndarray, good: np.ndarray, variance: np.ndarray
) -> None:
    """Write the variance of the median.

    For three values or more of unequal noise it is that of the asymptotic theory,
    ``n / sum(1/sigma)^2``, times the factor of `median_noise`; the median of one or two
    values is their mean.
    """
    for j in range(good.size):
        n = max(good[j], 1)
        if error == INPUT_ERROR:
            # The mean of one or two values: the variance of a mean is exact.
            if n <= 2:
                variance[j] = sums.wv[j] / (n * n)
            else:
                variance[j] = median_noise(n) * n / (precision[j] * precision[j])
        elif error == MOSAIC_ERROR:
            variance[j] = sums.wv[j] / n
        else:
            shift = sums.wd[j] / n
            biased = max(sums.wdd[j] / n - shift * shift, 0.0)
            variance[j] = median_noise(n) * biased / (n - 1) if n > 1 else np.nan


@jit
def needs_sums(error: int, good: np.ndarray) -> bool:
    """Return whether the variance of a median needs more than the sum of ``1/sigma``."""
    least = good[0]
    for j in range(good.size):
        least = min(least, good[j])
    return error != INPUT_ERROR or least <= 2


@jit
def stack_median(stack: Stack, start: int, stop: int) -> None:
    """Write the median of the pixels from ``start`` to ``stop``.

    Weights do not count, except that inputs of weight zero are not among the inputs.
    """
    rows, masks, error = stack.inputs.rows, stack.planes.mask, stack.rules.error
    block, space = block_size(rows.size), make_space(stack, rows.size)
    median, reach = np.empty(block), np.full(block, np.inf)
    low, high = np.empty(block, np.int32), np.empty(block, np.int32)
    equal, adding = Inputs(rows, np.ones(masks.shape[0])), Adding(error, NO, NO)
    extra = INVERSE_SIGMA if error == INPUT_ERROR else NOTHING
    for p in range(start, stop, block):
        q = min(p + block, stop)
        b = q - p
        screen_block(stack, extra, p, q, space)
        sort_rows(space.keys, stack.network, b)
        sums, tallies, centre = sum_rows(space, b), tally_rows(space, b), median[:b]
        quantile(space.keys, tallies.good, 0.5, True, low[:b], high[:b], centre)
        if needs_sums(error, tallies.good):
            space.sums.fill(0.0)
            for k in range(0, rows.size, 4):
                values = rows_of(space.kept, (k, k + 1, k + 2, k + 3), 0, b)
                four = four_of(stack.planes, equal, k, p, q, space.weights)
                add_within(values, four, adding, Limits(centre, reach[:b]), sums, tallies)
        for k in range(rows.size):
            add_bits(space.kept[k, :b], masks[rows[k], p:q], tallies.bits)
        out = output_rows(stack.out, p, q)
        finish_median(error, sums, space.totals[1, :b], tallies.good, out.variance)
        for j in range(b):
            out.image[j] = centre[j]
        # No value is left out.
        counts = Tallies(tallies.bits, tallies.seen, tallies.good, tallies.good)
        finish_block(stack, counts, p, q, space)
