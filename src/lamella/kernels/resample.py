"""Resampling of an image, its variance and its mask in one pass.

Every destination pixel has a position in the source frame; around it lies a
square window of source pixels, whose weighted sum is the value.  Positions are
given at the nodes of a grid and interpolated inside the kernel, so that no
array of coordinates is ever made.  A destination pixel depends on nothing but
its position, so that it has the same bits however the destination is cut.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._jit import jit, jit_inline
from .window import CELLS, KERNELS, kernel_half_width, weight_table, window_sums

__all__ = ("KERNELS", "PositionGrid", "ResampleRule", "resample")

# A tap this close to a pixel centre has weights of zero "up to rounding":
# the position is then taken to be the centre, and the other taps do not exist.
_SNAP = 1e-7
# Rows of the source whose distance in memory is a multiple of this share one
# set of the first-level cache, and evict each other.
_CACHE_WAY = 4096
_CACHE_SLACK = 384


class PositionGrid(NamedTuple):
    """Source positions of destination pixels, at the nodes of a grid.

    Node ``[j, i]`` belongs to the destination pixel
    ``(x0 + i * spacing, y0 + j * spacing)``; between nodes the positions and
    the areas are interpolated bilinearly.

    Attributes
    ----------
    x, y
        Position in the source frame, pixels; arrays of shape (ny, nx).  NaN
        where the destination has no counterpart.
    area
        Area of a destination pixel in source pixels; same shape.
    x0, y0
        Destination pixel of the first node.
    spacing
        Distance of nodes in destination pixels; 1 means that each pixel has
        its own node.
    """

    x: np.ndarray
    y: np.ndarray
    area: np.ndarray
    x0: int
    y0: int
    spacing: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ResampleRule:
    """How pixels and masks spread into the destination.

    Attributes
    ----------
    kernel
        One of `KERNELS`.
    mask_kernel
        Kernel over whose pixels the mask is or-ed; it must not be wider than
        ``kernel``.  Empty for ``kernel`` itself.
    grow
        Bits that spread over all of ``kernel``, whatever ``mask_kernel`` is.
    no_data
        Bits of source pixels that hold no measurement, whatever their value.
    pad
        Mask of destination pixels without a measurement; it is or-ed to what
        the source says, and stands alone where the kernel leaves the source.
    strict
        Whether to follow the original pipelines where they are less careful:
        taps of weight zero spread masks and NaN when a shift is a whole number
        of pixels, ``no_data`` is ignored, and a NaN leaves mask and variance
        as they are.
    """

    kernel: str = "lanczos3"
    mask_kernel: str = "bilinear"
    grow: int = 0
    no_data: int = 0
    pad: int = 0
    strict: bool = False


# ------------------------------------------------------------------ the rows


class _Source(NamedTuple):
    """Padded planes of the source, their origin, and the number of real columns."""

    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    x0: int
    y0: int
    width: int


class _Rule(NamedTuple):
    """`ResampleRule` as numbers."""

    scale: float
    grow: Any
    pad: Any
    mask_half: int
    nearest: bool
    mask_nearest: bool
    strict: bool


class _Target(NamedTuple):
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
    source: Any, table: Any, corner: tuple[int, int], spans: Any, cells: Any, steps: Any
) -> tuple[float, float]:
    """Return the sums of `window_sums` over the taps of non-zero weight only."""
    half = table.shape[2] // 2
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


@functools.cache
def _row_kernel(taps: int) -> Callable[..., int]:
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
                # Written so that a NaN position is outside.
                if not (low_x <= px <= high_x and low_y <= py <= high_y):
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
                area = place[2, c] * rule.scale
                if bits != 0 or not (math.isfinite(value) and math.isfinite(spread)):
                    spans = (_span(fx, half, rule.nearest), _span(fy, half, rule.nearest))
                    if spans[0][1] - spans[0][0] < taps or spans[1][1] - spans[1][0] < taps:
                        value, spread = _sum_window(source, table, (ix, iy), spans, cells, steps)
                        bits = _or_window(source.mask, ix, iy, spans[0], spans[1])
                    if rule.mask_half > 0:
                        bits = (bits & rule.grow) | _narrow_mask(source, rule, (ix, iy), (fx, fy))
                    if not rule.strict:
                        if not math.isfinite(value):
                            value, spread = np.nan, np.inf
                            bits |= rule.pad
                        elif math.isnan(spread):
                            spread = np.inf
                target.image[r, c] = value * area
                target.variance[r, c] = spread * area * area
                target.mask[r, c] = bits
                good += 1
        return good

    return rows


# ---------------------------------------------------------------- the wrapper


def _padded(plane: np.ndarray, dtype: type, columns: int) -> np.ndarray:
    out = np.zeros((plane.shape[0], columns), dtype)
    out[:, : plane.shape[1]] = plane
    return out


def _stride(width: int) -> int:
    """Return a row length in pixels whose rows do not fall on one set of the cache."""
    over = 4 * width % _CACHE_WAY
    if over < _CACHE_SLACK:
        return width + (_CACHE_SLACK - over + 3) // 4
    if over > _CACHE_WAY - _CACHE_SLACK:
        return width + (_CACHE_WAY - over + _CACHE_SLACK + 3) // 4
    return width


def _source(
    image: np.ndarray, mask: np.ndarray, variance: np.ndarray, origin: tuple[int, int], no_data: int
) -> _Source:
    width = image.shape[1]
    if mask.shape != image.shape or variance.shape != image.shape:
        raise ValueError(
            f"The planes have different shapes: {image.shape}, {mask.shape} (mask), {variance.shape} (variance)."
        )
    columns = _stride(width)
    pixels = _padded(image, np.float32, columns)
    if no_data:
        pixels[:, :width][(mask & no_data) != 0] = np.nan
    return _Source(
        pixels,
        _padded(variance, np.float32, columns),
        _padded(mask, np.int32, columns),
        int(origin[1]),
        int(origin[0]),
        width,
    )


def _rule(rule: ResampleRule, scale: float) -> _Rule:
    half = kernel_half_width(rule.kernel)
    mask_half = kernel_half_width(rule.mask_kernel) if rule.mask_kernel else 0
    if mask_half > half:
        raise ValueError(f"The mask kernel {rule.mask_kernel} is wider than the image kernel {rule.kernel}.")
    return _Rule(
        float(scale),
        np.int32(rule.grow),
        np.int32(rule.pad),
        mask_half,
        rule.kernel == "nearest",
        rule.mask_kernel == "nearest",
        rule.strict,
    )


def _check_cover(grid: PositionGrid, start: tuple[int, int], shape: tuple[int, int]) -> None:
    # Beyond the last node of a spacing above one there is nothing to interpolate to.
    for n, first, begin, size in zip(grid.x.shape, (grid.y0, grid.x0), start, shape, strict=True):
        last = first + (n - 1) * grid.spacing - (grid.spacing > 1)
        if size and (begin < first or begin + size - 1 > last):
            raise ValueError(f"The grid covers pixels {first} to {last}, not {begin} to {begin + size - 1}.")


def resample(
    planes: tuple[np.ndarray, np.ndarray, np.ndarray],
    grid: PositionGrid,
    start: tuple[int, int],
    shape: tuple[int, int],
    rule: ResampleRule,
    *,
    origin: tuple[int, int] = (0, 0),
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Resample an image, its mask and its variance to a box of destination pixels.

    With weights ``k`` that sum to one and the area ``a`` of the destination
    pixel in source pixels, the value is ``a * scale * sum(k * image)`` and its
    variance ``(a * scale)**2 * sum(k**2 * variance)``: the flux of a source is
    kept.  The correlation of neighbours that the sum makes is not kept.

    Parameters
    ----------
    planes
        Image, mask (integers) and variance of the source, each of shape (y, x).
    grid
        Source positions; it must cover the destination.
    start, shape
        First pixel (y, x) and shape (y, x) of the destination.
    rule
        How pixels and masks spread.
    origin
        Coordinates (y, x) of the first source pixel in the frame of the grid.
    scale
        Factor for the image, e.g. a photometric calibration.

    Returns
    -------
    image, mask, variance : `numpy.ndarray`
        float32, int32 and float32.  Where the whole kernel does not fit into
        the source: NaN, ``rule.pad`` and +inf.  Where a tap of non-zero weight
        is NaN, infinite or carries ``rule.no_data``: the same, with the mask of
        the taps or-ed.  A NaN in the variance alone makes the variance +inf.
    covered : `int`
        Number of destination pixels whose kernel fits into the source.

    Raises
    ------
    ValueError
        Raised when shapes differ, the grid does not cover the destination, or
        a kernel is unknown or does not fit into the other.
    """
    numbers = _rule(rule, scale)
    _check_cover(grid, start, shape)
    source = _source(*planes, origin, 0 if rule.strict else rule.no_data)
    target = _Target(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty(shape, np.int32),
        int(start[1]),
        int(start[0]),
    )
    table = weight_table(rule.kernel)
    covered = _row_kernel(table.shape[2])(source, _as_float64(grid), target, table, numbers)
    return target.image, target.mask, target.variance, int(covered)


def _as_float64(grid: PositionGrid) -> PositionGrid:
    x, y, area = (np.ascontiguousarray(values, np.float64) for values in grid[:3])
    return PositionGrid(x, y, area, int(grid.x0), int(grid.y0), int(grid.spacing))
