"""From the arrays of a file to pixels as the coadd wants them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from ..errors import InputError
from ..planes import STANDARD_PLANES, bits_of, make_schema, plane_name
from ..psf.gaussian import FWHM_PER_SIGMA
from .fitsio import require_shape

__all__ = (
    "data_extent",
    "gaussian_psf",
    "make_pixels",
    "variance_from_weight",
)


def variance_from_weight(weight: np.ndarray, path: Path) -> np.ndarray:
    """Return the variance of an inverse-variance map.

    Parameters
    ----------
    weight
        Inverse variance, shape (y, x); zero or NaN where there is no measurement.
    path
        File of the weights, for messages.

    Returns
    -------
    `numpy.ndarray`
        float32 variance, +inf where there is no measurement.

    Raises
    ------
    InputError
        Raised when a weight is negative, or when none is positive.
    """
    lowest = np.nanmin(weight, initial=0.0)
    if lowest < 0:
        raise InputError(path, found=f"a weight of {lowest:g}", expected="weights that are not negative")
    good = weight > 0
    if not good.any():
        raise InputError(path, found="no pixel with a positive weight", expected="at least one")
    variance = np.full(weight.shape, np.inf, dtype=np.float32)
    np.divide(1.0, weight, out=variance, where=good, casting="same_kind")
    return variance


def make_pixels(
    image: np.ndarray,
    variance: np.ndarray,
    flags: Mapping[str, np.ndarray],
    *,
    path: Path,
    projection: SkyProjection[Any],
    edge_width: int,
    start: tuple[int, int] = (0, 0),
    descriptions: dict[str, str] | None = None,
) -> MaskedImage:
    """Assemble image, variance and flags into pixels that keep the contract of an exposure.

    Where there is no measurement (value or variance not finite, or variance
    not positive, or flagged NO_DATA) the image becomes NaN, the variance
    +inf, and NO_DATA is set.  Such a pixel inside of the data that no flag
    accounts for is also BAD, or UNMASKED_NAN when its value is the reason.

    Parameters
    ----------
    image, variance
        Shape (y, x).
    flags
        Planes by name, boolean arrays of shape (y, x); aliases are accepted.
    path
        File, for messages.
    projection
        Pixels to ICRS.
    edge_width
        Width in pixels of the rim that is flagged DETECTION_EDGE along the
        ends of the data; 0 for none.
    start
        Position (y, x) of the first pixel.
    descriptions
        Meaning of planes that are not standard ones.

    Raises
    ------
    ShapeError
        Raised when the arrays differ in shape.
    InputError
        Raised when a variance is negative or no pixel is measured.
    """
    for name, plane in (("variance", variance), *flags.items()):
        require_shape(f"{path}: plane {name}", plane, image.shape)
    _check_variance(variance, path)
    image = np.array(image, dtype=np.float32)
    variance = np.array(variance, dtype=np.float32)
    planes = {plane_name(name): plane.astype(bool) for name, plane in flags.items()}
    _complete_planes(image, variance, planes, path)
    _flag_rim(planes, edge_width)
    missing = planes["NO_DATA"]
    image[missing] = np.nan
    variance[missing] = np.inf
    box = Box.from_shape(image.shape, start=start)
    mask = _make_mask(planes, box, descriptions or {})
    return MaskedImage(
        Image(image, bbox=box), mask=mask, variance=Image(variance, bbox=box), sky_projection=projection
    )


def _check_variance(variance: np.ndarray, path: Path) -> None:
    lowest = np.nanmin(variance, initial=np.inf)
    if lowest < 0:
        raise InputError(path, found=f"a variance of {lowest:g}", expected="variances that are not negative")


def _complete_planes(
    image: np.ndarray, variance: np.ndarray, planes: dict[str, np.ndarray], path: Path
) -> None:
    no_value = ~np.isfinite(image)
    no_weight = ~(np.isfinite(variance) & (variance > 0))
    told = np.zeros(image.shape, dtype=bool)
    for name in _REASONS & planes.keys():
        told |= planes[name]
    missing = no_value | no_weight | planes.get("NO_DATA", told & False)
    if missing.all():
        raise InputError(path, found="no pixel with a value and a weight", expected="at least one")
    inside = np.zeros(image.shape, dtype=bool)
    inside[data_extent(missing)] = True
    untold = missing & inside & ~told
    planes["NO_DATA"] = missing
    planes["UNMASKED_NAN"] = planes.get("UNMASKED_NAN", False) | (untold & no_value)
    planes["BAD"] = planes.get("BAD", False) | (untold & ~no_value)


_REASONS = frozenset(STANDARD_PLANES) - {"DETECTED", "DETECTED_NEGATIVE", "NOT_DEBLENDED"}


def data_extent(missing: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns that remain when ends without any measurement are cut off.

    Parameters
    ----------
    missing
        True where there is no measurement, shape (y, x); not everywhere true.
    """
    return _extent(~missing.all(axis=1)), _extent(~missing.all(axis=0))


def _extent(filled: np.ndarray) -> slice:
    indices = np.flatnonzero(filled)
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _flag_rim(planes: dict[str, np.ndarray], width: int) -> None:
    missing = planes["NO_DATA"]
    rows, columns = data_extent(missing)
    rim = np.zeros(missing.shape, dtype=bool)
    rim[rows, columns] = True
    inner = (
        slice(rows.start + width, max(rows.stop - width, rows.start + width)),
        slice(columns.start + width, max(columns.stop - width, columns.start + width)),
    )
    rim[inner] = False
    planes["DETECTION_EDGE"] = planes.get("DETECTION_EDGE", False) | rim


def _make_mask(planes: Mapping[str, np.ndarray], box: Box, descriptions: dict[str, str]) -> Mask:
    schema = make_schema(planes, descriptions=descriptions)
    mask = Mask(0, schema=schema, bbox=box)
    bits = mask.array[..., 0]
    for name, plane in planes.items():
        bits[plane] |= np.int32(bits_of(schema, [name]))
    return mask


def gaussian_psf(fwhm: float, bbox: Box) -> GaussianPointSpreadFunction:
    """Return a round Gaussian PSF.

    Parameters
    ----------
    fwhm
        Full width at half maximum in pixels.
    bbox
        Box of the exposure.
    """
    sigma = fwhm / FWHM_PER_SIGMA
    half = max(math.ceil(5.0 * sigma), 7)
    return GaussianPointSpreadFunction(sigma, bounds=bbox, stamp_size=2 * half + 1)
