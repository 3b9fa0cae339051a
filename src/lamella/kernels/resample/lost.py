"""What a resampled pixel makes of lost taps: the others make up for them, as long as they are few."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._jit import jit
from .source import FILLED, LOST, Planes, Source
from .tap_weights import CELLS
from .window_shares import filled_shares, window_bits, window_shares

__all__ = ("settle_frame", "settle_lost")

_MISSING = LOST | FILLED
_EIGHT_MISSING = np.uint64(0x0101010101010101 * int(_MISSING))


@jit
def settle_lost(
    planes: Planes,
    source: Source,
    table: np.ndarray,
    rule: Any,
    row: Any,
    mask: np.ndarray,
    n: int,
    counted: Any,
) -> None:
    """Settle the pixels of a row in whose windows some taps are lost or filled, in place.

    Shares are those of the sum of the absolute weights: weights of both signs
    could cancel.  Sums and states of the ``n`` pixels of the row change, and reasons are or-ed to their
    mask (int32, shape (n,)); ``table`` has the weights, and ``counted`` is a tuple with one number for each
    tap along an axis.
    """
    # All arrays are looked up once: to hand over one costs more than to weigh a window.
    pixel_states, row_states, sums, starts = source.pixel_states, row.states, row.sums, row.starts
    x_cells, y_cells, x_steps, y_steps = row.x_cells, row.y_cells, row.x_steps, row.y_steps
    share, y_row, listed = rule.max_lost_weight, np.int64(rule.y_row), row.listed
    flagged = 0
    for c in range(_list_missing(row_states, starts, n, listed)):
        at = np.uint64(listed[np.uint64(c)])
        start, state = starts[at], row_states[at]
        cells = np.int64(x_cells[at]), np.int64(y_cells[at]) + y_row
        steps = x_steps[at], y_steps[at]
        lost, gone = np.float32(0.0), np.float32(0.0)
        if state & LOST:
            lost, filled, gone, whole = window_shares(pixel_states, start, table, cells, steps, counted)
        else:
            filled, whole = filled_shares(pixel_states, start, table, cells, steps, counted)
        limit = share * whole
        # The list of those that get reasons grows behind the place that is read.
        listed[np.uint64(flagged)] = at
        flagged += lost + filled > limit
        if lost > limit:
            row_states[at] = (state & ~_MISSING) | LOST
            continue
        row_states[at] = state & ~_MISSING
        if lost > np.float32(0.0):
            left = np.float32(1.0) - gone
            sums[at, np.uint64(0)] /= left
            sums[at, np.uint64(1)] /= left * left
    if flagged > 0:
        first = source.y0 - planes.y0, source.x0 - planes.x0
        _give_reasons(planes.mask, source, first, row, flagged, rule.reasons, mask, counted)


@jit
def _list_missing(states: np.ndarray, starts: np.ndarray, n: int, listed: np.ndarray) -> int:
    """List the pixels of a row that have a window and lost or filled taps; return how many there are."""
    count = 0
    # Eight states at a time: most have nothing to list.
    words = states.view(np.uint64)
    for first in range(0, n, 8):
        if words[np.uint64(first // 8)] & _EIGHT_MISSING == 0:
            continue
        for k in range(first, min(first + 8, n)):
            at = np.uint64(k)
            listed[np.uint64(count)] = k
            count += (states[at] & _MISSING != 0) & (starts[at] >= 0)
    return count


@jit
def _give_reasons(
    plane: Any, source: Any, first: Any, row: Any, count: int, reasons: Any, mask: Any, counted: Any
) -> None:
    """Or the mask of lost and filled taps to that of the first pixels in the list of a row.

    ``first`` are the indices (y, x) of the first pixel of the source in ``plane``.
    """
    states, listed, starts = source.pixel_states, row.listed, row.starts
    x_taps, y_taps, x_cells, y_cells = row.x_taps, row.y_taps, row.x_cells, row.y_cells
    for c in range(count):
        k = np.uint64(listed[c])
        y, x = first[0] + np.int64(y_taps[k]), first[1] + np.int64(x_taps[k])
        if x_cells[k] == CELLS or y_cells[k] == CELLS:
            at_centre = y_cells[k] == CELLS, x_cells[k] == CELLS
            bits = _bits_at_centre(plane, states, first, (y, x), at_centre, len(counted))
        else:
            bits = window_bits(plane, y * plane.shape[1] + x, states, starts[k], counted)
        mask[k] |= bits & reasons


@jit
def _bits_at_centre(plane: Any, states: Any, first: Any, start: Any, at_centre: Any, taps: int) -> Any:
    """Return what `window_bits` does, where along an axis the taps beside a centre have no weight."""
    middle, bits = taps // 2 - 1, np.int32(0)
    rows = (middle, middle + 1) if at_centre[0] else (0, taps)
    columns = (middle, middle + 1) if at_centre[1] else (0, taps)
    for y in range(start[0] + rows[0], start[0] + rows[1]):
        for x in range(start[1] + columns[0], start[1] + columns[1]):
            if states[y - first[0], x - first[1]] & _MISSING:
                bits |= plane[y, x]
    return bits


@jit
def settle_frame(
    planes: Planes, source: Source, rule: Any, frame: Any, total: np.ndarray, width: int
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
