"""Weights and variances of files: which of their pixels hold a measurement, and which do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from ..errors import InputError

__all__ = ("check_signs", "restore_zeros", "usable", "variance_from_weight")

_ROUNDING = 1.0 + 1e-6
"""A step of quantisation is a float64 in the file, and pixels become float32."""


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
    """Return what is to be said of negative weights or variances, whose pixels are bad.

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
        found = (
            f"a {kind} below zero in {negative} pixels, above in {positive} (lowest {np.nanmin(values):g})"
        )
        raise InputError(path, found=found, expected=f"a map of {kind}s, zero where a pixel is bad")
    pixels = "1 pixel with a negative" if negative == 1 else f"{negative} pixels with a negative"
    return f"{pixels} {kind} taken as bad."


def usable(variance: np.ndarray) -> np.ndarray:
    """Return where a variance says that there is a measurement: bool, of the same shape."""
    return np.isfinite(variance) & (variance > 0)


def restore_zeros(
    unit: Any, data: np.ndarray, rows: slice = slice(None), columns: slice = slice(None)
) -> None:
    """Set to zero, in place, what a compression with quantisation cannot tell from zero.

    Zero in a map of weights or variances means that there is no measurement.
    fpack rounds floating point numbers to steps (ZSCALE of each tile), with a
    dither, and zeros come back as anything within half a step: as many below
    zero as above.  Only SUBTRACTIVE_DITHER_2 keeps them.

    Parameters
    ----------
    unit
        HDU of the map, as `astropy.io.fits` opens it.
    data
        Its pixels, of any byte order, shape (y, x), or a part of them.
    rows, columns
        The part; by default all.
    """
    if not isinstance(unit, fits.CompImageHDU) or data.dtype.kind != "f" or data.ndim != 2:
        return
    table = unit.compressed_data
    lossless = unit.quantize_method == fits.hdu.compressed.SUBTRACTIVE_DITHER_2
    if lossless or table is None or "ZSCALE" not in table.names:
        return
    height, width = unit.tile_shape[-2:]
    all_rows, all_columns = (range(size) for size in unit.shape[-2:])
    across = -(-len(all_columns) // width)
    steps = np.nan_to_num(np.asarray(table["ZSCALE"], dtype=np.float64)).reshape(-1, across)
    tile_of_column = np.asarray(all_columns)[columns] // width
    for index, row in enumerate(all_rows[rows]):
        half = 0.5 * _ROUNDING * steps[row // height]
        if half.any():
            data[index, np.abs(data[index]) <= half[tile_of_column]] = 0
