"""Smoothing an image before sources are looked for in it."""

from __future__ import annotations

import numpy as np

from ..kernels.arrays import kernel_array
from ..kernels.convolve import smooth_plane

__all__ = ("smoothed",)

_REACH = 4.0
"""The filter ends at so many of its standard deviations."""


def smoothed(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return an image under a Gaussian filter; pixels beyond the ends are zero.

    So noise is never more than inside, where that of the last pixels, repeated, would be half as much again.

    Parameters
    ----------
    image
        Shape (y, x), finite.
    sigma
        Standard deviation of the filter in pixels.

    Returns
    -------
    numpy.ndarray
        float32, of that shape.
    """
    reach = int(_REACH * sigma + 0.5)
    profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    smooth = np.empty(image.shape, np.float32)
    smooth_plane(kernel_array(image, np.float32), (profile / profile.sum()).astype(np.float32), smooth)
    return smooth
