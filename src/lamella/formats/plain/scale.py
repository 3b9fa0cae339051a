"""What a unit of an image is, as far as cards in common use say so."""

from __future__ import annotations

from ..cards import Cards
from ..described.values import Cell
from ..row_scale import is_flux_unit
from .keywords import FLUX_SCALE, ZERO_POINT, number_or_none, why_not_ab

__all__ = ("scale_of_cards",)


def scale_of_cards(cards: Cards, unit: str, band: str) -> tuple[str, Cell, str] | None:
    """Return the scale of an image: the column of the exposure table, its cell, and how people call it.

    Parameters
    ----------
    cards
        Cards of the image.
    unit
        Its unit (BUNIT), as far as it is believed.
    band
        Its passband: zero points of the infrared are often those of Vega.

    Returns
    -------
    tuple
        Of ``unit``, ``zero_point`` or ``flux_scale``; `None` where no card tells anything.
    """
    if is_flux_unit(unit):
        return "unit", Cell(unit, "header BUNIT"), "unit"
    zero_point, scale = number_or_none(ZERO_POINT, cards), number_or_none(FLUX_SCALE, cards)
    if zero_point is not None and (reason := why_not_ab(cards, band)):
        relative = f"10**(-0.4*({zero_point.text} - 25))"
        return "flux_scale", Cell(relative, f"{zero_point.origin} ({reason})"), "relative scale"
    if zero_point is not None:
        return "zero_point", zero_point, "zero point"
    return None if scale is None else ("flux_scale", scale, "relative scale")
