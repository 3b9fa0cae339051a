"""The stars of an image: where they are, how bright, and how wide."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator

import numpy as np
import scipy

from ..errors import ShapeError
from .star_fit import StarFit, fit_star

__all__ = ("StarField", "StarWidth", "measure_stars")

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_PIXEL_FWHM = FWHM_PER_SIGMA / math.sqrt(12.0)
"""Width of the Gaussian that scatters as much as the position of light within a pixel."""
_FILTER = np.outer((0.25, 0.5, 0.25), (0.25, 0.5, 0.25)).astype(np.float32)
_DETECTION = 5.0 * float(np.sqrt(np.sum(_FILTER**2)))
"""Standard deviations of a pixel: five of those of the filtered image."""
_LEAST_PIXELS = 3
_MOST_FITS, _MOST_TRIES = 60, 200
_LEAST_SIGNIFICANCE = 20.0
_LEAST_FWHM = 0.55
"""Pixels; what is narrower is a hot pixel, or nobody's star."""
_MISFIT = 0.08
"""Cosmic rays, blends and stars that are cut off leave more of themselves."""
_SPREAD = 0.12
"""Stars of an image differ in width by less than this part."""
_APERTURE = 1.5
"""Radius of the apertures in widths of stars."""
_WIDE_APERTURE = 3.0
"""That of the apertures that tell how much light is outside."""
_WINGS_ERROR, _LEAST_WINGS_ERROR = 0.2, 0.003
"""Error of the light between both by the fitted profile: relative to it, and at least, relative to all."""
_SKY_ERROR = 0.02
"""Error of the sky in standard deviations of a pixel."""
_BEYOND_ERROR = 0.12
"""Error of the light beyond the wide apertures, relative to that between both: over the nine DECam exposures
of the tests, relative scales and the zero points of the survey then differ by their errors."""
_STARS_ERROR = 0.005
"""Part by which stars of an image differ in it."""
_NEIGHBOURS = 0.2
"""Error of all fluxes by the light of neighbours, relative to its scatter from star to star between the two
apertures: with it, scales of simulated crowded fields differ by their errors."""
_NORMAL_MEDIAN = 0.4549
"""Median of the square of a normal deviate."""
_NEAR = 3.0
"""Standard deviations within which stars agree on the light outside."""
_WIDTH_SCATTER = 0.01
"""Part by which widths of stars scatter beyond their noise, as PSFs change over an image."""
_PROFILE_ERROR = 0.01
"""Part by which a width is wrong because no star is a Moffat profile: of Gaussians it is 1.2 % too small."""
_TRUNCATED = 2
"""Flag of sep: an object reaches beyond the image."""
_HIGHEST = 1e5
_WIDER = 1.4
"""A star so much wider than the guess is fitted again in a larger stamp."""
_WIDEST = 12.0


@dataclasses.dataclass(frozen=True, slots=True)
class StarWidth:
    """The width of the stars of an image."""

    fwhm: float
    """Full width at half maximum in pixels, of the light before it falls on pixels."""
    error: float
    """Its standard deviation, from noise, the differences of stars, and those of stars from profiles."""
    stars: int
    """Number of stars that it comes from."""
    steepness: float = 0.0
    """1 / beta of their Moffat profiles; 0 for Gaussians."""

    @property
    def gaussian(self) -> float:
        """The width, in pixels, of the Gaussian that finds the fluxes of such stars with the least noise.

        Pixels are its samples; it is wider than the star, whose wings it must hold, by up to a sixth.
        """
        if self.steepness == 0.0:
            return self.sampled
        radius = np.linspace(0.0, 8.0, 2000)
        star = radius * (1.0 + 4.0 * (2.0**self.steepness - 1.0) * radius**2) ** (-1.0 / self.steepness)

        def noise(width: float) -> float:
            profile = np.exp(-4.0 * math.log(2.0) * (radius / width) ** 2)
            return float((profile**2 * radius).sum()) / float((profile * star).sum()) ** 2

        best = scipy.optimize.minimize_scalar(noise, bounds=(0.9, 1.5), method="bounded")
        return self.sampled * float(best.x)

    @property
    def sampled(self) -> float:
        """The width with that of a pixel in it: of the profile whose samples the pixels are."""
        return math.hypot(self.fwhm, _PIXEL_FWHM)


