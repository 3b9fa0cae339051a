"""Whether pixels are counts, although BUNIT says that they are flux densities."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from .plane_check import noise_of_rows, sampled_rows

__all__ = ("are_counts",)

_AGREEMENT = 1.25
"""Ratio of the noise of counts to that of the pixels, or its inverse, up to which they are one."""


def are_counts(path: Path, index: int, gain: float, read_noise: float) -> bool:
    """Return whether the pixels of an image have the noise that counts would have.

    Where the unit was copied from another file, the photons of the sky make, by the gain, just the noise that
    the pixels have.  Flux densities have another noise by orders of magnitude.

    Parameters
    ----------
    path, index
        File and HDU of the image; a few of its rows are read.
    gain, read_noise
        Electrons per count, and electrons, as cards tell them.
    """
    rows = sampled_rows(path, index)
    if rows is None:
        return False
    sky = float(np.nanmedian(rows)) if np.isfinite(rows).any() else math.nan
    sigma = noise_of_rows(rows)
    if not sky > 0:
        return False
    counted = math.sqrt(sky / gain + (read_noise / gain) ** 2)
    return sigma > 0 and 1.0 / _AGREEMENT < counted / sigma < _AGREEMENT
