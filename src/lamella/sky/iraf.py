"""The projections TNX and ZPX of IRAF: surfaces that correct the plane of TAN and ZPN.

The surfaces stand as texts in WAT cards.  Their form is described in the
registry of FITS conventions (TNX, ZPX): type of function, number of terms along
both axes, cross terms, the ranges of the coordinates, and coefficients.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from numpy.polynomial import chebyshev, legendre

from .wcs_cards import WcsCards

__all__ = ("PlaneCorrection", "is_corrected", "read_correction")

_CARD = re.compile(r"WAT([12])_(\d+)")
_CORRECTION = re.compile(r"\b(?:lng|lat)cor\b")
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*(\"[^\"]*\"?|\S+)")
_PARAMETER = re.compile(r"projp(\d+)")
_LENGTH = 68
"""Characters of a card that a text goes on after; blanks at its end are part of the text."""
_MAX_TERMS = 30
_NO_CROSS, _FULL_CROSS, _HALF_CROSS = range(3)


@dataclasses.dataclass(frozen=True)
class PlaneCorrection:
    """What is added to intermediate world coordinates, and the parameters of the projection after it.

    Attributes
    ----------
    longitude, latitude
        Coefficients of the powers of both coordinates in degrees, shape
        (longitude, latitude); of what is added to either coordinate.
    parameters
        Parameters of ZPN by their index.
    """

    longitude: np.ndarray
    latitude: np.ndarray
    parameters: dict[int, float]


def is_corrected(cards: WcsCards) -> str:
    """Return the first keyword with such a surface; empty where there is none."""
    texts = ((key, cards.text(key)) for key in cards if _CARD.fullmatch(key))
    return next((key for key, text in texts if _CORRECTION.search(text)), "")


def read_correction(cards: WcsCards, order: tuple[int, int]) -> PlaneCorrection:
    """Return the correction that the WAT cards of a header hold.

    Parameters
    ----------
    cards
        Cards of the header.
    order
        Numbers of the axes of longitude and latitude.

    Raises
    ------
    ProjectionError
        Raised when a surface is not as the convention says.
    """
    attributes = [_attributes(cards, axis) for axis in order]
    surfaces = [
        _surface(cards, f"WAT{axis}_001, {name}", values.get(name, ""))
        for axis, name, values in zip(order, ("lngcor", "latcor"), attributes, strict=True)
    ]
    parameters: dict[int, float] = {}
    for axis, values in zip(order, attributes, strict=True):
        for name, text in values.items():
            if match := _PARAMETER.fullmatch(name):
                parameters.setdefault(int(match[1]), _number(cards, f"WAT{axis}_001, {name}", text))
    return PlaneCorrection(surfaces[0], surfaces[1], parameters)


def _attributes(cards: WcsCards, axis: int) -> dict[str, str]:
    """Return the attributes of an axis, from the text that goes on over its cards."""
    matches = [match for key in cards if (match := _CARD.fullmatch(key)) and int(match[1]) == axis]
    keys = [match[0] for match in sorted(matches, key=lambda match: int(match[2]))]
    texts = [str(cards.values[key]) for key in keys]
    # Readers of FITS take blanks off the end of a text, where they can be between two numbers.
    text = "".join([text.ljust(_LENGTH) for text in texts[:-1]] + texts[-1:])
    return {name.lower(): value.strip('" ') for name, value in _ATTRIBUTE.findall(text)}


def _number(cards: WcsCards, keyword: str, text: str) -> float:
    try:
        value = float(text.upper().replace("D", "E"))
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise cards.error(keyword, f"{text!r}", "a finite number")
    return value


def _surface(cards: WcsCards, where: str, text: str) -> np.ndarray:
    """Return the coefficients of powers, (longitude, latitude), of a surface."""
    if not text:
        return np.zeros((1, 1))
    numbers = [_number(cards, where, word) for word in text.split()]
    if len(numbers) < 9:
        raise cards.error(where, f"{len(numbers)} numbers", "eight parameters of a surface, and coefficients")
    kind, *sizes, cross = (round(value) for value in numbers[:4])
    if kind not in (1, 2, 3) or cross not in (_NO_CROSS, _FULL_CROSS, _HALF_CROSS):
        raise cards.error(
            where, f"surface {kind} with cross terms {cross}", "surface 1, 2 or 3 with cross terms 0, 1 or 2"
        )
    if not all(1 <= size <= _MAX_TERMS for size in sizes):
        raise cards.error(where, f"{sizes[0]} x {sizes[1]} terms", f"1 to {_MAX_TERMS} along each axis")
    powers = _powers(sizes[0], sizes[1], cross)
    values = numbers[8:]
    # Programs put zeros behind the last one.
    if len(values) < len(powers) or any(values[len(powers) :]):
        raise cards.error(where, f"{len(values)} coefficients", f"{len(powers)} of them")
    coefficients = np.zeros((sizes[0], sizes[1]))
    for power, value in zip(powers, values, strict=False):
        coefficients[power] = value
    if kind == 3:  # powers of the coordinates as they are; the ranges say nothing
        return coefficients
    return _in_powers(cards, where, coefficients, kind, numbers[4:8])


def _powers(width: int, height: int, cross: int) -> list[tuple[int, int]]:
    """Return the powers (longitude, latitude) of the coefficients, in their order."""
    pairs = [(i, j) for j in range(height) for i in range(width)]
    if cross == _NO_CROSS:
        return [pair for pair in pairs if 0 in pair]
    if cross == _HALF_CROSS:
        return [pair for pair in pairs if sum(pair) < max(width, height)]
    return pairs


def _in_powers(
    cards: WcsCards, where: str, coefficients: np.ndarray, kind: int, ranges: list[float]
) -> np.ndarray:
    """Return a sum of Chebyshev (1) or Legendre (2) polynomials over ranges as one of powers."""
    to_powers = chebyshev.cheb2poly if kind == 1 else legendre.leg2poly
    matrices = []
    for size, (low, high) in zip(coefficients.shape, (ranges[:2], ranges[2:]), strict=True):
        if not high > low:
            raise cards.error(where, f"a range from {low:g} to {high:g}", "a range that is not empty")
        # Column k holds the powers of the k-th polynomial of (2 x - high - low) / (high - low).
        inner = np.polynomial.Polynomial([-(high + low) / (high - low), 2.0 / (high - low)])
        matrix = np.zeros((size, size))
        for degree in range(size):
            powers = np.polynomial.Polynomial(to_powers([0.0] * degree + [1.0]))(inner)
            matrix[: degree + 1, degree] = powers.coef
        matrices.append(matrix)
    return np.asarray(matrices[0] @ coefficients @ matrices[1].T)
