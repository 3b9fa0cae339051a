"""Putting the exposures of a visit into one warp: good pixels only, one exposure for each pixel."""

from __future__ import annotations

import numpy as np

from ._jit import jit

__all__ = ("blank_bad", "put_good")


@jit
def blank_bad(planes, pad):  # type: ignore[no-untyped-def]
    """Take the values away from pixels without a measurement, in place.

    Parameters
    ----------
    planes
        Image (float32), mask (int32) and variance (float32) of shape (y, x).
    pad
        Bits of pixels without a measurement; such a pixel, and one that is not
        finite, becomes NaN with the mask ``pad`` and an infinite variance.

    Returns
    -------
    int
        Number of pixels with a measurement.
    """
    image, mask, variance = planes
    good = 0
    for y in range(image.shape[0]):
        good += _blank_row(image[y], mask[y], variance[y], np.int32(pad))
    return good


@jit
def _blank_row(image, mask, variance, pad):  # type: ignore[no-untyped-def]
    infinite, good = np.float32(np.inf), np.int32(0)
    for x in range(image.size):
        there = (abs(image[x]) < infinite) & (mask[x] & pad == 0)
        image[x] = image[x] if there else np.float32(np.nan)
        mask[x] = mask[x] if there else pad
        variance[x] = variance[x] if there else infinite
        good += np.int32(there)
    return good


@jit
def put_good(planes, out, pad, owner, number, counts):  # type: ignore[no-untyped-def]
    """Put the pixels with a measurement over those of another image.

    Parameters
    ----------
    planes, out
        Image (float32), mask (int32) and variance (float32) of shape (y, x),
        and those that are changed.
    pad
        Bits of pixels without a measurement.
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
            if np.isfinite(image[y, x]) and mask[y, x] & pad == 0:
                out[0][y, x], out[1][y, x], out[2][y, x] = image[y, x], mask[y, x], variance[y, x]
                if owner[y, x] >= 0:
                    counts[owner[y, x]] -= 1
                owner[y, x] = number
                counts[number] += 1
