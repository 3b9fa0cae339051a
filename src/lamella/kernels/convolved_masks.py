"""What a convolution makes of lost pixels and of mask bits: they are left out, made up for, and spread."""

from __future__ import annotations

import math

import numpy as np

from ._jit import jit
from .arrays import Plane, Row
from .convolve import CELL

__all__ = ("fill_lost", "grow_bits", "store_good")

_STRIP = 1024


@jit
def grow_bits(mask: Plane, dy: Row, dx: Row, bits: int, first_row: int, last_row: int, out: Plane) -> None:
    """Spread the bits of a mask over a footprint.

    Parameters
    ----------
    mask : `numpy.ndarray` of int32, shape (y, x)
        Bits.
    dy, dx : `numpy.ndarray` of int64, shape (n,)
        The footprint: a pixel gets the bits of the pixels at these offsets
        from it.
    bits
        Those that are wanted; the others are cleared.
    first_row, last_row
        Rows that are wanted, the last one not included.
    out : `numpy.ndarray` of int32, shape (y, x)
        These rows are filled with the bits.
    """
    height, length = mask.shape
    total = np.zeros(_STRIP, np.int32)
    for first in range(0, length, _STRIP):
        width = min(_STRIP, length - first)
        for y in range(first_row, last_row):
            total[:width] = 0
            for i in range(dy.shape[0]):
                row = y + dy[i]
                if row < 0 or row >= height:
                    continue
                # Only the columns that the footprint finds inside of the image.
                low = max(0, -(first + dx[i]))
                high = min(width, length - first - dx[i])
                if high <= low:
                    continue
                source = mask[row, first + dx[i] + low : first + dx[i] + high]
                target = total[low:high]
                for x in range(high - low):
                    target[x] |= source[x]
            for x in range(width):
                out[y, first + x] = total[x] & bits


@jit
def fill_lost(
    image: Plane,
    mask: Plane,
    variance: Plane,
    lost_bits: int,
    flawed_bits: int,
    made_bits: int,
    filled: tuple[np.ndarray, np.ndarray, np.ndarray],
    lost_cells: Plane,
) -> np.float32:
    """Copy an image and its variance with zeros for lost pixels.

    A pixel is lost when its value or its variance is not finite, or when its
    mask says so.

    Parameters
    ----------
    image, variance : `numpy.ndarray` of float32, shape (y, x)
        Values and their variances.
    mask : `numpy.ndarray` of int32, shape (y, x)
        Mask.
    lost_bits
        Bits of the mask that make a pixel lost.
    flawed_bits, made_bits
        Bits that do so, and those of pixels whose value was made from good ones: these are not lost.
    filled : `tuple` of `numpy.ndarray` of float32, shape (y, x)
        Filled with the image, the variance, and 1 for kept and 0 for lost pixels.
    lost_cells : `numpy.ndarray` of bool
        Set where a cell of `CELL` by `CELL` pixels has a lost pixel.

    Returns
    -------
    `float`
        The least variance of the pixels that are kept.
    """
    least = np.float32(np.inf)
    new_image, new_variance, kept = filled
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            value, spread = image[y, x], variance[y, x]
            bits = mask[y, x]
            lost = (bits & lost_bits != 0) | ((bits & flawed_bits != 0) & (bits & made_bits == 0))
            if math.isfinite(value) and math.isfinite(spread) and not lost:
                new_image[y, x], new_variance[y, x], kept[y, x] = value, spread, np.float32(1.0)
                least = min(least, spread)
            else:
                new_image[y, x] = new_variance[y, x] = kept[y, x] = np.float32(0.0)
                lost_cells[y // CELL, x // CELL] = True
    return least


@jit
def store_good(
    matched: tuple[np.ndarray, np.ndarray, np.ndarray],
    wanted: Plane,
    kept: Plane,
    weight: Plane,
    affected: Plane,
    limits: tuple[float, float, float],
    bits: tuple[int, int],
    out: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Put convolved pixels where they belong, with what they lost made up for.

    Parameters
    ----------
    made
        Convolved image (float32), mask (int32) and variance (float32).
    wanted : `numpy.ndarray` of bool, shape (y, x)
        Which pixels are stored.
    kept : `numpy.ndarray` of float32, shape (y, x)
        Zero for pixels that are lost themselves.
    weight : `numpy.ndarray` of float32, shape (y, x)
        Part of the kernel that fell on pixels that are not lost; looked at in
        affected cells only.
    affected : `numpy.ndarray` of bool
        Cells in which weight may be lost.
    limits
        The lost weight above which a pixel is marked, that above which it is
        lost, too, and the least variance there can be.
    bits
        Bits of the mask for these two.
    out
        Image, mask and variance to be changed.
    """
    for y in range(wanted.shape[0]):
        for x in range(wanted.shape[1]):
            if not wanted[y, x]:
                continue
            share = weight[y, x] if affected[y // CELL, x // CELL] else np.float32(1.0)
            planes = matched[1][y, x]
            if np.float32(1.0) - share > limits[0]:
                planes |= bits[0]
            if kept[y, x] == 0 or np.float32(1.0) - share > limits[1]:
                out[1][y, x] = planes | bits[1]
                continue
            out[0][y, x] = matched[0][y, x] / share
            out[1][y, x] = planes
            # Products of profiles are not quite the squares of the kernel and might fall below what can be.
            out[2][y, x] = max(matched[2][y, x], np.float32(limits[2])) / (share * share)
