"""Width, shape and area of PSFs, from their images."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from lsst.images import Image
from lsst.images.psfs import PointSpreadFunction

from ..errors import InvalidPsfError
from .gaussian import FWHM_PER_SIGMA

__all__ = ("Moments", "adaptive_moments", "core_moments", "effective_area", "fwhm", "second_moments")

_MAX_ITERATIONS = 200
_TOLERANCE = 1e-9
_LEAST_RADIUS = 0.4  # pixels: of a narrower Gaussian less than a tenth is beside its middle pixel, in a row


@dataclasses.dataclass(frozen=True)
class Moments:
    """Centroid and central second moments of an image, in pixels and square pixels."""

    x: float
    y: float
    xx: float
    yy: float
    xy: float

    @property
    def radius(self) -> float:
        """Determinant radius in pixels: the standard deviation of a round Gaussian of the same area."""
        return math.pow(max(self.xx * self.yy - self.xy**2, 0.0), 0.25)

    @property
    def ellipticity(self) -> float:
        """Size of the distortion, from 0 (round) to 1."""
        return math.hypot(self.xx - self.yy, 2.0 * self.xy) / (self.xx + self.yy)


def second_moments(image: Image) -> Moments:
    """Return the moments of an image without any weight function.

    They add up under convolution and averaging, but feel noise far from the centre.

    Raises
    ------
    InvalidPsfError
        Raised when the image has no positive finite sum.
    """
    return _moments_of(np.asarray(image.array, dtype=np.float64), *_axes(image))


def _axes(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates of the columns and of the rows of an image."""
    return image.bbox.x.arange.astype(np.float64), image.bbox.y.arange.astype(np.float64)


def _moments_of(values: np.ndarray, across: np.ndarray, up: np.ndarray) -> Moments:
    """Return the moments of values (y, x) at the coordinates of columns and rows."""
    columns, rows = values.sum(axis=0), values.sum(axis=1)
    total = float(rows.sum())
    if not (math.isfinite(total) and total > 0.0):
        raise InvalidPsfError(f"An image with the sum {total} has no moments.")
    x, y = float(columns @ across) / total, float(rows @ up) / total
    dx, dy = across - x, up - y
    return Moments(
        x=x,
        y=y,
        xx=float(columns @ (dx * dx)) / total,
        yy=float(rows @ (dy * dy)) / total,
        xy=float(dy @ values @ dx) / total,
    )


