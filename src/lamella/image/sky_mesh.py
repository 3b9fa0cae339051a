"""The level of the sky in meshes of an image, and a smooth surface through them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy

from ..kernels.arrays import kernel_array
from ..kernels.meshes import measure_skies, pick_samples, spline_rows

__all__ = ("SkyMeshes", "measure_meshes", "mesh_counts", "mesh_samples", "mesh_sizes", "mesh_surface")

USABLE = 0.5
"""A mesh is used when at least this share of its pixels may be used."""
_LEAST_SAMPLE, _SAMPLED = 2048, 8
"""So many pixels of a mesh, or one in so many, tell their scatter; the level comes from all of them."""


@dataclasses.dataclass(frozen=True)
class SkyMeshes:
    """The sky in each mesh of an image."""

    level: np.ndarray
    """Sky, float64, shape (y, x) in meshes; NaN where too few pixels may be used."""
    sigma: np.ndarray
    """Standard deviation of pixels, the same."""
    size: tuple[int, int]
    """Size (y, x) of a mesh in pixels; the last ones may be smaller."""

    @property
    def rms(self) -> float:
        """Median over the meshes of the standard deviation of pixels."""
        return float(np.nanmedian(self.sigma))

    def surface(self, shape: tuple[int, int], width: int) -> np.ndarray:
        """Return the sky at each pixel: a natural bicubic spline through the filtered levels.

        Parameters
        ----------
        shape
            Shape (y, x) of the image.
        width
            Width of the median filter in meshes, odd.

        Returns
        -------
        numpy.ndarray
            float32, of that shape.
        """
        return mesh_surface(self.nodes(width), self.size, shape)

    def nodes(self, width: int) -> np.ndarray:
        """Return the levels after the median filter of `filtered_nodes`."""
        return filtered_nodes(self.level, width)


def filtered_nodes(level: np.ndarray, width: int) -> np.ndarray:
    """Return values of meshes after a median filter, of a width in meshes that is odd; all are finite."""
    # Meshes without a level get that of the nearest one that has it.
    missing = ~np.isfinite(level)
    if missing.any():
        nearest = scipy.ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
        level = level[tuple(nearest)]
    # The plane with the median slopes between neighbours, which single meshes do not move.  It stays: at
    # the ends of the image, medians of what is left of a window would flatten it.
    slope = np.zeros_like(level)
    for axis, length in enumerate(level.shape):
        if length > 1:
            step = float(np.median(np.diff(level, axis=axis)))
            slope += np.expand_dims(step * np.arange(length), 1 - axis)
    reach = width // 2
    padded = np.pad(level - slope, reach, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(np.nanmedian(windows, axis=(2, 3)) + slope)


def mesh_surface(nodes: np.ndarray, size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Return a natural bicubic spline through the middles of meshes of a size: float32, of a shape (y, x)."""
    return _along_rows(_along_columns(nodes, size[0], shape[0]), size[1], shape[1])


def mesh_sizes(shape: tuple[int, int], wanted: int) -> tuple[int, int]:
    """Return the size (y, x) of meshes that divide an image evenly, so that none is a sliver."""
    height, width = (math.ceil(size / max(1, round(size / wanted))) for size in shape)
    return height, width


def measure_meshes(data: np.ndarray, usable: np.ndarray, size: tuple[int, int]) -> SkyMeshes:
    """Measure the sky in each mesh.

    It is the midmean (the mean of the middle half) of the means of blocks of 8 x 8
    pixels.  Pixels that are whole numbers have order statistics that are whole
    numbers too, and counts of photons are skew, so that their median and mode are not
    their mean; the means of blocks have neither fault.  Sources are larger than a
    block or few, so that they are outliers among blocks.

    Parameters
    ----------
    data
        Image, shape (y, x), finite where usable.
    usable
        bool of the same shape: pixels that count.
    size
        Size (y, x) of the meshes in pixels.
    """
    data, usable = kernel_array(data, np.float32), kernel_array(usable, bool)
    room = max(_LEAST_SAMPLE, size[0] * size[1] // _SAMPLED)
    samples, counts = mesh_samples(data, usable, size, room=room, share=1.0 - USABLE)
    level, sigma = (np.full(len(counts), np.nan) for _ in range(2))
    measure_skies(data, usable, size, samples, counts, level, sigma)
    shape = mesh_counts(data.shape, size)
    return SkyMeshes(level=level.reshape(shape), sigma=sigma.reshape(shape), size=size)


def mesh_samples(
    data: np.ndarray,
    chosen: np.ndarray,
    size: tuple[int, int],
    *,
    room: int,
    share: float = 0.0,
    least: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Pick pixels of each mesh evenly, and sort them.

    Parameters
    ----------
    data
        Image, float32, shape (y, x), finite where chosen.
    chosen
        bool of the same shape: pixels that count.
    size
        Size (y, x) of the meshes in pixels.
    room
        Most pixels of a mesh.
    share, least
        A mesh counts when more than this part of its pixels is chosen, and at least so many are.

    Returns
    -------
    samples
        float32, shape (meshes, room): sorted, with +inf behind the last pixel.
    counts
        int64, shape (meshes,): number of pixels in each row; 0 for a mesh that does not count.
    """
    ny, nx = mesh_counts(data.shape, size)
    samples = np.empty((ny * nx, min(room, size[0] * size[1])), np.float32)
    counts = np.empty(ny * nx, np.int64)
    limits = np.array([max(least, 1), share])
    pick_samples(kernel_array(data), kernel_array(chosen), size, limits, samples, counts)
    samples.sort(axis=1)
    return samples, counts


def mesh_counts(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """Return the numbers (y, x) of meshes of a size in an image of a shape."""
    return -(-shape[0] // size[0]), -(-shape[1] // size[1])


def _middles(nodes: np.ndarray, step: int) -> np.ndarray:
    return (np.arange(len(nodes)) + 0.5) * step - 0.5


def _along_columns(nodes: np.ndarray, step: int, length: int) -> np.ndarray:
    """Return natural cubic splines along the first axis, at each pixel of a length.

    Beyond the middles of the first and the last mesh the outermost pieces go on.
    """
    if len(nodes) == 1:
        return np.repeat(nodes, length, axis=0)
    curve = scipy.interpolate.CubicSpline(_middles(nodes, step), nodes, bc_type="natural")
    values: np.ndarray = curve(np.arange(length))
    return values


def _along_rows(nodes: np.ndarray, step: int, length: int) -> np.ndarray:
    """Return the same along the second axis, where there are many pixels, in single precision."""
    if nodes.shape[1] == 1:
        return np.repeat(nodes.astype(np.float32), length, axis=1)
    curve = scipy.interpolate.CubicSpline(_middles(nodes.T, step), nodes.T, bc_type="natural")
    surface = np.empty((len(nodes), length), np.float32)
    spline_rows(kernel_array(curve.c), kernel_array(curve.x), surface)
    return surface
