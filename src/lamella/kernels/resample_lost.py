"""What a resampled pixel makes of lost taps: the others make up for them, as long as they are few."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit
from .resample_source import FILLED, LOST
from .window import CELLS
from .window_shares import window_shares

__all__ = ("settle_lost",)

_MISSING = LOST | FILLED


@jit
def settle_lost(
    planes: Any, source: Any, table: Any, rule: Any, row: Any, mask: Any, n: int, counted: Any
) -> None:
    """Settle the pixels of a row in whose windows some taps are lost or filled, in place.

    Shares are those of the sum of the absolute weights: weights of both signs
    could cancel.

    Parameters
    ----------
    planes
        `lamella.kernels.resample_source.Planes`.
    source
        `lamella.kernels.resample_source.Source`; lost taps are zero in its pairs.
    table
        Weights, as `lamella.kernels.window.weight_table` has them.
    rule
        `lamella.kernels.resample_rows.Rule`.
    row
        `lamella.kernels.resample_rows.Row`; the sums and states of its pixels change.
    mask
        Mask of the row, int32, shape (n,): reasons are or-ed to it.
    n
        Number of pixels in the row.
    counted
        Tuple with one number for each tap along an axis.
    """
    taps = len(counted)
    middle = taps // 2 - 1
    # All arrays are looked up once: to hand over one costs more than to weigh a window.
    plane, pixel_states, row_states, sums = planes.mask, source.pixel_states, row.states, row.sums
    starts, stride = row.starts, source.bits.shape[1]
    x_cells, y_cells, x_steps, y_steps = row.x_cells, row.y_cells, row.x_steps, row.y_steps
    y_first, x_first = source.y0 - planes.y0, source.x0 - planes.x0
    share, reasons = rule.max_lost_weight, rule.reasons
    for k in range(n):
        at = np.uint64(k)
        if row_states[at] & _MISSING == 0 or starts[at] < 0:
            continue
        start = starts[at]
        cells = np.int64(x_cells[at]), np.int64(y_cells[at])
        lost, filled, gone, whole = window_shares(
            pixel_states, start, table, cells, (x_steps[at], y_steps[at]), counted
        )
        state = row_states[at] & ~_MISSING
        if lost + filled > share * whole:
            y, x = start // stride, start % stride
            bits = np.int32(0)
            for j in range(taps):
                from_row, to_row = np.uint64(y_first + y + j), np.uint64(y + j)
                for i in range(taps):
                    flags = plane[from_row, np.uint64(x_first + x + i)]
                    missing = pixel_states[to_row, np.uint64(x + i)] & _MISSING != 0
                    bits |= flags if missing else np.int32(0)
            if cells[0] == CELLS or cells[1] == CELLS:
                # On the centre of a pixel the other taps have no weight.
                bits = np.int32(0)
                rows = (middle, middle + 1) if cells[1] == CELLS else (0, taps)
                columns = (middle, middle + 1) if cells[0] == CELLS else (0, taps)
                for j in range(rows[0], rows[1]):
                    for i in range(columns[0], columns[1]):
                        if pixel_states[y + j, x + i] & _MISSING:
                            bits |= plane[y_first + y + j, x_first + x + i]
            mask[at] |= bits & reasons
        if lost > share * whole:
            state |= LOST
        elif lost > np.float32(0.0):
            left = np.float32(1.0) - gone
            sums[at, np.uint64(0)] /= left
            sums[at, np.uint64(1)] /= left * left
        row_states[at] = state
