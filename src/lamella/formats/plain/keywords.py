"""The keywords in which people write down what an image is: tried one after another."""

from __future__ import annotations

import re
from typing import Any

from ...errors import InputError
from ..cards import Cards
from ..described.values import Cell, Value, parse_value
from ..table_cells import parse_integer
from ..units import is_counts, is_electrons

__all__ = (
    "DETECTOR",
    "FLUX_SCALE",
    "READ_NOISE",
    "SATURATION",
    "VISIT",
    "ZERO_POINT",
    "gain_of",
    "is_amateur",
    "number_or_none",
    "whole_or_none",
    "why_not_ab",
)


def _positive(*ways: tuple[str, str], least: str = ">0") -> Value:
    """Return a value from the first keyword beyond a limit, each with its arithmetic."""
    return parse_value([{"when": {key: least}, "value": arithmetic} for key, arithmetic in ways])


_TIMED = " + 2.5*log10(EXPTIME)"
_RATE = r"/\s*s(ec|econd)?|\s+s(\*\*|\^)?-1|per sec(ond)?"
_RATES = rf".+({_RATE})\s*"
_FROM_FLUX = "-2.5*log10(PHOTFLAM) - 5*log10(PHOTPLAM) - 2.408"


def _ways(condition: dict[str, Any], value: str, *, timed: bool = False) -> list[dict[str, Any]]:
    """Return the ways to a zero point; with ``timed`` it is that of a count per second."""
    if not timed:
        return [{"when": condition, "value": value}]
    rate = {"when": condition | {"BUNIT": _RATES}, "value": value}
    return [rate, {"when": condition, "value": value + _TIMED}]


ZERO_POINT = parse_value(
    [
        # Of SCAMP: the magnitude of one count of an image on its common scale.
        *_ways({"MAGZEROP": ">5", "FLXSCALE": ">0"}, "MAGZEROP - 2.5*log10(FLXSCALE)"),
        *_ways({"MAGZP": ">5"}, "MAGZP"),
        *_ways({"MAGZPT": ">5"}, "MAGZPT", timed=True),
        *(
            way
            for key in ("MAGZERO", "MAGZEROP", "PHOTZP", "ZEROPT", "ZEROPOIN", "ZP", "ZPAPPROX")
            for way in _ways({key: ">5"}, key)
        ),
        *_ways({"L1ZP": ">5"}, "L1ZP", timed=True),
        *_ways({"PC-ZP": ">5"}, "'PC-ZP'"),
        # Of the LSST stack: counts of magnitude 0.
        *_ways({"FLUXMAG0": ">0"}, "2.5*log10(FLUXMAG0)"),
        *_ways({"PHOT_C": ">5", "PHOT_K": True}, "PHOT_C + PHOT_K*(AIRMASS - 1)", timed=True),
        {
            "when": {"PHOTFLAM": ">0", "PHOTPLAM": ">0", "BUNIT": r"(electrons?|e-|counts?|adu|dn)"},
            "value": _FROM_FLUX + _TIMED,
        },
        *_ways({"PHOTFLAM": ">0", "PHOTPLAM": ">0"}, _FROM_FLUX),
    ]
)
"""AB magnitude of one count.  A zero point of 5 or less is a keyword that nobody filled in."""

FLUX_SCALE = _positive(("FLXSCALE", "FLXSCALE"))
"""Relative scale, as SWarp takes it."""

GAIN = _positive(("EGAIN", "EGAIN"), ("EPADU", "EPADU"), ("ESO DET OUT1 CONAD", "'ESO DET OUT1 CONAD'"))
_PLAIN_GAIN = _positive(("GAIN", "GAIN"), ("GAIN1", "GAIN1"), ("GAINA", "GAINA"))
_LARGEST_GAIN = 50.0
"""Electrons per count: more is a setting of a camera, in its own units."""

