"""Weights and variances of files: which of their pixels hold a measurement, and which do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError

__all__ = ("KIND_BY_UTYPE", "check_signs", "usable", "variance_from_weight", "without_marks")

KIND_BY_UTYPE = {
    "stddevuncertainty": "stddev",
    "varianceuncertainty": "variance",
    "inversevariance": "weight",
}
"""Kinds of noise by what the uncertainties of astropy write into the card UTYPE, in small letters."""

_MARK = 1e8
"""Variances of so many times the median are none."""


def variance_from_weight(weight: np.ndarray, path: Path) -> tuple[np.ndarray, str]:
    """Return the variance of an inverse-variance map.

    Parameters
    ----------
    weight
        Inverse variance, shape (y, x); there is no measurement where it is not
        positive or not finite.
    path
        File of the weights, for messages.

    Returns
    -------
    `numpy.ndarray`
        float32 variance, +inf where there is no measurement.
    `str`
        How many weights are negative, for the notes; empty when none is.

    Raises
    ------
    InputError
        Raised when no weight is positive, or more are negative than positive.
    """
    good = (weight > 0) & np.isfinite(weight)
    note = check_signs(weight, "weight", path)
    if not good.any():
        raise InputError(path, found="no pixel with a positive weight", expected="at least one")
    variance = np.full(weight.shape, np.inf, dtype=np.float32)
    # A weight too small for its inverse is none.
    with np.errstate(over="ignore"):
        np.divide(1.0, weight, out=variance, where=good, casting="same_kind")
    return variance, note


def check_signs(values: np.ndarray, kind: str, path: Path) -> str:
    """Return a note on negative weights or variances, whose pixels are bad.

    Parameters
    ----------
    values
        The weights or variances, shape (y, x).
    kind
        ``"weight"`` or ``"variance"``, for messages.
    path
        Their file, for messages.

    Returns
    -------
    `str`
        A sentence with their number; empty when there are none.

    Raises
    ------
    InputError
        Raised when more of them are negative than positive: that is another
        quantity, or a damaged one.
    """
    negative = int(np.count_nonzero(values < 0))
    if not negative:
        return ""
    positive = int(np.count_nonzero(values > 0))
    if negative > positive:
        lowest = np.nanmin(values)
        signs = f"a {kind} below zero in {negative} pixels, above in {positive} (lowest {lowest:g})"
        raise InputError(path, found=signs, expected=f"a map of {kind}s, zero where a pixel is bad")
    pixels = "1 pixel with a negative" if negative == 1 else f"{negative} pixels with a negative"
    return f"{pixels} {kind} taken as bad."


def without_marks(variance: np.ndarray) -> np.ndarray:
    """Return a variance that is infinite where it is so large that it only says that nothing was measured.

    Surveys write a standard deviation of 1e10, or a weight of 1e-20, where a pixel has none.

    Parameters
    ----------
    variance
        Shape (y, x); where it is not positive and finite, there is no measurement.
    """
    good = usable(variance)
    if not good.any():
        return variance
    with np.errstate(invalid="ignore"):
        marked = variance > _MARK * float(np.median(variance[good]))
    return np.where(marked, variance.dtype.type(np.inf), variance) if (marked & good).any() else variance


def usable(variance: np.ndarray) -> np.ndarray:
    """Return where a variance says that there is a measurement: bool, of the same shape."""
    return np.isfinite(variance) & (variance > 0)