@dataclasses.dataclass(frozen=True)
class StarField:
    """Stars of an image, the brightest first; arrays of shape (n,), float64."""

    x: np.ndarray
    """Pixels; the middle of the first one is 0."""
    y: np.ndarray
    position_error: np.ndarray
    """Standard deviation of x and of y, in pixels."""
    flux: np.ndarray
    """In the unit of the image: in an aperture of 1.5 widths radius, with the light out to 3 widths, which
    is the same part for all stars."""
    flux_error: np.ndarray
    """Its standard deviation, from the variance of the pixels."""
    shared_error: float
    """Relative error of all fluxes together, of the light outside of the apertures."""
    width: StarWidth | None
    """`None` where there is no star."""

    def __len__(self) -> int:
        return len(self.x)


def measure_stars(residual: np.ndarray, variance: np.ndarray, bad: np.ndarray) -> StarField:
    """Find the stars of an image, and measure them.

    Of what stands out (`sep`, after Bertin & Arnouts 1996), elliptical Moffat profiles are fitted to the
    brightest; stars are those that such a profile fits and whose widths agree.

    Parameters
    ----------
    residual
        Image less its sky, shape (y, x); any finite value where bad.
    variance
        Variance of its pixels, the same shape.
    bad
        True where a pixel is no measurement, e.g. saturated.

    Returns
    -------
    StarField
        Stars without a bad pixel in their apertures; perhaps none.

    Raises
    ------
    ShapeError
        Raised when the planes differ in shape.
    """
    for name, plane in (("variance", variance), ("bad", bad)):
        if plane.shape != residual.shape:
            raise ShapeError(name, found=plane.shape, expected=residual.shape)
    lost = bad | ~np.isfinite(residual) | ~np.isfinite(variance)
    image = np.where(lost, 0.0, residual).astype(np.float32)
    sigma = np.sqrt(np.where(lost, 1.0, variance), dtype=np.float32)
    fits = _fits(image, sigma, lost)
    width, stars = _agreeing(fits)
    if width is None:
        return _field(image, sigma, [], None)
    radius = _APERTURE * width.sampled
    whole = [star for star in stars if _is_whole(lost, star.x, star.y, radius)]
    return _field(image, sigma, whole, width)


def _fits(image: np.ndarray, sigma: np.ndarray, lost: np.ndarray) -> list[StarFit]:
    """Return the fits to the brightest objects that a profile describes."""
    weights = np.where(lost, np.inf, sigma)
    fits: list[StarFit] = []
    for x, y, guess in itertools.islice(_candidates(image, sigma, lost), _MOST_TRIES):
        if len(fits) == _MOST_FITS:
            break
        fit = fit_star(image, weights, x, y, guess)
        if fit is not None and fit.fwhm > _WIDER * guess:
            fit = fit_star(image, weights, fit.x, fit.y, fit.fwhm)
        if fit is not None and _is_star(fit):
            fits.append(fit)
    return fits


def _candidates(
    image: np.ndarray, sigma: np.ndarray, lost: np.ndarray
) -> Iterator[tuple[float, float, float]]:
    """Yield x, y and width of the objects that may be stars, those of the brightest pixels first."""
    import sep

    threshold, objects = _DETECTION, None
    sep.set_extract_pixstack(max(sep.get_extract_pixstack(), image.size))
    while objects is None:
        try:
            objects = sep.extract(
                image,
                threshold,
                err=sigma,
                mask=lost,
                minarea=_LEAST_PIXELS,
                filter_kernel=_FILTER,
                filter_type="conv",
            )
        except Exception:  # sep has no class of its own: too many objects overlap
            threshold *= 4.0
            if threshold > _HIGHEST:
                return
    objects = objects[objects["flag"] & _TRUNCATED == 0]
    objects = objects[np.lexsort((objects["x"], objects["y"], -objects["cpeak"]))]
    for row in objects:
        x, y = float(row["x"]), float(row["y"])
        width = min(max(1.0, FWHM_PER_SIGMA * math.sqrt(row["a"] * row["b"])), _WIDEST)
        if _is_whole(lost, x, y, 0.5 * width + 1.0):
            yield x, y, width


def _is_star(fit: StarFit) -> bool:
    return (
        fit.significance > _LEAST_SIGNIFICANCE
        and fit.misfit < _MISFIT
        and fit.fwhm > _LEAST_FWHM
        and fit.fwhm_error < _SPREAD * fit.fwhm
    )


def _is_whole(lost: np.ndarray, x: float, y: float, radius: float) -> bool:
    """Return whether all pixels within a circle are measurements."""
    rows, columns = (np.arange(math.floor(at - radius), math.ceil(at + radius) + 1) for at in (y, x))
    if rows[0] < 0 or columns[0] < 0 or rows[-1] >= lost.shape[0] or columns[-1] >= lost.shape[1]:
        return False
    near = np.add.outer((rows - y) ** 2, (columns - x) ** 2) <= (radius + 0.5) ** 2
    return not (lost[np.ix_(rows, columns)] & near).any()


