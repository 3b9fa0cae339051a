"""Cards of FITS headers, parsed without astropy, which takes some milliseconds for each header."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ("BEGINNING", "BLOCK", "CARD", "Cards", "image_text", "irregular_cards", "parse_cards")

BEGINNING = b"SIMPLE  ="
"""First bytes of every FITS file."""
BLOCK = 2880
"""Headers and data are filled up to a multiple of this."""
CARD = 80
"""Size of a card in a header."""

_QUOTED = re.compile(r"'([^']*(?:''[^']*)*)'")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([ED][+-]?\d+)?", re.ASCII)
_REGULAR = re.compile(
    r"(?:COMMENT |HISTORY | {8}).*"
    r"|(?=.{8}= )[A-Z0-9_-]+ *= +(?:'(?:[^']|'')*'|[TF]|[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?) *(?:/.*)?"
)
"""A card as the standard has it, with a value, or with a comment alone."""
_OF_TABLE = re.compile(
    r"(BITPIX|NAXIS\d*|[PG]COUNT|CHECKSUM|DATASUM|TFIELDS|THEAP"
    r"|T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|BCOL|DIM|CTYP|CUNI|CRPX|CRVL|CDLT|RPOS)[1-9]\d*"
    r"|ZIMAGE|ZSIMPLE|ZTENSION|ZCMPTYPE|ZMASKCMP|ZQUANTIZ|ZDITHER0|ZSCALE|ZZERO|Z(TILE|NAME|VAL)\d+) *"
)
"""Keywords of a table of compressed tiles that say nothing about the image."""
_OF_IMAGE = re.compile(r"Z(BITPIX|NAXIS\d*|[PG]COUNT|EXTEND|BLOCKED|DATASUM|BLANK) *")
"""Its keywords that an uncompressed image has without the Z."""


class Cards(Mapping[str, Any]):
    """Values of a header by keyword, bool, int, float or str, each parsed when it is asked for.

    Of repeated keywords the first value counts, and commentary has none.

    Parameters
    ----------
    text
        The cards, one behind the other, without END.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        starts = range(0, len(text), CARD)
        cards = {text[n : n + 8].rstrip(): n for n in reversed(starts) if text[n + 8 : n + 10] == "= "}
        self._starts = dict(reversed(cards.items()))
        if "HIERARCH " in text:
            for start in starts:
                card = text[start : start + CARD]
                if card.startswith("HIERARCH ") and "=" in card and card[8:10] != "= ":
                    self._starts.setdefault(card[9:].partition("=")[0].strip().upper(), start)

    def __getitem__(self, key: str) -> Any:
        start = self._starts[key.upper().removeprefix("HIERARCH ")]
        card = self._text[start : start + CARD]
        value = _parse_value(card[10:] if card[8:10] == "= " else card.partition("=")[2])
        while str(value).endswith("&") and self._text.startswith("CONTINUE", start := start + CARD):
            value = f"{value}"[:-1] + str(_parse_value(self._text[start + 8 : start + CARD]))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)


parse_cards = functools.lru_cache(maxsize=128)(Cards)
"""Returns the values of some cards; the last few are remembered, because each header is asked by many."""


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


def irregular_cards(text: str) -> list[int]:
    """Return the indices of cards, as astropy counts them, that are not of the standard's simple form."""
    indices: list[int] = []
    number = -1
    for start in range(0, len(text), CARD):
        card = text[start : start + CARD]
        continued = number >= 0 and card.startswith("CONTINUE")
        number += not continued
        if continued or not _REGULAR.fullmatch(card):
            indices.append(number)
    return indices


def image_text(text: str, cards: Cards) -> str:
    """Return the cards of an image in compressed tiles as they were before the compression.

    Parameters
    ----------
    text, cards
        Cards of the table that holds the tiles, and their values.
    """
    pieces: list[str] = []
    for start in range(0, len(text), CARD):
        card = text[start : start + CARD]
        key = card[:8]
        if key == "XTENSION":
            card = f"{'XTENSION= ' + repr('IMAGE   '):{CARD}}"
        elif key == "ZHECKSUM":
            card = f"CHECKSUM{card[8:]}"
        elif _OF_IMAGE.fullmatch(key):
            # A value for pixels that were not finite is no BLANK of floating point numbers.
            is_idle = key == "ZBLANK  " and ("BLANK" in cards or cards.get("ZBITPIX") in (-32, -64))
            card = "" if is_idle else f"{key[1:]} {card[8:]}"
        elif _OF_TABLE.fullmatch(key) or (key == "EXTNAME " and "'COMPRESSED_IMAGE'" in card):
            continue
        pieces.append(card)
    return "".join(pieces)
