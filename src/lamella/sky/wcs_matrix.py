"""The matrix of a header: from pixels to intermediate world coordinates, in all ways to write it."""

from __future__ import annotations

import math

import numpy as np

from .wcs_cards import WcsCards

__all__ = ("matrix_notes", "pixel_matrix")

_PAIRS = tuple((i, j) for i in (1, 2) for j in (1, 2))
_ROUNDING = 1e-6
"""Matrices that are written twice are often rounded to seven digits or so."""
_SAME = 0.01
"""Old keywords beside a CD matrix that differ by less were left behind by a small rotation or refit."""


def pixel_matrix(cards: WcsCards, order: tuple[int, int]) -> np.ndarray:
    """Return the matrix of the first two axes of a header, in its units.

    A CD matrix is taken before CDELT and CROTA, which it replaces; otherwise a
    PC matrix with CDELT (1 by default) before CROTA.

    Parameters
    ----------
    cards
        Cards of the header.
    order
        Numbers of the axes of longitude and latitude.

    Returns
    -------
    numpy.ndarray of float64, shape (2, 2)
        Rows are axes of the sky, in the order of the header, columns those of the pixels.

    Raises
    ------
    ProjectionError
        Raised when there is no matrix, it is singular, a CD and a PC matrix
        contradict each other, or another axis shifts these two.
    """
    if any(f"CD{i}_{j}" in cards for i, j in _PAIRS):
        values = [cards.number(f"CD{i}_{j}", 0.0) for i, j in _PAIRS]
        matrix = np.array(values).reshape(2, 2)
        _require_same_as_pc(cards, matrix)
    else:
        matrix = _scaled_matrix(cards, order)
    # Divided by its largest element, of which the square may be no number.
    if abs(np.linalg.det(matrix / (np.abs(matrix).max() or 1.0))) <= 1e-12:
        raise cards.error("CD matrix", f"the singular matrix {matrix.tolist()}", "an invertible matrix")
    _refuse_shifts(cards)
    return matrix


def matrix_notes(cards: WcsCards, order: tuple[int, int]) -> tuple[str, ...]:
    """Return notes on cards that say something else than the matrix that is taken."""
    scales = [cards.number(f"CDELT{axis}", 1.0) for axis in (1, 2)]
    turned = f"CROTA{order[1]}"
    if any(f"CD{i}_{j}" in cards for i, j in _PAIRS):
        matrix = pixel_matrix(cards, order)
        # A CDELT of one degree is what programs write beside a CD matrix, and says nothing.
        if "CDELT1" in cards and "CDELT2" in cards and any(abs(scale) != 1.0 for scale in scales):
            size = np.sqrt(np.abs(np.linalg.det(matrix)))
            if abs(math.sqrt(abs(scales[0] * scales[1])) / size - 1.0) > _SAME:
                return (f"CD1_1 is taken, CDELT1 = {scales[0]:g} is not: it is another scale.",)
            rotated = _rotation(cards, order) if turned in cards else matrix
            if np.abs(rotated - matrix).max() > _SAME * np.abs(matrix).max():
                return (f"CD1_1 is taken, {turned} = {cards.number(turned):g} is not: another rotation.",)
    elif _has_pc(cards) and cards.number(turned, 0.0):
        matrix, other = _scaled_matrix(cards, order), _rotation(cards, order)
        if np.abs(other - matrix).max() > _SAME * np.abs(matrix).max():
            return (f"PC1_1 is taken, {turned} = {cards.number(turned):g} is not: another rotation.",)
    elif not _has_pc(cards):
        second = f"CROTA{order[0]}"
        values = [cards.number(key, 0.0) for key in (turned, second)]
        if values[1] and values[0] != values[1]:
            return (f"{turned} = {values[0]:g} is taken, {second} = {values[1]:g} is not: another rotation.",)
    return ()


def _require_same_as_pc(cards: WcsCards, matrix: np.ndarray) -> None:
    """Refuse a CD matrix beside a PC matrix that says something else.

    The standard forbids one beside the other, and programs differ in which of them they take.
    """
    present = [f"PC{i}_{j}" for i, j in _PAIRS if f"PC{i}_{j}" in cards]
    if not present:
        return
    scale = np.array([cards.number(f"CDELT{axis}", 1.0) for axis in (1, 2)])
    other = np.diag(scale) @ _pc_matrix(cards)
    if np.abs(other - matrix).max() > _ROUNDING * np.abs(matrix).max():
        raise cards.error(
            f"CD1_1, {present[0]}",
            f"the CD matrix {matrix.tolist()} beside CDELT and PC, whose product is {other.tolist()}",
            "one of them, or the same in both",
        )


def _has_pc(cards: WcsCards) -> bool:
    return any(f"PC{i}_{j}" in cards for i, j in _PAIRS)


def _pc_matrix(cards: WcsCards) -> np.ndarray:
    return np.array([[cards.number(f"PC{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)])


def _scaled_matrix(cards: WcsCards, order: tuple[int, int]) -> np.ndarray:
    if _has_pc(cards):
        scale = np.array([cards.number(f"CDELT{axis}", 1.0) for axis in (1, 2)])
        return np.asarray(np.diag(scale) @ _pc_matrix(cards))
    if "CDELT1" not in cards or "CDELT2" not in cards:
        raise cards.error("CD1_1", "neither a CD matrix nor CDELT", "a scale of the pixels")
    return _rotation(cards, order)


def _rotation(cards: WcsCards, order: tuple[int, int]) -> np.ndarray:
    """Return the matrix of CDELT and the CROTA of the latitude, in the way of AIPS."""
    turn = math.radians(cards.number(f"CROTA{order[1]}", 0.0))
    scale = np.diag([cards.number(f"CDELT{axis}") for axis in order])
    turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ scale
    # Both axes of it are in the order of longitude and latitude; back to that of the header.
    matrix: np.ndarray = turned[np.ix_(np.argsort(order), np.argsort(order))]
    return matrix


def _refuse_shifts(cards: WcsCards) -> None:
    """Refuse a third axis that moves the first two: of an image it has one pixel, and mostly CRPIX = 1."""
    for axis in (3, 4):
        shift = 1.0 - cards.number(f"CRPIX{axis}", 0.0)
        for row in (1, 2):
            key = next((f"{name}{row}_{axis}" for name in ("CD", "PC") if f"{name}{row}_{axis}" in cards), "")
            if key and shift and cards.number(key):
                stated = f"{cards.number(key):g} and {1.0 - shift:g}, which shift axis {row}"
                raise cards.error(f"{key}, CRPIX{axis}", stated, "axes of one pixel that shift nothing")