def _agreeing(fits: list[StarFit]) -> tuple[StarWidth | None, list[StarFit]]:
    """Return the width that most objects have, and those that have it: galaxies differ among each other."""
    if not fits:
        return None, []
    logs = np.log([fit.fwhm for fit in fits])
    apart = np.abs(np.subtract.outer(logs, logs))
    members = np.count_nonzero(apart < _SPREAD, axis=1)
    # Nothing is narrower than a star; of two widths that as many have it is the smaller one.
    middle = min(range(len(fits)), key=lambda index: (-members[index], logs[index]))
    stars = [fit for fit, distance in zip(fits, apart[middle], strict=True) if distance < _SPREAD]
    widths = np.array([fit.fwhm for fit in stars])
    weights = 1.0 / (np.square([fit.fwhm_error for fit in stars]) + (_WIDTH_SCATTER * widths) ** 2)
    mean = float(np.average(widths, weights=weights))
    scatter = float(np.sum(weights * (widths - mean) ** 2)) / max(len(stars) - 1, 1)
    error = math.hypot(math.sqrt(max(scatter, 1.0) / float(weights.sum())), _PROFILE_ERROR * mean)
    # The brighter a star, the better it tells its wings.
    steepness = float(
        np.average([fit.steepness for fit in stars], weights=[fit.significance for fit in stars])
    )
    return StarWidth(mean, error, len(stars), steepness), stars


def _field(image: np.ndarray, sigma: np.ndarray, stars: list[StarFit], width: StarWidth | None) -> StarField:
    """Return the stars with their fluxes."""
    x, y, error = np.array([(star.x, star.y, star.position_error) for star in stars]).reshape(-1, 3).T.copy()
    if width is None:
        return StarField(x, y, error, x, x, 0.0, None)
    flux, flux_error = _fluxes(image, sigma, x, y, _APERTURE * width.sampled)
    positive = flux > 0.0
    x, y, error, flux, flux_error = (values[positive] for values in (x, y, error, flux, flux_error))
    wide = _fluxes(image, sigma, x, y, _WIDE_APERTURE * width.sampled)
    factor, shared = _correction(flux, flux_error, *wide, _share_outside(width.steepness))
    order = np.lexsort((x, y, -flux))
    return StarField(
        x[order], y[order], error[order], factor * flux[order], factor * flux_error[order], shared, width
    )


def _fluxes(
    image: np.ndarray, sigma: np.ndarray, x: np.ndarray, y: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return sums in circles, and their standard deviations."""
    import sep

    flux, error, _ = sep.sum_circle(image, x, y, radius, err=sigma, subpix=0)
    return flux, error


def _share_outside(steepness: float) -> float:
    """Return by how much, in logarithms, more light of a Moffat profile is in the wide aperture."""
    scale, power = 4.0 * (2.0**steepness - 1.0), 1.0 - 1.0 / steepness
    inner, outer = (1.0 - (1.0 + scale * radius**2) ** power for radius in (_APERTURE, _WIDE_APERTURE))
    return math.log(outer / inner)


def _correction(
    flux: np.ndarray, error: np.ndarray, wide: np.ndarray, wide_error: np.ndarray, expected: float
) -> tuple[float, float]:
    """Return the factor from the fluxes in apertures to those in wide ones, and its relative error."""
    if not len(flux):
        return 1.0, 0.0
    # The noise of the ring between both, which holds that of its sky.
    ring = np.sqrt(np.maximum(wide_error**2 - error**2, 0.0) + (_SKY_ERROR * wide_error**2 / error) ** 2)
    share, prior = math.expm1(expected), _LEAST_WINGS_ERROR + _WINGS_ERROR * math.expm1(expected)
    shares, errors = (wide - flux) / flux - share, np.hypot(ring / flux, _STARS_ERROR)
    # Neighbours only add light, so that the middle counts and not the mean.
    weights, order = 1.0 / (errors**2 + prior**2), np.argsort(shares)
    middle = int(np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum()))
    near = np.abs(shares - shares[order][middle]) < _NEAR * np.sqrt(errors**2 + prior**2)
    precise = 1.0 / errors[near] ** 2
    total = float(precise.sum()) + 1.0 / prior**2
    share += float((precise * shares[near]).sum()) / total
    crowding = float(np.median((shares - shares[order][middle]) ** 2 / _NORMAL_MEDIAN - errors**2))
    neighbours = _NEIGHBOURS * math.sqrt(max(crowding, 0.0))
    return 1.0 + share, math.hypot(math.sqrt(1.0 / total), _BEYOND_ERROR * max(share, 0.0), neighbours)
