"""AB magnitudes, and images on one photometric scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from astropy import units as u
from lsst.images import Box, Image, Interval, MaskedImage
from lsst.images.fields import BaseField

from ..errors import CalibrationError, NoInputsError

__all__ = (
    "AB_FLUX_NJY",
    "apply_calibration",
    "calibration_at",
    "checked_scale",
    "magnitude",
    "mean_scale",
    "njy_per_count",
    "scale_from_flux_mag0",
)


AB_FLUX_NJY: float = 1e23 * 10.0 ** (-48.6 / 2.5) * 1e9


"""Flux density of a source of AB magnitude 0, in nJy: 3.6308e12."""


_STRIP_PIXELS = 1 << 20


def njy_per_count(zero_point: float) -> float:
    """Return the flux of one count in an image with a zero point.

    Parameters
    ----------
    zero_point
        AB magnitude of a source of one count.

    Returns
    -------
    float
        nJy per count.

    Raises
    ------
    CalibrationError
        Raised when the zero point is not finite.
    """
    if not math.isfinite(zero_point):
        raise CalibrationError(f"The zero point is {zero_point}; expected a magnitude.", found=zero_point)
    return float(AB_FLUX_NJY * 10.0 ** (-0.4 * zero_point))


def magnitude(flux_njy: Any) -> Any:
    """Return the AB magnitude of a flux.

    Parameters
    ----------
    flux_njy
        A number or an array, in nJy.

    Returns
    -------
    float or numpy.ndarray
        Magnitudes; infinite for a flux of zero, NaN for a negative one.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        result = -2.5 * np.log10(np.asarray(flux_njy, dtype=np.float64) / AB_FLUX_NJY)
    return result if result.ndim else float(result)


def scale_from_flux_mag0(flux_mag0: float, target: float = 27.0) -> float:
    """Return the factor that takes an image to a zero point, given its counts at magnitude 0.

    Parameters
    ----------
    flux_mag0
        Counts of a source of AB magnitude 0, as ``FLUXMAG0`` of older files.
    target
        AB magnitude of one count afterwards.

    Returns
    -------
    float
        Factor for the image; its square is that for the variance.

    Raises
    ------
    CalibrationError
        Raised when ``flux_mag0`` is not a positive number.
    """
    check_scale(flux_mag0, "The number of counts at magnitude 0")
    return float(10.0 ** (0.4 * target) / flux_mag0)


def mean_scale(scales: Sequence[float] | np.ndarray) -> float:
    """Return one factor for an image whose factor is known at some points.

    This is what the original spatial scaler does with its points: it ignores
    where they are.

    Raises
    ------
    NoInputsError
        Raised when there is no point.
    CalibrationError
        Raised when a factor is not a positive number.
    """
    values = np.asarray(scales, dtype=np.float64)
    if not values.size:
        raise NoInputsError("There is no point at which the photometric scale is known.")
    check_scale(values, "A photometric scale")
    return float(values.mean())


def apply_calibration(masked_image: MaskedImage, to_njy: float | BaseField) -> MaskedImage:
    """Return an image in nJy.

    Parameters
    ----------
    masked_image
        Image in any unit; it is not changed.
    to_njy
        nJy per unit of the image: a number, or a field that covers the image.
        A field with units must give nJy when multiplied by the image.

    Returns
    -------
    lsst.images.MaskedImage
        A new image in nJy with its variance in nJy squared, both float32.  The
        mask is copied.  NaN stays NaN, and an infinite variance infinite.

    Raises
    ------
    CalibrationError
        Raised when the scale is anywhere not finite or not positive, when a
        field does not cover the image, or when its units do not fit.
    """
    image, variance = masked_image.image, masked_image.variance
    result = np.empty(image.array.shape, dtype=np.float32)
    spread = np.empty(image.array.shape, dtype=np.float32)
    for rows, scale in _scale_by_strips(to_njy, masked_image.bbox, image.unit):
        np.multiply(image.array[rows], scale, out=result[rows], casting="same_kind")
        np.multiply(variance.array[rows], scale**2, out=spread[rows], casting="same_kind")
    bbox, projection = masked_image.bbox, masked_image.sky_projection
    return MaskedImage(
        Image(result, bbox=bbox, unit=u.nJy, sky_projection=projection),
        mask=masked_image.mask.copy(),
        variance=Image(spread, bbox=bbox, unit=u.nJy**2, sky_projection=projection),
        metadata=dict(masked_image.metadata.native),
    )


