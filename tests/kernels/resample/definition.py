"""What a warped pixel is, without any haste."""

from __future__ import annotations

import numpy as np

from lamella.kernels.resample.support import kernel_half_width
from lamella.kernels.resample.tap_weights import kernel_weights

__all__ = ("brute_force",)


def brute_force(planes, x: float, y: float, area: float, kernel: str) -> tuple[float, float]:
    """The definition, for one destination pixel."""
    half = kernel_half_width(kernel)
    i, j = int(np.floor(x)), int(np.floor(y))
    window = (slice(j - half + 1, j + half + 1), slice(i - half + 1, i + half + 1))
    k = np.outer(kernel_weights(kernel, np.array(y - j)), kernel_weights(kernel, np.array(x - i)))
    return area * (k * planes[0][window]).sum(), area**2 * (k**2 * planes[2][window]).sum()
