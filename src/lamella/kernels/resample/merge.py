"""Putting the exposures of a visit into one warp: the best pixels, one exposure for each."""

from __future__ import annotations

import numpy as np

from .._jit import jit, jit_inline

__all__ = ("blank_bad", "owner_steps", "put_best")

# Image (float32), mask (int32) and variance (float32) of shape (y, x).
type Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


@jit
def blank_bad(planes: Triple, pad: int) -> int:
    """Take the values away from pixels without a measurement, in place.

    Parameters
    ----------
    planes
        Image (float32), mask (int32) and variance (float32) of shape (y, x).
    pad
        Bits of pixels without a measurement; such a pixel, and one that is not
        finite, becomes NaN with an infinite variance and the bits ``pad`` beside those that say why.

    Returns
    -------
    int
        Number of pixels with a measurement.
    """
    image, mask, variance = planes
    good = 0
    for y in range(image.shape[0]):
        good += int(_blank_row(image[y], mask[y], variance[y], np.int32(pad)))
    return good


@jit
def _blank_row(image: np.ndarray, mask: np.ndarray, variance: np.ndarray, pad: np.int32) -> np.int32:
    infinite, good = np.float32(np.inf), np.int32(0)
    for x in range(image.size):
        there = (abs(image[x]) < infinite) & (mask[x] & pad == 0)
        image[x] = image[x] if there else np.float32(np.nan)
        mask[x] = mask[x] if there else mask[x] | pad
        variance[x] = variance[x] if there else infinite
        good += np.int32(there)
    return good


@jit_inline
def _rank(value: np.float32, bits: np.int32, spread: np.float32, pad: int, flaws: int) -> np.int32:
    """Return 0 for a pixel without a measurement, 1 for one with a flaw, 2 for a good one."""
    there = (abs(value) < np.float32(np.inf)) & (bits & pad == 0)
    # Where flaws count, so does a variance that nobody can use.
    flawed = (bits & flaws != 0) | ((flaws != 0) & (not abs(spread) < np.float32(np.inf)))
    return np.int32(there) * (np.int32(2) - np.int32(flawed))


@jit
def put_best(
    planes: Triple, out: Triple, pad: int, flaws: int, owner: np.ndarray, number: int, counts: np.ndarray
) -> None:
    """Put the pixels of an image over those of others that are no better.

    A good pixel is better than one with a flaw, and that better than none;
    among equals the image that comes last has the pixel.  Where no image has a
    value, the mask has the bits of all of them.

    Parameters
    ----------
    planes, out
        Image (float32), mask (int32) and variance (float32) of shape (y, x),
        and those that are changed.
    pad
        Bits of pixels without a measurement.
    flaws
        Bits of pixels that give way to others; 0 if all measurements are equal.
    owner
        int32 of shape (y, x), changed in place: number of the image that each
        pixel of ``out`` is from, -1 for none.
    number
        Number of this image.
    counts
        int64 of shape (n,), changed in place: pixels of each image in ``out``.
    """
    image, mask, variance = planes
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            rank = _rank(image[y, x], mask[y, x], variance[y, x], pad, flaws)
            before = _rank(out[0][y, x], out[1][y, x], out[2][y, x], pad, flaws)
            if rank == 0:
                out[1][y, x] |= mask[y, x] if before == 0 else np.int32(0)
            elif rank >= before:
                out[0][y, x], out[1][y, x], out[2][y, x] = image[y, x], mask[y, x], variance[y, x]
                # The image that had the pixel has one less.
                if owner[y, x] >= 0:
                    counts[owner[y, x]] -= 1
                owner[y, x] = number
                counts[number] += 1


@jit
def owner_steps(owner: np.ndarray) -> np.ndarray:
    """Find where along the rows of a warp another image begins to have the pixels.

    Pixels of no image count to the one before them in the row, so that lost pixels make no steps.

    Parameters
    ----------
    owner
        int32 of shape (y, x): number of the image that each pixel is from, -1 for none.

    Returns
    -------
    numpy.ndarray
        int32 of shape (3, step): row, column and image of each step, in the order of the pixels.  The first
        step of a row is that of its first pixel with an image.
    """
    count = 0
    for y in range(owner.shape[0]):
        count += _steps_of_row(owner[y])
    steps = np.empty((3, count), np.int32)
    k = 0
    for y in range(owner.shape[0]):
        last = np.int32(-1)
        for x in range(owner.shape[1]):
            if owner[y, x] >= 0 and owner[y, x] != last:
                last = owner[y, x]
                steps[0, k], steps[1, k], steps[2, k] = y, x, last
                k += 1
    return steps


@jit
def _steps_of_row(owner: np.ndarray) -> int:
    last, count = np.int32(-1), 0
    for x in range(owner.size):
        if owner[x] >= 0 and owner[x] != last:
            last = owner[x]
            count += 1
    return count
