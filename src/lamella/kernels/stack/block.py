"""A block of pixels of a clip or a median: its working arrays, and which of its values may be used."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._jit import jit
from .rows import (
    PADDING,
    add_chances,
    add_count,
    add_precision,
    add_weights,
    block_size,
    finish_mask,
    order_keys,
    screen,
    tally,
    weigh,
)
from .rules import Output, Stack, Sums, Tallies
from .weights import four_weights, set_weights, weight_space

__all__ = (
    "INVERSE_SIGMA",
    "NOTHING",
    "PRECISION",
    "Space",
    "copy_limits",
    "finish_block",
    "make_space",
    "output_rows",
    "restore_lost",
    "screen_block",
    "sum_rows",
    "tally_rows",
)

# Plain numbers would be a part of the types, and `screen_block` compiled for each.
NOTHING, PRECISION, INVERSE_SIGMA = np.int64(0), np.int64(1), np.int64(2)


class Space(NamedTuple):
    """Working arrays for blocks of pixels, whose rows are those of `Sums`, of `Tallies`, or of inputs."""

    kept: np.ndarray
    """Values that may be used, NaN for the others; float32, shape (n + 3, columns)."""
    keys: np.ndarray
    """Integers (int32) that sort as the values do: shape (n, columns); without rows where none are needed."""
    sums: np.ndarray
    totals: np.ndarray
    """Sums of the weights of the usable values, and of what else a statistic needs; shape (2, columns)."""
    tallies: np.ndarray
    lost: np.ndarray
    """Sums of the weights of the rejected values with each bit of the thresholds."""
    work: np.ndarray
    weights: np.ndarray
    """Weights of the inputs, where they differ between pixels."""


@jit
def make_space(stack: Stack, sorted_rows: int) -> Space:
    """Return the working arrays for a stack, of whose inputs so many are sorted: all or none."""
    n, masking = stack.inputs.rows.size, stack.masking
    block = block_size(n)
    columns = block + PADDING
    return Space(
        # Rows of NaN make up the last four inputs.
        np.full((n + 3, columns), np.nan, np.float32),
        np.empty((sorted_rows, columns), np.int32),
        np.empty((5, columns)),
        np.empty((2, columns)),
        np.empty((4, columns), np.int32),
        np.empty((masking.bits.size, columns)),
        np.empty((2, columns)),
        weight_space(stack.inputs.weights, block),
    )


@jit
def sum_rows(space: Space, b: int) -> Sums:
    """Return the sums of the first ``b`` pixels of a block."""
    s = space.sums
    return Sums(s[0, :b], s[1, :b], s[2, :b], s[3, :b], s[4, :b])


@jit
def tally_rows(space: Space, b: int) -> Tallies:
    """Return the counts and bits of the first ``b`` pixels of a block."""
    t = space.tallies
    return Tallies(t[0, :b], t[1, :b], t[2, :b], t[3, :b])


@jit
def output_rows(out: Output, p: int, q: int) -> Output:
    """Return the result in the pixels from ``p`` to ``q``."""
    return Output(out.image[p:q], out.mask[p:q], out.variance[p:q], out.number[p:q])


@jit
def screen_block(stack: Stack, extra: int, p: int, q: int, space: Space) -> None:
    """Screen all inputs of the pixels from ``p`` to ``q``, and write the keys that sort them.

    Parameters
    ----------
    stack
        Inputs and rules.
    extra
        What to add up per pixel in ``totals[1]``: `NOTHING`, `PRECISION` (the
        sum of ``1/variance``), or `INVERSE_SIGMA` (that of its root).
    p, q
        Range of pixels.
    space
        Written.  ``totals[0]`` is the sum of the weights of the usable values, where any other has a bit of
        the thresholds; tallies are zero but for the bits of rejected values, and the number of the others.
    """
    images, masks, variances = stack.planes
    rows, rules, threshold_bits = stack.inputs.rows, stack.rules, stack.masking.bits
    b = q - p
    kept, keys, weights, totals, lost = space.kept, space.keys, space.weights, space.totals, space.lost
    w, seen, good = space.work[0, :b], space.tallies[1, :b], space.tallies[2, :b]
    set_weights(stack.inputs.weights, p, q, weights)
    totals.fill(0.0)
    space.tallies.fill(0)
    lost.fill(0.0)
    rejected = np.int32(0)
    for k in range(rows.size):
        i = rows[k]
        values, m, v = kept[k, :b], masks[i, p:q], variances[i, p:q]
        screen(images[i, p:q], m, v, rules, values)
        add_count(values, good)
        rejected |= tally(values, m, seen)
        if keys.shape[0] > 0:
            order_keys(values.view(np.int32), keys[k, :b])
        if extra != NOTHING:
            add_precision(values, v, extra == INVERSE_SIGMA, totals[1, :b])
    for t in range(threshold_bits.size):
        if rejected & threshold_bits[t] == 0:
            continue
        # Rare, so that all inputs are gone through once more.
        totals[0].fill(0.0)
        for k in range(rows.size):
            i = rows[k]
            values, m, v = kept[k, :b], masks[i, p:q], variances[i, p:q]
            four = four_weights(stack.inputs.weights, (i, i, i, i), b, weights)
            weigh(v, four[0], rules.per_pixel, w)
            add_weights(values, w, totals[0, :b])
            add_chances(values, m, v, w, rules, threshold_bits[t], lost[t, :b])


@jit
def copy_limits(limits: np.ndarray, before: np.ndarray) -> None:
    """Remember the limits of a clip that change: both are float64 of shape (limits, columns)."""
    # Row by row, which takes a tenth of the time of an assignment of slices.
    for k in range(before.shape[0]):
        for j in range(before.shape[1]):
            before[k, j] = limits[k, j]


@jit
def restore_lost(tallies: Tallies, before: np.ndarray, limits: np.ndarray) -> np.int32:
    """Put back the limits of `copy_limits` where a pass of a clip left nothing, and return how often."""
    good, used, changed = tallies.good, tallies.used, np.int32(0)
    for j in range(good.size):
        changed += np.int32((good[j] > 0) & (used[j] == 0))
    if changed > 0:
        for k in range(before.shape[0]):
            for j in range(good.size):
                limits[k, j] = before[k, j] if good[j] > 0 and used[j] == 0 else limits[k, j]
    return changed


@jit
def finish_block(stack: Stack, tallies: Tallies, p: int, q: int, space: Space) -> None:
    """Write mask and count of the pixels from ``p`` to ``q``, whose image and variance are written."""
    out = output_rows(stack.out, p, q)
    finish_mask(tallies, space.totals[0, : q - p], space.lost, 0, stack.masking, out)
