"""Subtracting the sky from exposures that carry it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import scipy
import sep

from ..errors import InputError
from .read_control import ReadControl

__all__ = ("Background", "fit_background")

_SMOOTHING = 2.0
"""Standard deviation, in pixels, of the filter before sources are looked for."""
_THRESHOLD = 4.0
"""Sources are taken to be where the filtered image exceeds this many standard deviations."""
_USABLE = 0.5
"""A mesh is used when a smaller share of its pixels is masked."""
_GROWTH = 8
"""Pixels by which sources are grown, so that their wings do not raise the sky."""


@dataclasses.dataclass(frozen=True)
class Background:
    """A model of the sky."""

    level: np.ndarray
    """Sky at each pixel, float32, shape (y, x), in the units of the image."""
    rms: float
    """Standard deviation of the pixels about the sky, in the units of the image."""
    mesh: tuple[int, int]
    """Size (y, x) of the meshes in pixels."""

    @property
    def note(self) -> str:
        """One sentence for the report."""
        middle = float(np.median(self.level))
        return (
            f"Sky of {middle:.6g} (median) subtracted: meshes of {self.mesh[1]} x {self.mesh[0]} pixels, "
            f"pixel rms {self.rms:.4g}, both in units of the image."
        )


def fit_background(image: np.ndarray, ignore: np.ndarray, control: ReadControl, path: Path) -> Background:
    """Fit a smooth sky to an image, in two passes, the second without the sources.

    The level in each mesh is the clipped mode that `sep` estimates; between
    meshes it is a bicubic spline (Bertin & Arnouts 1996).

    Parameters
    ----------
    image
        Shape (y, x).
    ignore
        True where a pixel must not be used, shape (y, x); not finite values
        are never used.
    control
        Mesh size and filter.
    path
        File, for messages.

    Raises
    ------
    InputError
        Raised when no mesh has usable pixels in more than half of its area.
    """
    data = np.ascontiguousarray(image, dtype=np.float32)
    bad = ignore | ~np.isfinite(data)
    if not _has_sky(bad, control):
        share = f"{100 * bad.mean():.0f} % of the pixels unusable"
        raise InputError(path, where="sky", found=share, expected="a mesh that is half usable")
    data = np.where(bad, np.float32(0), data)
    first = _fit(data, bad, control)
    sources = _find_sources(data - first.level, bad, first.rms)
    # In a field full of light there may be no sky left to see; then the first pass must do.
    if not _has_sky(sources | bad, control):
        return first
    return _fit(data, sources | bad, control)


def _has_sky(bad: np.ndarray, control: ReadControl) -> bool:
    """Tell whether there is a mesh that `sep` accepts; where there is none it returns zeros and no error."""
    height, width = (_mesh_size(size, control.background_mesh) for size in bad.shape)
    rows, columns = range(0, bad.shape[0], height), range(0, bad.shape[1], width)
    return any(bad[y : y + height, x : x + width].mean() < _USABLE for y in rows for x in columns)


def _fit(data: np.ndarray, bad: np.ndarray, control: ReadControl) -> Background:
    height, width = (_mesh_size(size, control.background_mesh) for size in data.shape)
    passes = control.background_filter
    fit = sep.Background(data, mask=bad, bw=width, bh=height, fw=passes, fh=passes)
    return Background(level=fit.back(dtype=np.float32), rms=float(fit.globalrms), mesh=(height, width))


def _mesh_size(size: int, wanted: int) -> int:
    # Meshes of equal size, so that none at the end is a sliver with a poor estimate.
    return math.ceil(size / max(1, round(size / wanted)))


def _find_sources(residual: np.ndarray, bad: np.ndarray, rms: float) -> np.ndarray:
    smooth = scipy.ndimage.gaussian_filter(np.where(bad, np.float32(0), residual), _SMOOTHING, mode="nearest")
    # White noise of unit variance keeps 1 / (4 pi s^2) of its variance in a Gaussian filter of width s.
    noise = rms / np.sqrt(4.0 * np.pi * _SMOOTHING**2)
    cores = smooth > _THRESHOLD * noise
    return np.asarray(scipy.ndimage.maximum_filter(cores, 2 * _GROWTH + 1))
