"""Whether pixels are counts, although BUNIT says that they are flux densities."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...errors import LamellaError
from ...fits.read import Header, optional_number, read_rows

__all__ = ("are_counts",)

_ROWS = 3
_HEIGHTS = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Where the rows are that are looked at, as shares of the height."""
_AGREEMENT = 1.25
"""Ratio of the noise of counts to that of the pixels, or its inverse, up to which they are one."""


def are_counts(path: Path, index: int, header: Header, gain: float, read_noise: float) -> bool:
    """Return whether the pixels of an image have the noise that counts would have.

    Where the unit was copied from another file, the photons of the sky make, by the gain, just the noise that
    the pixels have.  Flux densities have another noise by orders of magnitude.

    Parameters
    ----------
    path, index
        File and HDU of the image; a few of its rows are read.
    header
        Its header.
    gain, read_noise
        Electrons per count, and electrons, as cards tell them.
    """
    shape = int(header.get("ZNAXIS2", header.get("NAXIS2", 0)))
    starts = sorted({min(int(share * shape), max(shape - _ROWS, 0)) for share in _HEIGHTS})
    try:
        stored = read_rows(path, index, [slice(start, start + _ROWS) for start in starts])
    except (LamellaError, OSError):  # told when it is read
        return False
    scale, zero = optional_number(header, "BSCALE"), optional_number(header, "BZERO")
    rows = stored.astype(np.float64) * (1.0 if scale is None else scale) + (zero or 0.0)
    sky = float(np.nanmedian(rows)) if np.isfinite(rows).any() else math.nan
    steps = np.diff(rows, axis=1)
    steps = steps[np.isfinite(steps)]
    if not (sky > 0 and steps.size):
        return False
    sigma = 1.4826 * float(np.median(np.abs(steps))) / math.sqrt(2.0)
    counted = math.sqrt(sky / gain + (read_noise / gain) ** 2)
    return sigma > 0 and 1.0 / _AGREEMENT < counted / sigma < _AGREEMENT
