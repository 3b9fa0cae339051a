"""The photometric scale of the exposure of a row: zero point, unit, surface brightness, or relative."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import Box, SkyProjection
from lsst.images.fields import BaseField, ChebyshevField

from ..data.flux_unit import NJY, FluxUnit
from ..data.photometry import njy_per_count
from ..errors import MissingPartError, UnitError
from ..fits.quiet import quiet_astropy
from .cards import Cards
from .pixel_areas import pixel_areas
from .row_cells import RowCells
from .units import is_counts, relative_unit

__all__ = ("RowScale", "is_flux_unit", "linear_from_asinh", "row_flux_unit", "row_scale", "softening_of")

_OTHER_UNITS = {
    "nmgy": "3630.7805477010024 nJy",
    "nanomaggy": "3630.7805477010024 nJy",
    "nanomaggies": "3630.7805477010024 nJy",
}
"""Names of units that surveys use and astropy does not know."""
_PER_PIXEL = re.compile(r"\s*(/\s*|per\s+|\s)pix(el)?s?(\s*(\*\*|\^)?-1)?$", re.IGNORECASE)
_POGSON = 2.5 / math.log(10.0)


@dataclasses.dataclass(frozen=True)
class RowScale:
    """Flux of a unit of the image."""

    factor: float | BaseField
    """nJy, or units of the reference exposure, per unit of the image; NaN where it is to be measured."""
    note: str = ""


def row_flux_unit(cells: RowCells, cards: Cards) -> FluxUnit:
    """Return nJy, or the unit in which exposures without a zero point are tied to each other.

    Raises
    ------
    InputError
        Raised when the row has a zero point and a relative scale.
    MissingPartError
        Raised when it names a reference without a scale.
    UnitError
        Raised when the unit is none of counts.
    """
    reference = cells.text("flux_reference", "")
    if "flux_scale" not in cells:
        if reference:
            expected = "a column flux_scale with it"
            raise cells.error("flux_reference", repr(reference), expected, MissingPartError)
        return NJY
    if "zero_point" in cells:
        raise cells.error("flux_scale", "a number beside zero_point", "one of them")
    if "unit" in cells:
        return relative_unit(cells.text("unit"), reference, path=cells.table, where=cells.where("unit"))
    where = f"{cards.where}, BUNIT"
    return relative_unit(str(cards.get("BUNIT") or ""), reference, path=cards.path, where=where)


def row_scale(cells: RowCells, cards: Cards, projection: SkyProjection[Any], bbox: Box) -> RowScale:
    """Return the photometric scale of a row: by zero_point, unit, flux_scale or BUNIT, in this order.

    Raises
    ------
    MissingPartError
        Raised when there is none of them.
    UnitError
        Raised when a unit is none of flux density or surface brightness.
    """
    if "zero_point" in cells:
        return RowScale(njy_per_count(cells.number_of("zero_point", cards)))
    if "flux_scale" in cells:
        factor = math.nan if cells.is_measured("flux_scale") else cells.number_of("flux_scale", cards)
        if factor <= 0:
            raise cells.error("flux_scale", repr(cells.text("flux_scale")), "a positive number")
        return RowScale(factor)
    told = cells.text("unit", "")
    path, where = (cells.table, cells.where("unit")) if told else (cards.path, f"{cards.where}, BUNIT")
    told = told or str(cards.get("BUNIT") or "")
    if not told:
        missing = "neither a zero point nor a unit, nor BUNIT in the header"
        raise cells.error("zero_point", missing, "one of them, or flux_scale = measured", MissingPartError)
    return _scale_of_unit(told, path, where, lambda: _pixel_area(cells, cards, projection, bbox))


def _pixel_area(
    cells: RowCells, cards: Cards, projection: SkyProjection[Any], bbox: Box
) -> float | ChebyshevField:
    """Return the solid angle of a pixel in steradian: as the cells say, else by the WCS."""
    if "pixel_area" in cells:
        area = cells.number_of("pixel_area", cards)
        if area <= 0:
            raise cells.error("pixel_area", f"{area:g}", "a positive number of steradian")
        return area
    return pixel_areas(projection, bbox)


def _scale_of_unit(told: str, path: Path, where: str, area: Any) -> RowScale:
    if is_counts(told):
        expected = "a unit of flux density, e.g. nJy, or a column zero_point that says what a count is"
        raise UnitError(path, where=where, found=f"{told!r}, which is a count", expected=expected)
    try:
        unit = _unit(told)
        if unit.is_equivalent(u.nJy / u.sr):
            steradian, brightness = area(), float(unit.to(u.nJy / u.sr))
            if not isinstance(steradian, float):
                return RowScale(steradian * brightness, note=f"{told} times the areas of pixels by the WCS.")
            factor = brightness * steradian
            return RowScale(factor, note=f"{told} times {steradian:.6g} sr, the area of a pixel.")
        return RowScale(float(unit.to(u.nJy)))
    except (ValueError, TypeError, u.UnitConversionError):
        expected = "a unit of flux density, e.g. nJy, or of surface brightness, e.g. MJy/sr"
        raise UnitError(path, where=where, found=repr(told), expected=expected) from None


def _unit(text: str) -> u.UnitBase:
    """Return the unit of a text; what is per pixel is what a pixel holds."""
    name = _PER_PIXEL.sub("", text.strip())
    with quiet_astropy():  # of slashes and the like
        return u.Unit(_OTHER_UNITS.get(name.lower(), name))


def is_flux_unit(text: str) -> bool:
    """Return whether a text names a unit of flux density or of surface brightness."""
    if not text or is_counts(text):
        return False
    try:
        unit = _unit(text)
    except (ValueError, TypeError):
        return False
    return bool(unit.is_equivalent(u.nJy) or unit.is_equivalent(u.nJy / u.sr))


def softening_of(cells: RowCells, cards: Cards, plane: Cards) -> tuple[float, float] | None:
    """Return softening and offset of a plane, whose own header goes first; `None` where it is linear."""
    if "softening" not in cells:
        return None
    expression = cells.expression("softening")
    if plane is not cards and expression.names and all(plane.get(name) is None for name in expression.names):
        return None  # the image is asinh, its weights are not
    softening = cells.number_of("softening", plane)
    if softening <= 0:
        raise cells.error("softening", f"{softening:g}", "a positive number")
    return softening, cells.optional("offset", plane) or 0.0


def linear_from_asinh(values: np.ndarray, softening: float, offset: float) -> np.ndarray:
    """Return the linear values of an asinh image: offset + 2 softening sinh(v ln(10) / 2.5).

    The magnitudes are those of Lupton, Gunn & Szalay (1999), as the stacks of Pan-STARRS1 hold them (Waters
    et al. 2020, ApJS 251, 4).

    Parameters
    ----------
    values
        Shape (y, x).
    softening, offset
        In linear units (BSOFTEN, BOFFSET).

    Returns
    -------
    `numpy.ndarray`
        float32, shape (y, x).
    """
    linear = offset + 2.0 * softening * np.sinh(values.astype(np.float64) / _POGSON)
    return np.asarray(linear, dtype=np.float32)
