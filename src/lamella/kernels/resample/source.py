"""Part of a source that a tile of output pixels needs, laid out for `lamella.kernels.resample.window`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .._jit import jit, jit_inline

__all__ = (
    "FILLED",
    "LOST",
    "UNSURE",
    "Planes",
    "Source",
    "box_around",
    "load_source",
    "make_room",
    "reach",
    "state_of",
)

# In the type of a plane of states, so that the loops over them stay narrow.
LOST = np.uint8(1)
"""State of a pixel whose value is not known."""

UNSURE = np.uint8(2)
"""State of a pixel whose variance is not known."""

FILLED = np.uint8(4)
"""State of a pixel whose value was made from its neighbours."""

# Whole blocks of so many pixels are loaded of a row.
_BLOCK = 8
# A window may be loaded with this many columns more than it has.
_BEYOND = 2

# Rows whose distance in memory is a multiple of this share one set of the
# first-level cache, and evict each other.
_CACHE_WAY = 4096
_CACHE_SLACK = 384


class Planes(NamedTuple):
    """Planes of the source, and the coordinates of their first pixel."""

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    x0: int
    y0: int


class Source(NamedTuple):
    """Pixels of a part of the source, the coordinates of the first, and the number of real columns.

    Where the rule is not strict, what is not finite and what holds no
    measurement is zero among the values and variances, and known from the states.
    """

    pairs: np.ndarray
    """Values and variances, shape (y, x, 2), float32: what is used together lies together."""
    bits: np.ndarray
    """Mask of a destination pixel whose window starts here: shape (y, x)."""
    states: np.ndarray
    """States of all pixels of the window that starts here, or-ed: shape (y, x), uint8."""
    pixel_states: np.ndarray
    """State of each pixel: shape (y, x), uint8."""
    x0: int
    y0: int
    width: int


class Room(NamedTuple):
    """Memory for one source after the other: asking the system for it costs more than filling it."""

    pairs: np.ndarray
    bits: np.ndarray
    states: np.ndarray
    pixel_states: np.ndarray
    bit_runs: np.ndarray
    state_runs: np.ndarray


@jit
def make_room(size: int) -> Room:
    """Return memory for sources of that many pixels."""
    pairs = np.empty(2 * (size + _BLOCK), np.float32)
    # What lies beyond the last row is loaded, and gets no weight; it must be finite.
    pairs[2 * size :] = 0.0
    return Room(
        pairs,
        np.empty(size, np.int32),
        np.empty(size, np.uint8),
        np.empty(size, np.uint8),
        np.empty(size, np.int32),
        np.empty(size, np.uint8),
    )


@jit
def reach(planes: Planes, grid: Any, tile: Any, half: int) -> tuple[int, int, int, int, int]:
    """Return the range of source pixels (y0, y1, x0, x1) for a tile, and the length of a row in memory.

    Parameters
    ----------
    planes
        `Planes`.
    grid
        `lamella.kernels.resample.resample.PositionGrid`.
    tile
        Coordinates (y0, y1, x0, x1) of destination pixels; y1 and x1 are not included.
    half
        Half the number of taps.
    """
    j0, j1 = _node_range(tile[0], tile[1], grid.y0, grid.spacing, grid.x.shape[0])
    i0, i1 = _node_range(tile[2], tile[3], grid.x0, grid.spacing, grid.x.shape[1])
    return box_around(planes, grid.x[j0:j1, i0:i1], grid.y[j0:j1, i0:i1], half)


@jit
def box_around(planes: Planes, x: np.ndarray, y: np.ndarray, half: int) -> tuple[int, int, int, int, int]:
    """Return what `reach` does, for all positions between some, of shape (y, x)."""
    height, width = planes.image.shape
    y0, y1 = _reach(y, half, planes.y0, height)
    x0, x1 = _reach(x, half, planes.x0, width)
    return y0, y1, x0, x1, _stride(x1 - x0 + _BEYOND)


@jit
def load_source(planes: Planes, rule: Any, box: Any, half: int, room: Room) -> Source:
    """Copy some pixels of the source.

    Parameters
    ----------
    planes
        `Planes`: float32, int32 and float32.
    rule
        `lamella.kernels.resample.rows.Rule`.
    box
        What `reach` returned.
    half
        Half the number of taps.
    room
        `Room`; the result lies in it.
    """
    y0, y1, x0, x1, columns = box
    shape, size = (y1 - y0, columns), (y1 - y0) * columns
    pairs = room.pairs[: 2 * size].reshape((y1 - y0, 2 * columns))
    bits, bit_runs = room.bits[:size].reshape(shape), room.bit_runs[:size].reshape(shape)
    states, state_runs = room.states[:size].reshape(shape), room.state_runs[:size].reshape(shape)
    pixel_states = room.pixel_states[:size].reshape(shape)
    taps, near = 2 * half, 2 * rule.mask_half
    all_states, all_bits = _load_pixels(planes, rule, box, pairs, pixel_states)
    if all_states != 0:
        _or_columns(pixel_states, 0, 0, x1 - x0, taps, state_runs)
        _or_rows(state_runs, 0, taps, np.uint8(0), states)
    else:
        states.fill(0)
    # Few parts of a source have bits that spread over the whole window.
    narrow = rule.plain and 0 < near < taps
    grow = rule.grow & all_bits if narrow else all_bits
    if grow != 0:
        _or_columns(planes.mask, y0, x0, x1, taps, bit_runs)
        _or_rows(bit_runs, 0, taps, np.int32(0), bits)
    if narrow and all_bits != 0:
        first = half - rule.mask_half
        _or_columns(planes.mask, y0, x0 + first, x1, near, bit_runs)
        _or_rows(bit_runs, first, near, grow, bits)
    elif grow == 0:
        bits.fill(0)
    pairs = pairs.reshape((*shape, 2))
    x0, y0, width = planes.x0 + x0, planes.y0 + y0, x1 - x0
    return Source(pairs, bits, states, pixel_states, x0, y0, width)


# The next loops index with numbers without sign: of others the compiler asks
# whether they count from the end, and uses no vector instructions.  They go
# over whole planes, because to hand over a row costs as much as twenty pixels.


@jit
def _load_pixels(
    planes: Planes, rule: Any, box: Any, pairs: np.ndarray, states: np.ndarray
) -> tuple[np.uint8, np.int32]:
    """Write values and variances in turn, shape (y, 2 x), and states, shape (y, x).

    Return states and bits of the mask, or-ed.
    """
    union, seen = np.uint8(0), np.int32(0)
    y0, y1, x0, x1 = box[:4]
    n = x1 - x0
    for y in range(y1 - y0):
        at = np.uint64(y0 + y)
        for x in range(n):
            i = np.uint64(x0 + x)
            value, spread = planes.image[at, i], planes.variance[at, i]
            bits = planes.mask[at, i]
            state = np.uint8(0) if rule.strict else state_of(value, bits, spread, rule.no_data, rule.filled)
            states[y, x] = state
            union |= state
            seen |= bits
            pairs[y, 2 * x] = np.float32(0.0) if state & LOST else value
            pairs[y, 2 * x + 1] = np.float32(0.0) if state & (LOST | UNSURE) else spread
        # Beyond the real columns there is nothing; weights are zero there.
        pairs[y, 2 * n :] = 0.0
    return union, seen


@jit
def _or_columns(plane: np.ndarray, y0: int, x0: int, x1: int, size: int, runs: np.ndarray) -> None:
    """Write the bitwise or of runs of pixels in a row to ``runs``, where they begin; their ``size`` is even.

    ``runs`` begins at (y0, x0); what stands where no run begins has no meaning.
    """
    for y in range(runs.shape[0]):
        at = np.uint64(y0 + y)
        for first in range(x0, x0 + size, 2):
            for x in range(x1 - x0 - size + 1):
                two = plane[at, np.uint64(first + x)] | plane[at, np.uint64(first + x + 1)]
                runs[y, x] = two if first == x0 else runs[y, x] | two


@jit
def _or_rows(runs: np.ndarray, first: int, size: int, keep: np.integer, out: np.ndarray) -> None:
    """Or ``runs[y + first + j]``, j in [0, size), to what ``keep`` leaves of ``out[y]``; ``size`` is even."""
    height, n = runs.shape
    for y in range(height - first - size + 1):
        for j in range(y + first, y + first + size, 2):
            for x in range(n):
                two = runs[np.uint64(j), x] | runs[np.uint64(j + 1), x]
                out[y, x] = (out[y, x] & keep if j == y + first else out[y, x]) | two


@jit_inline
def state_of(value: Any, bits: Any, variance: Any, no_data: Any, filled: Any) -> Any:
    """Return what is not known of a pixel: `LOST`; or else `UNSURE`, `FILLED`, both or 0."""
    # What is not finite differs from itself by NaN.
    lost = (value - value != 0) | (bits & no_data != 0)
    unsure = (variance - variance != 0) & (not lost)
    made_up = (bits & filled != 0) & (not lost)
    return np.uint8(lost) * LOST | np.uint8(unsure) * UNSURE | np.uint8(made_up) * FILLED


@jit
def _node_range(start: int, stop: int, first: int, spacing: int, size: int) -> tuple[int, int]:
    """Return the first and last (not included) node from which positions of some pixels follow."""
    last = (stop - 1 - first) // spacing
    return (start - first) // spacing, min(last + (1 if spacing == 1 else 2), size)


@jit
def _reach(positions: np.ndarray, half: int, origin: int, size: int) -> tuple[int, int]:
    """Return the range of pixels that windows around some positions need."""
    low, high = math.inf, -math.inf
    for j in range(positions.shape[0]):
        for i in range(positions.shape[1]):
            if math.isfinite(positions[j, i]):
                low, high = min(low, positions[j, i]), max(high, positions[j, i])
    if low > high:
        return 0, 0
    # One pixel more than a window has, for positions taken to the centre of a pixel.
    margin = half + 1 + _BEYOND
    first = min(max(low - origin - margin, 0.0), float(size))
    last = min(max(high - origin + margin + 1, first), float(size))
    return math.floor(first), math.ceil(last)


@jit
def _stride(width: int) -> int:
    """Return a row length in pixels, of 8 bytes, whose rows do not fall on one set of the cache."""
    over = 8 * width % _CACHE_WAY
    if over < _CACHE_SLACK:
        return width + (_CACHE_SLACK - over + 7) // 8
    if over > _CACHE_WAY - _CACHE_SLACK:
        return width + (_CACHE_WAY - over + _CACHE_SLACK + 7) // 8
    return width
