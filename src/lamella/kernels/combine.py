"""The weighted mean of inputs on one pixel grid, from a cube or input by input.

The kernels take planes of shape (n, pixels) and combine the inputs pixel by
pixel.  They work on blocks of a few hundred pixels that stay in the cache, and
on one input row of a block after the other; all sums are float64 and run in
input order, so that neither the size of a block nor the range of pixels given
to a thread changes a bit of the result.

The sums of a pixel are taken around its first usable value, which keeps the
scatter exact on a high pedestal in a single pass over the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit
from .combine_rows import (
    INPUT_ERROR,
    MOSAIC_ERROR,
    PADDING,
    add_bits,
    add_chances,
    add_noise,
    add_scatter,
    finish_mask,
    finish_mean,
    raise_lost,
    screen,
    set_origin,
    tally,
    weigh,
)

__all__ = (
    "BLOCK",
    "INPUT_ERROR",
    "MOSAIC_ERROR",
    "SCATTER_ERROR",
    "add_to_mean",
    "read_mean",
    "stack_mean",
)

BLOCK = 1024
SCATTER_ERROR = 0


@jit
def add_row(
    x: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    weight: float,
    rules: tuple[Any, ...],
    masking: tuple[Any, ...],
    work: tuple[Any, ...],
    sums: np.ndarray,
    tallies: np.ndarray,
    lost: np.ndarray,
    at: int,
) -> None:
    """Add a row of one input to the sums of a mean, which begin at column ``at``.

    ``sums`` holds origin, weights, weighted distances, and either the weighted
    variances or squared weights and weighted squares; ``tallies`` the bits of
    the used values, those of the rejected ones, and the count.
    """
    bad, use_variance, floor, per_pixel, error = rules
    end, b = at + m.size, m.size
    kept, w = work[0][:b], work[1][:b]
    bits, seen, good = tallies[0, at:end], tallies[1, at:end], tallies[2, at:end]
    origin, sw, swd = sums[0, at:end], sums[1, at:end], sums[2, at:end]
    screen(x, m, v, bad, use_variance, floor, kept)
    weigh(v, weight, per_pixel, w)
    set_origin(kept, good, origin)
    if error == SCATTER_ERROR:
        add_scatter(kept, w, origin, sw, swd, sums[3, at:end], sums[4, at:end])
    else:
        add_noise(kept, v, w, origin, error, sw, swd, sums[3, at:end])
    add_bits(kept, m, bits, good)
    rejected = tally(kept, m, seen)
    threshold_bits = masking[3]
    for k in range(threshold_bits.size):
        if rejected & threshold_bits[k] != 0:
            add_chances(kept, m, w, threshold_bits[k], per_pixel, floor, v, lost[k, at:end])


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
        Indices of the inputs to use (int64), and the weights of all inputs (float64).
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
    work = (np.empty(BLOCK, np.float32), np.empty(BLOCK))
    for p in range(start, stop, BLOCK):
        q = min(p + BLOCK, stop)
        sums.fill(0.0)
        tallies.fill(0)
        lost.fill(0.0)
        for i in rows:
            x, m, v = images[i, p:q], masks[i, p:q], variances[i, p:q]
            add_row(x, m, v, weights[i], rules, masking, work, sums, tallies, lost, 0)
        image, mask, variance, count = out[0][p:q], out[1][p:q], out[2][p:q], out[3][p:q]
        read_row(rules, masking, sums, tallies, lost, 0, image, mask, variance, count)


@jit
def add_to_mean(
    x: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    weight: float,
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
    weight, rules, masking
        Weight of this input; the others as for `stack_mean`.
    sums, tallies, lost
        Sums (float64), tallies (int32) and weights of rejected bits (float64),
        of shapes (4 or 5, pixels), (3, pixels) and (thresholds, pixels), all
        zero at the start.
    """
    work = (np.empty(BLOCK, np.float32), np.empty(BLOCK))
    for p in range(0, x.size, BLOCK):
        q = min(p + BLOCK, x.size)
        add_row(x[p:q], m[p:q], v[p:q], weight, rules, masking, work, sums, tallies, lost, p)


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
