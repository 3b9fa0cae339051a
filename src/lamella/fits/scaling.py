"""From the numbers that a FITS file stores to those that they mean: BSCALE, BZERO and BLANK."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from ..errors import InputError

__all__ = ("physical_values", "restore_zeros", "with_nan")


_SINGLE = 2
"""Bytes of the widest integers that float32 holds exactly."""


def physical_values(
    raw: np.ndarray, header: Mapping[str, Any], path: Path, where: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what stored numbers mean, and where they mean nothing.

    BLANK is a number as it is stored, before BSCALE and BZERO (FITS 4.0,
    section 4.4.2.5); in compressed images it may be named ZBLANK.

    Parameters
    ----------
    raw
        Numbers as they are stored, in the machine's byte order.
    header
        Header of the HDU, with its BSCALE, BZERO and BLANK.
    path, where
        File and HDU, for messages.

    Returns
    -------
    `numpy.ndarray`
        Integers where BSCALE and BZERO leave them integers, unsigned ones
        among them, else floating point numbers.
    `numpy.ndarray` or None
        bool, true where an integer is the BLANK; `None` when none is.

    Raises
    ------
    InputError
        Raised when BSCALE or BZERO is not a finite number, or BSCALE is zero.
    """
    zero, scale = (
        _number(header, key, default, path, where) for key, default in (("BZERO", 0), ("BSCALE", 1))
    )
    if scale == 0:
        raise InputError(path, where=f"{where}, BSCALE", found="0", expected="another number")
    undefined = _undefined(raw, header)
    if (zero, scale) == (0, 1):
        return raw, undefined
    if raw.dtype.kind in "iu" and scale == 1:
        # With this BZERO FITS stores integers of the other sign; bytes are unsigned in files.
        half = 1 << (8 * raw.dtype.itemsize - 1)
        if zero == (-half if raw.dtype.kind == "u" else half):
            unsigned = raw.dtype.str.replace("i", "u")
            flipped: np.ndarray = raw.view(unsigned) ^ np.dtype(unsigned).type(half)
            signed = raw.dtype.str.replace("u", "i")
            return flipped if raw.dtype.kind == "i" else flipped.view(signed), undefined
    kind = _float_type(raw.dtype)
    values = raw.astype(kind)
    if scale != 1:
        values *= kind.type(scale)
    if zero != 0:
        values += kind.type(zero)
    return values, undefined


def with_nan(values: np.ndarray, undefined: np.ndarray | None) -> np.ndarray:
    """Return values with NaN where they are undefined, as floating point numbers if there is such a place."""
    if undefined is None:
        return values
    result = values.astype(_float_type(values.dtype))
    result[undefined] = np.nan
    return result


def _number(header: Mapping[str, Any], key: str, default: int, path: Path, where: str) -> float:
    value = header.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(path, where=f"{where}, {key}", found=repr(value), expected="a finite number")
    return value


def _undefined(raw: np.ndarray, header: Mapping[str, Any]) -> np.ndarray | None:
    if raw.dtype.kind not in "iu":
        return None
    blank = header.get("BLANK", header.get("ZBLANK"))
    if isinstance(blank, bool) or not isinstance(blank, int | float) or blank % 1 != 0:
        return None
    result = np.asarray(raw == int(blank))
    return result if result.any() else None


def _float_type(dtype: np.dtype) -> np.dtype:
    if dtype.kind == "f":
        return np.dtype(dtype)
    return np.dtype(np.float32 if dtype.itemsize <= _SINGLE else np.float64)


_ROUNDING = 1.0 + 1e-6


"""A step of quantisation is a float64 in the file, and pixels become float32."""


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
