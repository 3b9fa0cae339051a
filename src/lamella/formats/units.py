"""Names that files give to the unit of their pixels where it is one of counts, and cards of such a unit."""

from __future__ import annotations

import re
from os import PathLike

import astropy.units as u

from ..data.flux_unit import FluxUnit
from ..errors import UnitError
from ..fits.quiet import quiet_astropy
from ..fits.text import to_fits, unit_text

__all__ = ("is_counts", "is_electrons", "is_relative_unit", "reference_cards", "relative_unit")

_PER_PIXEL = r"(\s*(/|per)?\s*pix(el)?s?(\*\*-1|\^-1|-1)?)?"
_ELECTRONS = re.compile(rf"(e|el|elec|electron)(s|\(s\))?\s*[-−]?{_PER_PIXEL}", re.IGNORECASE)
_NUMBERS = re.compile(
    rf"(adu|dn|du|data\s*numbers?|digital\s*(numbers?|units?)|ct|cnt|count|counts|ph|photon)(s|\(s\))?{_PER_PIXEL}",
    re.IGNORECASE,
)


_ROOM = 64
"""Characters of a text and its comment on one card of a FITS header."""


def is_electrons(text: str) -> bool:
    """Return whether a unit is that of electrons: ``electron``, ``ELECTRONS``, ``e-`` ..."""
    return _ELECTRONS.fullmatch(text.strip()) is not None


def is_counts(text: str) -> bool:
    """Return whether a unit is one of counts of a whole exposure: electrons, ``adu``, ``counts``, ``DN`` ...

    An empty text is none; a rate (``electrons/s``) is none.
    """
    return is_electrons(text) or _NUMBERS.fullmatch(text.strip()) is not None


def relative_unit(text: str, reference: str = "", *, path: str | PathLike[str], where: str) -> FluxUnit:
    """Return a unit that a file states for fluxes without a zero point.

    Parameters
    ----------
    text
        Name of the unit, or of counts, as files have it: ``adu``, ``DN/s``, ``ELECTRONS``; empty means adu.
    reference
        Name of the exposure whose pixels are in that unit.
    path, where
        File, and HDU, keyword or column, for the error.

    Raises
    ------
    UnitError
        Raised when it is no unit, or one whose fluxes have magnitudes.
    """
    try:
        with quiet_astropy():  # of slashes and the like
            unit = u.Unit(_standard_name(text.strip()))
    except (ValueError, TypeError):
        unit = u.dimensionless_unscaled
    if unit == u.dimensionless_unscaled or unit.is_equivalent(u.nJy):
        raise UnitError(path, where=where, found=repr(text), expected="a unit of counts, e.g. adu")
    return FluxUnit(unit.to_string(), reference)


def is_relative_unit(text: str) -> bool:
    """Return whether a text is a unit of fluxes without a zero point, as `relative_unit` reads it."""
    try:
        relative_unit(text, path="", where="")
    except UnitError:
        return False
    return True


def _standard_name(text: str) -> str:
    """Return the name that astropy has for a unit of counts, or of counts per second."""
    if not text:
        return "adu"
    match = _PER_SECOND.fullmatch(text)
    counts, rate = match.groups() if match else (text, "")
    name = "electron" if is_electrons(counts) else "adu" if is_counts(counts) else counts
    return f"{name} / s" if rate else name


_PER_SECOND = re.compile(r"(.+?)\s*(/\s*s(?:ec|econd)?|\s+s(?:\*\*|\^)?-1)", re.IGNORECASE)


def reference_cards(unit: FluxUnit) -> list[tuple[str, str, str]]:
    """Return the cards of a unit of fluxes without magnitudes; none for nJy."""
    if unit.is_absolute:
        return []
    name, reference = unit_text(unit.unit), to_fits(unit.reference)
    comment = "the exposure whose pixels are in it"
    # What does not fit on the card would be cut off, with a warning.
    comment = comment if len(reference) + len(comment) <= _ROOM else ""
    return [
        ("FLUXUNIT", name, "unit of fluxes: they have no magnitudes"),
        *([("FLUXREF", reference, comment)] if reference else []),
    ]
