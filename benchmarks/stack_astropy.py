"""The contender astropy: ``sigma_clip`` by blocks of rows, and the weighted mean of what is left.

The clip is that of astropy, around the median and at the standard deviation, in
two passes; everything else is as in the contender numpy.
"""

from __future__ import annotations

import warnings

import numpy as np
from astropy.stats import sigma_clip

from . import stack_numpy
from .stack_numpy import PASSES, SIGMAS, Cube, weighted_mean


def meanclip(
    image: Cube, variance: Cube, weights: np.ndarray, good: Cube
) -> tuple[np.ndarray, np.ndarray, Cube]:
    values = np.where(good, image, np.float32(np.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of every NaN
        left = sigma_clip(values, sigma=SIGMAS, maxiters=PASSES, axis=0, masked=False, copy=False)
    used = np.isfinite(left)
    return *weighted_mean(image, variance, weights, used), used


if __name__ == "__main__":
    stack_numpy.main({"MEANCLIP": meanclip})
