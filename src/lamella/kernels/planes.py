"""Planes as kernels take them, and counts over whole planes, each in one walk."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ._jit import jit

__all__ = ("count_bits", "count_values", "find_covered", "kernel_array", "sum_blocks", "sum_flagged")

_BLOCK = 4096


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
def find_covered(image, mask, variance, no_data, covered):  # type: ignore[no-untyped-def]
    """Find the pixels that hold a measurement.

    Parameters
    ----------
    image, variance
        float32, shape (n,); the image must be finite, and the variance finite and positive.
    mask
        int32, shape (n,).
    no_data
        Bits of pixels without a measurement.
    covered
        bool, shape (n,), written.
    """
    largest = np.float32(np.finfo(np.float32).max)
    for i in range(image.size):
        flaw = mask[i] & no_data
        flaw = flaw if abs(image[i]) <= largest else 1
        flaw = flaw if variance[i] > np.float32(0.0) else 1
        flaw = flaw if variance[i] <= largest else 1
        covered[i] = flaw == 0


@jit
def count_bits(mask, counts):  # type: ignore[no-untyped-def]
    """Count the pixels that have each bit.

    Parameters
    ----------
    mask
        int32, shape (n,).
    counts
        int64, shape (32,); grows by the number of pixels with bit 0, bit 1 and so on.
    """
    for start in range(0, mask.size, _BLOCK):
        part = mask[start : start + _BLOCK]
        present = np.int32(0)
        for i in range(part.size):
            present |= part[i]
        for bit in range(32):
            if (present >> np.int32(bit)) & np.int32(1) == 0:
                continue
            found = np.int32(0)
            for i in range(part.size):
                found += (part[i] >> np.int32(bit)) & np.int32(1)
            counts[bit] += found


@jit
def count_values(values, chosen, counts):  # type: ignore[no-untyped-def]
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
    for i in range(values.size):
        counts[values[i]] += 1 if chosen[i] else 0


@jit
def sum_blocks(values, step, total, number):  # type: ignore[no-untyped-def]
    """Add up the finite values in square blocks, and count them.

    Parameters
    ----------
    values
        Array of shape (y, x).
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
                good = abs(value) < np.inf
                sums[x] += value if good else 0.0
                counts[x] += 1.0 if good else 0.0
        _fold(sums, step, total[row])
        _fold(counts, step, number[row])


@jit
def sum_flagged(mask, bits, step, total):  # type: ignore[no-untyped-def]
    """Count the pixels that have one of some bits, in square blocks.

    Parameters
    ----------
    mask
        int32 of shape (y, x).
    bits
        Which bits.
    step
        Side of a block.
    total
        float64 of shape (blocks along y, blocks along x), written; the last blocks may be cut.
    """
    ny, nx = mask.shape
    counts, sums = np.empty(nx, np.int32), np.empty(nx)
    for row in range(total.shape[0]):
        counts.fill(0)
        for y in range(row * step, min((row + 1) * step, ny)):
            line = mask[y]
            for x in range(nx):
                counts[x] += np.int32(line[x] & bits != 0)
        for x in range(nx):
            sums[x] = counts[x]
        _fold(sums, step, total[row])


@jit
def _fold(line, step, blocks):  # type: ignore[no-untyped-def]
    """Add up runs of ``step`` values."""
    for b in range(blocks.size):
        total = 0.0
        for x in range(b * step, min((b + 1) * step, line.size)):
            total += line[x]
        blocks[b] = total
