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

from typing import Any

import numpy as np

from .._jit import jit
from .rows import PADDING, add_chances, finish_mask, finish_mean, raise_lost, screen, tally, weigh
from .sums import (
    INPUT_ERROR,
    MOSAIC_ERROR,
    SCATTER_ERROR,
    YES,
    add_noise,
    add_scatter,
    next_four,
    rows_of,
    set_origin,
)
from .weights import four_weights, set_weights, weight_space

__all__ = (
    "BLOCK",
    "INPUT_ERROR",
    "MOSAIC_ERROR",
    "SCATTER_ERROR",
    "add_to_mean",
    "read_mean",
    "stack_mean",
)

BLOCK = 2048


@jit
def make_work() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return space for `add_rows`: the usable values of four inputs, weights, and a reach without end."""
    return np.empty((4, BLOCK + PADDING), np.float32), np.empty(BLOCK), np.full(BLOCK, np.inf)


@jit
def add_rows(
    rows: tuple[Any, ...],
    weights: tuple[Any, Any, Any, Any],
    count: int,
    rules: tuple[Any, ...],
    masking: tuple[Any, ...],
    work: tuple[Any, ...],
    sums: np.ndarray,
    tallies: np.ndarray,
    lost: np.ndarray,
    at: int,
) -> None:
    """Add rows of up to four inputs to the sums of a mean, which begin at column ``at``.

    ``rows`` holds values, masks and variances of four inputs, of which the first
    ``count`` are added.  ``sums`` holds origin, weights, weighted distances, and
    either the weighted variances or squared weights and weighted squares;
    ``tallies`` the bits of the used values, those of the rejected ones, and the
    count.
    """
    bad, use_variance, floor, per_pixel, error = rules
    values, masks, variances = rows
    b, threshold_bits = masks[0].size, masking[3]
    end = at + b
    kept, w, reach = work[0][:, :b], work[1][:b], work[2][:b]
    bits, seen, good = tallies[0, at:end], tallies[1, at:end], tallies[2, at:end]
    origin, sw, swd = sums[0, at:end], sums[1, at:end], sums[2, at:end]
    for t in range(count):
        m, v, row = masks[t], variances[t], work[0][t, :b]
        screen(values[t], m, v, bad, use_variance, floor, row)
        rejected = tally(row, m, seen)
        for k in range(threshold_bits.size):
            if rejected & threshold_bits[k] != 0:
                weigh(v, weights[t], per_pixel, w)
                add_chances(row, m, w, threshold_bits[k], per_pixel, floor, v, lost[k, at:end])
    kept[count:] = np.nan
    usable, flags, limits = rows_of(work[0], (0, 1, 2, 3), 0, b), (per_pixel, YES), (origin, reach)
    set_origin(usable, good, origin)
    if error == SCATTER_ERROR:
        scatter = (sw, swd, sums[3, at:end], sums[4, at:end], bits, good)
        add_scatter(usable, variances, masks, weights, flags, limits, scatter)
    else:
        noise = (sw, swd, sums[3, at:end], bits, good)
        add_noise(usable, variances, masks, weights, flags, error, limits, noise)


@jit
def read_row(
    rules: tuple[Any, ...],
    masking: tuple[Any, ...],
    sums: np.ndarray,
    tallies: np.ndarray,
    lost: np.ndarray,
    at: int,
    image: np.ndarray,
    mask: np.ndarray,
    variance: np.ndarray,
    count: np.ndarray,
) -> None:
    """Write the mean that sums from column ``at`` stand for."""
    end, last = at + mask.size, sums.shape[0] - 1
    sw, third = sums[1, at:end], sums[3, at:end]
    finish_mean(
        sums[0, at:end], sw, sums[2, at:end], third, sums[last, at:end], third, rules[4], image, variance
    )
    good = tallies[2, at:end]
    finish_mask(tallies[0, at:end], tallies[1, at:end], good, good, masking, mask, image, variance)
    raise_lost(sw, lost, at, masking, mask)
    for j in range(count.size):
        count[j] = good[j]


@jit
def stack_mean(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    rules: tuple[Any, ...],
    masking: tuple[Any, ...],
    start: int,
    stop: int,
    out: tuple[Any, ...],
) -> None:
    """Write the weighted mean of the pixels from ``start`` to ``stop``.

    Parameters
    ----------
    planes
        Image (float32), mask (int32) and variance (float32) of shape (n, pixels).
    inputs
        Indices of the inputs to use (int64), and the weights of all inputs (float64): one of each, of shape
        (n,); or a pair, weights of shape (range, n) and the ends (int64) of the ranges of pixels that they
        are for, ascending up to the number of pixels.
    rules
        Rejecting mask bits (int), whether the variance must be usable, the
        largest variance (float32) that is not, whether weights are ``1/variance``, and
        which error is wanted.
    masking
        What `combine_rows.finish_mask` calls control.
    start, stop
        Range of pixels.
    out
        Image, mask, variance and count, of shape (pixels,), written.
    """
    images, masks, variances = planes
    rows, weights = inputs
    sums = np.empty((5, BLOCK + PADDING))
    tallies = np.empty((3, BLOCK + PADDING), np.int32)
    lost = np.empty((masking[3].size, BLOCK + PADDING))
    work, space = make_work(), weight_space(weights, BLOCK)
    for p in range(start, stop, BLOCK):
        q = min(p + BLOCK, stop)
        set_weights(weights, p, q, space)
        sums.fill(0.0)
        tallies.fill(0)
        lost.fill(0.0)
        for k in range(0, rows.size, 4):
            which = next_four(rows, k)
            four = rows_of(images, which, p, q), rows_of(masks, which, p, q), rows_of(variances, which, p, q)
            w = four_weights(weights, which, q - p, space)
            add_rows(four, w, min(4, rows.size - k), rules, masking, work, sums, tallies, lost, 0)
        image, mask, variance, count = out[0][p:q], out[1][p:q], out[2][p:q], out[3][p:q]
        read_row(rules, masking, sums, tallies, lost, 0, image, mask, variance, count)


@jit
def add_to_mean(
    x: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    weights: Any,
    rules: tuple[Any, ...],
    masking: tuple[Any, ...],
    sums: np.ndarray,
    tallies: np.ndarray,
    lost: np.ndarray,
) -> None:
    """Add one input to the sums of a mean.

    Parameters
    ----------
    x, m, v
        Image (float32), mask (int32) and variance (float32), of shape (pixels,).
    weights
        Weights of this input, as for `stack_mean`.
    rules, masking
        As for `stack_mean`.
    sums, tallies, lost
        Sums (float64), tallies (int32) and weights of rejected bits (float64),
        of shapes (4 or 5, pixels), (3, pixels) and (thresholds, pixels), all
        zero at the start.
    """
    work, space = make_work(), weight_space(weights, BLOCK)
    for p in range(0, x.size, BLOCK):
        q = min(p + BLOCK, x.size)
        set_weights(weights, p, q, space)
        xs, ms, vs = x[p:q], m[p:q], v[p:q]
        rows = (xs, xs, xs, xs), (ms, ms, ms, ms), (vs, vs, vs, vs)
        add_rows(
            rows,
            four_weights(weights, (0, 0, 0, 0), q - p, space),
            1,
            rules,
            masking,
            work,
            sums,
            tallies,
            lost,
            p,
        )


@jit
def read_mean(
    rules: tuple[Any, ...],
    masking: tuple[Any, ...],
    sums: np.ndarray,
    tallies: np.ndarray,
    lost: np.ndarray,
    out: tuple[Any, ...],
) -> None:
    """Write the mean that the sums of `add_to_mean` stand for into ``out``."""
    for p in range(0, out[0].size, BLOCK):
        q = min(p + BLOCK, out[0].size)
        image, mask, variance, count = out[0][p:q], out[1][p:q], out[2][p:q], out[3][p:q]
        read_row(rules, masking, sums, tallies, lost, p, image, mask, variance, count)