def calibration_at(
    to_njy: float | BaseField,
    x: np.ndarray,
    y: np.ndarray,
    bbox: Box,
    unit: u.UnitBase | None,
    path: str = "",
) -> float | np.ndarray:
    """Return the photometric scale at some pixels of an image.

    Parameters
    ----------
    to_njy
        As for `apply_calibration`.
    x, y
        Pixels, of shape (n,).
    bbox, unit, path
        Box and unit of the image, and its file.

    Returns
    -------
    float or numpy.ndarray
        nJy per unit of the image; an array of shape (n,) for a field.

    Raises
    ------
    CalibrationError
        Raised as by `apply_calibration`.
    """
    if not isinstance(to_njy, BaseField):
        return checked_scale(to_njy, path)
    _check_covered(to_njy, bbox)
    scale = np.asarray(to_njy(x=x, y=y), dtype=np.float64) * _unit_factor(to_njy.unit, unit)
    checked: np.ndarray = check_scale(scale, "The photometric scale")
    return checked


def checked_scale(scale: float, path: str) -> float:
    """Return the photometric scale of an exposure, or raise a `CalibrationError` that names its file."""
    if not (math.isfinite(scale) and scale > 0.0):
        raise CalibrationError(
            f"{path}: the photometric scale is {scale}; expected a positive number.", path=path, found=scale
        )
    return float(scale)


def _check_covered(field: BaseField, bbox: Box) -> None:
    if not field.bounds.bbox.contains(bbox):
        raise CalibrationError(f"The photometric scale is known on {field.bounds.bbox}, the image is {bbox}.")


def _scale_by_strips(
    to_njy: float | BaseField, bbox: Box, unit: u.UnitBase | None
) -> Iterator[tuple[slice, Any]]:
    """Yield rows and their scale, so that a rendered field never fills the memory."""
    if not isinstance(to_njy, BaseField):
        # In double precision, as a field is: a constant field gives the same bits.
        yield slice(None), np.float64(check_scale(to_njy, "The photometric scale"))
        return
    _check_covered(to_njy, bbox)
    factor = _unit_factor(to_njy.unit, unit)
    step = max(_STRIP_PIXELS // bbox.x.size, 1)
    for start in range(0, bbox.y.size, step):
        stop = min(start + step, bbox.y.size)
        strip = Box(Interval(bbox.y.start + start, bbox.y.start + stop), bbox.x)
        scale = to_njy.render(strip, dtype=np.float64).array * factor
        yield slice(start, stop), check_scale(scale, "The photometric scale")


def check_scale(scale: Any, what: str) -> Any:
    values = np.asarray(scale, dtype=np.float64)
    wrong = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        number = float(values[wrong].flat[0])
        raise CalibrationError(f"{what} is {number}; expected a positive number.", found=number)
    return scale


def _unit_factor(field: u.UnitBase | None, image: u.UnitBase | None) -> float:
    """Return what makes nJy of the product of a field and an image."""
    if field is None:
        return 1.0
    # An image without a unit counts something; the field says what.
    for counts in (image,) if image is not None else (u.dimensionless_unscaled, u.adu, u.electron, u.count):
        try:
            return float((field * counts).to(u.nJy))
        except u.UnitConversionError:
            continue
    raise CalibrationError(
        f"The photometric scale is in {field} and the image in {image}; expected nJy per unit."
    )
