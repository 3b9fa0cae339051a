"""Interpolation over pixels to which no input contributed, or that are bad otherwise.

Each row (or column) is filled by itself, from the good pixels next to the
gap; see `lamella.kernels.fill` for the coefficients and ``docs/gaps.md`` for
what the variance means and how this differs from the original pipelines.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from lsst.images import MaskedImage

from ..errors import ConfigError, PixelTypeError, ShapeError
from ..kernels.fill import FillRule, coefficient_table, fill_rows, fill_rows_strict, find_narrow_runs
from ..kernels.order.sample import clipped_mean, moments, quantiles
from ..planes import Layout, plane_names
from .options import GapControl

__all__ = ("GapSummary", "fallback_value", "fill_gaps", "fill_masked_image")

_STRICT_REACH = 6  # of the original, which does not let it be chosen
_STRICT_DECIMALS = 4  # to which the table of the original is rounded


@dataclasses.dataclass(frozen=True, slots=True)
class GapSummary:
    """What was filled."""

    pixels: int
    """Number of pixels filled."""
    fallback_pixels: int
    """Number of pixels on which the fallback value has an influence."""
    fallback: float | None
    """The fallback value, where one was needed; NaN if the image has no good pixel."""


def fill_gaps(
    image: np.ndarray,
    mask: np.ndarray,
    variance: np.ndarray,
    bad_bits: int,
    *,
    control: GapControl | None = None,
    strict: bool = False,
    interpolated_bit: int,
) -> GapSummary:
    """Interpolate bad pixels of an image along rows, in place.

    Good pixels do not change.  The values of bad pixels do not matter.  NaN and
    infinite values that are not marked as bad are not used, and stay.

    Parameters
    ----------
    image, variance
        float32 or float64 of shape (y, x).
    mask
        int32 of shape (y, x).
    bad_bits
        A pixel with one of these bits is filled; the bits stay.
    control
        Options.
    strict
        Give the numbers of the original code, whose variances are not
        variances, see ``docs/gaps.md``.
    interpolated_bit
        Mask bit that filled pixels get.

    Returns
    -------
    GapSummary
        Number of pixels filled, and the fallback value.

    Raises
    ------
    ShapeError
        Raised when the arrays have not one shape of two dimensions.
    PixelTypeError
        Raised when the arrays hold other types than stated.
    ConfigError
        Raised when ``strict`` is combined with a reach that the original does
        not have.

    Notes
    -----
    The variance of a filled pixel is ``sum(c**2 * v)`` over the pixels that it
    was made from, where all of them are measurements and the nearest is within
    ``edge_reach``.  It is infinite elsewhere: where the fallback value has an
    influence, and deep inside of wide gaps.

    Examples
    --------
    >>> import lamella
    >>> import numpy as np
    >>> image = np.array([[1.0, 2.0, np.nan, 4.0, 5.0]], dtype=np.float32)
    >>> mask = np.array([[0, 0, 1, 0, 0]], dtype=np.int32)
    >>> variance = np.ones((1, 5), dtype=np.float32)
    >>> lamella.fill_gaps(image, mask, variance, 1, interpolated_bit=2).pixels
    1
    >>> image.tolist(), mask.tolist()
    ([[1.0, 2.0, 3.0, 4.0, 5.0]], [[0, 0, 3, 0, 0]])
    """
    control = control or GapControl()
    planes = (image, mask, variance)
    floats = ("float32", "float64")
    for name, plane, kinds in zip(
        ("image", "mask", "variance"), planes, (floats, ("int32",), floats), strict=True
    ):
        if isinstance(plane, np.ma.MaskedArray):  # to be changed in place: whose mask, is not ours to say
            raise PixelTypeError(name, found="a masked array", expected="a plain one (numpy.ma.filled)")
        if plane.dtype not in kinds:
            raise PixelTypeError(name, found=plane.dtype, expected=" or ".join(kinds))
        if image.ndim != 2 or plane.shape != image.shape:
            expected = image.shape if image.ndim == 2 else "two dimensions"
            raise ShapeError(name, found=plane.shape, expected=expected)
    if strict and control.max_gap is not None:
        return _fill_narrow_strict(planes, bad_bits, interpolated_bit, control)
    # The direction of interpolation along contiguous rows; these are copies if need be.
    work = [np.ascontiguousarray(plane.T if control.transpose else plane) for plane in planes]
    summary = (_fill_strict if strict else _fill)(work, bad_bits, interpolated_bit, control)
    for plane, rows in zip(planes, work, strict=True):
        if not np.may_share_memory(plane, rows):
            plane[...] = rows.T if control.transpose else rows
    return summary


def _fill_narrow_strict(
    planes: Sequence[np.ndarray], bad_bits: int, interpolated_bit: int, control: GapControl
) -> GapSummary:
    assert control.max_gap is not None
    image, mask, variance = planes
    bad = (mask & bad_bits) != 0
    narrow = np.zeros(bad.T.shape if control.transpose else bad.shape, dtype=bool)
    find_narrow_runs(np.ascontiguousarray(bad.T if control.transpose else bad), control.max_gap, narrow)
    if not narrow.any():
        return GapSummary(0, 0, None)
    narrow = narrow.T if control.transpose else narrow
    # Bad pixels of wide gaps must not be used for the narrow ones beside them.
    wide = bad & ~narrow
    values = image[wide]
    image[wide] = np.nan
    unlimited, flags = control.replace(max_gap=None), narrow.astype(np.int32)
    summary = fill_gaps(image, flags, variance, 1, control=unlimited, strict=True, interpolated_bit=0)
    image[wide] = values
    mask[narrow] |= interpolated_bit
    return summary


def fill_masked_image(
    masked_image: MaskedImage,
    planes: Sequence[str] = ("NO_DATA",),
    control: GapControl | None = None,
    *,
    strict: bool = False,
) -> GapSummary:
    """Interpolate the pixels of a masked image that carry some mask planes, in place.

    Filled pixels keep their planes, and INTERPOLATED is set on them.

    Parameters
    ----------
    masked_image
        Image to change; its mask must have the plane INTERPOLATED.
    planes
        Names of the planes that mark the pixels to fill; aliases are accepted.
    control
        Options.
    strict
        Give the numbers of the original code; see `fill_gaps`.

    Returns
    -------
    GapSummary
        Number of pixels filled, and the fallback value.

    Raises
    ------
    MaskPlaneError
        Raised when the mask does not have one of the planes.

    Examples
    --------
    >>> import lamella
    >>> from lamella.image.gaps import fill_masked_image
    >>> coadd = lamella.read_product("demo/coadds/coadd-r-0-0,0.fits")
    >>> summary = fill_masked_image(coadd, ("SAT",))
    >>> summary.pixels == int(coadd.mask.get("SATURATED").sum())
    True
    """
    mask, layout = masked_image.mask, Layout(masked_image.mask.schema)
    bad, interpolated = layout.bits(planes), layout.interpolated
    bits, defects = mask.array[..., 0], None
    if mask.schema.mask_size != 1 or mask.schema.dtype != np.int32:
        # The mask of another package: one plane of ours stands in for it.
        defects = (mask.array & mask.schema.bitmask(*plane_names(planes))).any(axis=-1)
        bits, bad, interpolated = defects.astype(np.int32), 1, 0
    image, variance = masked_image.image.array, masked_image.variance.array
    summary = fill_gaps(
        image, bits, variance, bad, control=control, strict=strict, interpolated_bit=interpolated
    )
    if defects is not None:
        mask.array[defects] |= mask.schema.bitmask("INTERPOLATED")
    return summary


def fallback_value(
    image: np.ndarray, mask: np.ndarray, bad_bits: int, control: GapControl, *, strict: bool = False
) -> float:
    """Return the value for pixels that have nothing to be interpolated from.

    Parameters
    ----------
    image
        float32 of shape (y, x).
    mask
        int32 of shape (y, x).
    bad_bits
        Pixels with one of these bits do not count.
    control
        Which statistic; clipping is at 3 sigma, in three passes.
    strict
        Count bad pixels, too, as the original does, which lets the value of a
        masked pixel matter.  NaN never counts.

    Returns
    -------
    float
        The value; NaN where the statistic is of no pixel at all.
    """
    parts = [(image, mask)]
    bad = 0 if strict else bad_bits
    match control.fallback:
        case "USER":
            return control.fallback_value
        case "MEAN":
            value = moments(parts, bad).mean
        case "MEDIAN":
            (value,) = quantiles(parts, bad, (0.5,))
        case "MEANCLIP":
            value = clipped_mean(parts, bad, 3.0, 3).mean
    return value if control.negative_fallback_allowed or not value < 0 else 0.0


def _fill(planes: Sequence[np.ndarray], bad: int, interpolated: int, control: GapControl) -> GapSummary:
    image, mask, variance = planes

    def fill(value: float) -> tuple[int, int]:
        rule = FillRule(coefficient_table(), value, control.edge_reach, control.use_fallback_at_edge)
        return fill_rows(image, variance, mask, bad, interpolated, rule, control.max_gap or 0)

    # The statistic costs more than the filling, and most images do not need it.
    pixels, fallen = fill(math.nan)
    fallback = None
    if fallen:
        fallback = fallback_value(image, mask, bad, control)
        fill(fallback)
    return GapSummary(pixels, fallen, fallback)


def _fill_strict(
    planes: Sequence[np.ndarray], bad: int, interpolated: int, control: GapControl
) -> GapSummary:
    if control.edge_reach != _STRICT_REACH:
        raise ConfigError(
            f"edge_reach is {control.edge_reach}; strict filling has {_STRICT_REACH}.",
            option="edge_reach",
            found=control.edge_reach,
        )
    image, mask, variance = planes
    fallback = fallback_value(image, mask, bad, control, strict=True)
    table = coefficient_table(_STRICT_DECIMALS)
    rule = FillRule(table, fallback, _STRICT_REACH, control.use_fallback_at_edge)
    # The original fills variances as if they were values.
    for plane in (image, variance):
        pixels, fallen = fill_rows_strict(plane, mask, bad, rule)
    mask[(mask & bad) != 0] |= interpolated
    return GapSummary(pixels, fallen, fallback)
