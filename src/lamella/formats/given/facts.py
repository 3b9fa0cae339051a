"""What somebody says of an image in Python, as cells of an exposure table."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images.psfs import PointSpreadFunction

from ...errors import ConfigError, UnitError, WrongTypeError
from ...suggestions import nearest
from ..table_columns import COLUMNS

__all__ = ("fact_cells", "psf_of", "zero_point_cells")

_FACTS = (
    "band", "visit", "detector", "instrument", "physical_filter", "date", "mjd", "exposure_time", "gain",
    "read_noise", "saturation", "bad_value", "defects", "unit", "flux_scale", "sky", "psf_fwhm",
    "psf_fwhm_pixels", "radesys",
)  # fmt: skip
"""Columns of exposure tables that say something of an array; the others name files and HDUs."""


def fact_cells(facts: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return cells of exposure tables by their names; `None` is not known.

    Raises
    ------
    ConfigError
        Raised for a name that is none of such a column.
    WrongTypeError
        Raised for a value that is neither text nor number.
    """
    cells = {}
    for column, value in facts.items():
        if column not in _FACTS:
            hint = nearest(column, _FACTS)
            message = f"{name}: there is no {column!r}; there are: {', '.join(_FACTS)}{hint}."
            raise ConfigError(message, option=column, found=value)
        if value is not None:
            cells[column] = _cell(value, f"{name}: {column}", COLUMNS[column])
    return cells


def _cell(value: Any, name: str, meaning: str) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, str | numbers.Real):
        raise WrongTypeError.of(value, name, expected=meaning)
    return value if isinstance(value, str) else repr(value)


def zero_point_cells(zero_point: Any, name: str) -> dict[str, str]:
    """Return the cell of the AB magnitude of one count, or nothing where it is not known.

    Raises
    ------
    UnitError
        Raised when it is in a unit that is no magnitude.
    """
    if isinstance(zero_point, u.Quantity):
        if zero_point.unit not in (u.mag, u.ABmag) or zero_point.ndim:
            raise UnitError(name, where="zero_point", found=str(zero_point), expected="one AB magnitude")
        zero_point = float(zero_point.value)
    return {} if zero_point is None else {"zero_point": _cell(zero_point, f"{name}: zero_point", "a number")}


def psf_of(psf: Any, fwhm: Any, name: str) -> tuple[PointSpreadFunction | np.ndarray | None, dict[str, str]]:
    """Return the model or stamp of a PSF, or the cell of its width; neither where it is not known.

    Parameters
    ----------
    psf
        Model; stamp of shape (y, x); or width as `astropy.units.Quantity`, in pixels or an angle.
    fwhm
        Full width at half maximum: a Quantity, or a number of arcseconds.
    name
        What the user calls the image, for errors.

    Raises
    ------
    ConfigError
        Raised when both are given.
    UnitError
        Raised when a width is neither an angle nor in pixels.
    WrongTypeError
        Raised when ``psf`` is something else.
    """
    if psf is not None and fwhm is not None:
        raise ConfigError(
            f"{name}: psf and fwhm say the same; expected one of them.", option="fwhm", found=fwhm
        )
    if fwhm is not None:
        return None, _width_cell(fwhm, name)
    if psf is None or isinstance(psf, PointSpreadFunction):
        return psf, {}
    if isinstance(psf, u.Quantity) and psf.ndim == 0:
        return None, _width_cell(psf, name)
    if isinstance(psf, np.ndarray) and psf.ndim == 2:
        return np.array(psf, dtype=np.float64), {}
    expected = "a PointSpreadFunction, a stamp of shape (y, x), or a width with its unit"
    raise WrongTypeError.of(psf, f"{name}: psf", expected=expected)


def _width_cell(fwhm: Any, name: str) -> dict[str, str]:
    if not isinstance(fwhm, u.Quantity):
        return {"psf_fwhm": _cell(fwhm, f"{name}: fwhm", "a Quantity, or a number of arcseconds")}
    for column, unit in (("psf_fwhm", u.arcsec), ("psf_fwhm_pixels", u.pix)):
        if fwhm.unit.is_equivalent(unit) and fwhm.ndim == 0:
            return {column: repr(float(fwhm.to_value(unit)))}
    raise UnitError(name, where="fwhm", found=str(fwhm), expected="an angle, or pixels")
