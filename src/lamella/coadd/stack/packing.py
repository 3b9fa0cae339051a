"""From the arguments of a stack to what its kernels take: checks, types, packing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...data.owners import WeightRanges
from ...errors import ConfigError, NoInputsError, ShapeError
from ...image.masked_arrays import masked_pixels
from ...kernels.arrays import kernel_array
from ...kernels.stack.rules import (
    INPUT_ERROR,
    MOSAIC_ERROR,
    SCATTER_ERROR,
    Inputs,
    Masking,
    Planes,
    Rules,
    WeightTable,
)
from .stack_control import StackControl

__all__ = (
    "error_kind",
    "kernel_inputs",
    "kernel_masking",
    "kernel_planes",
    "kernel_rules",
    "ranges_of",
    "weight_vector",
)

_ZERO = np.float32(0.0)
_BELOW_ZERO = np.nextafter(_ZERO, np.float32(-1.0))


def error_kind(control: StackControl) -> int:
    """Return the number by which kernels know the kind of error that is wanted."""
    if control.error_from_input_variance:
        return INPUT_ERROR
    return MOSAIC_ERROR if control.mosaic_error else SCATTER_ERROR


def kernel_rules(control: StackControl, weighted: bool) -> Rules:
    """Return the rules by which kernels choose values.

    A variance must be usable wherever it enters the result; it may be zero only
    where nothing is divided by it.  Without weights they follow from the variances, if there are to be any.
    """
    per_pixel = bool(control.weighted) and not weighted
    error = error_kind(control)
    use_variance = per_pixel or control.statistic == "NOISECLIP" or error != SCATTER_ERROR
    floor = _ZERO if per_pixel else _BELOW_ZERO
    return Rules(control.bad_mask, use_variance, floor, per_pixel, error, control.nan_safe)


def kernel_masking(control: StackControl) -> Masking:
    """Return what kernels need to make the mask."""
    maps = control.mask_map
    if maps is None:
        maps = ((control.bad_mask & ~control.excuse, control.clipped_mask),)
    thresholds = control.propagation_thresholds
    return Masking(
        control.no_good_mask,
        control.clipped_mask,
        np.array(maps, np.int32).reshape(-1, 2),
        np.array([1 << bit for bit in thresholds], np.int32),
        np.array(list(thresholds.values()), np.float64),
    )


def kernel_inputs(n: int, table: WeightRanges | None) -> Inputs:
    """Return the inputs that kernels use, with one weight each where it is the same in all pixels."""
    if table is None:
        return Inputs(np.arange(n), np.ones(n))
    weights = table.weights[0] if table.ends.size == 1 else WeightTable(table.weights, table.ends)
    return Inputs(np.flatnonzero(table.weights.any(axis=0)), weights)


def kernel_planes(image: ArrayLike, mask: ArrayLike, variance: ArrayLike) -> Planes:
    """Return the planes in the types and the layout of the kernels, checked, of shape (n, y, x).

    What an array of `numpy.ma` masks becomes NaN, of infinite variance: it is not used, unless the
    options say that a NaN counts.

    Raises
    ------
    NoInputsError
        Raised when there are no planes.
    ShapeError
        Raised when the shapes are not the same (n, y, x).
    ConfigError
        Raised when the mask is of a type that int32 cannot hold.
    """
    masked = masked_pixels(image, mask, variance)
    image, mask, variance = np.asarray(image), np.asarray(mask), np.asarray(variance)
    if image.ndim != 3:
        raise ShapeError("image", found=image.shape, expected="(n, y, x)")
    if len(image) == 0:
        raise NoInputsError("there are no inputs to ")
    for name, plane in (("mask", mask), ("variance", variance)):
        if plane.shape != image.shape:
            raise ShapeError(name, found=plane.shape, expected=image.shape)
    if not np.can_cast(mask.dtype, np.int32):
        raise ConfigError(
            f"mask is of type {mask.dtype}; expected int32 or a smaller integer.",
            option="mask",
            found=str(mask.dtype),
        )
    if masked is not None:
        image, variance = np.where(masked, np.nan, image), np.where(masked, np.inf, variance)
    return Planes(
        kernel_array(image, np.float32), kernel_array(mask, np.int32), kernel_array(variance, np.float32)
    )


def weight_vector(weights: ArrayLike | None, n: int) -> np.ndarray | None:
    """Return the weights as float64, of shape (n,), or raise a `ShapeError`."""
    if weights is None:
        return None
    vector = np.array(weights, dtype=np.float64)
    if vector.shape != (n,):
        raise ShapeError("weights", found=vector.shape, expected=(n,))
    return vector


def ranges_of(
    weights: ArrayLike | WeightRanges | None, n: int, pixels: int, control: StackControl
) -> WeightRanges | None:
    """Return weights as those of ranges of pixels: of one that has them all where each input has one weight.

    Parameters
    ----------
    weights
        One weight per input, of shape (n,), or ranges; if any.
    n, pixels
        Number of inputs, and of pixels.
    control
        Says whether weights are used at all.

    Raises
    ------
    ShapeError
        Raised when there is not one weight per input (and range), or when the ranges do not end with the
        pixels.
    ConfigError
        Raised when a weight is negative or not finite, or when an input has the weight zero in some of its
        ranges only.
    """
    if isinstance(weights, WeightRanges):
        table, ends = (np.asarray(weights.weights, np.float64), np.asarray(weights.ends, np.int64))
        if table.shape != (ends.size, n):
            raise ShapeError("weights", found=table.shape, expected=(ends.size, n))
        if not ends.size or ends[-1] != pixels or (np.diff(ends, prepend=0) <= 0).any():
            raise ShapeError("ends", found=ends.tolist()[-3:], expected=f"ascending to {pixels}")
    else:
        vector = weight_vector(weights, n)
        if vector is None:
            return None
        table, ends = vector[np.newaxis], np.array([pixels], np.int64)
    if control.weighted is False:
        return None
    wrong = ~((table >= 0.0) & np.isfinite(table))
    if wrong.any():
        first = np.argwhere(wrong)[0]
        value = float(table[tuple(first)])
        raise ConfigError(
            f"weight {first[-1]} is {value}; expected a finite number that is not negative.",
            option="weights",
            found=value,
        )
    if ((table == 0.0).any(axis=0) & table.any(axis=0)).any():
        raise ConfigError(
            "an input has the weight 0 in some of its pixels only: mask these.", option="weights", found=0.0
        )
    return WeightRanges(np.ascontiguousarray(table), np.ascontiguousarray(ends))
