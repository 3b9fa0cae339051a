"""The loop over destination pixels of `lamella.kernels.resample`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._jit import jit, jit_inline
from .window import CELLS, window_sums

__all__ = ("Rule", "Source", "Target", "row_kernel")

# A tap this close to a pixel centre has weights of zero "up to rounding":
# the position is then taken to be the centre, and the other taps do not exist.
_SNAP = 1e-7


class Source(NamedTuple):
    """Padded planes of the source, their origin, and the number of real columns."""

    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    x0: int
    y0: int
    width: int


class Rule(NamedTuple):
    """`lamella.kernels.resample.ResampleRule` as numbers."""

    scale: float
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


@jit
def _interpolate_row(grid: Any, line: int, x_first: int, out: Any) -> None:
    """Fill ``out`` (3, n) with x, y and area of n pixels of one row."""
    step = grid.spacing
    j = (line - grid.y0) // step
    v = (line - grid.y0 - j * step) / step
    n = out.shape[1]
    for q in range(3):
        nodes = grid.x if q == 0 else (grid.y if q == 1 else grid.area)
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
                out[q, k] = a + (k - left) * slope
            at = end


@jit_inline
def _split(position: float, snap: bool) -> tuple[float, float]:
    """Return whole part and fraction of a position; on a pixel centre the fraction is -1 if ``snap``."""
    whole = math.floor(position)
    fraction = position - whole
    if snap:
        if fraction > 1.0 - _SNAP:
            return whole + 1.0, -1.0
        if fraction < _SNAP:
            return whole, -1.0
    return whole, fraction


@jit_inline
def _cell(fraction: float) -> tuple[int, float]:
    """Return the row of the table for a fraction, and the distance from the middle of its interval."""
    if fraction < 0.0:
        return CELLS, 0.0
    cell = min(int(fraction * CELLS), CELLS - 1)
    return cell, fraction - (cell + 0.5) / CELLS


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
            value += wx * wy * source.image[corner[1] + j, corner[0] + i]
            spread += (wx * wy) ** 2 * source.variance[corner[1] + j, corner[0] + i]
    return value, spread


@jit
def _narrow_mask(source: Any, rule: Any, corner: tuple[int, int], fractions: tuple[float, float]) -> Any:
    """Return the bitwise or of the mask over the taps of the mask kernel."""
    return _or_window(
        source.mask,
        corner[0],
        corner[1],
        _span(fractions[0], rule.mask_half, rule.mask_nearest),
        _span(fractions[1], rule.mask_half, rule.mask_nearest),
    )


@jit
def _settle(value: float, spread: float) -> tuple[float, float, bool]:
    """Return value and variance of a pixel of which one is not finite, and whether it is lost."""
    if not math.isfinite(value):
        return np.nan, np.inf, True
    return value, np.inf if math.isnan(spread) else spread, False


@functools.cache
def row_kernel(taps: int) -> Callable[..., int]:
    """Return the kernel for windows of (taps, taps) pixels; it is compiled when it is first called."""
    half = taps // 2

    @jit
    def rows(source: Any, grid: Any, target: Any, table: Any, rule: Any) -> int:
        height, stride = source.image.shape
        ny, nx = target.image.shape
        place = np.empty((3, nx))
        low_x, high_x = source.x0 + half - 1, source.x0 + source.width - 1 - half
        low_y, high_y = source.y0 + half - 1, source.y0 + height - 1 - half
        good = 0
        for r in range(ny):
            _interpolate_row(grid, target.y0 + r, target.x0, place)
            for c in range(nx):
                px, fx = _split(place[0, c], not rule.strict)
                py, fy = _split(place[1, c], not rule.strict)
                # Written so that NaN is outside.
                if not (low_x <= px <= high_x and low_y <= py <= high_y and place[2, c] > 0.0):
                    target.image[r, c] = np.nan
                    target.variance[r, c] = np.inf
                    target.mask[r, c] = rule.pad
                    continue
                ix, iy = int(px) - source.x0, int(py) - source.y0
                nx_cell, dx = _cell(fx)
                ny_cell, dy = _cell(fy)
                start = (iy - half + 1) * stride + ix - half + 1
                cells, steps = (nx_cell, ny_cell), (dx, dy)
                value, spread, bits = window_sums(
                    source.image, source.variance, source.mask, start, table, cells, steps, taps
                )
                finite = math.isfinite(value) and math.isfinite(spread)
                if bits != 0 or not finite:
                    spans = (_span(fx, half, rule.nearest), _span(fy, half, rule.nearest))
                    if spans[0][1] - spans[0][0] < taps or spans[1][1] - spans[1][0] < taps:
                        bits = _or_window(source.mask, ix, iy, spans[0], spans[1])
                    if not finite:
                        # Perhaps a tap of weight zero, or a column that was loaded beyond the window.
                        value, spread = _sum_window(source, table, half, (ix, iy), spans, cells, steps)
                        finite = math.isfinite(value) and math.isfinite(spread)
                    if rule.mask_half > 0:
                        bits = (bits & rule.grow) | _narrow_mask(source, rule, (ix, iy), (fx, fy))
                    if not (finite or rule.strict):
                        value, spread, lost = _settle(value, spread)
                        if lost:
                            bits |= rule.pad
                area = place[2, c] * rule.scale
                target.image[r, c] = value * area
                target.variance[r, c] = spread * area * area
                target.mask[r, c] = bits
                good += 1
        return good

    return rows
