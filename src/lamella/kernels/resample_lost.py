"""What a resampled pixel makes of lost taps: the others make up for them, as long as they are few."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit, jit_inline
from .resample_source import FILLED, LOST

__all__ = ("settle_lost",)


@jit_inline
def _cubic(coefficients: Any, cell: Any, lane: Any, step: Any) -> Any:
    """Evaluate one polynomial of a table: a weight, or a sum of absolute weights."""
    a, b = coefficients[cell, np.uint64(0), lane], coefficients[cell, np.uint64(1), lane]
    c, d = coefficients[cell, np.uint64(2), lane], coefficients[cell, np.uint64(3), lane]
    return a + step * (b + step * (c + step * d))


@jit
def settle_lost(
    planes: Any, source: Any, tables: Any, rule: Any, taps: int, row: Any, mask: Any, n: int
) -> None:
    """Settle the pixels of a row in whose windows some taps are lost or filled, in place.

    Lost taps are zero in the sums already.  Shares are those of the sum of the
    absolute weights: weights of both signs could cancel.

    Parameters
    ----------
    planes
        `lamella.kernels.resample_source.Planes`.
    source
        `lamella.kernels.resample_source.Source`.
    tables
        Weights and sums of absolute weights, as `lamella.kernels.window` tabulates them.
    rule
        `lamella.kernels.resample_rows.Rule`.
    taps
        Number of taps along each axis.
    row
        `lamella.kernels.resample_rows.Row`; the sums and states of its pixels change.
    mask
        Mask of the row, int32, shape (n,): reasons are or-ed to it.
    n
        Number of pixels in the row.
    """
    weights, norms = tables
    stride = np.uint64(source.bits.shape[1])
    runs, states = source.state_runs.ravel(), source.pixel_states.ravel()
    missing, zero = LOST | FILLED, np.uint64(0)
    # Indices without sign need no look at whether they count from the end.
    for k in range(n):
        at = np.uint64(k)
        if row.states[at] & missing == 0 or row.starts[at] < 0:
            continue
        start = np.uint64(row.starts[at])
        x_cell, y_cell = np.uint64(row.x_cells[at]), np.uint64(row.y_cells[at])
        x_step, y_step = row.x_steps[at], row.y_steps[at]
        lost, filled, gone = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for j in range(taps):
            first = start + np.uint64(j) * stride
            if runs[first] & missing == 0:
                continue
            down = _cubic(weights, y_cell, np.uint64(j), y_step)
            for i in range(taps):
                state = states[first + np.uint64(i)]
                if state & missing == 0:
                    continue
                weight = down * _cubic(weights, x_cell, np.uint64(i), x_step)
                lost += abs(weight) if state & LOST else np.float32(0.0)
                gone += weight if state & LOST else np.float32(0.0)
                filled += abs(weight) if state & FILLED else np.float32(0.0)
        whole = _cubic(norms, x_cell, zero, x_step) * _cubic(norms, y_cell, zero, y_step)
        limit = rule.max_lost_weight * whole
        row.states[at] &= ~missing
        if lost + filled > limit:
            mask[at] |= _reasons(planes, source, tables, rule, taps, row, k)
        if lost > limit:
            row.states[at] |= LOST
        elif lost > np.float32(0.0):
            share = np.float32(1.0) - gone
            row.sums[at, 0] /= share
            row.sums[at, 1] /= share * share


@jit
def _reasons(planes: Any, source: Any, tables: Any, rule: Any, taps: int, row: Any, k: int) -> Any:
    """Return why the lost and filled taps of a pixel have no value of their own."""
    stride = source.bits.shape[1]
    y, x = row.starts[k] // stride, row.starts[k] % stride
    bits = np.int32(0)
    for j in range(taps):
        if source.state_runs[y + j, x] & (LOST | FILLED) == 0:
            continue
        for i in range(taps):
            if source.pixel_states[y + j, x + i] & (LOST | FILLED):
                # Where a position is the centre of a pixel, the others have no weight.
                down = _cubic(tables[0], row.y_cells[k], j, row.y_steps[k])
                weight = down * _cubic(tables[0], row.x_cells[k], i, row.x_steps[k])
                if weight != 0.0:
                    bits |= planes.mask[source.y0 - planes.y0 + y + j, source.x0 - planes.x0 + x + i]
    return bits & rule.reasons
