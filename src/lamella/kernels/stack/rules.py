"""Names for all that the stack kernels take, add up and write, and the constants that they share.

Planes of inputs have the shape (n, pixels), those of results (pixels,), whatever shape an image has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = (
    "HALF_PI",
    "INPUT_ERROR",
    "MOSAIC_ERROR",
    "SCATTER_ERROR",
    "Clip",
    "Inputs",
    "Limits",
    "Masking",
    "Output",
    "Planes",
    "Rows",
    "Rules",
    "Stack",
    "Sums",
    "Tallies",
    "WeightTable",
)

# The kinds of error, numbers because kernels compare them: from the scatter of the values, from the
# variances of the inputs, and as their mean, for inputs that hardly overlap.
SCATTER_ERROR, INPUT_ERROR, MOSAIC_ERROR = 0, 1, 2

# Variance of the median of n normal values times n, relative to theirs, for large n.
HALF_PI = 0.5 * np.pi

type Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Planes(NamedTuple):
    """Planes of all inputs, of shape (n, pixels): values (float32), masks (int32) and variances (float32)."""

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray


class WeightTable(NamedTuple):
    """Weights that differ between ranges of pixels.

    ``weights`` are float64, of shape (range, n), and ``ends`` the ends (int64) of the ranges, ascending up to
    the number of pixels.
    """

    weights: np.ndarray
    ends: np.ndarray


class Inputs(NamedTuple):
    """Indices of the inputs to use (int64), and the weights of all: float64 of shape (n,), or a table."""

    rows: np.ndarray
    weights: np.ndarray | WeightTable


class Rules(NamedTuple):
    """Which values are used, how they are weighed, and which error is wanted.

    ``bad`` are mask bits that reject a value; where ``use_variance``, its variance must be finite and above
    ``floor`` (float32); where ``per_pixel``, its weight is ``1/variance``.  Without ``finite_only``, which
    strict kernels alone look at, values may be NaN.
    """

    bad: int
    use_variance: bool
    floor: np.float32
    per_pixel: bool
    error: int
    finite_only: bool


class Clip(NamedTuple):
    """Limit of a clip in sigma, and its passes.

    A difference as a fraction of the signal, and one as a fraction of its range among the pixels around, are
    tolerated where the clip is by the known noise.
    """

    sigmas: float
    passes: int
    flux: float
    gradient: float


class Masking(NamedTuple):
    """How the mask of the result is made.

    ``no_data`` and ``clipped`` are bits for pixels without a value, and for those where a clip left one out.
    ``maps`` (int32, shape (k, 2)) are pairs of bits: where a rejected value has the first, the result gets
    the second.  It gets a bit of ``bits`` (int32) where the rejected values with that bit hold more than one
    of ``thresholds`` (float64) of the weight.
    """

    no_data: int
    clipped: int
    maps: np.ndarray
    bits: np.ndarray
    thresholds: np.ndarray


class Output(NamedTuple):
    """The result, of shape (pixels,): float32, int32, float32, and the number of the inputs used (int32)."""

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    number: np.ndarray


class Stack(NamedTuple):
    """All that a statistic of each pixel follows from, and the planes that are written.

    ``network`` are exchanges (int64, shape (k, 2)) that sort as many values as there are inputs to use, if
    the statistic needs their order.
    """

    planes: Planes
    inputs: Inputs
    rules: Rules
    clip: Clip
    masking: Masking
    out: Output
    network: np.ndarray = np.empty((0, 2), np.int64)


class Limits(NamedTuple):
    """Values take part up to ``reach`` from ``centre``; numbers, or rows (float64)."""

    centre: Any
    reach: Any


class Sums(NamedTuple):
    """Rows (float64) of sums over inputs.

    With the weights ``w``, distances ``d`` from a centre, and variances ``v``, they are those of ``w``,
    ``w*d``, ``w*w``, ``w*d*d``, and ``w*w*v`` (``w*v`` where the error is `MOSAIC_ERROR`).
    """

    w: np.ndarray
    wd: np.ndarray
    ww: np.ndarray
    wdd: np.ndarray
    wv: np.ndarray


class Tallies(NamedTuple):
    """Rows (int32) of counts and bits.

    They are the bits of the used and of the rejected values, the number of those that may be used, and the
    number of those that a clip left of them.
    """

    bits: np.ndarray
    seen: np.ndarray
    good: np.ndarray
    used: np.ndarray
