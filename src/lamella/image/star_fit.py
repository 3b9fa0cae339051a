"""The width of a star, from a fit of a profile that is integrated over pixels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy

__all__ = ("StarFit", "fit_star")

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(3)
"""Three points along each side of a pixel integrate a profile of 1 pixel FWHM to a thousandth."""
_LEAST, _MOST = 0.3, 40.0
"""Widths in pixels between which a star is looked for."""
_STEEPEST, _FLATTEST = 0.02, 0.6
"""Bounds of 1 / beta: nearly a Gaussian, and wings that hold half of the light."""
_MOST_SHEAR = 0.7
"""Bound of both components of the shear: an axis ratio of a quarter."""
_FARTHEST = 2.0
"""Pixels between the guess and the star."""
_CERTAIN = 3.0
"""Standard deviations of a chi^2 that noise may leave."""
_LOG_LEAST, _LOG_MOST = math.log(0.5 * _LEAST), math.log(2.0 * _MOST)


@dataclasses.dataclass(frozen=True, slots=True)
class StarFit:
    """An elliptical Moffat profile that was fitted to a star."""

    x: float
    y: float
    fwhm: float
    """Full width at half maximum in pixels of the light before it falls on pixels: the geometric mean of that
    along both axes."""
    fwhm_error: float
    """Standard deviation, from the noise of the pixels."""
    position_error: float
    """That of x and of y, in pixels."""
    steepness: float
    """1 / beta: near 0 for a Gaussian."""
    significance: float
    """Flux over its error, were the profile known."""
    misfit: float
    """What the profile leaves beyond any noise, over the signal: roots of sums of squares."""


def fit_star(image: np.ndarray, sigma: np.ndarray, x: float, y: float, fwhm: float) -> StarFit | None:
    """Fit a Moffat profile (Moffat 1969), integrated over pixels, and a constant.

    Parameters
    ----------
    image
        Image less its sky, shape (y, x).
    sigma
        Standard deviation of its pixels, the same shape; infinite where one does not count.
    x, y, fwhm
        First guess, in pixels.

    Returns
    -------
    StarFit or None
        `None` where the star is too near the end of the image, or the fit does not converge.
    """
    reach = max(4, math.ceil(2.0 * fwhm) + 1)
    row, column = round(y), round(x)
    if not (reach <= row < image.shape[0] - reach and reach <= column < image.shape[1] - reach):
        return None
    box = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
    stamp = _Stamp(image[box].astype(np.float64), 1.0 / sigma[box].astype(np.float64), reach)
    fitted = stamp.fit(x - column, y - row, fwhm)
    return fitted and dataclasses.replace(fitted, x=fitted.x + column, y=fitted.y + row)


@dataclasses.dataclass(frozen=True)
class _Stamp:
    """The pixels around a star."""

    values: np.ndarray
    weights: np.ndarray
    """Inverse standard deviations."""
    reach: int
    """Pixels from the middle to the end."""

    def fit(self, x: float, y: float, fwhm: float) -> StarFit | None:
        start = [x, y, math.log(min(max(fwhm, _LEAST), _MOST)), 0.0, 0.0, 0.0]
        degrees = np.count_nonzero(self.weights) - len(start) - 2
        if degrees < 1:
            return None
        solution = scipy.optimize.least_squares(
            lambda parameters: self.model(parameters)[0],
            start,
            method="lm",
            xtol=1e-5,
            ftol=1e-6,
            max_nfev=200,
        )
        (at_x, at_y, log_width, *_), (_, signal) = solution.x, self.model(solution.x)
        moved = math.hypot(at_x - x, at_y - y)
        if not (
            solution.success and signal > 0.0 and moved < _FARTHEST and _LEAST < math.exp(log_width) < _MOST
        ):
            return None
        errors = np.sqrt(np.abs(np.diag(np.linalg.pinv(solution.jac.T @ solution.jac))))
        excess = 2.0 * float(solution.cost) - degrees - _CERTAIN * math.sqrt(2.0 * degrees)
        return StarFit(
            x=float(at_x),
            y=float(at_y),
            fwhm=math.exp(log_width),
            fwhm_error=math.exp(log_width) * float(errors[2]),
            position_error=float(np.hypot(errors[0], errors[1]) / math.sqrt(2.0)),
            steepness=_steepness(float(solution.x[3])),
            significance=signal,
            misfit=math.sqrt(max(excess, 0.0)) / signal,
        )

    def model(self, parameters: np.ndarray) -> tuple[np.ndarray, float]:
        """Return what the best multiple of a profile and the best constant leave, and the size of the former.

        Both are in standard deviations.
        """
        profile = _moffat(self.reach, parameters)
        weights, data = self.weights.ravel(), (self.values * self.weights).ravel()
        weighted = profile.ravel() * weights
        # For any position and shape the amplitude and the constant solve a linear problem of two unknowns.
        cross, norm, total = weighted @ weights, weighted @ weighted, weights @ weights
        determinant = norm * total - cross**2
        if not determinant > 0.0:
            return data, 0.0
        first, second = weighted @ data, weights @ data
        amplitude = (total * first - cross * second) / determinant
        constant = (norm * second - cross * first) / determinant
        left: np.ndarray = amplitude * weighted + constant * weights - data
        return left, float(amplitude * math.sqrt(norm))


def _steepness(bend: float) -> float:
    """Return 1 / beta, between its bounds, for any number."""
    return _STEEPEST + (_FLATTEST - _STEEPEST) / (1.0 + math.exp(-min(max(bend, -20.0), 20.0)))


def _moffat(reach: int, parameters: np.ndarray) -> np.ndarray:
    """Return a profile of peak 1, integrated over the pixels of a stamp around (0, 0).

    The parameters are x, y, logarithm of the width, a number that grows with 1 / beta between its bounds, and
    shears along the axes and the diagonals.
    """
    x, y, log_width, bend, along, across = parameters
    log_width = min(max(log_width, _LOG_LEAST), _LOG_MOST)
    steepness = _steepness(bend)
    along, across = (min(max(shear, -_MOST_SHEAR), _MOST_SHEAR) for shear in (along, across))
    pixels = np.arange(-reach, reach + 1)
    dy, dx = (np.add.outer(pixels - at, 0.5 * _NODES).ravel() for at in (y, x))
    # The exponential of a symmetric matrix without trace: it keeps areas.
    shear = math.hypot(along, across)
    even, odd = math.cosh(shear), math.sinh(shear) / shear if shear > 0.0 else 1.0
    squares = np.add.outer((even - odd * along) * dy**2, (even + odd * along) * dx**2)
    squares += np.multiply.outer(2.0 * odd * across * dy, dx)
    scale = 4.0 * (2.0**steepness - 1.0) / math.exp(2.0 * log_width)
    profile = (1.0 + scale * squares) ** (-1.0 / steepness)
    side, count = len(pixels), len(_NODES)
    weights = 0.5 * _WEIGHTS
    integrated: np.ndarray = np.einsum(
        "iajb,a,b->ij", profile.reshape(side, count, side, count), weights, weights
    )
    return integrated
