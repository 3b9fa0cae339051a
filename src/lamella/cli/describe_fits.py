"""Descriptions of FITS files that are no exposures, as far as their headers go."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ..formats.contents import FitsContents
from .terminal import facts_table, rows_table

__all__ = ("describe_fits",)

_CARDS_OF_A_SUBJECT = 4


def describe_fits(contents: FitsContents) -> RenderableType:
    """Show the HDUs of a file, the cards that a coadd could use, and what is missing."""
    rows = [
        {
            "HDU": str(hdu.index),
            "name": hdu.name,
            "holds": hdu.holds,
            "unit": hdu.unit,
            "WCS": hdu.wcs,
        }
        for hdu in contents.hdus
    ]
    facts = {}
    for subject in contents.subjects:
        cards = contents.stated(subject)
        more = f" and {len(cards) - _CARDS_OF_A_SUBJECT} more" if len(cards) > _CARDS_OF_A_SUBJECT else ""
        told = (f"{card.keyword} = {card.value}" for card in cards[:_CARDS_OF_A_SUBJECT])
        facts[subject] = ", ".join(told) + more
    if contents.missing:
        facts["missing"] = f"{', '.join(contents.missing)}: no coadd can be made of this file alone"
    wanted = Group("", facts_table("Cards that a coadd could use", facts)) if facts else Text("")
    return Group(Text(str(contents.path), style="bold"), rows_table(rows), wanted)
