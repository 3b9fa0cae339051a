"""Arrays that people have in Python as planes of an image: checked, plain and private copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import InverseVariance, NDUncertainty, StdDevUncertainty, VarianceUncertainty
from lsst.images import Mask

from ...errors import MaskPlaneError, PixelTypeError, ShapeError, UnitError, WrongTypeError
from ...image.masked_arrays import masked_pixels
from ...planes import is_standard, plane_name, suggestion
from ..row_scale import is_flux_unit
from ..units import is_relative_unit

__all__ = ("image_plane", "mask_plane", "noise_plane", "unit_card")

_KINDS: dict[type[NDUncertainty], tuple[str, int]] = {
    StdDevUncertainty: ("stddev", 1),
    VarianceUncertainty: ("variance", 2),
    InverseVariance: ("weight", -2),
}
"""Kind of noise map of each kind of uncertainty, and the power of the unit of the image that it is in."""


def image_plane(values: Any, name: str) -> tuple[np.ndarray, u.UnitBase | None]:
    """Return a copy of an image as FITS can hold it, and its unit if it has one.

    Elements that an array of `numpy.ma` masks are NaN in the copy.

    Parameters
    ----------
    values
        Shape (y, x), numbers of any type, memory order and byte order; a `astropy.units.Quantity` has a unit.
    name
        What the user calls it, for errors.

    Raises
    ------
    PixelTypeError
        Raised when it does not hold real numbers.
    ShapeError
        Raised when it has not two axes, or has an axis of one pixel or none.
    """
    unit = values.unit if isinstance(values, u.Quantity) else None
    plane = _real_numbers(values, name)
    if plane.ndim != 2 or min(plane.shape) < 2:
        raise ShapeError(name, found=plane.shape, expected="(y, x), with at least two pixels along each axis")
    return plane, unit


def _real_numbers(values: Any, name: str) -> np.ndarray:
    """Return a copy of an array with NaN where it is masked."""
    if isinstance(values, u.Quantity):
        values = values.value
    try:
        array = np.asanyarray(values)
    except (ValueError, TypeError):
        array = np.asanyarray(values, dtype=object)
    if array.dtype.kind not in "iuf":
        raise PixelTypeError(name, found=f"values of type {array.dtype}", expected="real numbers")
    masked = masked_pixels(array)
    plane = np.array(np.ma.getdata(array), dtype=_stored(array.dtype, masked is not None), order="C")
    if masked is not None:
        plane[masked] = np.nan
    return plane


def _stored(kind: np.dtype[Any], has_gaps: bool) -> np.dtype[Any]:
    """Return the type of a copy: one that FITS has, and that holds NaN where there are gaps."""
    if kind.kind == "f":
        return np.dtype(np.float32 if kind.itemsize <= 4 else np.float64)
    if has_gaps:
        return np.dtype(np.float32 if kind.itemsize <= 2 else np.float64)
    return kind.newbyteorder("=")


def unit_card(unit: u.UnitBase | None, name: str) -> str:
    """Return the name of the unit of an image in FITS; empty for none.

    Raises
    ------
    UnitError
        Raised when it is neither one of counts nor of flux density or surface brightness.
    """
    if unit is None or unit == u.dimensionless_unscaled:
        return ""
    text = str(unit.to_string())
    if not (is_flux_unit(text) or is_relative_unit(text)) or unit.physical_type in ("length", "time"):
        expected = "a unit of counts, flux density or surface brightness"
        raise UnitError(name, where="unit", found=repr(text), expected=expected)
    return text


def noise_plane(
    noise: Any, shape: tuple[int, ...], unit: u.UnitBase | None, name: str
) -> tuple[str, np.ndarray]:
    """Return the kind of a map of noise, and a copy of it in the unit of the image.

    Parameters
    ----------
    noise
        Variances of shape (y, x), one number for all pixels, or an uncertainty of `astropy.nddata`.
    shape
        Shape of the image.
    unit
        Unit of the image, where it has one.
    name
        What the user calls the image, for errors.

    Raises
    ------
    ShapeError
        Raised when it has another shape than the image.
    UnitError
        Raised when it is in a unit that does not fit that of the image.
    WrongTypeError
        Raised when it is an uncertainty of a kind that is no noise.
    """
    kind, power, stated = "variance", 2, getattr(noise, "unit", None)
    if isinstance(noise, NDUncertainty):
        kind, power = _KINDS.get(type(noise), ("", 0))
        if not kind:
            expected = "StdDevUncertainty, VarianceUncertainty or InverseVariance"
            raise WrongTypeError(f"{name}: uncertainty", found=type(noise).__name__, expected=expected)
        noise = noise.array
    plane = _real_numbers(noise, f"{name}: {kind}")
    if plane.ndim == 0 and np.isfinite(plane):
        plane = np.full(shape, plane)
    if plane.shape != shape:
        raise ShapeError(f"{name}: {kind}", found=plane.shape, expected=f"{shape}, that of the image")
    return kind, _converted(plane, stated, unit, power, f"{name}: {kind}")


def _converted(
    plane: np.ndarray, stated: u.UnitBase | None, unit: u.UnitBase | None, power: int, name: str
) -> np.ndarray:
    """Return a map of noise in a power of the unit of the image."""
    if stated is None or stated == u.dimensionless_unscaled:
        return plane
    wanted = (unit or u.dimensionless_unscaled) ** power
    try:
        factor = float(stated.to(wanted))
    except u.UnitConversionError:
        raise UnitError(name, where="unit", found=repr(str(stated)), expected=f"'{wanted}'") from None
    return plane if factor == 1.0 else plane * factor


def mask_plane(mask: Any, shape: tuple[int, ...], name: str) -> tuple[np.ndarray, str]:
    """Return flags as integers of shape (y, x), and what they mean, as exposure tables have it.

    Parameters
    ----------
    mask
        True or not 0 where a pixel is bad; or such planes by their names, in either spelling (``SAT`` or
        ``SATURATED``); or a mask of `lsst.images`.
    shape
        Shape of the image.
    name
        What the user calls the image, for errors.

    Raises
    ------
    ShapeError
        Raised when it has another shape than the image.
    MaskPlaneError
        Raised when a plane is unknown.
    PixelTypeError
        Raised when it does not hold truth values or whole numbers.
    """
    if isinstance(mask, Mask):
        mask = {plane: mask.get(plane) for plane in mask.schema.names if mask.get(plane).any()}
    if not isinstance(mask, Mapping):
        return _flags(mask, shape, f"{name}: mask").astype(np.uint8), "NONZERO=BAD"
    bits, words = np.zeros(shape, np.int32), []
    for number, (told, plane) in enumerate(mask.items()):
        if not is_standard(str(told)):
            hint = suggestion(str(told)) or "."
            raise MaskPlaneError(f"{name}: mask: there is no plane {told!r}{hint}", plane=told)
        bits[_flags(plane, shape, f"{name}: mask plane {told}")] |= np.int32(1 << number)
        words.append(f"{plane_name(str(told))}={1 << number}")
    return bits, " ".join(words) or "NONZERO=BAD"


def _flags(values: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = np.ma.filled(np.asanyarray(values), 1) if np.ma.isMaskedArray(values) else np.asarray(values)
    if array.dtype.kind not in "biu":
        expected = "truth values, or whole numbers"
        raise PixelTypeError(name, found=f"values of type {array.dtype}", expected=expected)
    if array.ndim == 0:
        array = np.full(shape, array)
    if array.shape != shape:
        raise ShapeError(name, found=array.shape, expected=f"{shape}, that of the image")
    return np.asarray(array != 0)
