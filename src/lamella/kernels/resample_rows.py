"""The loop over destination pixels of `lamella.kernels.resample`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._jit import jit, jit_inline
from .resample_source import load_source
from .window import CELLS, window_sums

__all__ = ("Rule", "Target", "tile_kernel")

# A tap this close to a pixel centre has weights of zero "up to rounding":
# the position is then taken to be the centre, and the other taps do not exist.
_SNAP = 1e-7

_TILE = 256
"""Side of a tile in destination pixels: what it needs of the source fits into the second-level cache."""


class Rule(NamedTuple):
    """`lamella.kernels.resample.ResampleRule` as numbers."""

    scale: float
    no_data: int
    grow: Any
    pad: Any
    mask_half: int
    nearest: bool
    mask_nearest: bool
    strict: bool


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
    """Rows of the table of weights."""
    x_steps: np.ndarray
    y_steps: np.ndarray
    """Distances from the middles of their intervals."""
    starts: np.ndarray
    """Index of the first pixel of the window in the flattened source; -1 where there is none."""


@jit
def _make_row(n: int) -> Row:
    numbers, cells = np.empty((7, n)), np.empty((2, n), np.int32)
    return Row(
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3],
        numbers[4],
        cells[0],
        cells[1],
        numbers[5],
        numbers[6],
        np.empty(n, np.int64),
    )


@jit
def _interpolate_row(nodes: Any, grid: Any, line: int, x_first: int, out: Any) -> None:
    """Fill ``out`` (n,) with values between nodes, for n pixels of one row."""
    step = grid.spacing
    j = (line - grid.y0) // step
    v = (line - grid.y0 - j * step) / step
    n = out.size
    at = 0
    while at < n:
        i = (x_first + at - grid.x0) // step
        left = grid.x0 + i * step - x_first
        end = min(n, left + step)
        a = nodes[j, i]
        if v > 0.0:
            a += v * (nodes[j + 1, i] - a)
        slope = 0.0
        if step > 1:
            b = nodes[j, i + 1]
            if v > 0.0:
                b += v * (nodes[j + 1, i + 1] - b)
            slope = (b - a) / step
        for k in range(at, end):
            out[k] = a + (k - left) * slope
        at = end


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
    height, stride = source.mask.shape
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
        steps[k] = 0.0 if centre else fraction - (cell + 0.5) * (1.0 / CELLS)


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


@jit
def _sum_window(
    source: Any, table: Any, half: int, corner: tuple[int, int], spans: Any, cells: Any, steps: Any
) -> tuple[float, float]:
    """Return the sums of `window_sums` over the taps of non-zero weight only."""
    value = 0.0
    spread = 0.0
    for j in range(spans[1][0], spans[1][1]):
        q = j + half - 1
        wy = table[cells[1], 0, q] + steps[1] * (table[cells[1], 1, q] + steps[1] * table[cells[1], 2, q])
        for i in range(spans[0][0], spans[0][1]):
            p = i + half - 1
            wx = table[cells[0], 0, p] + steps[0] * (table[cells[0], 1, p] + steps[0] * table[cells[0], 2, p])
            value += wx * wy * source.pairs[corner[1] + j, corner[0] + i, 0]
            spread += (wx * wy) ** 2 * source.pairs[corner[1] + j, corner[0] + i, 1]
    return value, spread


@jit
def _settle_window(
    source: Any,
    table: Any,
    rule: Any,
    half: int,
    start: int,
    fractions: tuple[float, float],
    cells: Any,
    steps: Any,
    sums: Any,
) -> tuple[float, float, Any]:
    """Return value, variance and mask of a pixel whose window is not plain.

    ``sums`` is what `window_sums` has found: something not finite, or mask bits.
    """
    value, spread, bits = sums
    stride, taps = source.mask.shape[1], 2 * half
    corner = start % stride + half - 1, start // stride + half - 1
    spans = _span(fractions[0], half, rule.nearest), _span(fractions[1], half, rule.nearest)
    if spans[0][1] - spans[0][0] < taps or spans[1][1] - spans[1][0] < taps:
        bits = _or_window(source.mask, corner[0], corner[1], spans[0], spans[1])
    finite = math.isfinite(value) and math.isfinite(spread)
    if not finite:
        # Perhaps a tap of weight zero, or a column that was loaded beyond the window.
        value, spread = _sum_window(source, table, half, corner, spans, cells, steps)
        finite = math.isfinite(value) and math.isfinite(spread)
    if rule.mask_half > 0:
        bits = (bits & rule.grow) | _or_window(
            source.mask,
            corner[0],
            corner[1],
            _span(fractions[0], rule.mask_half, rule.mask_nearest),
            _span(fractions[1], rule.mask_half, rule.mask_nearest),
        )
    if finite or rule.strict:
        return value, spread, bits
    if not math.isfinite(value):
        return np.nan, np.inf, bits | rule.pad
    return value, np.inf if math.isnan(spread) else spread, bits


@functools.cache
def tile_kernel(taps: int) -> Callable[..., int]:
    """Return the kernel for windows of (taps, taps) pixels; it is compiled when it is first called."""
    half = taps // 2

    @jit
    def tiles(planes: Any, grid: Any, target: Any, table: Any, rule: Any) -> int:
        ny, nx = target.image.shape
        row = _make_row(_TILE)
        snap, good = not rule.strict, 0
        simple = snap and not (rule.nearest or rule.mask_nearest) and rule.mask_half == 1
        for corner in range(-(-ny // _TILE) * -(-nx // _TILE)):
            r0, c0 = corner // -(-nx // _TILE) * _TILE, corner % -(-nx // _TILE) * _TILE
            r1, n = min(r0 + _TILE, ny), min(_TILE, nx - c0)
            x0 = target.x0 + c0
            tile = target.y0 + r0, target.y0 + r1, x0, x0 + n
            source = load_source(planes, rule.no_data, grid, tile, half)
            flags, stride = source.mask.ravel(), source.mask.shape[1]
            middle = (half - 1) * (stride + 1)
            for r in range(r0, r1):
                _locate_row(grid, target.y0 + r, x0, n, source, half, snap, row)
                image, variance, mask = target.image[r], target.variance[r], target.mask[r]
                for k in range(n):
                    c, start = c0 + k, row.starts[k]
                    if start < 0:
                        image[c], variance[c], mask[c] = np.nan, np.inf, rule.pad
                        continue
                    cells = np.int64(row.x_cells[k]), np.int64(row.y_cells[k])
                    steps = row.x_steps[k], row.y_steps[k]
                    sums = window_sums(source.pairs, source.mask, start, table, cells, steps, taps)
                    value, spread, bits = sums
                    finite = math.isfinite(value) and math.isfinite(spread)
                    if bits != 0 and finite and simple and cells[0] < CELLS and cells[1] < CELLS:
                        # What `_settle_window` does, for the most frequent case: bits, and nothing else.
                        at = start + middle
                        bits = (bits & rule.grow) | flags[at] | flags[at + 1]
                        bits |= flags[at + stride] | flags[at + stride + 1]
                    elif bits != 0 or not finite:
                        fractions = _split(row.x[k], snap)[1], _split(row.y[k], snap)[1]
                        value, spread, bits = _settle_window(
                            source, table, rule, half, start, fractions, cells, steps, sums
                        )
                    area = row.area[k] * rule.scale
                    image[c], variance[c], mask[c] = value * area, spread * area * area, bits
                    good += 1
        return good

    return tiles
