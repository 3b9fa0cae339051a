"""The variance of an image that comes without one, from its own pixels."""

from __future__ import annotations

import dataclasses
import math
from os import PathLike

import numpy as np
import scipy

from ..errors import NoiseError, ShapeError
from ..kernels.clipped import clip_ordered
from ..kernels.convolve import smooth_plane
from .background import Background
from .blank_pixels import MESH, BlankSky, find_blank_sky, without_sky
from .packed_plane import PackedPlane
from .variance_meshes import VarianceMeshes, clipped_meshes

__all__ = (
    "MeasuredNoise",
    "measure_noise",
    "noise_of_confidence",
    "noise_of_sky",
    "noise_of_weights",
    "without_weight",
)

_STEPS = 2.5
"""Values that are no further than so many steps from the middle are not clipped."""
_SAMPLE = 2**20
"""So many pixels tell a standard deviation to 0.1 %."""
_BRIGHT = 5.0
"""Pixels of sources that exceed the noise so often are taken as they are, fainter ones with neighbours."""
_NEIGHBOURS = np.array([0.25, 0.5, 0.25], np.float32)


@dataclasses.dataclass(frozen=True)
class _Light:
    """What tells the light of sources in an image."""

    gain: float
    lit: PackedPlane
    """True in sources that are none of the noise."""
    sky: Background


@dataclasses.dataclass(frozen=True)
class MeasuredNoise:
    """The noise of an image in few numbers, from which the variance of its pixels is made again."""

    blank: VarianceMeshes | float
    """Variance of blank sky in meshes; with relative weights, the factor over them."""
    light: _Light | None = None
    """Sources, whose light adds to the variance; `None` where the gain is not known."""

    def variance(
        self,
        image: np.ndarray,
        bad: np.ndarray,
        confidence: np.ndarray | None = None,
        *,
        residual: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the variance of each pixel.

        Parameters
        ----------
        image, bad
            What it was measured in.
        confidence
            Relative inverse variances of the sky, where it was measured with them.
        residual
            The image less its sky, where it is at hand.

        Returns
        -------
        numpy.ndarray
            float32, shape (y, x), positive; +inf where a confidence is not positive or not finite.
        """
        if isinstance(self.blank, VarianceMeshes):
            variance = self.blank.surface(image.shape)
        else:
            assert confidence is not None
            variance = np.full(image.shape, np.inf, np.float32)
            np.divide(self.blank, confidence, out=variance, where=_weighted(confidence), casting="same_kind")
        if self.light is not None:
            if residual is None:
                lost = bad if confidence is None else without_weight(bad, confidence)
                residual = without_sky(image, lost | ~np.isfinite(image), self.light.sky)
            variance += _source_variance(residual, self.light.lit.unpacked(), variance, self.light.gain)
        return variance

    @property
    def nbytes(self) -> int:
        """Number of bytes that it takes."""
        meshes = self.blank.values.nbytes if isinstance(self.blank, VarianceMeshes) else 0
        return meshes + (0 if self.light is None else self.light.sky.nodes.nbytes + self.light.lit.nbytes)


def measure_noise(
    image: np.ndarray,
    bad: np.ndarray,
    *,
    gain: float | None = None,
    mesh: int = MESH,
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
    return noise_of_sky(sky, gain=gain, mesh=mesh, path=path).variance(image, bad, residual=sky.residual)


def noise_of_sky(
    sky: BlankSky, *, gain: float | None = None, mesh: int = MESH, path: str | PathLike[str] = ""
) -> MeasuredNoise:
    """Measure the noise as `measure_noise` does, in an image whose blank sky is known.

    Raises
    ------
    NoiseError
        Raised when there is no blank sky, or its pixels do not scatter.
    """
    variances = clipped_meshes(sky.residual, sky.blank, mesh, _STEPS * sky.step)
    if not variances.scatter:
        raise _no_noise(path)
    return MeasuredNoise(variances, _light(sky, gain))


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
    sky = find_blank_sky(image, without_weight(bad, confidence), path=path)
    noise = noise_of_weights(sky, confidence, gain=gain, path=path)
    return noise.variance(image, bad, confidence, residual=sky.residual)


def noise_of_weights(
    sky: BlankSky, confidence: np.ndarray, *, gain: float | None = None, path: str | PathLike[str] = ""
) -> MeasuredNoise:
    """Measure the noise as `noise_of_confidence` does, in an image whose blank sky is known.

    Raises
    ------
    NoiseError
        Raised when there is no blank sky, or its pixels do not scatter.
    """
    every = slice(None, None, confidence.size // _SAMPLE | 1)
    blank = sky.blank.reshape(-1)[every]
    weights = np.sqrt(confidence.reshape(-1)[every][blank], dtype=np.float32)
    ordered = np.sort(sky.residual.reshape(-1)[every][blank] * weights)
    sigma = clip_ordered(ordered, 0.0)[2] if ordered.size else 0.0
    if not sigma > 0.0:
        raise _no_noise(path)
    return MeasuredNoise(sigma * sigma, _light(sky, gain))


def without_weight(bad: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return which pixels are bad or have no relative weight."""
    if confidence.shape != bad.shape:
        raise ShapeError("confidence", found=confidence.shape, expected=bad.shape)
    lost: np.ndarray = bad | ~_weighted(confidence)
    return lost


def _weighted(confidence: np.ndarray) -> np.ndarray:
    weighted: np.ndarray = np.isfinite(confidence) & (confidence > 0)
    return weighted


def _no_noise(path: str | PathLike[str]) -> NoiseError:
    return NoiseError(f"{path}: found no blank sky whose pixels scatter; expected noise to measure.")


def _light(sky: BlankSky, gain: float | None) -> _Light | None:
    """Return the light of the sources around blank sky: regions that hold a bright pixel.

    Peaks of noise are no light.
    """
    if gain is None:
        return None
    if not (math.isfinite(gain) and gain > 0.0):
        raise NoiseError(f"found a gain of {gain:g}; expected a positive number.")
    labels, count = scipy.ndimage.label(~(sky.blank | sky.bad))
    kept = np.zeros(count + 1, bool)
    kept[labels[sky.bright]] = True
    kept[0] = False
    return _Light(gain, PackedPlane.of(kept[labels]), sky.sky)


def _source_variance(residual: np.ndarray, lit: np.ndarray, variance: np.ndarray, gain: float) -> np.ndarray:
    """Return the variance of the light of sources: their flux over the gain; 0 where there are none."""
    # A faint pixel alone would be counted as noisier where its noise is up, and so weigh less.
    padded = np.pad(residual, 1, mode="edge")
    near = np.empty_like(padded)
    smooth_plane(padded, _NEIGHBOURS, near)
    flux = np.where(residual > _BRIGHT * np.sqrt(variance), residual, near[1:-1, 1:-1])
    light: np.ndarray = np.where(lit, np.maximum(flux, 0.0) / np.float32(gain), np.float32(0))
    return light
