"""Destination pixels that are means of many points, for `lamella.kernels.resample.resample`.

Where a destination pixel is larger than those of the source, one window at its
centre would sample the image.  The pixel is therefore the mean of the values
at points that are spread evenly over it.  Points share source pixels: their
weights are added up for each source pixel first, so that the variance is the
sum with squared weights, as it is for a single window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._jit import jit
from .lost import settle_frame
from .rows import _interpolate_row, _locate, _write_row
from .source import FILLED, LOST, UNSURE, box_around, load_source, make_room
from .tap_weights import LANES
from .window import add_weights, frame_sums

__all__ = ("bin_tiles",)

_ROWS, _COLUMNS = 128, 256
"""Shape of a tile in points."""
# Least side of a tile in pixels: around it, a pixel more of the source is loaded.
_LEAST = 4
_TAPS = 6


class _Points(NamedTuple):
    """Windows and weights of the points of a row of destination pixels: arrays of shape (y, x)."""

    x: np.ndarray
    y: np.ndarray
    """Positions in the source."""
    x_taps: np.ndarray
    y_taps: np.ndarray
    """First tap of the window; -1 where it does not fit into the source."""
    x_cells: np.ndarray
    y_cells: np.ndarray
    x_steps: np.ndarray
    y_steps: np.ndarray
    """See `lamella.kernels.resample.rows.Row`."""


class _Columns(NamedTuple):
    """Nodes before and behind the points of a row, and how far they are from one to the other."""

    low: np.ndarray
    high: np.ndarray
    shares: np.ndarray
    row: np.ndarray
    """Room for values at a row of nodes."""


class _Pixels(NamedTuple):
    """A row of destination pixels: arrays of shape (x,)."""

    area: np.ndarray
    starts: np.ndarray
    """Not negative where all points have a window."""
    sums: np.ndarray
    """Sums with the weights and with their squares; float32, shape (x, 2)."""
    states: np.ndarray


@jit
def _make_points(ny: int, nx: int) -> _Points:
    numbers, cells = np.empty((4, ny, nx)), np.empty((2, ny, nx), np.int32)
    steps = np.empty((2, ny, nx), np.float32)
    return _Points(numbers[0], numbers[1], numbers[2], numbers[3], cells[0], cells[1], steps[0], steps[1])


@jit
def _make_pixels(n: int) -> _Pixels:
    return _Pixels(np.empty(n), np.empty(n, np.int64), np.empty((n, 2), np.float32), np.empty(n, np.uint8))


@jit
def _node(pixel: int, first: int, spacing: int, shift: float) -> tuple[int, float]:
    """Return the last node before a point that is ``shift`` from the centre of a pixel, and its distance.

    The distance, in spacings, does not depend on where the nodes begin: to the bit.
    """
    index = (pixel - first) // spacing
    rest = pixel - first - index * spacing + shift
    if rest < 0.0:
        index, rest = index - 1, rest + spacing
    return index, rest / spacing


@jit
def _interpolate(nodes: Any, j: int, v: float, i: int, u: float) -> Any:
    """Return a value between four nodes; a node that does not count is not looked at."""
    low, high = nodes[j, i], 0.0
    if u > 0.0:
        low += u * (nodes[j, i + 1] - low)
    if v > 0.0:
        high = nodes[j + 1, i]
        if u > 0.0:
            high += u * (nodes[j + 1, i + 1] - high)
        low += v * (high - low)
    return low


@jit
def _make_columns(grid: Any, x_first: int, n: int, bins: int) -> _Columns:
    """Return the nodes around the points of n pixels of a row."""
    low, high = np.empty(n * bins, np.int64), np.empty(n * bins, np.int64)
    shares = np.empty(n * bins)
    for s in range(n * bins):
        low[s], shares[s] = _node(x_first + s // bins, grid.x0, grid.spacing, (s % bins + 0.5) / bins - 0.5)
        # A node that does not count is not looked at: it may not exist.
        high[s] = low[s] + 1 if shares[s] > 0.0 else low[s]
    return _Columns(low, high, shares, np.empty(grid.x.shape[1]))


@jit
def _place_points(grid: Any, line: int, columns: Any, points: Any) -> None:
    """Fill the positions of the points of a row of destination pixels."""
    n = points.x.shape[0]
    for t in range(n):
        j, v = _node(line, grid.y0, grid.spacing, (t + 0.5) / n - 0.5)
        _interpolate_points(grid.x, j, v, columns, points.x[t])
        _interpolate_points(grid.y, j, v, columns, points.y[t])


@jit
def _interpolate_points(nodes: Any, j: int, v: float, columns: Any, out: Any) -> None:
    """Fill ``out`` with values between the nodes of rows j and j + 1."""
    row = columns.row
    for i in range(columns.low[0], columns.high[-1] + 1):
        row[i] = nodes[j, i] + (v * (nodes[j + 1, i] - nodes[j, i]) if v > 0.0 else 0.0)
    for s in range(out.size):
        a, b = row[np.uint64(columns.low[s])], row[np.uint64(columns.high[s])]
        out[s] = a + columns.shares[s] * (b - a)


@jit
def _reach_pixels(planes: Any, grid: Any, tile: Any) -> tuple[int, int, int, int, int]:
    """Return what `lamella.kernels.resample.source.reach` does, for the points of a tile.

    Nodes may be many tiles apart, so that the positions of the pixels
    themselves are looked at, and of one pixel more on each side.
    """
    # A pixel more on each side: points lie up to half a pixel beyond the centres of the outer ones.
    y, x = np.empty((2, tile[1] - tile[0] + 2, tile[3] - tile[2] + 2))
    for r in range(y.shape[0]):
        j, v = _node(tile[0] - 1 + r, grid.y0, grid.spacing, 0.0)
        for c in range(y.shape[1]):
            i, u = _node(tile[2] - 1 + c, grid.x0, grid.spacing, 0.0)
            y[r, c] = _interpolate(grid.y, j, v, i, u)
            x[r, c] = _interpolate(grid.x, j, v, i, u)
    return box_around(planes, x, y, _TAPS // 2)


@jit
def _locate_points(source: Any, points: Any) -> None:
    """Fill the windows and weights of points whose positions are known."""
    height = source.bits.shape[0]
    half = _TAPS // 2
    low_x, low_y = source.x0 + half - 1, source.y0 + half - 1
    for t in range(points.x.shape[0]):
        _locate(
            points.x[t],
            low_x,
            source.width - _TAPS,
            False,
            points.x_taps[t],
            points.x_cells[t],
            points.x_steps[t],
        )
        _locate(
            points.y[t], low_y, height - _TAPS, False, points.y_taps[t], points.y_cells[t], points.y_steps[t]
        )


@jit
def _frame(points: Any, own: Any) -> Any:
    """Return the range of source pixels (y0, y1, x0, x1) in the windows of a pixel; 0 if one does not fit."""
    x_low, x_high = points.x_taps[0, own[0]], -1.0
    y_low, y_high = points.y_taps[0, own[0]], -1.0
    for t in range(points.x.shape[0]):
        for s in range(own[0], own[1]):
            x, y = points.x_taps[t, s], points.y_taps[t, s]
            x_low, x_high = min(x_low, x), max(x_high, x)
            y_low, y_high = min(y_low, y), max(y_high, y)
    if min(x_low, y_low) < 0.0:
        return 0, 0, 0, 0
    return np.int64(y_low), np.int64(y_high) + _TAPS, np.int64(x_low), np.int64(x_high) + _TAPS


@jit
def _add_points(
    source: Any, points: Any, table: Any, y_row: int, frame: Any, own: Any, total: Any, width: int
) -> Any:
    """Add the weights of the points of a pixel to ``total``, with rows of a width; return mask and states."""
    total[: (frame[1] - frame[0]) * width] = 0.0
    bits, states = np.int32(0), np.uint8(0)
    for t in range(points.x.shape[0]):
        for s in range(own[0], own[1]):
            y, x = np.int64(points.y_taps[t, s]), np.int64(points.x_taps[t, s])
            cells = np.int64(points.x_cells[t, s]), np.int64(points.y_cells[t, s]) + y_row
            steps = points.x_steps[t, s], points.y_steps[t, s]
            start = (y - frame[0]) * width + x - frame[2]
            add_weights(total, start, width, table, cells, steps, _TAPS)
            bits |= source.bits[y, x]
            states |= source.states[y, x]
    return bits, states


@jit
def bin_tiles(planes: Any, grid: Any, target: Any, table: Any, rule: Any, bins: Any) -> int:
    """Fill destination pixels, each the mean of ``bins = (x, y)`` points; return how many have all windows.

    Arguments are those of `lamella.kernels.resample.rows.tile_kernel`, whose
    rule must be plain; the grid reaches half a pixel beyond the destination.
    """
    ny, nx = target.image.shape
    rows, most = max(_LEAST, _ROWS // bins[1]), max(_LEAST, _COLUMNS // bins[0])
    room, total = make_room(0), np.empty(0, np.float32)
    across, good = -(-nx // most), 0
    pixels, count = _make_pixels(most), np.float32(bins[0] * bins[1])
    for tile in range(-(-ny // rows) * across):
        r0, c0 = tile // across * rows, tile % across * most
        r1, n = min(r0 + rows, ny), min(most, nx - c0)
        x0 = target.x0 + c0
        box = _reach_pixels(planes, grid, (target.y0 + r0, target.y0 + r1, x0, x0 + n))
        if (box[1] - box[0]) * box[4] > room.bits.size:
            room = make_room((box[1] - box[0]) * box[4])
        source = load_source(planes, rule, box, _TAPS // 2, room)
        points = _make_points(bins[1], n * bins[0])
        columns = _make_columns(grid, x0, n, bins[0])
        for r in range(r0, r1):
            _place_points(grid, target.y0 + r, columns, points)
            _locate_points(source, points)
            _interpolate_row(grid.area, grid, target.y0 + r, x0, pixels.area[:n])
            mask = target.mask[r, c0 : c0 + n]
            for k in range(n):
                own = k * bins[0], (k + 1) * bins[0]
                frame = _frame(points, own)
                if frame[1] == 0 or not pixels.area[k] > 0.0:
                    mask[k], pixels.states[k], pixels.starts[k] = 0, LOST, -1
                    continue
                blocks = (frame[3] - frame[2] + LANES - _TAPS + LANES - 1) // LANES
                size = (frame[1] - frame[0]) * blocks * LANES
                if size > total.size:
                    total = np.empty(size, np.float32)
                mask[k], pixels.states[k] = _add_points(
                    source, points, table, rule.y_row, frame, own, total, blocks * LANES
                )
                pixels.starts[k] = 0
                start = frame[0] * source.bits.shape[1] + frame[2]
                value, spread = frame_sums(source.pairs, start, total, frame[1] - frame[0], blocks)
                pixels.sums[k, 0], pixels.sums[k, 1] = value / count, spread / count**2
                if rule.max_lost_weight > 0.0 and pixels.states[k] & (LOST | FILLED):
                    state, share, reasons = settle_frame(planes, source, rule, frame, total, blocks * LANES)
                    pixels.states[k] = (pixels.states[k] & UNSURE) | state
                    mask[k] |= reasons
                    pixels.sums[k, 0] /= share
                    pixels.sums[k, 1] /= share * share
            good += _write_row(
                pixels, rule, target.image[r, c0 : c0 + n], target.variance[r, c0 : c0 + n], mask
            )
    return good
