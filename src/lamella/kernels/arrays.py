"""Planes as kernels take them, and counts over whole planes, each in one walk."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ._jit import jit

__all__ = (
    "LARGEST",
    "SIGMA_OF_QUARTILES",
    "Plane",
    "Row",
    "copy_row",
    "count_bits",
    "count_values",
    "find_covered",
    "find_near",
    "kernel_array",
    "sum_blocks",
    "sum_flagged",
)

# As a constant: kernels that ask numpy for it make each process import the linear algebra of SciPy.
LARGEST = np.float32(np.finfo(np.float32).max)
"""The largest float32 that is finite."""
SIGMA_OF_QUARTILES = 0.741301109252802
"""Standard deviation of a normal distribution in units of its interquartile range: 1 / (2 * 0.67449)."""
# Arrays of the shapes (y, x) and (n,), C-contiguous; the docstrings say of which type.
type Plane = np.ndarray
type Row = np.ndarray

_BLOCK = 4096
# Up to so many values in a block, each is counted in a walk of its own, which is faster.
_FEW = 8


def kernel_array(values: ArrayLike, dtype: DTypeLike | None = None) -> np.ndarray:
    """Return an array in a type and in the layout that kernels are compiled for, itself if it is so already.

    Parameters
    ----------
    values
        Any shape.
    dtype
        Type of the result; by default that of the values.
    """
    # Arrays that cannot be written would make numba compile everything once more.
    return np.require(values, dtype, ("C", "A", "W"))


@jit
def copy_row(values: Row, out: Row) -> None:
    """Copy values of shape (n,) into an array of this shape.

    An assignment of slices brings the making of its error's text, which takes two seconds to compile.
    """
    for i in range(out.size):
        out[i] = values[i]


@jit
def find_covered(
    image: Plane,
    mask: Plane,
    variance: Plane,
    no_data: int,
    inexact: int,
    covered: Plane,
    rows: Plane,
    columns: Plane,
) -> None:
    """Find the pixels that hold a measurement, and count them along rows and columns.

    Parameters
    ----------
    image, variance
        float32, shape (y, x); the image must be finite, and the variance finite and positive.
    mask
        int32, shape (y, x).
    no_data
        Bits of pixels without a measurement.
    inexact
        Bits of pixels that do not belong to the second kind of counts.
    covered
        bool, shape (y, x), written.
    rows, columns
        int32, shapes (2, y) and (2, x), written: numbers of covered pixels, and of those without ``inexact``.
    """
    columns[:] = 0
    for y in range(image.shape[0]):
        rows[0, y], rows[1, y] = _find_covered_row(
            image[y], mask[y], variance[y], np.int32(no_data), np.int32(inexact), covered[y], columns
        )


@jit
def _find_covered_row(
    image: Row, mask: Row, variance: Row, no_data: int, inexact: int, covered: Row, columns: Plane
) -> tuple[np.int32, np.int32]:
    every, without = columns[0], columns[1]
    for x in range(image.size):
        flaw = mask[x] & no_data
        flaw = flaw if abs(image[x]) <= LARGEST else np.int32(1)
        flaw = flaw if variance[x] > np.float32(0.0) else np.int32(1)
        flaw = flaw if variance[x] <= LARGEST else np.int32(1)
        covered[x] = flaw == 0
    # In a loop of its own, which needs fewer registers.
    all_found, exact_found = np.int32(0), np.int32(0)
    for x in range(image.size):
        covers = np.int32(covered[x])
        exact = covers if mask[x] & inexact == 0 else np.int32(0)
        every[x] += covers
        without[x] += exact
        all_found += covers
        exact_found += exact
    return all_found, exact_found


@jit
def find_near(values: Plane, limit: float, radius: int, near: Plane) -> None:
    """Find the pixels around those above a limit: within a square of ``2 * radius + 1`` pixels.

    Parameters
    ----------
    values
        Array of shape (y, x); NaN is not above.
    limit
        What the values are compared with.
    radius
        Pixels.
    near
        bool of shape (y, x), written.
    """
    ny, nx = values.shape
    along = np.empty((ny, nx), np.uint8)
    above = np.zeros(nx + 2 * radius + 1, np.int32)
    for y in range(ny):
        for x in range(nx):
            above[radius + 1 + x] = values[y, x] > limit
        total = np.int32(0)
        for x in range(-radius, nx):
            total += above[x + 2 * radius + 1] - (above[x] if x >= 0 else np.int32(0))
            if x >= 0:
                along[y, x] = total > 0
    sums = np.zeros(nx, np.int32)
    for y in range(-radius, ny):
        if y + radius < ny:
            _add_row(along[y + radius], np.int32(1), sums)
        if y > radius:
            _add_row(along[y - radius - 1], np.int32(-1), sums)
        if y >= 0:
            for x in range(nx):
                near[y, x] = sums[x] > 0


@jit
def _add_row(row: np.ndarray, factor: np.int32, sums: np.ndarray) -> None:
    for x in range(sums.size):
        sums[x] += factor * np.int32(row[x])


@jit
def count_bits(mask: np.ndarray, counts: np.ndarray) -> None:
    """Count the pixels that have each bit.

    Parameters
    ----------
    mask
        int32, shape (n,).
    counts
        int64, shape (32,); grows by the number of pixels with bit 0, bit 1 and so on.
    """
    for start in range(0, mask.size, _BLOCK):
        block = mask[start : start + _BLOCK]
        present = np.int32(0)
        for i in range(block.size):
            present |= block[i]
        for bit in range(32):
            if (present >> np.int32(bit)) & np.int32(1) == 0:
                continue
            count = np.int32(0)
            for i in range(block.size):
                count += (block[i] >> np.int32(bit)) & np.int32(1)
            counts[bit] += count


@jit
def count_values(values: np.ndarray, chosen: np.ndarray, counts: np.ndarray) -> None:
    """Count how often each small integer occurs.

    Parameters
    ----------
    values
        int32, shape (n,), from 0 to below the size of ``counts``.
    chosen
        bool, shape (n,): which of them count.
    counts
        int64; grows where the value is the index.
    """
    for start in range(0, values.size, _BLOCK):
        block, good = values[start : start + _BLOCK], chosen[start : start + _BLOCK]
        low, high = block[0], block[0]
        for i in range(block.size):
            low, high = min(low, block[i]), max(high, block[i])
        if high - low < _FEW:
            for value in range(low, high + 1):
                seen = np.int32(0)
                for i in range(block.size):
                    seen += np.int32(good[i] & (block[i] == np.int32(value)))
                counts[value] += seen
        else:
            for i in range(block.size):
                counts[block[i]] += 1 if good[i] else 0


@jit
def sum_blocks(values: Plane, above: float, step: int, total: Plane, number: Plane) -> None:
    """Add up the finite values in square blocks, and count them.

    Parameters
    ----------
    values
        Array of shape (y, x).
    above
        Values that are not above this do not count.
    step
        Side of a block.
    total, number
        float64 of shape (blocks along y, blocks along x), written; the last blocks may be cut.
    """
    ny, nx = values.shape
    sums, counts = np.empty(nx), np.empty(nx)
    for row in range(total.shape[0]):
        sums.fill(0.0)
        counts.fill(0.0)
        for y in range(row * step, min((row + 1) * step, ny)):
            line = values[y]
            for x in range(nx):
                value = np.float64(line[x])
                good = (abs(value) < np.inf) & (value > above)
                sums[x] += value if good else 0.0
                counts[x] += 1.0 if good else 0.0
        _fold(sums, step, total[row])
        _fold(counts, step, number[row])


@jit
def sum_flagged(mask: Plane, bits: Row, step: int, total: np.ndarray) -> None:
    """Count the pixels that have one of some bits, in square blocks.

    Parameters
    ----------
    mask
        int32 of shape (y, x).
    bits
        int32 of shape (n,): several choices of bits.
    step
        Side of a block.
    total
        float64 of shape (n, blocks along y, blocks along x), written; the last blocks may be cut.
    """
    ny, nx = mask.shape
    counts, sums = np.empty((bits.size, nx), np.int32), np.empty(nx)
    for row in range(total.shape[1]):
        counts[:] = 0
        for y in range(row * step, min((row + 1) * step, ny)):
            for k in range(bits.size):
                _add_flagged(mask[y], bits[k], counts[k])
        for k in range(bits.size):
            for x in range(nx):
                sums[x] = counts[k, x]
            _fold(sums, step, total[k, row])


@jit
def _add_flagged(line: np.ndarray, bits: np.int32, counts: np.ndarray) -> None:
    for x in range(line.size):
        counts[x] += np.int32(line[x] & bits != 0)


@jit
def _fold(line: np.ndarray, step: int, blocks: np.ndarray) -> None:
    """Add up runs of ``step`` values."""
    for b in range(blocks.size):
        total = 0.0
        for x in range(b * step, min((b + 1) * step, line.size)):
            total += line[x]
        blocks[b] = total
