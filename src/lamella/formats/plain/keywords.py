"""The keywords in which people write down what an image is: tried one after another."""

from __future__ import annotations

import re

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
    "band_of",
    "gain_of",
    "is_amateur",
    "number_or_none",
    "whole_or_none",
)


def _positive(*ways: tuple[str, str], least: str = ">0") -> Value:
    """Return a value from the first keyword beyond a limit, each with its arithmetic."""
    return parse_value([{"when": {key: least}, "value": arithmetic} for key, arithmetic in ways])


_TIMED = " + 2.5*log10(EXPTIME)"

ZERO_POINT = parse_value(
    [
        # Of SCAMP: the magnitude of one count of an image on its common scale.
        {"when": {"MAGZEROP": ">5", "FLXSCALE": ">0"}, "value": "MAGZEROP - 2.5*log10(FLXSCALE)"},
        *(
            {"when": {key: ">5"}, "value": value}
            for key, value in (
                ("MAGZP", "MAGZP"),
                ("MAGZPT", f"MAGZPT{_TIMED}"),
                ("MAGZERO", "MAGZERO"),
                ("MAGZEROP", "MAGZEROP"),
                ("PHOTZP", "PHOTZP"),
                ("ZEROPT", "ZEROPT"),
                ("ZEROPOIN", "ZEROPOIN"),
                ("ZP", "ZP"),
                ("ZPAPPROX", "ZPAPPROX"),
                ("L1ZP", f"L1ZP{_TIMED}"),
                ("PC-ZP", "'PC-ZP'"),
            )
        ),
        {"when": {"PHOT_C": ">5", "PHOT_K": True}, "value": f"PHOT_C + PHOT_K*(AIRMASS - 1){_TIMED}"},
        {
            "when": {"PHOTFLAM": ">0", "PHOTPLAM": ">0", "BUNIT": r"(electrons?|e-|counts?|adu|dn)"},
            "value": f"-2.5*log10(PHOTFLAM) - 5*log10(PHOTPLAM) - 2.408{_TIMED}",
        },
        {
            "when": {"PHOTFLAM": ">0", "PHOTPLAM": ">0"},
            "value": "-2.5*log10(PHOTFLAM) - 5*log10(PHOTPLAM) - 2.408",
        },
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
_PROGRAMS = re.compile(
    r"N\.I\.N\.A|SHARPCAP|ASIAIR|EKOS|KSTARS|APT |SEQUENCE GENERATOR|VOYAGER|SIRIL", re.IGNORECASE
)


_RATE = re.compile(r"\s*/\s*s(ec|econd)?$|\s+s(\*\*|\^)?-1$", re.IGNORECASE)


def is_amateur(cards: Cards) -> bool:
    """Return whether GAIN is a setting of the camera and not electrons per count."""
    told = " ".join(str(cards.get(key) or "") for key in ("SWCREATE", "CREATOR", "PROGRAM"))
    return bool(_CAMERAS.search(str(cards.get("INSTRUME") or "")) or _PROGRAMS.search(told))


def gain_of(cards: Cards, unit: str) -> Cell | None:
    """Return electrons per unit of the image, as far as cards say so; `None` where none does.

    Parameters
    ----------
    cards
        Cards of the image.
    unit
        Its unit (BUNIT); an empty one is taken for counts.
    """
    counts, rate = (unit[: match.start()], " * EXPTIME") if (match := _RATE.search(unit)) else (unit, "")
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


_BANDS = ("FILTER", "BAND", "FILTER1", "FILTER2", "FILTER3", "INSFLNAM", "FILTNAM", "FILTERS", "FILTERID")
_OPEN = re.compile(r"(CLEAR|OPEN|NONE|EMPTY|AIR|NO ?FILTER|N/?A|-+)\w*", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w.+'-]+")
"""What may not be in names of files."""


def band_of(cards: Cards) -> Cell:
    """Return the short name of the passband: its first word where that is a letter, else all of it."""
    for key in _BANDS:
        text = str(cards.get(key) or "").strip()
        if not text or _OPEN.fullmatch(text):
            continue
        word = text.split()[0]
        band = word if len(word) == 1 else _UNSAFE.sub("_", text).strip("_")
        if band:
            return Cell(band, f"header {key}")
    return Cell("unknown", "assumed as no card names a filter")
