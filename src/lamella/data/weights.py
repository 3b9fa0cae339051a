"""Weights of warps, from the mean of their variance."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np

from ..errors import ShapeError
from ..kernels.flags import lacks_value
from ..kernels.order.sample import clipped_mean
from ..planes import BAD_MASK_PLANES, Layout, plane_names
from .options import WeightControl
from .photometry import check_scale

__all__ = (
    "MeanVariance",
    "WeightProblem",
    "measure_variance",
    "warp_weight",
    "weight_of_mean",
)


@dataclasses.dataclass(frozen=True, slots=True)
class MeanVariance:
    """Clipped mean of the variance of a whole warp, and how it was found."""

    mean: float
    """In nJy squared; positive and finite."""
    bad_mask_planes: frozenset[str]
    """Pixels with one of these planes do not count."""
    sigma_clip: float
    clip_iter: int


class WeightProblem(enum.StrEnum):
    """Why a warp has no weight."""

    NO_GOOD_PIXEL = "no good pixel with a finite value and variance"
    NOT_POSITIVE = "the mean variance is not positive"
    NOTHING_LEFT = "clipping leaves no variance to average"


def warp_weight(
    variance: np.ndarray,
    mask: np.ndarray,
    bad_bits: int,
    control: WeightControl | None = None,
    *,
    scale: float = 1.0,
    image: np.ndarray | None = None,
) -> float | WeightProblem:
    """Return the weight of a warp: the inverse of the clipped mean of its variance.

    Parameters
    ----------
    variance
        float32 of shape (y, x).
    mask
        int32 of shape (y, x).
    bad_bits
        Pixels with one of these bits do not count.  Nor do variances that are
        NaN or infinite.
    control
        How outliers are clipped.
    scale
        Factor by which the image still has to be multiplied.
    image
        float32 of shape (y, x): pixels whose value is NaN or infinite do not count.

    Returns
    -------
    float or WeightProblem
        The weight, positive and finite, in inverse units of the variance; or
        the reason why there is none, a string.

    Raises
    ------
    ShapeError
        Raised when the arrays differ in shape.
    CalibrationError
        Raised when ``scale`` is not a positive number.

    Notes
    -----
    The mean is that of `lamella.kernels.order.sample.clipped_mean`: correctly
    rounded, and the same for any order of the pixels.
    """
    if variance.shape != mask.shape:
        raise ShapeError("mask", found=mask.shape, expected=variance.shape)
    if image is not None:
        variance = _variance_of_values(image, variance)
    control = control or WeightControl()
    check_scale(scale, "The photometric scale")
    clipped = clipped_mean([(variance, mask)], bad_bits, control.sigma_clip, control.clip_iter)
    if clipped.total == 0:
        return WeightProblem.NO_GOOD_PIXEL
    if clipped.used == 0:
        return WeightProblem.NOTHING_LEFT
    return weight_of_mean(clipped.mean, scale)


def _variance_of_values(image: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return a variance that is +inf where there is no value; the variance itself if that is so already."""
    if image.shape != variance.shape:
        raise ShapeError("image", found=image.shape, expected=variance.shape)
    if not lacks_value(np.ascontiguousarray(image), np.ascontiguousarray(variance)):
        return variance
    return np.where(np.isfinite(image), variance, np.float32(np.inf))


def weight_of_mean(mean: float, scale: float = 1.0) -> float | WeightProblem:
    """Return the weight that goes with a mean variance and the factor of an image."""
    scaled = mean * scale**2
    weight = 1.0 / scaled if scaled > 0 else math.inf
    return weight if 0 < weight < math.inf else WeightProblem.NOT_POSITIVE


def measure_variance(
    variance: np.ndarray,
    mask: np.ndarray,
    layout: Layout,
    bad_mask_planes: Sequence[str] = BAD_MASK_PLANES,
    control: WeightControl | None = None,
    *,
    image: np.ndarray | None = None,
) -> MeanVariance | None:
    """Return the mean variance of a warp from which its weight follows.

    Parameters
    ----------
    variance
        float32 of shape (y, x).
    mask
        int32 of shape (y, x).
    layout
        Bits of the mask.
    bad_mask_planes
        Pixels with one of these planes do not count.
    control
        How outliers are clipped.
    image
        float32 of shape (y, x): pixels whose value is NaN or infinite do not count.

    Returns
    -------
    MeanVariance or None
        The mean; `None` where there is no valid weight.
    """
    control = control or WeightControl()
    bad = layout.bits(bad_mask_planes, missing_ok=True)
    if image is not None:
        variance = _variance_of_values(image, variance)
    clipped = clipped_mean([(variance, mask)], bad, control.sigma_clip, control.clip_iter)
    if clipped.used == 0 or isinstance(weight_of_mean(clipped.mean), WeightProblem):
        return None
    planes = frozenset(plane_names(bad_mask_planes))
    return MeanVariance(clipped.mean, planes, control.sigma_clip, control.clip_iter)
