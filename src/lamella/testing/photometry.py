"""Measurements of stars for tests: apertures, PSF fluxes, centroids and widths."""

from __future__ import annotations

import dataclasses

import numpy as np
from lsst.images import Image
from lsst.images.psfs import PointSpreadFunction

__all__ = ("StarMeasurements", "aperture_flux", "measure_stars", "psf_moments")

_ITERATIONS = 30
_WINDOW = 4.0  # standard deviations


def aperture_flux(image: Image, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Sum an image within circles.

    The parts of pixels that a circle covers are exact.

    Parameters
    ----------
    image
        The image, in any unit.
    x, y
        Centres of the circles, shape (n,), pixels in the frame of the image.
    radius
        Pixels.

    Returns
    -------
    `numpy.ndarray`
        Sums, shape (n,), float64, in the unit of the image; NaN where a
        circle reaches beyond the image, or covers a NaN.
    """
    import sep

    data = np.ascontiguousarray(image.array, dtype=np.float64)
    local_x = np.atleast_1d(np.asarray(x, dtype=float)) - image.bbox.x.start
    local_y = np.atleast_1d(np.asarray(y, dtype=float)) - image.bbox.y.start
    sums, _, _ = sep.sum_circle(data, local_x, local_y, radius, subpix=0)
    reach = radius - 0.5
    inside = (local_x >= reach) & (local_x <= data.shape[1] - 1 - reach)
    inside &= (local_y >= reach) & (local_y <= data.shape[0] - 1 - reach)
    return np.where(inside, sums, np.nan)


@dataclasses.dataclass(frozen=True, slots=True)
class StarMeasurements:
    """What was measured of stars; arrays of shape (n,), float64, NaN where a star could not be measured.

    Attributes
    ----------
    flux
        PSF flux at the given position, in the unit of the image.
    flux_error
        Standard deviation of the flux from the variance plane; NaN without one.
    x, y
        Centroids, pixels.
    sigma
        Standard deviation of the star's profile, pixels: from its
        second moments under a Gaussian window of the same width.
    """

    flux: np.ndarray
    flux_error: np.ndarray
    x: np.ndarray
    y: np.ndarray
    sigma: np.ndarray


def measure_stars(
    image: Image, x: np.ndarray, y: np.ndarray, psf: PointSpreadFunction, *, variance: Image | None = None
) -> StarMeasurements:
    """Measure stars whose positions are known.

    The flux is the amplitude of the PSF at the known position, by least squares with equal
    weights for all pixels of the PSF's stamp: it is unbiased where the PSF is
    right and there is no background.

    Parameters
    ----------
    image
        The image, in any unit, with its background subtracted.
    x, y
        Positions, shape (n,), pixels in the frame of the image.
    psf
        PSF in the frame of the image.
    variance
        Variance plane, for errors.
    """
    rows = [_measure(image, float(a), float(b), psf, variance) for a, b in zip(x, y, strict=True)]
    columns = np.array(rows, dtype=float).reshape(-1, 5).T
    return StarMeasurements(*columns)


def _measure(
    image: Image, x: float, y: float, psf: PointSpreadFunction, variance: Image | None
) -> tuple[float, float, float, float, float]:
    box = psf.compute_stellar_bbox(x=x, y=y)
    if not image.bbox.contains(box):
        return (np.nan,) * 5
    model = np.asarray(psf.compute_stellar_image(x=x, y=y).array, dtype=np.float64)
    data = np.asarray(image[box].array, dtype=np.float64)
    if not np.isfinite(data).all():
        return (np.nan,) * 5
    norm = float((model**2).sum())
    error = np.nan
    if variance is not None:
        error = float(np.sqrt((model**2 * variance[box].array).sum()) / norm)
    moments = _adaptive_moments(data, x - box.x.start, y - box.y.start)
    return (
        float((model * data).sum()) / norm,
        error,
        moments[0] + box.x.start,
        moments[1] + box.y.start,
        moments[2],
    )


def psf_moments(psf: PointSpreadFunction, x: float, y: float) -> tuple[float, float, float]:
    """Return centroid and width of a PSF's image of a star.

    Parameters
    ----------
    psf
        The PSF.
    x, y
        Where, pixels.

    Returns
    -------
    x, y, sigma
        As `StarMeasurements` has them, pixels.
    """
    star = psf.compute_stellar_image(x=x, y=y)
    array = np.asarray(star.array, dtype=np.float64)
    moments = _adaptive_moments(array, x - star.bbox.x.start, y - star.bbox.y.start)
    return moments[0] + star.bbox.x.start, moments[1] + star.bbox.y.start, moments[2]


def _adaptive_moments(data: np.ndarray, x: float, y: float) -> tuple[float, float, float]:
    """Iterate a Gaussian window until it has the centre and the width of the star.

    A Gaussian of width s seen through a window of width s has the second
    moment s^2 / 2, and its centroid moves half of the way to the star's
    (Bernstein & Jarvis 2002).
    """
    rows, columns = np.mgrid[: data.shape[0], : data.shape[1]].astype(float)
    sigma = 1.5
    for _ in range(_ITERATIONS):
        dx, dy = columns - x, rows - y
        square = dx**2 + dy**2
        window = data * np.exp(-0.5 * square / sigma**2) * (square < (_WINDOW * sigma) ** 2)
        total = window.sum()
        if not total > 0:
            return np.nan, np.nan, np.nan
        shift = 2 * (window * dx).sum() / total, 2 * (window * dy).sum() / total
        width = float(np.sqrt(max((window * square).sum() / total, 0.01)))
        x, y = x + float(np.clip(shift[0], -1, 1)), y + float(np.clip(shift[1], -1, 1))
        change, sigma = abs(width - sigma), width
        if change < 1e-7 and max(map(abs, shift)) < 1e-7:
            break
    return x, y, sigma
