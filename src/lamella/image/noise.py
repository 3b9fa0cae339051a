"""The factor between the variance plane of an image and the scatter of its pixels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..errors import NoiseError, ShapeError
from .options import NoiseControl

__all__ = ("NoiseScale", "variance_scale")

SIGMA_PER_QUARTILE_RANGE = 0.7413011092528009
"""Standard deviation of a Gaussian in units of the distance between its quartiles."""

_MIN_PER_BIN = 16  # pixels that a median of the sky needs at least


@dataclasses.dataclass(frozen=True, slots=True)
class NoiseScale:
    """Factors by which variances must be multiplied to agree with the scatter of the pixels.

    Attributes
    ----------
    pixel_based
        From the scatter of pixels in units of their own errors; NaN when it
        cannot be measured.
    image_based
        From the scatter of pixels, over the median variance; the same where
        the variance is the same everywhere.
    used
        The first if it is finite and within the limit, else the second; 1
        when there are less than two good pixels.
    """

    pixel_based: float
    image_based: float
    used: float


def variance_scale(
    image: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    bad_bits: int,
    control: NoiseControl | None = None,
) -> NoiseScale:
    """Compare the variance plane of an image with the scatter of its pixels.

    The image less its sky is divided by the square root of the variance; 0.7413
    times the distance between the quartiles of that, squared, is the
    factor.  Sources that are not masked widen the distance: with a part *f* of
    the pixels in sources the factor comes out too large by about 2.2 f.

    Parameters
    ----------
    image, variance
        Planes of shape (y, x).
    mask
        Integers of shape (y, x).
    bad_bits
        Pixels with one of these bits do not count; nor do those whose value
        or variance is not finite, or whose variance is not positive.
    control
        Options.

    Returns
    -------
    NoiseScale
        The factors.  They depend on the whole of the planes given, and on nothing else.

    Raises
    ------
    ShapeError
        Raised when the planes differ in shape.
    NoiseError
        Raised when neither factor is within the limit.

    Notes
    -----
    Neighbouring pixels that share noise do not change the factor, so that it
    says nothing of fluxes summed over many pixels; `lamella.coadd.skynoise` does.
    """
    control = control or NoiseControl()
    for name, plane in (("variance", variance), ("mask", mask)):
        if plane.shape != image.shape:
            raise ShapeError(name, found=plane.shape, expected=image.shape)
    step = max(1, math.ceil(math.sqrt(image.size / control.samples)))
    lattice = (slice(step // 2, None, step),) * 2
    x, v = image[lattice].astype(np.float32), variance[lattice]
    good = (mask[lattice] & bad_bits == 0) & np.isfinite(x) & (v > 0) & np.isfinite(v)
    if np.count_nonzero(good) < 2:
        return NoiseScale(math.nan, math.nan, 1.0)
    x -= _sky(x, good, max(1, control.bin_size // step))
    values, variances = x[good], v[good]
    pixel_based = _squared_sigma(values / np.sqrt(variances))
    image_based = _squared_sigma(values) / float(np.median(variances))
    for factor in (pixel_based, image_based):
        if 0.0 < factor <= control.limit:  # NaN fails
            return NoiseScale(pixel_based, image_based, factor)
    raise NoiseError(
        f"The scatter of the pixels is {pixel_based:.4g} times their variances (image-based: "
        f"{image_based:.4g}); no factor up to {control.limit:g} explains it.",
        pixel_based=pixel_based,
        image_based=image_based,
        limit=control.limit,
    )


def _squared_sigma(values: np.ndarray) -> float:
    # Quartiles, because sources widen the wings of the distribution and hardly its middle.
    low, high = np.percentile(values, (25.0, 75.0))
    return float(SIGMA_PER_QUARTILE_RANGE * (high - low)) ** 2


def _sky(x: np.ndarray, good: np.ndarray, bin_size: int) -> np.ndarray:
    """Return the sky: medians of bins, with straight lines between their centres."""
    # Bins that are equal but for a pixel.
    numbers = [max(1, round(size / bin_size)) for size in x.shape]
    rows, columns = (
        [slice(index * size // number, (index + 1) * size // number) for index in range(number)]
        for size, number in zip(x.shape, numbers, strict=True)
    )
    level = np.full((len(rows), len(columns)), np.nan)
    for i, j in np.ndindex(level.shape):
        values = x[rows[i], columns[j]][good[rows[i], columns[j]]]
        if values.size >= _MIN_PER_BIN:
            level[i, j] = np.median(values)
    measured = np.isfinite(level)
    level[~measured] = np.median(level[measured]) if measured.any() else np.median(x[good])
    sky: np.ndarray = (_shares(rows) @ level @ _shares(columns).T).astype(np.float32)
    return sky


def _shares(bins: list[slice]) -> np.ndarray:
    """Return the share of each bin in each pixel, by straight lines through centres: shape (pixel, bin)."""
    shares = np.zeros((bins[-1].stop, len(bins)))
    if len(bins) == 1:
        return shares + 1.0
    centres = np.array([0.5 * (bin_.start + bin_.stop - 1) for bin_ in bins])
    pixels = np.arange(len(shares))
    left = np.clip(np.searchsorted(centres, pixels) - 1, 0, len(bins) - 2)
    share = (pixels - centres[left]) / (centres[left + 1] - centres[left])
    shares[pixels, left], shares[pixels, left + 1] = 1.0 - share, share
    return shares
