"""The loop over destination pixels of `lamella.kernels.resample.resample`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._jit import jit, jit_inline
from .lost import settle_lost
from .source import FILLED, LOST, UNSURE, load_source, make_room, reach, state_of
from .tap_weights import CELLS
from .window import window_sums

__all__ = ("Rule", "Target", "tile_kernel")

# A tap this close to a pixel centre has weights of zero "up to rounding":
# the position is then taken to be the centre, and the other taps do not exist.
_SNAP = 1e-7

_ROWS, _COLUMNS = 128, 256
"""Shape of a tile in destination pixels: what it needs of the source fits into the second-level cache."""


class Rule(NamedTuple):
    """`lamella.kernels.resample.resample.ResampleRule` as numbers."""

    scale: float
    no_data: Any
    filled: Any
    keep: Any
    """Bits of the source that the mask of a destination pixel may have."""
    reasons: Any
    max_lost_weight: Any
    grow: Any
    pad: Any
    mask_half: int
    nearest: bool
    mask_nearest: bool
    strict: bool
    snap: bool
    """Whether positions at the centre of a source pixel take that pixel alone."""
    plain: bool
    """Whether the mask of a pixel follows from its window, unless it is at the centre of a source pixel."""
    y_row: int
    """Row of the table of weights at which those along y begin."""


class Target(NamedTuple):
    """Planes of the destination, and their origin."""

    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    x0: int
    y0: int


class Row(NamedTuple):
    """Positions, windows and weights of some pixels: arrays of shape (n,)."""

    x: np.ndarray
    y: np.ndarray
    area: np.ndarray
    x_taps: np.ndarray
    y_taps: np.ndarray
    """First tap of the window; -1 where it does not fit into the source."""
    x_cells: np.ndarray
    y_cells: np.ndarray
    """Rows of the table of weights, counted from where those of the axis begin."""
    x_steps: np.ndarray
    y_steps: np.ndarray
    """Distances from the middles of their intervals; float32."""
    starts: np.ndarray
    """Index of the first pixel of the window in the flattened source; -1 where there is none."""
    sums: np.ndarray
    """What `window_sums` found; float32, shape (n, 2)."""
    states: np.ndarray
    """What is not known of the pixels; uint8."""
    listed: np.ndarray
    """Room for a list of pixels; int32."""


@jit
def _make_row(n: int) -> Row:
    numbers, cells, steps = np.empty((5, n)), np.empty((2, n), np.int32), np.empty((2, n), np.float32)
    return Row(
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        cells[0],
        cells[1],
        steps[0],
        steps[1],
        np.empty(n, np.int64),
        np.empty((n, 2), np.float32),
        np.empty(n, np.uint8),
        np.empty(n, np.int32),
    )


@jit
def _interpolate_row(nodes: Any, grid: Any, line: int, x_first: int, out: Any) -> None:
    """Fill ``out`` (n,) with values between nodes, for n pixels of one row."""
    step = grid.spacing
    j = (line - grid.y0) // step
    i = (x_first - grid.x0) // step
    v = (line - grid.y0 - j * step) / step
    first = x_first - grid.x0 - i * step
    at = 0
    while at < out.size:
        count = min(out.size - at, step - first)
        a, slope = nodes[j, i], 0.0
        if v > 0.0:
            a += v * (nodes[j + 1, i] - a)
        if step > 1:
            b = nodes[j, i + 1]
            if v > 0.0:
                b += v * (nodes[j + 1, i + 1] - b)
            slope = (b - a) / step
        for k in range(count):
            # An index without sign needs no look at whether it counts from the end.
            out[np.uint64(at + k)] = a + (first + k) * slope
        at, first, i = at + count, 0, i + 1


@jit_inline
def _split(position: float, snap: bool) -> tuple[float, float]:
    """Return whole part and fraction of a position; on a pixel centre the fraction is -1 if ``snap``."""
    whole = np.floor(position)
    fraction = position - whole
    after = snap & (fraction > 1.0 - _SNAP)
    before = snap & (fraction < _SNAP)
    return whole + 1.0 if after else whole, -1.0 if after | before else fraction


@jit
def _locate_row(
    grid: Any, line: int, x_first: int, n: int, source: Any, half: int, snap: bool, row: Any
) -> None:
    """Fill a `Row` with the windows and weights of n pixels."""
    for nodes, positions in ((grid.x, row.x), (grid.y, row.y), (grid.area, row.area)):
        _interpolate_row(nodes, grid, line, x_first, positions[:n])
    height, stride = source.bits.shape
    low_x, low_y = source.x0 + half - 1, source.y0 + half - 1
    _locate(row.x[:n], low_x, source.width - 2 * half, snap, row.x_taps, row.x_cells, row.x_steps)
    _locate(row.y[:n], low_y, height - 2 * half, snap, row.y_taps, row.y_cells, row.y_steps)
    area, x, y, starts = row.area, row.x_taps, row.y_taps, row.starts
    for k in range(n):
        inside = (x[k] >= 0.0) & (y[k] >= 0.0) & (area[k] > 0.0)
        starts[k] = np.int64(y[k]) * stride + np.int64(x[k]) if inside else -1


@jit
def _locate(positions: Any, low: int, last: int, snap: bool, first: Any, cells: Any, steps: Any) -> None:
    """Find the first taps (-1 where the window does not fit), and the weights, along one axis.

    ``cells`` are rows of the table, ``steps`` distances from the middles of
    their intervals.  Written without branches.
    """
    for k in range(positions.size):
        whole, fraction = _split(positions[k], snap)
        tap = whole - low
        # Written so that NaN is outside.
        inside = (tap >= 0.0) & (tap <= last)
        fraction = fraction if inside else 0.0
        centre = fraction < 0.0
        cell = min(np.floor(fraction * CELLS), CELLS - 1.0)
        first[k] = tap if inside else -1.0
        cells[k] = CELLS if centre else np.int32(cell)
        steps[k] = np.float32(0.0 if centre else fraction - (cell + 0.5) * (1.0 / CELLS))


@jit_inline
def _span(fraction: float, half: int, nearest: bool) -> tuple[int, int]:
    """Return the range of taps, relative to the whole part, whose weight is not zero."""
    if nearest:
        return (0, 1) if fraction < 0.5 else (1, 2)
    if fraction < 0.0 or (half == 1 and fraction == 0.0):
        return 0, 1
    return 1 - half, half + 1


@jit
def _or_window(mask: Any, ix: int, iy: int, x_span: tuple[int, int], y_span: tuple[int, int]) -> Any:
    """Return the bitwise or of the mask over a window."""
    bits = np.int32(0)
    for j in range(iy + y_span[0], iy + y_span[1]):
        for i in range(ix + x_span[0], ix + x_span[1]):
            bits |= mask[j, i]
    return bits


@jit_inline
def _weight(table: Any, cell: int, tap: int, step: float) -> Any:
    cubic = table[cell, :, tap]
    return cubic[0] + step * (cubic[1] + step * (cubic[2] + step * cubic[3]))


@jit
def _sum_window(
    planes: Any, table: Any, y_row: int, half: int, row: Any, k: int, ix: int, iy: int, spans: Any
) -> Any:
    """Return the sums of `window_sums` over the taps of non-zero weight only."""
    value = 0.0
    spread = 0.0
    for j in range(spans[1][0], spans[1][1]):
        wy = _weight(table, row.y_cells[k] + y_row, j + half - 1, row.y_steps[k])
        for i in range(spans[0][0], spans[0][1]):
            weight = wy * _weight(table, row.x_cells[k], i + half - 1, row.x_steps[k])
            value += weight * planes.image[iy + j, ix + i]
            spread += weight**2 * planes.variance[iy + j, ix + i]
    return np.float32(value), np.float32(spread)


@jit
def _state_window(planes: Any, rule: Any, ix: int, iy: int, spans: Any) -> Any:
    """Return the states of the taps of non-zero weight, or-ed."""
    state = np.uint8(0)
    for y in range(iy + spans[1][0], iy + spans[1][1]):
        for x in range(ix + spans[0][0], ix + spans[0][1]):
            pixel = planes.image[y, x], planes.mask[y, x], planes.variance[y, x]
            state |= state_of(pixel[0], pixel[1], pixel[2], rule.no_data, rule.filled)
    return state


@jit
def _settle(planes: Any, source: Any, table: Any, rule: Any, half: int, row: Any, mask: Any, k: int) -> None:
    """Look again at a pixel whose window may not be plain: only taps of non-zero weight count."""
    defined = math.isfinite(row.sums[k, 0]) and math.isfinite(row.sums[k, 1])
    if mask[k] == 0 and row.states[k] == 0 and defined:
        return
    fractions = _split(row.x[k], rule.snap)[1], _split(row.y[k], rule.snap)[1]
    start, stride = row.starts[k], source.bits.shape[1]
    ix = source.x0 - planes.x0 + start % stride + half - 1
    iy = source.y0 - planes.y0 + start // stride + half - 1
    spans = _span(fractions[0], half, rule.nearest), _span(fractions[1], half, rule.nearest)
    if rule.strict:
        if not defined:
            # Perhaps a column that was loaded beyond the window.
            # Number by number: a pair that becomes a row of an array takes seconds to compile.
            value, spread = _sum_window(planes, table, rule.y_row, half, row, k, ix, iy, spans)
            row.sums[k, 0], row.sums[k, 1] = value, spread
    else:
        row.states[k] = _state_window(planes, rule, ix, iy, spans)
    bits = _or_window(planes.mask, ix, iy, spans[0], spans[1])
    if rule.mask_half > 0:
        x_span = _span(fractions[0], rule.mask_half, rule.mask_nearest)
        y_span = _span(fractions[1], rule.mask_half, rule.mask_nearest)
        bits = (bits & rule.grow) | _or_window(planes.mask, ix, iy, x_span, y_span)
    mask[k] = bits


@jit
def _write_row(row: Any, rule: Any, image: Any, variance: Any, mask: Any) -> int:
    """Write the pixels of a row; return how many have a window."""
    # Short loops over few arrays, with numbers without sign in them: others get no vector instructions.
    areas, states, sums, starts = row.area, row.states, row.sums, row.starts
    scale, keep, pad = rule.scale, rule.keep, rule.pad
    for k in range(image.size):
        at = np.uint64(k)
        area, lost = areas[at] * scale, states[at] & LOST != 0
        image[at] = np.float32(np.nan) if lost else np.float32(sums[at, np.uint64(0)] * area)
    for k in range(image.size):
        at = np.uint64(k)
        area, unsure = areas[at] * scale, states[at] & (LOST | UNSURE) != 0
        variance[at] = np.float32(np.inf) if unsure else np.float32(sums[at, np.uint64(1)] * area * area)
    for k in range(image.size):
        at = np.uint64(k)
        mask[at] = (mask[at] & keep) | (pad if states[at] & LOST != 0 else np.int32(0))
    good = 0
    for k in range(image.size):
        good += starts[np.uint64(k)] >= 0
    return good


@functools.cache
def tile_kernel(taps: int) -> Callable[..., int]:
    """Return the kernel for windows of (taps, taps) pixels; it is compiled when it is first called."""
    # Lengths of tuples are known when a kernel is compiled.  A plain number would be a part of the
    # types too, and what takes it would be compiled again for each width.
    half, counted = np.int64(taps // 2), (0,) * taps

    @jit
    def tiles(planes: Any, grid: Any, target: Any, table: Any, rule: Any) -> int:
        ny, nx = target.image.shape
        row, room = _make_row(_COLUMNS), make_room(0)
        across, good, y_row = -(-nx // _COLUMNS), 0, np.int64(rule.y_row)
        for tile in range(-(-ny // _ROWS) * across):
            r0, c0 = tile // across * _ROWS, tile % across * _COLUMNS
            r1, n = min(r0 + _ROWS, ny), min(_COLUMNS, nx - c0)
            x0 = target.x0 + c0
            box = reach(planes, grid, (target.y0 + r0, target.y0 + r1, x0, x0 + n), half)
            size = (box[1] - box[0]) * box[4]
            if size > room.bits.size:
                room = make_room(size)
            source = load_source(planes, rule, box, half, room)
            bits, states = source.bits.ravel(), source.states.ravel()
            for r in range(r0, r1):
                _locate_row(grid, target.y0 + r, x0, n, source, half, rule.snap, row)
                image, variance = target.image[r, c0 : c0 + n], target.variance[r, c0 : c0 + n]
                mask = target.mask[r, c0 : c0 + n]
                seen = np.uint8(0)
                for k in range(n):
                    start = row.starts[k]
                    if start < 0:
                        mask[k], row.states[k] = 0, LOST
                        continue
                    x_cell, y_cell = np.int64(row.x_cells[k]), np.int64(row.y_cells[k])
                    cells = x_cell, y_cell + y_row
                    steps = row.x_steps[k], row.y_steps[k]
                    row.sums[k, 0], row.sums[k, 1] = window_sums(
                        source.pairs, start, table, cells, steps, taps
                    )
                    mask[k], row.states[k] = bits[start], states[start]
                    seen |= states[start]
                    if not rule.plain or x_cell == CELLS or y_cell == CELLS:
                        _settle(planes, source, table, rule, half, row, mask, k)
                if seen & (LOST | FILLED) and rule.max_lost_weight > 0.0:
                    settle_lost(planes, source, table, rule, row, mask, n, counted)
                good += _write_row(row, rule, image, variance, mask)
        return good

    return tiles
