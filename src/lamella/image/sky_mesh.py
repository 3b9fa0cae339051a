"""The level of the sky in meshes of an image, and a smooth surface through them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy

__all__ = ("SkyMeshes", "measure_meshes", "mesh_sizes")

USABLE = 0.5
"""A mesh is used when at least this share of its pixels may be used."""
_BLOCK = 8
"""Side of the blocks, in pixels.  The mean of 64 pixels has an eighth of their skewness, and no steps."""
_LEAST_BLOCK = 4
_BLOCKS_ALONG = 4
"""So many blocks should lie along a mesh, so that their order statistics mean something."""
_LEAST_SHARE = 0.25
"""The mean of a block counts when this share of its pixels may be used."""
_PIXEL_CLIP = 5.0
"""Pixels beyond this many standard deviations do not count: cosmic rays, cores of stars.

Of counts with a mean of one, the most skew ones that are to be measured, the tail beyond holds 0.0005 of
the standard deviation.
"""
_CLIP = 3.0
_SAMPLE = 8192
"""So many pixels of a mesh tell their scatter to a percent."""
_NORMAL_CLIPPED = 1.0136
"""Standard deviation of normal values over that of those within 3 of it."""


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
        # Meshes without a level get that of the nearest one that has it.
        level, missing = self.level, ~np.isfinite(self.level)
        if missing.any():
            nearest = scipy.ndimage.distance_transform_edt(
                missing, return_distances=False, return_indices=True
            )
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
        nodes = np.asarray(np.nanmedian(windows, axis=(2, 3)) + slope)
        along_y = _spline(nodes, self.size[0], shape[0])
        return np.ascontiguousarray(_spline(along_y.T, self.size[1], shape[1]).T, dtype=np.float32)


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
    rows, columns = (range(0, length, step) for length, step in zip(data.shape, size, strict=True))
    level, sigma = (np.full((len(rows), len(columns)), np.nan) for _ in range(2))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            mesh = np.s_[y : y + size[0], x : x + size[1]]
            if usable[mesh].mean() > 1.0 - USABLE:
                level[i, j], sigma[i, j] = _mesh_sky(data[mesh], usable[mesh])
    return SkyMeshes(level=level, sigma=sigma, size=size)


def _mesh_sky(data: np.ndarray, usable: np.ndarray) -> tuple[float, float]:
    """Return the sky of a mesh and the standard deviation of its pixels."""
    values = data[usable].astype(np.float64)
    # An odd step does not stay in the same columns.
    centre, sigma = _clipped_moments(values[:: values.size // _SAMPLE | 1])
    if sigma == 0.0:
        return centre, 0.0
    near = usable & (np.abs(data - centre) <= _PIXEL_CLIP * sigma)
    # The means of blocks of the mesh that have enough pixels, less the centre.
    counts = [max(1, n // min(_BLOCK, max(_LEAST_BLOCK, n // _BLOCKS_ALONG))) for n in data.shape]
    rows, columns = (np.arange(k) * n // k for k, n in zip(counts, data.shape, strict=True))

    def sums(plane: np.ndarray) -> np.ndarray:
        total: np.ndarray = np.add.reduceat(np.add.reduceat(plane, rows, axis=0), columns, axis=1)
        return total

    # Sums around the level of the sky are exact enough in double precision whatever the pedestal.
    total = sums(np.where(near, data.astype(np.float64) - centre, 0.0))
    count, area = sums(near.astype(np.int64)), sums(np.ones(data.shape, np.int64))
    enough = count >= _LEAST_SHARE * area
    means: np.ndarray = total[enough] / count[enough]
    middle, spread = _clipped_moments(means)
    ordered = np.sort(means[np.abs(means - middle) <= _CLIP * spread])
    cut = ordered.size // 4
    return centre + float(ordered[cut : ordered.size - cut].mean()), sigma


def _clipped_moments(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of the values that are left after clipping."""
    # From the plain scatter inwards: where half of a mesh is light, the median of the distances from the
    # median can be that of either half alone.
    left, count = values, 0
    while left.size != count:
        count, centre = left.size, float(np.median(left))
        sigma = float(left.std()) * (1.0 if count == values.size else _NORMAL_CLIPPED)
        left = left[np.abs(left - centre) <= _CLIP * sigma]
    return float(left.mean()), sigma


def _spline(nodes: np.ndarray, step: int, length: int) -> np.ndarray:
    """Return natural cubic splines along the first axis, at each pixel of a length.

    Beyond the middles of the first and the last mesh the outermost pieces go on.
    """
    if len(nodes) == 1:
        return np.repeat(nodes, length, axis=0)
    middles = (np.arange(len(nodes)) + 0.5) * step - 0.5
    curve = scipy.interpolate.CubicSpline(middles, nodes, bc_type="natural")
    values: np.ndarray = curve(np.arange(length))
    return values
