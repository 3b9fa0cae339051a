"""Names that files give to the unit of their pixels where it is one of counts."""

from __future__ import annotations

import re

__all__ = ("is_counts", "is_electrons")

_PER_PIXEL = r"(\s*(/|per)?\s*pix(el)?s?(\*\*-1|\^-1|-1)?)?"
_ELECTRONS = re.compile(rf"(e|el|elec|electron)(s|\(s\))?\s*[-−]?{_PER_PIXEL}", re.IGNORECASE)
_NUMBERS = re.compile(
    rf"(adu|dn|du|data\s*numbers?|digital\s*(numbers?|units?)|ct|cnt|count|counts|ph|photon)(s|\(s\))?{_PER_PIXEL}",
    re.IGNORECASE,
)


def is_electrons(text: str) -> bool:
    """Return whether a unit is that of electrons: ``electron``, ``ELECTRONS``, ``e-`` ..."""
    return _ELECTRONS.fullmatch(text.strip()) is not None


def is_counts(text: str) -> bool:
    """Return whether a unit is one of counts of a whole exposure: electrons, ``adu``, ``counts``, ``DN`` ...

    An empty text is none; a rate (``electrons/s``) is none.
    """
    return is_electrons(text) or _NUMBERS.fullmatch(text.strip()) is not None