SATURATION = _positive(
    ("SATURATE", "SATURATE"), ("SATLEVEL", "SATLEVEL"), ("SATURVAL", "SATURVAL"), ("MAXLIN", "MAXLIN")
)
READ_NOISE = _positive(
    *((key, key) for key in ("RDNOISE", "READNOI", "READNOIS", "RON", "RDNOISEA", "ENOISE"))
)
"""Electrons."""
VISIT = _positive(("EXPNUM", "EXPNUM"), ("EXPID", "EXPID"), ("OBSID", "OBSID"))
DETECTOR = _positive(
    ("CCDNUM", "CCDNUM"), ("DETECTOR", "DETECTOR"), ("CCDID", "CCDID"), ("CHIPID", "CHIPID"), least=">=0"
)

_CAMERAS = re.compile(
    r"ZWO|ASI ?\d|QHY|SEESTAR|DWARF|PLAYER ?ONE|POSEIDON|TOUPTEK|ALTAIR|SVBONY|RISINGCAM|OMEGON|OGMA|ATIK"
    r"|STELLINA|VESPERA|EVSCOPE|ORIGIN|CANON|NIKON|SONY|FUJI|PENTAX|DSLR",
    re.IGNORECASE,
)
_SYSTEMS = ("MAGSYS", "PHOTSYS", "ZPSYS", "MAG_SYS", "ZP_SYS", "MAGSYST", "PHOTSYST", "ZPTSYS")
_OFTEN_VEGA = re.compile(r"(2MASS[ _-]?)?(J|H|K|Ks|K_?s|Kp|L|M|W[1-4])('|prime)?", re.IGNORECASE)
"""Bands of the infrared, of which most zero points are those of Vega, off AB by 0.9 mag and more."""
_PROGRAMS = re.compile(
    r"N\.I\.N\.A|SHARPCAP|ASIAIR|EKOS|KSTARS|APT |SEQUENCE GENERATOR|VOYAGER|SIRIL", re.IGNORECASE
)


_PER_SECOND = re.compile(rf"\s*({_RATE})$", re.IGNORECASE)


def is_amateur(cards: Cards) -> bool:
    """Return whether GAIN is a setting of the camera and not electrons per count."""
    told = " ".join(str(cards.get(key) or "") for key in ("SWCREATE", "CREATOR", "PROGRAM"))
    return bool(_CAMERAS.search(str(cards.get("INSTRUME") or "")) or _PROGRAMS.search(told))


def why_not_ab(cards: Cards, band: str) -> str:
    """Return why a zero point is not taken for one of AB magnitudes; an empty text where it is."""
    told = next((text for key in _SYSTEMS if (text := str(cards.get(key) or ""))), "")
    if re.search("VEGA", told, re.IGNORECASE):
        return "magnitudes of Vega"
    if not told and _OFTEN_VEGA.fullmatch(band):
        return f"no card says whether magnitudes in {band} are those of Vega or AB"
    return ""


def gain_of(cards: Cards, unit: str) -> Cell | None:
    """Return electrons per unit of the image, as far as cards say so; `None` where none does.

    Parameters
    ----------
    cards
        Cards of the image.
    unit
        Its unit (BUNIT); an empty one is taken for counts.
    """
    counts, rate = (
        (unit[: match.start()], " * EXPTIME") if (match := _PER_SECOND.search(unit)) else (unit, "")
    )
    if rate and cards.get("EXPTIME") is None:
        return None
    if is_electrons(counts):
        return Cell(f"1{rate}", f"header BUNIT{rate}")
    if counts and not is_counts(counts):
        return None  # flux densities have no gain that a card tells
    for way in [GAIN] if is_amateur(cards) else [GAIN, _PLAIN_GAIN]:
        cell = number_or_none(way, cards)
        if cell is not None and cards.number(cell.text.strip("'")) <= _LARGEST_GAIN:
            return Cell(f"{cell.text}{rate}", f"{cell.origin}{rate}")
    return None


def number_or_none(value: Value, cards: Cards) -> Cell | None:
    """Return the cell of a number; `None` where its keywords are missing or hold none."""
    try:
        return value.number(cards, {})
    except InputError:
        return None


def whole_or_none(value: Value, cards: Cards) -> Cell | None:
    """Return the cell of a whole number; `None` where the keywords are missing or hold none."""
    cell = number_or_none(value, cards)
    return cell if cell is not None and parse_integer(cards.text(cell.text)) is not None else None
