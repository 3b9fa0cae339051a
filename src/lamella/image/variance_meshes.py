"""Variances of the pixels in meshes of an image, and a smooth surface through them."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..kernels.clipped import clipped_variances
from .sky_mesh import filtered_nodes, mesh_counts, mesh_samples, mesh_sizes, mesh_surface

__all__ = ("VarianceMeshes", "clipped_meshes", "low_side_meshes")

_MIN_BLANK = 200
"""So many pixels tell a standard deviation to 5 %."""
_SAMPLE = 4096
"""So many pixels of a mesh tell by how much those below the median scatter."""
_ONE_SIGMA_BELOW = 0.158655254
"""Part of a Gaussian."""
_FILTER = 3
"""Width of the median filter in meshes."""
_SPLINE_LIMIT = 1.5
"""A spline through the meshes leaves their range by no more than this factor."""


@dataclasses.dataclass(frozen=True)
class VarianceMeshes:
    """The variance of pixels in each mesh of an image."""

    values: np.ndarray
    """float64, shape (y, x) in meshes; NaN where too few pixels tell it."""
    size: tuple[int, int]
    """Size (y, x) of a mesh in pixels; the last ones may be smaller."""

    @property
    def scatter(self) -> bool:
        """Whether pixels of any mesh scatter."""
        return bool(np.nanmax(self.values, initial=0.0) > 0.0)

    def surface(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a smooth surface through the variances: float32 of a shape (y, x)."""
        nodes = filtered_nodes(self.values, _FILTER)
        surface = mesh_surface(nodes, self.size, (shape[0], shape[1]))
        lowest, highest = np.nanmin(self.values) / _SPLINE_LIMIT, np.nanmax(self.values) * _SPLINE_LIMIT
        bounded: np.ndarray = np.clip(surface, np.float32(lowest), np.float32(highest), out=surface)
        return bounded


def clipped_meshes(values: np.ndarray, chosen: np.ndarray, mesh: int, step: float) -> VarianceMeshes:
    """Return the variance of chosen pixels in each mesh, without what is far out.

    Where no mesh has enough, it is that of all of them.

    Parameters
    ----------
    values
        float32, shape (y, x).
    chosen
        bool of the same shape.
    mesh
        Wanted size of a mesh in pixels.
    step
        Distance of the values that pixels can have: as `lamella.kernels.clipped.clip_ordered` takes it.
    """
    size, samples, counts = _samples(values, chosen, mesh, mesh * mesh)
    variances = np.full(len(counts), np.nan)
    clipped_variances(samples, counts, step, variances)
    return VarianceMeshes(variances.reshape(mesh_counts(values.shape, size)), size)


def low_side_meshes(values: np.ndarray, chosen: np.ndarray, mesh: int) -> VarianceMeshes:
    """Return the variance of chosen pixels in each mesh by those below their median: light is above it.

    For the parameters see `clipped_meshes`.
    """
    size, samples, counts = _samples(values, chosen, mesh, _SAMPLE)
    low, middle = (_quantile(samples, counts, part) for part in (_ONE_SIGMA_BELOW, 0.5))
    variances = np.square(middle - low)
    return VarianceMeshes(variances.reshape(mesh_counts(values.shape, size)), size)


def _samples(
    values: np.ndarray, chosen: np.ndarray, mesh: int, room: int
) -> tuple[tuple[int, int], np.ndarray, np.ndarray]:
    """Return the size of meshes and the sorted pixels of each: of a single mesh where none has enough."""
    size = mesh_sizes((values.shape[0], values.shape[1]), mesh)
    samples, counts = mesh_samples(values, chosen, size, room=room, least=_MIN_BLANK)
    if not counts.any():
        size = (values.shape[0], values.shape[1])
        samples, counts = mesh_samples(values, chosen, size, room=max(room, values.size))
    return size, samples, counts


def _quantile(samples: np.ndarray, counts: np.ndarray, part: float) -> np.ndarray:
    """Return a quantile of each sorted sample: float64, shape (n,); NaN of none."""
    samples = np.where(counts[:, np.newaxis] > 0, samples, np.float32(np.nan))
    position = part * np.maximum(counts - 1, 0)
    below = position.astype(np.int64)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0))
    first, second = (
        np.take_along_axis(samples, at[:, np.newaxis], axis=1)[:, 0].astype(np.float64)
        for at in (below, above)
    )
    quantile: np.ndarray = first + (position - below) * (second - first)
    return quantile
