"""The polynomials of SIP: corrections of pixel positions before the matrix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .wcs_cards import WcsCards

__all__ = ("SipTerms", "has_sip", "inverse_sip_alone")

_TERM = re.compile(r"([AB])_(\d+)_(\d+)")
_ORDER = re.compile(r"[AB]_ORDER")
_INVERSE = re.compile(r"[AB]P_(ORDER|\d+_\d+)")
_MIN_ORDER, _MAX_ORDER = 2, 9


def has_sip(cards: WcsCards) -> str:
    """Return the first keyword of a forward polynomial; empty where there is none."""
    return next((key for key in cards if _TERM.fullmatch(key) or _ORDER.fullmatch(key)), "")


def inverse_sip_alone(cards: WcsCards) -> str:
    """Return the first keyword of an inverse polynomial where there is no forward one, else an empty text."""
    inverse = next((key for key in cards if _INVERSE.fullmatch(key)), "")
    return "" if has_sip(cards) else inverse


class SipTerms:
    """All terms of both polynomials of a header.

    Parameters
    ----------
    cards
        Cards of the header.

    Attributes
    ----------
    order
        Highest power of both, at least 2.
    terms
        Terms of the axes ``"A"`` (x) and ``"B"`` (y) by the powers of x and y.

    Raises
    ------
    ProjectionError
        Raised when an order is absent or no order, or a term is beyond it.
    """

    def __init__(self, cards: WcsCards) -> None:
        self.terms = {name: _terms(cards, name) for name in "AB"}
        self.order = max(_order(cards, name, self.terms[name]) for name in "AB")

    def cards(self) -> Iterator[tuple[str, Any]]:
        """Yield all terms up to the order, those that are zero and not in the header included.

        Without a term in its own coordinate, AST takes that coordinate for
        lost, and with it the identity that SIP adds its terms to.
        """
        for name in "AB":
            yield f"{name}_ORDER", self.order
            for power in range(self.order + 1):
                for other in range(self.order + 1 - power):
                    yield f"{name}_{power}_{other}", self.terms[name].get((power, other), 0.0)

    def shift(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the corrections in pixels, at positions from the reference pixel."""
        coefficients = {name: np.zeros((self.order + 1, self.order + 1)) for name in "AB"}
        for name, terms in self.terms.items():
            for (power, other), value in terms.items():
                coefficients[name][power, other] = value
        along, across = (np.polynomial.polynomial.polyval2d(x, y, coefficients[name]) for name in "AB")
        return along, across


def _terms(cards: WcsCards, name: str) -> dict[tuple[int, int], float]:
    matches = [match for key in cards if (match := _TERM.fullmatch(key)) and match[1] == name]
    return {(int(match[2]), int(match[3])): cards.number(match[0]) for match in matches}


def _order(cards: WcsCards, name: str, terms: dict[tuple[int, int], float]) -> int:
    order = cards.number(f"{name}_ORDER")
    if order not in range(_MAX_ORDER + 1):
        raise cards.error(f"{name}_ORDER", f"{order:g}", f"an integer from 0 to {_MAX_ORDER}")
    beyond = next((power for power in terms if sum(power) > order), None)
    if beyond is not None:
        key = f"{name}_{beyond[0]}_{beyond[1]}"
        raise cards.error(key, "a term", f"no term beyond {name}_ORDER = {order:g}")
    return max(int(order), _MIN_ORDER)
