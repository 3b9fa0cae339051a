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
    return _weighted(image, np.asarray(image.array, dtype=np.float64))


def _weighted(image: Image, values: np.ndarray) -> Moments:
    total = float(values.sum())
    if not (math.isfinite(total) and total > 0.0):
        raise InvalidPsfError(f"An image with the sum {total} has no moments.")
    columns, rows = values.sum(axis=0), values.sum(axis=1)
    across, up = image.bbox.x.arange, image.bbox.y.arange
    x, y = float(columns @ across) / total, float(rows @ up) / total
    return Moments(
        x=x,
        y=y,
        xx=float(columns @ (across - x) ** 2) / total,
        yy=float(rows @ (up - y) ** 2) / total,
        xy=float((up - y) @ values @ (across - x)) / total,
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
    box = image.bbox
    moments = Moments(float(box.x.start + column), float(box.y.start + row), 4.0, 4.0, 0.0)
    for _ in range(_MAX_ITERATIONS):
        determinant = moments.xx * moments.yy - moments.xy**2
        dx, dy = image.bbox.x.arange - moments.x, (image.bbox.y.arange - moments.y)[:, np.newaxis]
        square = moments.yy * dx**2 - 2.0 * moments.xy * dx * dy + moments.xx * dy**2
        weight: np.ndarray = np.exp(-0.5 * square / determinant)
        under = _without_sampling(_weighted(image, values * weight), _weighted(image, weight**2), moments)
        # Beneath an image with negative pixels they need not be those of a shape.
        if not (under.xx > 0.0 and under.radius > 0.0):
            break
        change = max(abs(2.0 * under.xx - moments.xx), abs(2.0 * under.yy - moments.yy)) / moments.radius**2
        shift = math.hypot(under.x - moments.x, under.y - moments.y)
        # The shape that gives these moments under the weight.  For Gaussians inverse covariances add:
        # measured^-1 = true^-1 + weight^-1.
        measured = np.linalg.inv([[under.xx, under.xy], [under.xy, under.yy]])
        inverse = measured - np.linalg.inv([[moments.xx, moments.xy], [moments.xy, moments.yy]])
        # Far from the solution the difference may not be a shape; doubling always is one.
        xx, xy, yy = 2.0 * under.xx, 2.0 * under.xy, 2.0 * under.yy
        if not (np.linalg.det(inverse) <= 0.0 or inverse[0, 0] <= 0.0):
            (xx, xy), (_, yy) = np.linalg.inv(inverse).tolist()
        moments = Moments(under.x, under.y, xx, yy, xy)
        if max(change, shift) < _TOLERANCE and moments.radius > _LEAST_RADIUS:
            return moments
    raise InvalidPsfError(
        "The adaptive moments of an image do not converge: it has no compact, resolved core."
    )


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
