"""Cards of FITS headers, parsed without astropy, which takes some milliseconds for each header."""

from __future__ import annotations

import re
from typing import Any

__all__ = ("BEGINNING", "BLOCK", "CARD", "Cards", "parse_cards")

BEGINNING = b"SIMPLE  ="
"""First bytes of every FITS file."""
BLOCK = 2880
"""Headers and data are filled up to a multiple of this."""
CARD = 80
"""Size of a card in a header."""

type Cards = dict[str, Any]
"""Values of a header by keyword, bool, int, float or str; of repeated keywords, the first value."""

_QUOTED = re.compile(r"'([^']*(?:''[^']*)*)'")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([ED][+-]?\d+)?", re.ASCII)


def parse_cards(text: str) -> Cards:
    """Return the values of the cards of a header; commentary has none.

    Parameters
    ----------
    text
        The cards, one behind the other, without END.
    """
    cards: Cards = {}
    key = ""
    for start in range(0, len(text), CARD):
        card = text[start : start + CARD]
        if card.startswith("CONTINUE") and str(cards.get(key, "")).endswith("&"):
            cards[key] = f"{cards[key]}"[:-1] + str(_parse_value(card[8:]))
            continue
        if card[8:10] == "= ":
            key, value = card[:8].rstrip(), card[10:]
        elif card.startswith("HIERARCH ") and "=" in card:
            key, _, value = card[9:].partition("=")
            key = key.strip().upper()
        else:
            continue
        if key not in cards:
            cards[key] = _parse_value(value)
    return cards


def _parse_value(text: str) -> bool | int | float | str:
    text = text.lstrip()
    quoted = _QUOTED.match(text) if text[:1] == "'" else None
    if quoted is not None:
        return quoted[1].replace("''", "'").rstrip()
    text = text.partition("/")[0].rstrip()
    if text in ("T", "F"):
        return text == "T"
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text.replace("D", "E")) if _REAL.fullmatch(text) else text
