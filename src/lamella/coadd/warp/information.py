"""What an image of one detector says of the sky per area: the weight that it has in every coadd."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ...data.exposure import Exposure
from ...data.photometry import calibration_at
from ...data.weights import WeightProblem
from ...image.planes import conform_mask, inside_polygon
from ...planes import Layout
from ...sky.footprint import mean_pixel_area

__all__ = ("exposure_information", "sky_variance", "typical_variance")

_SAMPLES = 1 << 16
"""Pixels, about, that are looked at: the mean of so many is known to half a percent of their scatter."""
_ENOUGH = 1 << 10
"""With fewer good ones among them, all pixels are looked at."""
_SIGMA_CLIP = 3.0
_IQR_TO_SIGMA = 0.741301109252802
_MOST_PASSES = 30
_PARTS = 8
"""Parts along each side of an image in which light is looked for."""
_FEWEST = 10
"""Good pixels that a part needs to tell its level."""
_BRIGHT = 0.5
"""Level of a part above that of the sky, in sigma of a pixel, from which on its noise is that of sources."""
_DARK = 0.1
"""Fraction of the parts that are taken to show the sky, however large a galaxy is."""
_NOT_SKY = ("NO_DATA", "BAD", "SATURATED")
"""Planes whose pixels say nothing of the noise of the sky, whatever a coadd makes of them."""


def exposure_information(exposure: Exposure) -> float | WeightProblem:
    """Return the information of an exposure per sky area.

    For a surface brightness, or for a faint source that is wider than a pixel, the sum over the pixels of
    an area of one over the variance of each (in units of flux per area) is ``area / variance`` of a pixel:
    the best weight in a mean on any grid, whatever the resampling does to the noise of single pixels.

    Parameters
    ----------
    exposure
        The exposure, before it is resampled or repaired.

    Returns
    -------
    float or WeightProblem
        Mean area of a pixel over the variance of blank sky, in arcsec2 / nJy2, positive and finite; or why
        there is none.  It depends on the exposure alone.

    Raises
    ------
    CalibrationError
        Raised when the photometric scale is not a positive number everywhere.
    """
    box = exposure.pixels.bbox
    # Odd, so that all columns of interleaved amplifiers are met.
    step = math.ceil(math.sqrt(box.area / _SAMPLES)) | 1
    image, variance = _sample(exposure, step, _NOT_SKY)
    if step > 1 and np.count_nonzero(np.isfinite(variance)) < _ENOUGH:
        image, variance = _sample(exposure, 1, _NOT_SKY)
    if not np.isfinite(variance).any():
        image, variance = _sample(exposure, 1, ("NO_DATA",))
    if not np.isfinite(variance).any():
        return WeightProblem.NO_GOOD_PIXEL
    if not (variance > 0.0).any():
        return WeightProblem.NOT_POSITIVE
    mean = sky_variance(image, variance)
    weight = mean_pixel_area(exposure.info.projection, box) / mean
    return weight if 0.0 < weight < math.inf else WeightProblem.NOT_POSITIVE


def sky_variance(image: np.ndarray, variance: np.ndarray) -> float:
    """Return the mean variance of the pixels of the sky, which that of sources does not count to.

    Parts of the image (8 by 8) whose median is above that of the dark parts by more than half a sigma of
    a pixel lie under a galaxy or a halo and are left out.  Of the others `typical_variance` is taken.
    Amplifiers or corners with more noise are not left out: they are no brighter.

    Parameters
    ----------
    image, variance
        Arrays of shape (y, x), of one unit and its square; pixels whose variance is not positive and finite
        do not count.  There is at least one that does.
    """
    good = np.isfinite(variance) & (variance > 0.0)
    edges = [np.linspace(0, size, _PARTS + 1).astype(int) for size in image.shape]
    parts, levels = [], []
    for y0, y1 in itertools.pairwise(edges[0]):
        for x0, x1 in itertools.pairwise(edges[1]):
            used = good[y0:y1, x0:x1]
            if np.count_nonzero(used) >= _FEWEST:
                parts.append(variance[y0:y1, x0:x1][used])
                levels.append(np.median(image[y0:y1, x0:x1][used]))
    if not parts:
        return typical_variance(variance[good])
    sky = np.quantile(levels, _DARK)
    dark = [
        variances
        for variances, level in zip(parts, levels, strict=True)
        if level <= sky + _BRIGHT * math.sqrt(np.median(variances))
    ]
    return typical_variance(np.concatenate(dark))


def typical_variance(variances: np.ndarray) -> float:
    """Return the mean of variances without those of stars and of broken pixels.

    Values further than three sigma from the median (sigma from the interquartile range) are left out,
    again and again until no more are.

    Parameters
    ----------
    variances
        Finite numbers, of shape (n,); at least one.
    """
    ordered = np.sort(variances.astype(np.float64))
    sums = np.append(0.0, np.cumsum(ordered))
    low, high = 0, ordered.size
    for _ in range(_MOST_PASSES):
        last = high - low - 1
        # By rank, on sorted values: each pass costs two searches, however many there are.
        lower, middle, upper = (float(ordered[low + round(rank * last)]) for rank in (0.25, 0.5, 0.75))
        reach = _SIGMA_CLIP * _IQR_TO_SIGMA * (upper - lower)
        first = int(np.searchsorted(ordered, middle - reach))
        end = int(np.searchsorted(ordered, middle + reach, "right"))
        if (first, end) == (low, high):
            break
        low, high = first, end
    return float((sums[high] - sums[low]) / (high - low))


def _sample(exposure: Exposure, step: int, planes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return image and variance of every few pixels, in nJy and its square; NaN without a good value."""
    pixels = exposure.pixels
    box, layout = pixels.bbox, Layout.of(pixels.mask.schema)
    rows, columns = (slice(min(step // 2, axis.size - 1), None, step) for axis in (box.y, box.x))
    at = (rows, columns)
    image, variance = pixels.image.array[at], pixels.variance.array[at]
    good = np.isfinite(image) & np.isfinite(variance)
    good &= (conform_mask(pixels.mask, layout)[at] & layout.bits(planes, missing_ok=True)) == 0
    if exposure.info.polygon is not None:
        good &= inside_polygon(exposure.info.polygon, box)[at]
    y = np.arange(box.y.start, box.y.stop)[rows, np.newaxis]
    x = np.arange(box.x.start, box.x.stop)[columns]
    scale = calibration_at(exposure.to_njy, x, y, box, pixels.image.unit, exposure.info.path)
    flux, squared = image * np.float64(1.0) * scale, variance * np.square(scale, dtype=np.float64)
    return np.where(good, flux, np.nan), np.where(good, squared, np.nan)
