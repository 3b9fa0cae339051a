"""The first step of a clip or a median: which values of a block may be used, and their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit
from .rows import add_chances, add_count, add_precision, add_weights, order_keys, screen, tally, weigh
from .weights import four_weights

__all__ = ("INVERSE_SIGMA", "NOTHING", "PRECISION", "screen_block")

# Plain numbers would be a part of the types, and `screen_block` compiled for each.
NOTHING, PRECISION, INVERSE_SIGMA = np.int64(0), np.int64(1), np.int64(2)


@jit
def screen_block(
    planes: tuple[Any, ...],
    inputs: tuple[Any, ...],
    rules: tuple[Any, ...],
    masking: tuple[Any, ...],
    extra: int,
    p: int,
    q: int,
    kept: np.ndarray,
    keys: np.ndarray,
    work: np.ndarray,
    totals: np.ndarray,
    tallies: np.ndarray,
    lost: np.ndarray,
) -> None:
    """Screen all inputs of a block of pixels, and write the keys that sort them.

    Parameters
    ----------
    inputs
        Those of `combine.stack_mean`, and the space that `weights.set_weights` wrote to.
    extra
        What to add up per pixel in ``totals[1]``: `NOTHING`, `PRECISION` (the
        sum of ``1/variance``), or `INVERSE_SIGMA` (that of its root).
    kept, keys
        Values (float32) and keys (int32) of shape (n, columns), written; the latter may have no rows.
    totals
        Sum of the weights of the usable values, if any other has a bit of the
        thresholds, and ``extra``.
    tallies
        Bits of the values that may not be used in row 1, and the number of the
        others in row 2; zero elsewhere.
    lost
        Sums of the weights of the other values with each bit of the thresholds.
    """
    images, masks, variances = planes
    rows, weights, space = inputs
    bad, use_variance, floor, per_pixel = rules[0], rules[1], rules[2], rules[3]
    b = q - p
    w, seen, good = work[0, :b], tallies[1, :b], tallies[2, :b]
    threshold_bits = masking[3]
    totals.fill(0.0)
    tallies.fill(0)
    lost.fill(0.0)
    rejected = np.int32(0)
    for k in range(rows.size):
        i = rows[k]
        values, m, v = kept[k, :b], masks[i, p:q], variances[i, p:q]
        screen(images[i, p:q], m, v, bad, use_variance, floor, values)
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
            weigh(v, four_weights(weights, (i, i, i, i), b, space)[0], per_pixel, w)
            add_weights(values, w, totals[0, :b])
            add_chances(values, m, w, threshold_bits[t], per_pixel, floor, v, lost[t, :b])
