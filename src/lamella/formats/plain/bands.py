"""The passband of a plain image: by its cards, in whatever words, else by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..cards import Cards
from ..described.values import Cell
from ..file_index import bare_name, split_name

__all__ = ("UNKNOWN", "band_of")

UNKNOWN = "unknown"
_ONE = ("FILTER", "BAND", "INSFLNAM", "FILTNAM", "FILTERS", "FILTERID")
"""Keywords that name the filter."""
_WHEELS = re.compile(r"FILTER_?0?[1-9]|ESO INS (FILT|OPTI)\d+ NAME")
"""Keywords of the wheels of an instrument: what is not open in any of them makes the band."""
_LIKE = re.compile(r"(.*[ _])?(\w*FILT(ER)?\w*|\w*FLT_?(ID|NA?M(E|\d)?)|\w*FILNAM)( (NAME|ID))?")
"""Keywords that speak of filters,"""
_OTHERWISE = re.compile(
    r".*(FILENAM|POS|NUM|DATE|TIME|STAT|TEMP|FILE|PATH|WAV|LAM|MODE|TYPE|CENT|WID|MASK|FILTERED).*"
)
"""... and those that do not name them."""
_EMPTY = re.compile(r"(NONE|NULL|N/?A|NAN|UNKNOWN|UNDEF\w*|BLANK|-+)[\w.-]*", re.IGNORECASE)
_OPEN = re.compile(r"(CLEAR|OPEN|EMPTY|AIR|FREE|NO[ _]?FILTER|WHITE)[\w.-]*", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w.+'-]+")
"""What may not be in names of files."""
_IN_NAMES = re.compile(
    r"[ugrizy]|[UBVRIYJHK]|Ks|H-?a(lpha)?|OIII|SII|[FN]UV|W[1-4]|[fF]\d{3,4}[wWmMnN]", re.ASCII
)
"""Words of the names of HDUs and files that are bands."""


def band_of(cards: Cards) -> Cell:
    """Return the short name of the passband: its first word where that is a letter, else all of it.

    Of several filters in the beam, all are named.  Without a filter, the band is ``clear``.
    """
    is_open = ""
    for keys in _groups(cards):
        bands: dict[str, str] = {}
        for key in keys:  # of several, numbers are positions of wheels
            text = str(cards.get(key) or "").strip()
            if _OPEN.fullmatch(text):
                is_open = is_open or key
            elif text and not _EMPTY.fullmatch(text) and (len(keys) == 1 or re.search("[A-Za-z]", text)):
                bands.setdefault(_short(text), key)
        bands.pop("", None)
        if bands:
            return Cell("+".join(bands), f"header {', '.join(bands.values())}")
    return Cell("clear", f"header {is_open}") if is_open else _by_name(cards)


def _groups(cards: Cards) -> Iterator[list[str]]:
    """Yield keywords that are asked together, the best first."""
    keys = list(dict.fromkeys(str(key) for header in cards.headers for key in header))
    yield from ([key] for key in _ONE[:2])
    yield [key for key in keys if _WHEELS.fullmatch(key)]
    yield from ([key] for key in _ONE[2:])
    like = [key for key in keys if _LIKE.fullmatch(key) and not _OTHERWISE.fullmatch(key)]
    yield [key for key in like if isinstance(cards.get(key), str)]


def _short(text: str) -> str:
    word = text.split()[0]
    return word if len(word) == 1 else _UNSAFE.sub("_", text).strip("_")


def _by_name(cards: Cards) -> Cell:
    """Return the band that the name of HDU or file is, if any: two bands must not be coadded as one."""
    name = str(cards.headers[0].get("EXTNAME", "")).strip()
    if _IN_NAMES.fullmatch(name):
        return Cell(name, "header EXTNAME")
    words = re.split(r"[^A-Za-z0-9]+", split_name(bare_name(cards.path))[0])
    bands = {word for word in words if _IN_NAMES.fullmatch(word)}
    if len(bands) == 1:
        return Cell(bands.pop(), "assumed from the file's name, as no card names a filter")
    return Cell(UNKNOWN, "assumed as no card names a filter")
