"""The weighted mean of inputs on one pixel grid, from a cube or input by input.

The kernels take planes of shape (n, pixels) and combine the inputs pixel by
pixel.  They work on blocks of pixels that stay in the cache, and
on rows of four inputs at a time; all sums are float64 and run in
input order, so that neither the size of a block nor the range of pixels given
to a thread changes a bit of the result.

The sums of a pixel are taken around its first usable value, which keeps the
scatter exact on a high pedestal in a single pass over the data.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._jit import jit
from .block import output_rows
from .rows import PADDING, add_chances, finish_mask, finish_mean, screen, tally, weigh
from .rules import Inputs, Limits, Masking, Output, Planes, Rows, Rules, Stack, Sums, Tallies
from .sums import YES, Adding, Four, add_within, four_of, next_four, rows_of, set_origin
from .weights import set_weights, weight_space

__all__ = ("MeanSums", "add_to_mean", "read_mean", "stack_mean")

# Sums and tallies of so many pixels stay in the first-level cache, beside four inputs.
BLOCK = 2048


class MeanSums(NamedTuple):
    """Sums from which the mean of some pixels follows, all zero at the start.

    ``sums`` (float64) are origin, weights, weighted distances, and either weighted variances or, for a mean
    with `SCATTER_ERROR`, squared weights and weighted squares: shape (4 or 5, pixels).  ``tallies`` (int32)
    are bits of the used values, those of the rejected ones, and the count: shape (3, pixels).  ``lost``
    (float64) are the weights of rejected bits: shape (thresholds, pixels).
    """

    sums: np.ndarray
    tallies: np.ndarray
    lost: np.ndarray


class Work(NamedTuple):
    """Usable values (float32) of four inputs, weights (float64), and a reach without end."""

    kept: np.ndarray
    weights: np.ndarray
    reach: np.ndarray


@jit
def make_work() -> Work:
    """Return space for `add_rows`."""
    return Work(np.empty((4, BLOCK + PADDING), np.float32), np.empty(BLOCK), np.full(BLOCK, np.inf))


@jit
def sums_from(sums: np.ndarray, at: int, end: int) -> Sums:
    """Return the sums of a range of pixels; a mean without scatter has one row for three kinds of them."""
    third, last = sums[3, at:end], sums[sums.shape[0] - 1, at:end]
    return Sums(sums[1, at:end], sums[2, at:end], third, last, third)


@jit
def add_rows(
    values: Rows, four: Four, count: int, stack: tuple[Rules, Masking], work: Work, mean: MeanSums, at: int
) -> None:
    """Add rows of up to four inputs to the sums of a mean, which begin at column ``at``.

    The first ``count`` of the inputs are added.
    """
    rules, threshold_bits = stack[0], stack[1].bits
    # Looked up once: each look at an array of a tuple counts its owners.
    all_kept, weights, reach = work
    sums, tallies, lost = mean
    b = values[0].size
    end = at + b
    kept, w = all_kept[:, :b], weights[:b]
    bits, seen, good = tallies[0, at:end], tallies[1, at:end], tallies[2, at:end]
    origin = sums[0, at:end]
    for t in range(count):
        m, v, row = four.mask[t], four.variance[t], all_kept[t, :b]
        screen(values[t], m, v, rules, row)
        rejected = tally(row, m, seen)
        for k in range(threshold_bits.size):
            if rejected & threshold_bits[k] != 0:
                weigh(v, four.weight[t], rules.per_pixel, w)
                add_chances(row, m, v, w, rules, threshold_bits[k], lost[k, at:end])
    kept[count:] = np.nan
    usable, adding = rows_of(all_kept, (0, 1, 2, 3), 0, b), Adding(rules.error, rules.per_pixel, YES)
    set_origin(usable, good, origin)
    sums_here, tallies_here = sums_from(sums, at, end), Tallies(bits, seen, good, good)
    add_within(usable, four, adding, Limits(origin, reach[:b]), sums_here, tallies_here)


@jit
def read_row(rules: Rules, masking: Masking, mean: MeanSums, at: int, out: Output) -> None:
    """Write the mean that sums from column ``at`` stand for, of shape (pixels,)."""
    end = at + out.mask.size
    sums, good = sums_from(mean.sums, at, end), mean.tallies[2, at:end]
    finish_mean(mean.sums[0, at:end], sums, rules.error, out.image, out.variance)
    tallies = Tallies(mean.tallies[0, at:end], mean.tallies[1, at:end], good, good)
    finish_mask(tallies, sums.w, mean.lost, at, masking, out)


@jit
def stack_mean(stack: Stack, start: int, stop: int) -> None:
    """Write the weighted mean of the pixels from ``start`` to ``stop``."""
    planes, inputs, rules, masking = stack.planes, stack.inputs, stack.rules, stack.masking
    rows, columns = inputs.rows, BLOCK + PADDING
    mean = MeanSums(
        np.empty((5, columns)), np.empty((3, columns), np.int32), np.empty((masking.bits.size, columns))
    )
    work, space, images = make_work(), weight_space(inputs.weights, BLOCK), planes.image
    for p in range(start, stop, BLOCK):
        q = min(p + BLOCK, stop)
        set_weights(inputs.weights, p, q, space)
        mean.sums.fill(0.0)
        mean.tallies.fill(0)
        mean.lost.fill(0.0)
        for k in range(0, rows.size, 4):
            values = rows_of(images, next_four(rows, k), p, q)
            four = four_of(planes, inputs, k, p, q, space)
            add_rows(values, four, min(4, rows.size - k), (rules, masking), work, mean, 0)
        read_row(rules, masking, mean, 0, output_rows(stack.out, p, q))


@jit
def add_to_mean(planes: Planes, inputs: Inputs, rules: Rules, masking: Masking, mean: MeanSums) -> None:
    """Add one input, the only one in its planes of shape (1, pixels), to the sums of a mean."""
    work, space = make_work(), weight_space(inputs.weights, BLOCK)
    pixels = planes.image.shape[1]
    for p in range(0, pixels, BLOCK):
        q = min(p + BLOCK, pixels)
        set_weights(inputs.weights, p, q, space)
        values = rows_of(planes.image, (0, 0, 0, 0), p, q)
        four = four_of(planes, inputs, 0, p, q, space)
        add_rows(values, four, 1, (rules, masking), work, mean, p)


@jit
def read_mean(rules: Rules, masking: Masking, mean: MeanSums, out: Output) -> None:
    """Write the mean that the sums of `add_to_mean` stand for, to planes of shape (pixels,)."""
    for p in range(0, out.image.size, BLOCK):
        read_row(rules, masking, mean, p, output_rows(out, p, min(p + BLOCK, out.image.size)))
