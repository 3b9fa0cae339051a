"""The width of a star, from a fit of a profile that is integrated over pixels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..kernels.moffat import fit_moffat, steepness_of

__all__ = ("StarFit", "fit_star")

_NARROW = 3.0
"""Three points along each side of a pixel integrate a profile of 1 pixel FWHM to a thousandth, and two one of
so many pixels."""
_NODES = {
    count: np.array([0.5 * part for part in np.polynomial.legendre.leggauss(count)]) for count in (2, 3)
}
_LEAST, _MOST = 0.3, 40.0
"""Widths in pixels between which a star is looked for."""
_FARTHEST = 2.0
"""Pixels between the guess and the star."""
_CERTAIN = 3.0
"""Standard deviations of a chi^2 that noise may leave."""


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
    stamp = _Stamp(image[box].astype(np.float64), 1.0 / sigma[box].astype(np.float64))
    fitted = stamp.fit(x - column, y - row, fwhm)
    return fitted and dataclasses.replace(fitted, x=fitted.x + column, y=fitted.y + row)


@dataclasses.dataclass(frozen=True)
class _Stamp:
    """The pixels around a star, as `lamella.kernels.moffat.fit_moffat` takes them."""

    values: np.ndarray
    weights: np.ndarray
    """Inverse standard deviations."""

    def fit(self, x: float, y: float, fwhm: float) -> StarFit | None:
        start = [x, y, math.log(min(max(fwhm, _LEAST), _MOST)), 0.0, 0.0, 0.0]
        degrees = np.count_nonzero(self.weights) - len(start) - 2
        if degrees < 1:
            return None
        fitted, normal = np.array(start), np.empty((len(start), len(start)))
        nodes = _NODES[3 if fwhm < _NARROW else 2]
        squares, signal = fit_moffat(self.values, self.weights, nodes, fitted, normal)
        at_x, at_y, log_width, bend = (float(value) for value in fitted[:4])
        moved = math.hypot(at_x - x, at_y - y)
        if not (
            squares >= 0.0 and signal > 0.0 and moved < _FARTHEST and _LEAST < math.exp(log_width) < _MOST
        ):
            return None
        errors = np.sqrt(np.abs(np.diag(np.linalg.pinv(normal, hermitian=True))))
        excess = squares - degrees - _CERTAIN * math.sqrt(2.0 * degrees)
        return StarFit(
            x=at_x,
            y=at_y,
            fwhm=math.exp(log_width),
            fwhm_error=math.exp(log_width) * float(errors[2]),
            position_error=float(np.hypot(errors[0], errors[1]) / math.sqrt(2.0)),
            steepness=steepness_of(bend),
            significance=signal,
            misfit=math.sqrt(max(excess, 0.0)) / signal,
        )
