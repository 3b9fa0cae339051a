"""The celestial system of a header: RADESYS, EQUINOX and their relatives."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from astropy.time import Time

from .wcs_cards import WcsCards

__all__ = ("system_cards", "system_notes")

_SYNONYMS = (
    (re.compile(r"IC(RS|RF\d?)( ?\(?J?2000(\.0*)?\)?)?"), "ICRS"),
    (re.compile(r"(FK5[ ,/(]*)?J?2000(\.0*)?\)?|FK5"), "FK5"),
    (re.compile(r"(FK4[ ,/(]*)?B?1950(\.0*)?\)?|FK4"), "FK4"),
    (re.compile(r"FK4[-_ ]NO[-_ ]E"), "FK4-NO-E"),
    (re.compile(r"GAPPT"), "GAPPT"),
)
_STATED = {"FK5": 2000.0, "FK4": 1950.0}
"""Equinoxes that RADESYS itself can state."""
_YEAR = re.compile(r"([JB]?)\s*(\d{4}(?:\.\d*)?)")
_YEARS = 1000.0, 3000.0
_FIRST_FK5 = 1984.0
"""Where RADESYS is absent, equinoxes before this are of FK4 (FITS paper II)."""


def system_cards(cards: WcsCards) -> Iterator[tuple[str, Any]]:
    """Yield what defines the celestial system, by the rules of the standard where it is implicit.

    Raises
    ------
    ProjectionError
        Raised when the system is not known, its cards contradict each other, or
        apparent places have no date.
    """
    system, equinox, source = _system(cards)
    yield "RADESYS", system
    if system not in ("ICRS", "GAPPT") and equinox is not None:
        # AST goes through the years one by one.
        if not _YEARS[0] <= equinox <= _YEARS[1]:
            raise cards.error(source, f"{equinox:g}", f"a year between {_YEARS[0]:g} and {_YEARS[1]:g}")
        yield "EQUINOX", equinox
    for keyword in ("LONPOLE", "LATPOLE"):
        if keyword in cards:
            yield keyword, cards.number(keyword)
    if system.startswith("FK4") and "MJD-OBS" in cards:
        yield "MJD-OBS", cards.number("MJD-OBS")
    if system == "GAPPT":
        yield "MJD-OBS", _date(cards)


def system_notes(cards: WcsCards) -> tuple[str, ...]:
    """Return notes on cards of the system that are not taken as they stand."""
    system, equinox, source = _system(cards)
    texts = [cards.text(keyword).upper() for keyword in ("RADESYS", "RADECSYS")]
    if all(texts) and texts[0] != texts[1]:
        return (f"RADESYS = {texts[0]} is taken, RADECSYS = {texts[1]} is not.",)
    if system == "GAPPT":
        return ("RADESYS = GAPPT: apparent places of the date are taken to ICRS, to 0.05 arcseconds or so.",)
    if system == "ICRS" and equinox not in (None, 2000.0):
        return (f"RADESYS = ICRS is taken, {source} = {equinox:g} is not: ICRS has no equinox.",)
    if system.startswith("FK4") and equinox is not None and equinox >= _FIRST_FK5:
        return (f"RADESYS = {system} is taken with {source} = {equinox:g}, which is unusual.",)
    return ()


def _system(cards: WcsCards) -> tuple[str, float | None, str]:
    """Return system, equinox where one is stated, and the keyword that states it."""
    source, letter, equinox = _equinox(cards)
    keyword = "RADESYS" if cards.text("RADESYS") else "RADECSYS"
    text = cards.text(keyword).upper()
    if not text:
        return _implied(letter, equinox), equinox, source
    system = next((name for pattern, name in _SYNONYMS if pattern.fullmatch(text)), None)
    if system is None:
        raise cards.error(keyword, f"{text!r}", "ICRS, FK5, FK4, FK4-NO-E or GAPPT")
    stated = _STATED.get(system) if re.search(r"\d{4}", text) else None
    if stated is not None and equinox not in (None, stated):
        raise cards.error(f"{keyword}, {source}", f"{text!r} and {equinox:g}", "the same equinox in both")
    if letter and system in _STATED and (letter == "B") != (system == "FK4"):
        both = f"{text!r} and {cards.text(source)!r}"
        raise cards.error(f"{keyword}, {source}", both, "a Julian equinox of FK5, or a Besselian one of FK4")
    return system, stated if equinox is None else equinox, source


def _implied(letter: str, equinox: float | None) -> str:
    if equinox is None:
        return "ICRS"
    is_old = letter == "B" if letter else equinox < _FIRST_FK5
    return "FK4" if is_old else "FK5"


def _equinox(cards: WcsCards) -> tuple[str, str, float | None]:
    """Return keyword, letter (J, B or none) and year of the equinox."""
    for keyword in ("EQUINOX", "EPOCH"):
        text = cards.text(keyword).upper()
        if not text:
            continue
        if match := _YEAR.fullmatch(text):
            return keyword, match[1], float(match[2])
        return keyword, "", cards.number(keyword)
    return "EQUINOX", "", None


def _date(cards: WcsCards) -> float:
    """Return the modified Julian date of an exposure, which apparent places depend on."""
    if "MJD-OBS" in cards:
        return cards.number("MJD-OBS")
    text = cards.text("DATE-OBS")
    try:
        date = float(Time(text, scale="utc").mjd) if text else math.nan
    except ValueError as err:
        raise cards.error("DATE-OBS", f"{text!r}", "a date, which apparent places depend on") from err
    if math.isnan(date):
        raise cards.error("RADESYS, MJD-OBS", "GAPPT without a date", "the date of apparent places")
    return date