def adaptive_moments(image: Image) -> Moments:
    """Return the moments of the elliptical Gaussian that fits an image best.

    The moments are taken under a Gaussian weight of the same centre and shape,
    found by iteration, and doubled: for a Gaussian image they are its true
    moments, and for others they follow the core.  This is the method of
    Bernstein and Jarvis (2002, AJ 123, 583), section 3, except that the moments under the weight
    are compared with those of a Gaussian that is sampled at the same pixels: the sums over pixels of
    a core that is hardly wider than one of them are not the integrals.

    Raises
    ------
    InvalidPsfError
        Raised when the iteration does not converge: there is no compact core.
    """
    values = np.asarray(image.array, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InvalidPsfError("An image with values that are not finite has no moments.")
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    across, up = _axes(image)
    moments = Moments(float(across[column]), float(up[row]), 4.0, 4.0, 0.0)
    for _ in range(_MAX_ITERATIONS):
        weight = _gaussian(moments, across, up)
        under = _without_sampling(
            _moments_of(values * weight, across, up), _moments_of(weight * weight, across, up), moments
        )
        # Beneath an image with negative pixels they need not be those of a shape.
        if not (under.xx > 0.0 and under.radius > 0.0):
            break
        change = max(abs(2.0 * under.xx - moments.xx), abs(2.0 * under.yy - moments.yy)) / moments.radius**2
        shift = math.hypot(under.x - moments.x, under.y - moments.y)
        moments = _unweighted(under, moments)
        if not moments.radius > 0.0:
            break
        if max(change, shift) < _TOLERANCE and moments.radius > _LEAST_RADIUS:
            return moments
    raise InvalidPsfError(
        "The adaptive moments of an image do not converge: it has no compact, resolved core."
    )


def _gaussian(shape: Moments, across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the Gaussian of given moments with the peak 1 at the coordinates of columns and rows."""
    (xx, xy, yy), dx, dy = _inverse(shape.xx, shape.xy, shape.yy), across - shape.x, up - shape.y
    square = np.multiply.outer(dy, (-xy) * dx)
    square += (-0.5 * xx) * dx * dx
    square += ((-0.5 * yy) * dy * dy)[:, np.newaxis]
    return np.exp(square, out=square)


def _unweighted(under: Moments, weight: Moments) -> Moments:
    """Return the shape that has given moments under a Gaussian weight.

    For Gaussians inverse covariances add: measured^-1 = true^-1 + weight^-1.
    """
    measured, of_weight = (_inverse(m.xx, m.xy, m.yy) for m in (under, weight))
    xx, xy, yy = (a - b for a, b in zip(measured, of_weight, strict=True))
    if xx > 0.0 and xx * yy - xy**2 > 0.0:
        xx, xy, yy = _inverse(xx, xy, yy)
        return Moments(under.x, under.y, xx, yy, xy)
    # Far from the solution the difference may not be a shape; doubling always is one.
    return Moments(under.x, under.y, 2.0 * under.xx, 2.0 * under.yy, 2.0 * under.xy)


def _inverse(xx: float, xy: float, yy: float) -> tuple[float, float, float]:
    """Return the elements xx, xy, yy of the inverse of a symmetric matrix."""
    determinant = xx * yy - xy**2
    return yy / determinant, -xy / determinant, xx / determinant


def _without_sampling(under: Moments, sampled: Moments, weight: Moments) -> Moments:
    """Return the moments that integrals would have given instead of sums over pixels.

    Parameters
    ----------
    under
        Moments of an image under a Gaussian weight.
    sampled
        Those of the weight under itself, which integrals would make its centre and half its moments.
    weight
        Those of the weight.
    """
    return Moments(
        x=under.x + (weight.x - sampled.x),
        y=under.y + (weight.y - sampled.y),
        xx=under.xx + (0.5 * weight.xx - sampled.xx),
        yy=under.yy + (0.5 * weight.yy - sampled.yy),
        xy=under.xy + (0.5 * weight.xy - sampled.xy),
    )


def core_moments(psf: PointSpreadFunction, x: float, y: float) -> Moments:
    """Return the adaptive moments of the kernel image of a PSF at a position.

    Where they do not converge, because the PSF is a single pixel or has no compact core, those of the
    round Gaussian of the same effective area: there always is one.

    Raises
    ------
    InvalidPsfError
        Raised when the PSF has no finite positive value there.
    """
    kernel = psf.compute_kernel_image(x=x, y=y)
    try:
        return adaptive_moments(kernel)
    except InvalidPsfError:
        area = _area(kernel)
        if not (math.isfinite(area) and area > 0.0):
            raise
        return Moments(0.0, 0.0, area / (4.0 * math.pi), area / (4.0 * math.pi), 0.0)


def fwhm(psf: PointSpreadFunction, x: float, y: float) -> float:
    """Return the full width at half maximum of a PSF in pixels.

    It is that of the round Gaussian with the determinant radius of the
    adaptive moments of the kernel image (see `core_moments`).

    Raises
    ------
    InvalidPsfError
        Raised when the PSF has no finite positive value there.
    """
    return FWHM_PER_SIGMA * core_moments(psf, x, y).radius


def effective_area(psf: PointSpreadFunction, x: float, y: float) -> float:
    """Return the number of pixels that the noise of a point source comes from: 1 / sum p^2.

    A flux from a fit of the PSF to background noise of variance v per pixel
    has the variance v times this area.

    Raises
    ------
    InvalidPsfError
        Raised when the PSF has no value there, or no positive finite sum.
    """
    return _area(psf.compute_kernel_image(x=x, y=y))


def _area(kernel: Image) -> float:
    values = np.asarray(kernel.array, dtype=np.float64)
    total = float(values.sum())
    if not (math.isfinite(total) and total > 0.0):
        raise InvalidPsfError(f"A PSF with the sum {total} has no effective area.")
    return float(total**2 / np.square(values).sum())
