"""Subtracting the sky from exposures that carry it."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import InputError
from ..kernels.arrays import find_near
from .sky_mesh import SkyMeshes, measure_meshes, mesh_sizes, mesh_surface
from .smoothing import smoothed

__all__ = ("Background", "MeshOptions", "fit_background")

_SMOOTHING = 2.0
"""Standard deviation, in pixels, of the filter before sources are looked for."""
_THRESHOLD = 4.0
"""Sources are taken to be where the filtered image exceeds this many standard deviations."""
_GROWTHS = (8, 4, 2)
"""Pixels by which sources are grown, so that their wings do not raise the sky; the first that leaves sky."""

_EVERY = 8
"""The sky is smooth: one pixel in so many along each axis tells its median."""
_PASSES = 3
"""So often at most the sky is measured again without the sources that stand above the last one."""
_SETTLED = 0.005
"""A sky that moves by less than this part of the noise of a pixel, on average, has settled."""


class MeshOptions(Protocol):
    """Options of a sky model."""

    @property
    def background_mesh(self) -> int:
        """Size of the meshes, in pixels."""
        ...

    @property
    def background_filter(self) -> int:
        """Width of the median filter over the meshes."""
        ...


@dataclasses.dataclass(frozen=True)
class Background:
    """A model of the sky."""

    nodes: np.ndarray
    """Sky in the middles of the meshes, float64, in the units of the image."""
    rms: float
    """Standard deviation of the pixels about the sky, in the units of the image."""
    mesh: tuple[int, int]
    """Size (y, x) of the meshes in pixels."""
    shape: tuple[int, int]
    """Shape (y, x) of the image."""

    @functools.cached_property
    def level(self) -> np.ndarray:
        """Sky at each pixel, float32, shape (y, x)."""
        return mesh_surface(self.nodes, self.mesh, self.shape)

    def without_level(self) -> Background:
        """Return the same in little memory: without the sky at each pixel, until it is asked for."""
        return dataclasses.replace(self)

    @property
    def note(self) -> str:
        """One sentence for the report."""
        middle = float(np.median(self.level[::_EVERY, ::_EVERY]))
        return (
            f"Sky of {middle:.6g} (median) subtracted: meshes of {self.mesh[1]} x {self.mesh[0]} pixels, "
            f"pixel rms {self.rms:.4g}, both in units of the image."
        )


def fit_background(image: np.ndarray, ignore: np.ndarray, control: MeshOptions, path: Path) -> Background:
    """Fit a smooth sky to an image, again and again without the sources that stand above it.

    The level in each mesh is that of `lamella.image.sky_mesh.measure_meshes`, an
    estimate of the mean of blank pixels; between meshes, after a median filter, it is a
    natural bicubic spline (as in Bertin & Arnouts 1996).

    Parameters
    ----------
    image
        Shape (y, x).
    ignore
        True where a pixel must not be used, shape (y, x); not finite values
        are never used, nor are elements that an array of `numpy.ma` masks.
    control
        Mesh size and filter.
    path
        File, for messages.

    Raises
    ------
    InputError
        Raised when no mesh has usable pixels in more than half of its area.
    """
    data = np.asarray(image, dtype=np.float32)
    bad = ignore | ~np.isfinite(data) | np.ma.getmaskarray(image)
    size = mesh_sizes(bad.shape, control.background_mesh)
    data = np.where(bad, np.float32(0), data)
    meshes = measure_meshes(data, ~bad, size)
    if not _has_sky(meshes):
        share = f"{100 * bad.mean():.0f} % of the pixels unusable"
        raise InputError(path, where="sky", found=share, expected="a mesh that is half usable")
    nodes = meshes.nodes(control.background_filter)
    for _ in range(_PASSES):
        # What is left of the sky, not the sky again: on a slope the pixels of a mesh differ by more than
        # their noise, and the bright side of each mesh would be taken for a source.
        blank = _without_sources(data - mesh_surface(nodes, size, data.shape), bad, meshes)
        # In a field full of light there may be no sky left to see; then the pass before must do.
        if blank is None:
            break
        meshes = blank
        change = meshes.nodes(control.background_filter)
        nodes = nodes + change
        if np.abs(change).mean() < _SETTLED * meshes.rms:
            break
    return Background(nodes=nodes, rms=meshes.rms, mesh=size, shape=(data.shape[0], data.shape[1]))


def _without_sources(residual: np.ndarray, bad: np.ndarray, meshes: SkyMeshes) -> SkyMeshes | None:
    """Measure what is left of the sky without sources; `None` where nothing else is left."""
    smooth = smoothed(np.where(bad, np.float32(0), residual), _SMOOTHING)
    # White noise of unit variance keeps 1 / (4 pi s^2) of its variance in a Gaussian filter of width s.
    limit = _THRESHOLD * (meshes.rms / np.sqrt(4.0 * np.pi * _SMOOTHING**2))
    taken = np.empty(bad.shape, bool)
    for growth in _GROWTHS:
        find_near(smooth, limit, growth, taken)
        np.logical_or(taken, bad, out=taken)
        blank = measure_meshes(residual, ~taken, meshes.size)
        if _has_sky(blank):
            return blank
    return None


def _has_sky(meshes: SkyMeshes) -> bool:
    return bool(np.isfinite(meshes.level).any())
