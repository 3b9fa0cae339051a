"""The sky of an image, and where nothing else is in it."""

from __future__ import annotations

import dataclasses
import math
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import ShapeError
from ..kernels.arrays import find_near
from ..kernels.order.median import median
from .background import Background, fit_background
from .sky_mesh import mesh_surface
from .smoothing import smoothed
from .variance_meshes import low_side_meshes

__all__ = ("MESH", "BlankSky", "FineMeshes", "find_blank_sky", "take_off_sky", "without_sky")

MESH = 128
"""Size, in pixels, of the meshes in which noise is measured."""
_SKY_MESH = 64
"""Smaller than that of the noise, so that a sloping sky adds nothing to the scatter."""
_SMOOTHING = 1.5
"""Standard deviation, in pixels, of the filter before sources are looked for."""
_SEARCHES = ((4.0, 3), (3.0, 2), (2.5, 2))
"""Sources are where the filtered image exceeds its own scatter so often, and so many pixels around."""
_CROWDED = 0.4
"""Where less of an image is blank, faint stars are everywhere, and the next search, which takes more peaks
of noise for sources too, is the better one."""
_PASSES = 4
_SETTLED = 0.01
"""Variances that change by less than this part have settled."""
_SAMPLE = 2**16
_CERTAIN = 6.0
"""Of the filtered image, so many standard deviations are light and not noise."""


@dataclasses.dataclass(frozen=True)
class BlankSky:
    """An image less its sky, and where nothing else is in it."""

    residual: np.ndarray
    """Image less the sky, float32, shape (y, x); 0 where bad."""
    blank: np.ndarray
    """True where a pixel is neither bad nor near a source."""
    bad: np.ndarray
    bright: np.ndarray
    """True where there is certainly light."""
    step: float
    """Distance of the values that the pixels of the image can have."""
    sky: Background


@dataclasses.dataclass(frozen=True)
class FineMeshes:
    """Options of `lamella.image.background.fit_background` where noise and stars are measured."""

    background_mesh: int = _SKY_MESH
    background_filter: int = 3


def find_blank_sky(
    image: np.ndarray, bad: np.ndarray, *, mesh: int = MESH, path: str | PathLike[str] = ""
) -> BlankSky:
    """Take the sky off an image, and find where nothing else is in it.

    Parameters
    ----------
    image
        Shape (y, x), in any unit, with its sky or without.
    bad
        True where a pixel is no measurement, shape (y, x); those that are not finite are none either.
    mesh
        Size, in pixels, of the meshes in which the scatter is measured.
    path
        File of the image, for messages.

    Raises
    ------
    ShapeError
        Raised when the planes differ in shape.
    InputError
        Raised when no mesh has usable pixels in more than half of its area.
    """
    residual, lost, sky = take_off_sky(image, bad, path=path)
    smooth = smoothed(residual, _SMOOTHING)
    usable = ~lost
    blank, bright = usable, lost
    for threshold, growth in _SEARCHES:
        blank, bright = _without_sources(smooth, blank, lost, threshold, growth, mesh)
        if np.count_nonzero(blank) > _CROWDED * np.count_nonzero(usable):
            break
    step = _step(image, usable)
    return BlankSky(residual, blank, lost, bright, step, sky)


def take_off_sky(
    image: np.ndarray, bad: np.ndarray, *, path: str | PathLike[str] = ""
) -> tuple[np.ndarray, np.ndarray, Background]:
    """Return an image less its sky, where it is no measurement, and the sky.

    Parameters
    ----------
    image, bad, path
        As for `find_blank_sky`, and with its errors.

    Returns
    -------
    residual
        float32, shape (y, x); 0 where there is no measurement.
    lost
        True where a pixel is bad or not finite.
    sky
        The sky.
    """
    if bad.shape != image.shape:
        raise ShapeError("bad", found=bad.shape, expected=image.shape)
    lost = bad | ~np.isfinite(image)
    sky = fit_background(image, lost, FineMeshes(), Path(path))
    return without_sky(image, lost, sky), lost, sky


def without_sky(image: np.ndarray, lost: np.ndarray, sky: Background) -> np.ndarray:
    """Return an image less its sky, float32; 0 where there is no measurement."""
    level = mesh_surface(sky.nodes, sky.mesh, sky.shape)  # not kept
    return np.where(lost, np.float32(0), image - level).astype(np.float32, copy=False)


def _without_sources(
    smooth: np.ndarray, blank: np.ndarray, lost: np.ndarray, threshold: float, growth: int, mesh: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels are blank, and which are certainly light, of a filtered image."""
    bright, last = np.zeros_like(lost), np.array(math.nan)
    for _ in range(_PASSES):
        # In units of its own scatter, because neighbours that share noise keep more of it when smoothed.
        scatter = low_side_meshes(smooth, blank, mesh)
        if not np.isfinite(scatter.values).any():
            break
        # Under a crowd of stars the sky has been taken too high.
        above = smooth - np.float32(median(smooth, blank))
        with np.errstate(divide="ignore", invalid="ignore"):
            above /= np.sqrt(scatter.surface(blank.shape))
        near = np.empty(lost.shape, bool)
        find_near(above, threshold, growth, near)
        blank, bright = ~(lost | near), above > _CERTAIN
        if np.all(np.abs(scatter.values - last) <= _SETTLED * scatter.values):
            break
        last = scatter.values
    return blank, bright


def _step(image: np.ndarray, usable: np.ndarray) -> float:
    """Return the distance of the values that pixels have: 1 for whole numbers."""
    every = slice(None, None, image.size // _SAMPLE | 1)
    pixels = image.reshape(-1)[every][usable.reshape(-1)[every]]
    steps = np.diff(np.unique(pixels).astype(np.float64))
    return float(steps.min(initial=math.inf)) if steps.size else 0.0
