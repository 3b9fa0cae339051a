"""The variance of an image that comes without one, from its own pixels."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
import scipy

from ..errors import NoiseError, ShapeError
from .background import fit_background
from .sky_mesh import SkyMeshes, mesh_sizes

__all__ = ("BlankSky", "find_blank_sky", "measure_noise", "noise_of_confidence")

_MESH = 128
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
_CLIP = 3.0
_NORMAL_CLIPPED = 1.0136
"""Standard deviation of normal values over that of those within 3 of it."""
_ONE_SIGMA_BELOW = 15.8655254
"""Percentile of a Gaussian."""
_STEPS = 2.5
"""Values that are no further than so many steps from the middle are not clipped."""
_SAMPLE = 2**16
_MIN_BLANK = 200
"""So many blank pixels tell a standard deviation to 5 %."""
_CERTAIN = 6.0
"""Of the filtered image, so many standard deviations are light and not noise."""
_BRIGHT = 5.0
"""Pixels of sources that exceed the noise so often are taken as they are, fainter ones with neighbours."""
_SPLINE_LIMIT = 1.5
"""A spline through the meshes leaves their range by no more than this factor."""


@dataclasses.dataclass(frozen=True)
class BlankSky:
    """An image less its sky, and where nothing else is in it."""

    residual: np.ndarray
    """Image less the sky, float32, shape (y, x); 0 where bad."""
    blank: np.ndarray
    """True where a pixel is neither bad nor near a source."""
    bad: np.ndarray
    lit: np.ndarray
    """True in sources that are none of the noise."""
    step: float
    """Distance of the values that the pixels of the image can have."""


@dataclasses.dataclass(frozen=True)
class _Meshes:
    """Options of `lamella.image.background.fit_background`."""

    background_mesh: int = _SKY_MESH
    background_filter: int = 3


def measure_noise(
    image: np.ndarray,
    bad: np.ndarray,
    *,
    gain: float | None = None,
    mesh: int = _MESH,
    path: str | PathLike[str] = "",
) -> np.ndarray:
    """Measure the variance of the pixels of an image.

    In each mesh it is the variance of the pixels of blank sky: the image less its sky, without
    what stands above the noise after smoothing and its surroundings, and clipped.
    Pixels that share noise with their neighbours, or come in steps, have that same scatter.  Between
    the meshes the variance is smooth.

    Parameters
    ----------
    image
        Shape (y, x), in any unit, with its sky or without.
    bad
        True where a pixel is no measurement, shape (y, x); those that are not finite are none either.
    gain
        Electrons per unit of the image.  With it, the variance of the light of sources is added:
        their flux above the sky over the gain.
    mesh
        Size of the meshes in pixels.
    path
        File of the image, for messages.

    Returns
    -------
    numpy.ndarray
        float32, shape (y, x), positive and finite also where a pixel is bad.

    Raises
    ------
    ShapeError
        Raised when the planes differ in shape.
    InputError
        Raised when no mesh has usable pixels in more than half of its area.
    NoiseError
        Raised when there is no blank sky, or its pixels do not scatter.
    """
    sky = find_blank_sky(image, bad, mesh=mesh, path=path)
    variances, size = _mesh_variances(
        sky.residual, sky.blank, mesh, functools.partial(_squared_scatter, step=sky.step)
    )
    if not (np.nanmax(variances, initial=0.0) > 0.0):
        raise _no_noise(path)
    variance = _smooth(variances, size, sky.bad.shape)
    return variance if gain is None else variance + _source_variance(sky, variance, gain)


def noise_of_confidence(
    image: np.ndarray,
    bad: np.ndarray,
    confidence: np.ndarray,
    *,
    gain: float | None = None,
    path: str | PathLike[str] = "",
) -> np.ndarray:
    """Turn relative weights into a variance: the factor comes from the scatter of blank sky.

    Parameters
    ----------
    image, bad, gain, path
        As for `measure_noise`.
    confidence
        Relative inverse variances of the sky, in any unit, shape (y, x); there is no measurement where one
        is not positive or not finite.

    Returns
    -------
    numpy.ndarray
        float32 variance, shape (y, x), +inf where there is no measurement.

    Raises
    ------
    ShapeError, InputError, NoiseError
        As `measure_noise`.
    """
    if confidence.shape != image.shape:
        raise ShapeError("confidence", found=confidence.shape, expected=image.shape)
    weighted = np.isfinite(confidence) & (confidence > 0)
    root = np.sqrt(np.where(weighted, confidence, 0.0), dtype=np.float32)
    sky = find_blank_sky(image, bad | ~weighted, path=path)
    factor = _squared_scatter((sky.residual * root)[sky.blank])
    if not factor > 0.0:
        raise _no_noise(path)
    variance = np.full(image.shape, np.inf, np.float32)
    np.divide(factor, confidence, out=variance, where=weighted, casting="same_kind")
    return variance if gain is None else variance + _source_variance(sky, variance, gain)


def _no_noise(path: str | PathLike[str]) -> NoiseError:
    return NoiseError(f"{path}: found no blank sky whose pixels scatter; expected noise to measure.")


def find_blank_sky(
    image: np.ndarray, bad: np.ndarray, *, mesh: int = _MESH, path: str | PathLike[str] = ""
) -> BlankSky:
    """Take the sky off an image, and find where nothing else is in it.

    Parameters
    ----------
    image, bad, mesh, path
        As for `measure_noise`.

    Raises
    ------
    ShapeError, InputError
        As `measure_noise`.
    """
    if bad.shape != image.shape:
        raise ShapeError("bad", found=bad.shape, expected=image.shape)
    lost = bad | ~np.isfinite(image)
    level = fit_background(image, lost, _Meshes(), Path(path)).level
    residual = np.where(lost, np.float32(0), image - level).astype(np.float32, copy=False)
    smooth = scipy.ndimage.gaussian_filter(residual, _SMOOTHING, mode="nearest")
    blank, bright = ~lost, lost
    for search in _SEARCHES:
        blank, bright = _without_sources(smooth, blank, lost, search, mesh)
        if np.count_nonzero(blank) > _CROWDED * np.count_nonzero(~lost):
            break
    lit = _lit(blank | lost, bright)
    return BlankSky(residual=residual, blank=blank, bad=lost, step=_step(image[~lost]), lit=lit)


def _without_sources(
    smooth: np.ndarray, blank: np.ndarray, lost: np.ndarray, search: tuple[float, int], mesh: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels are blank, and which are certainly light, of a filtered image."""
    threshold, growth = search
    bright = np.zeros_like(lost)
    for _ in range(_PASSES):
        # In units of its own scatter, because neighbours that share noise keep more of it when smoothed.
        variances, size = _mesh_variances(smooth, blank, mesh, _squared_low_side)
        if not np.isfinite(variances).any():
            break
        sigma = np.sqrt(_smooth(variances, size, blank.shape))
        # Under a crowd of stars the sky has been taken too high.
        above = smooth - np.median(smooth[blank])
        cores = above > threshold * sigma
        blank = ~(lost | scipy.ndimage.maximum_filter(cores, 2 * growth + 1))
        bright = above > _CERTAIN * sigma
    return blank, bright


