"""What a resampled pixel makes of lost taps: the others make up for them, as long as they are few."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import jit
from .resample_source import FILLED, LOST
from .tap_weights import CELLS
from .window_shares import window_shares

__all__ = ("settle_frame", "settle_lost")

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
        Weights, as `lamella.kernels.tap_weights.weight_tables` has them.
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
    share, reasons, y_row = rule.max_lost_weight, rule.reasons, np.int64(rule.y_row)
    for k in range(n):
        at = np.uint64(k)
        if row_states[at] & _MISSING == 0 or starts[at] < 0:
            continue
        start = starts[at]
        cells = np.int64(x_cells[at]), np.int64(y_cells[at])
        lost, filled, gone, whole = window_shares(
            pixel_states, start, table, (cells[0], cells[1] + y_row), (x_steps[at], y_steps[at]), counted
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


@jit
def settle_frame(
    planes: Any, source: Any, rule: Any, frame: Any, total: Any, width: int
) -> tuple[Any, Any, Any]:
    """Do what `settle_lost` does, for a pixel whose source pixels have one weight each.

    Parameters
    ----------
    planes, source, rule
        As for `settle_lost`.
    frame
        Range (y0, y1, x0, x1) of pixels of ``source``.
    total
        Their weights, flat, float32.
    width
        Length of a row of ``total``.

    Returns
    -------
    state
        `LOST` where too much is lost, else 0.
    share
        Part of the sum of the weights that is not lost.
    bits
        Reasons for the mask.
    """
    whole, lost, filled, gone, kept = 0.0, 0.0, 0.0, 0.0, 0.0
    bits = np.int32(0)
    for y in range(frame[0], frame[1]):
        for x in range(frame[2], frame[3]):
            weight = np.float64(total[(y - frame[0]) * width + x - frame[2]])
            whole += abs(weight)
            kept += weight
            state = source.pixel_states[y, x]
            if state & (LOST | FILLED) and weight != 0.0:
                bits |= planes.mask[source.y0 - planes.y0 + y, source.x0 - planes.x0 + x]
                filled += abs(weight) if state & FILLED else 0.0
                lost += abs(weight) if state & LOST else 0.0
                gone += weight if state & LOST else 0.0
    limit = np.float64(rule.max_lost_weight) * whole
    reasons = bits & rule.reasons if lost + filled > limit else np.int32(0)
    return LOST if lost > limit else np.uint8(0), (kept - gone) / kept, reasons
