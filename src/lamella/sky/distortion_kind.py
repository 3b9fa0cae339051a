"""Which of several distortions a header means, and what is said of the others."""

from __future__ import annotations

import re

from .distortion_tables import has_tables
from .iraf import is_corrected
from .sip import has_sip, inverse_sip_alone
from .wcs_cards import WcsCards

__all__ = ("IRAF", "PARAMETER", "distortion_kind", "distortion_notes")

IRAF = {"TNX": "TAN", "ZPX": "ZPN"}
"""Projections of IRAF, and those of the standard that they are behind their corrections."""
PARAMETER = re.compile(r"PV([12])_(\d+)")


def distortion_kind(cards: WcsCards, order: tuple[int, int]) -> str:
    """Return ``"sip"``, ``"tpv"``, or an empty string for neither.

    CTYPE decides; where it names no distortion, terms of SIP, or PV beyond
    those that the standard has for TAN, are meant.

    Parameters
    ----------
    cards
        Cards of the header.
    order
        Numbers of the axes of longitude and latitude.

    Raises
    ------
    ProjectionError
        Raised when cards ask for two distortions, for one that is not
        understood, or for an inverse one alone.
    """
    _, code, suffix = cards.types()
    has_tables(cards)
    forward, inverse = has_sip(cards), inverse_sip_alone(cards)
    if inverse:
        raise cards.error(inverse, "an inverse distortion alone", "the forward distortion (A, B)")
    surface = is_corrected(cards)
    if surface and code not in IRAF:
        raise cards.error(
            f"CTYPE1, {surface}", f"{code} beside a correction of IRAF", "TNX or ZPX, or no correction"
        )
    if code in IRAF and (forward or suffix):
        raise cards.error(f"CTYPE1, {forward or 'CTYPE2'}", f"{code} with SIP", "one distortion")
    if code == "TPV" and not suffix:
        return "tpv"
    if suffix:
        if not forward:
            raise cards.error("CTYPE1, A_ORDER", "SIP without its terms", "A_ORDER, B_ORDER and their terms")
        return "sip"
    scamp = _scamp_term(cards, order) if code == "TAN" else ""
    if forward and scamp:
        both = f"SIP terms beside {code} with PV terms"
        raise cards.error(f"{forward}, {scamp}", both, "one distortion, named in CTYPE")
    return "sip" if forward else "tpv" if scamp else ""


def distortion_notes(cards: WcsCards, order: tuple[int, int]) -> tuple[str, ...]:
    """Return notes on terms that CTYPE does not name, or that are not taken because it names others."""
    _, code, suffix = cards.types()
    kind, forward, scamp = distortion_kind(cards, order), has_sip(cards), _scamp_term(cards, order)
    types = f"CTYPE1 = {cards.text('CTYPE1')}"
    if kind == "sip" and not suffix:
        return (f"{forward} is taken, although {types} does not say SIP.",)
    if kind == "tpv" and forward:
        return (f"{types} is taken, {forward} is not: TPV has no SIP.",)
    if kind == "sip" and code == "TAN" and scamp:
        return (f"{types} is taken, {scamp} is not: TAN-SIP has no PV.",)
    return ()


def _scamp_term(cards: WcsCards, order: tuple[int, int]) -> str:
    """Return the first PV that TAN does not have; empty where there is none."""
    # On the longitude axis the standard itself gives a meaning to PVi_0 to PVi_4.
    matches = (match for key in cards if (match := PARAMETER.fullmatch(key)))
    terms = (match[0] for match in matches if int(match[1]) != order[0] or int(match[2]) > 4)
    return next(terms, "")