def _lit(free: np.ndarray, bright: np.ndarray) -> np.ndarray:
    """Return the regions of sources that hold a bright pixel: peaks of noise are no light."""
    labels, count = scipy.ndimage.label(~free)
    kept = np.zeros(count + 1, bool)
    kept[labels[bright]] = True
    kept[0] = False
    lit: np.ndarray = kept[labels]
    return lit


def _step(pixels: np.ndarray) -> float:
    """Return the distance of the values that pixels have: 1 for whole numbers."""
    steps = np.diff(np.unique(pixels[:: pixels.size // _SAMPLE + 1]).astype(np.float64))
    return float(steps.min(initial=math.inf)) if steps.size else 0.0


def _mesh_variances(
    values: np.ndarray, chosen: np.ndarray, mesh: int, measure: Callable[[np.ndarray], float]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the variance of chosen pixels in each mesh (NaN where they are few), and the size of a mesh."""
    size = mesh_sizes(values.shape, mesh)
    rows, columns = (range(0, length, step) for length, step in zip(values.shape, size, strict=True))
    variances = np.full((len(rows), len(columns)), np.nan)
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            box = np.s_[y : y + size[0], x : x + size[1]]
            pixels = values[box][chosen[box]]
            if pixels.size >= _MIN_BLANK:
                variances[i, j] = measure(pixels)
    if np.isnan(variances).all() and chosen.any():
        variances[...] = measure(values[chosen])
    return variances, size


def _squared_low_side(pixels: np.ndarray) -> float:
    """Return the variance of pixels by those below their median: light is above it."""
    low, middle = np.percentile(pixels, (_ONE_SIGMA_BELOW, 50.0))
    return float(middle - low) ** 2


def _squared_scatter(pixels: np.ndarray, step: float = 0.0) -> float:
    """Return the variance of pixels without what is far out; 0 where there are none."""
    ordered = np.sort(pixels.astype(np.float64))
    if ordered.size == 0:
        return 0.0
    count, correction = -1, 1.0
    while ordered.size != count:
        count, centre, sigma = ordered.size, float(np.median(ordered)), correction * float(ordered.std())
        # Of counts of few photons, one more than none is not far out.
        reach = max(_CLIP * sigma, _STEPS * step)
        first = np.searchsorted(ordered, centre - reach)
        stop = np.searchsorted(ordered, centre + reach, side="right")
        ordered, correction = ordered[first:stop], _NORMAL_CLIPPED if _CLIP * sigma >= reach else 1.0
    return sigma**2


def _smooth(variances: np.ndarray, size: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """Return a smooth surface through the variances of meshes: float32 of a shape (y, x)."""
    surface = SkyMeshes(variances, variances, size).surface((shape[0], shape[1]), 3)
    lowest, highest = np.nanmin(variances) / _SPLINE_LIMIT, np.nanmax(variances) * _SPLINE_LIMIT
    bounded: np.ndarray = np.clip(surface, np.float32(lowest), np.float32(highest))
    return bounded


def _source_variance(sky: BlankSky, variance: np.ndarray, gain: float) -> np.ndarray:
    """Return the variance of the light of sources: their flux over the gain; 0 where there are none."""
    if not (math.isfinite(gain) and gain > 0.0):
        raise NoiseError(f"found a gain of {gain:g}; expected a positive number.")
    # A faint pixel alone would be counted as noisier where its noise is up, and so weigh less.
    kernel = np.array([0.25, 0.5, 0.25])
    near = scipy.ndimage.convolve1d(sky.residual, kernel, axis=0, mode="nearest")
    near = scipy.ndimage.convolve1d(near, kernel, axis=1, mode="nearest")
    bright = sky.residual > _BRIGHT * np.sqrt(variance)
    flux = np.where(bright, sky.residual, near)
    light: np.ndarray = np.where(sky.lit, np.maximum(flux, 0.0) / gain, 0.0).astype(np.float32)
    return light
