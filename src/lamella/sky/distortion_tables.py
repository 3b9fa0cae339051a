"""The lookup tables of a header: CPDISj with DPj, D2IMDISj with D2IMj, and AXISCORR, of FITS paper IV."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .lookup import LookupTable
from .sip import SipTerms
from .wcs_cards import WcsCards

__all__ = ("TableReader", "has_tables", "header_tables")

type TableReader = Callable[[str, int], tuple[np.ndarray, Mapping[str, Any]]]
"""Returns the array (y, x) and the header of the HDU with this EXTNAME (in any case) and EXTVER."""

_KNOWN = re.compile(r"(EXTVER|NAXES|AXIS\.\d|DOCORR|MAXCOR)")
_REFUSED = re.compile(r"(CQDIS|CPDIS|D2IMDIS)\d|DQ\d(\..*)?")
_MAX_NODES = 2**20
_MAX_PIXEL, _MIN_STEP = 2.0**24, 2.0**-10
"""Coordinates and distances of nodes, in pixels, beyond which they are none of an image."""
_STEP = 256.0
"""Distance of the nodes that are added over the image, pixels."""
_MARGIN = 64.0
"""Pixels around the image up to which a table is that of the header; further out it stays constant."""
_EXACT = 5e-5
"""Largest error in pixels of tables that are moved to the other side of a polynomial."""
_HALVINGS = 4


class _Kind(NamedTuple):
    """Names of the cards and HDUs of one of both kinds of tables."""

    card: str
    record: str
    extname: str


_PIXELS = _Kind("CPDIS", "DP", "WCSDVARR")
_DETECTOR = _Kind("D2IMDIS", "D2IM", "D2IMARR")


def has_tables(cards: WcsCards) -> str:
    """Return the first keyword that asks for a table; empty where there is none.

    Raises
    ------
    ProjectionError
        Raised when there is a distortion of another kind, or after the matrix.
    """
    first = ""
    for key in cards:
        if _REFUSED.fullmatch(key):
            if key[:5] not in ("CPDIS", "D2IMD") or cards.text(key).upper() != "LOOKUP":
                raise cards.error(
                    key, f"{cards.values[key]!r}", "no distortion but SIP, TPV or a lookup table"
                )
            first = first or key
    return first or ("AXISCORR" if "AXISCORR" in cards else "")


def header_tables(
    cards: WcsCards, read: TableReader | None, sip: SipTerms | None, origin: tuple[float, float]
) -> list[LookupTable]:
    """Return the tables of a header, in the order in which they correct pixel positions.

    First come those of the detector, then those of CPDIS.  The standard adds
    the latter and SIP to the same position; here they stand before SIP, as
    tables that give the same sum (to 5e-5 pixels).

    Parameters
    ----------
    cards
        Cards of the header.
    read
        What reads the HDUs of tables; `None` where nobody can.
    sip
        Polynomials that follow, where there are any.
    origin
        What is added to positions of FITS (the first pixel is 1) to get those of the projection.

    Raises
    ------
    ProjectionError
        Raised when a table is not there, or is not as paper IV says.
    """
    keyword = has_tables(cards)
    if keyword and read is None:
        raise cards.error(
            keyword, "a lookup table", "the file that holds it, as tables are HDUs of their own"
        )
    if not keyword or read is None:
        return []
    tables = []
    if "AXISCORR" in cards:
        tables += _old_detector_table(cards, read, origin)
    for kind in (_DETECTOR, _PIXELS):
        both = [_axis_table(cards, kind, axis, read, origin) for axis in (1, 2)]
        if any(table is not None for table in both):
            merged = _cut(_checked(cards, f"{kind.card}1", LookupTable.merge(*both)), *_limits(cards, origin))
            if kind is _PIXELS and sip is not None:
                merged = _moved_before(merged, sip, cards, origin)
            tables.append(merged)
    return tables


def _axis_table(
    cards: WcsCards, kind: _Kind, axis: int, read: TableReader, origin: tuple[float, float]
) -> Any:
    """Return nodes and values of the table that corrects one coordinate; `None` where there is none."""
    if f"{kind.card}{axis}" not in cards:
        return None
    record = f"{kind.record}{axis}"
    fields = {key.removeprefix(f"{record}."): key for key in cards if key.startswith(f"{record}.")}
    for field, key in fields.items():
        if not _KNOWN.fullmatch(field):
            raise cards.error(key, f"{cards.values[key]!r}", "EXTVER, NAXES and AXIS of a lookup table")
    count = cards.number(f"{record}.NAXES", 2)
    axes = [cards.number(f"{record}.AXIS.{i}", i) for i in range(1, 1 + (1 if count == 1 else 2))]
    if count not in (1, 2) or axes not in ([1, 2], [2, 1], [1], [2]):
        raise cards.error(f"{record}.AXIS.1", f"{count:g} axes, {axes}", "axes 1 and 2 of the image, or one")
    version = round(cards.number(f"{record}.EXTVER", 1))
    values, header = read(kind.extname, version)
    where = f"{kind.extname},{version}"
    if axes == [2, 1]:  # the columns of the table lie along y
        y, x, turned = _nodes(cards, where, values, header, origin[::-1])
        return x, y, turned.T
    return _nodes(cards, where, values, header, origin, along=round(axes[0]))


def _old_detector_table(cards: WcsCards, read: TableReader, origin: tuple[float, float]) -> list[LookupTable]:
    """Return the table of a column or row of pixels, in the way of HST before D2IMDIS."""
    axis = cards.number("AXISCORR")
    if axis not in (1, 2):
        raise cards.error("AXISCORR", f"{axis:g}", "1 or 2")
    if "D2IMDIS1" in cards or "D2IMDIS2" in cards:
        raise cards.error("AXISCORR, D2IMDIS1", "two corrections of the detector", "one of them")
    values, header = read("D2IMARR", 1)
    # The table runs along x, whichever coordinate it corrects.
    table = _nodes(cards, "D2IMARR,1", values, header, origin)
    merged = LookupTable.merge(table, None) if axis == 1 else LookupTable.merge(None, table)
    return [_cut(_checked(cards, "AXISCORR", merged), *_limits(cards, origin))]


def _nodes(
    cards: WcsCards,
    where: str,
    values: np.ndarray,
    header: Mapping[str, Any],
    origin: tuple[float, float],
    *,
    along: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coordinates of columns and rows, and values (rows, columns), of the array of a table.

    One of a single axis runs ``along`` that axis of the image.
    """
    values = np.asarray(values, np.float64)
    own = WcsCards.of(header, cards.path, where)
    if values.ndim == 1:
        values = values.reshape((1, -1) if along == 1 else (-1, 1))
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise own.error("the table", f"an array of shape {values.shape}", "two dimensions of finite numbers")
    nodes = []
    for axis, size in ((1, values.shape[1]), (2, values.shape[0])):
        step = own.number(f"CDELT{axis}", 1.0)
        steps = np.arange(1, size + 1) - own.number(f"CRPIX{axis}", 0.0)
        nodes.append(own.number(f"CRVAL{axis}", 0.0) + steps * step + origin[axis - 1])
        distances = np.diff(nodes[-1]) * np.sign(step)
        if not (np.abs(nodes[-1]) < _MAX_PIXEL).all() or not (distances > _MIN_STEP).all():
            raise own.error(f"CDELT{axis}", f"{step:g}", "the distance of two nodes")
    x_order, y_order = (np.argsort(n) for n in nodes)
    return nodes[0][x_order], nodes[1][y_order], values[np.ix_(y_order, x_order)]


def _checked(cards: WcsCards, keyword: str, table: LookupTable) -> LookupTable:
    if table.dx.size > _MAX_NODES:
        raise cards.error(keyword, f"tables of {table.dx.size} nodes", f"at most {_MAX_NODES}")
    return table


def _limits(cards: WcsCards, origin: tuple[float, float]) -> list[tuple[float, float]]:
    """Return the ranges of x and of y for which tables are wanted; infinite if unknown."""
    sizes = [cards.number(f"ZNAXIS{axis}", cards.number(f"NAXIS{axis}", 0.0)) for axis in (1, 2)]
    if not all(0.0 < size < _MAX_PIXEL for size in sizes):
        return [(-np.inf, np.inf)] * 2
    return [
        (start + 0.5 - _MARGIN, start + 0.5 + size + _MARGIN)
        for start, size in zip(origin, sizes, strict=True)
    ]


def _cut(table: LookupTable, x_limits: tuple[float, float], y_limits: tuple[float, float]) -> LookupTable:
    return table.at_nodes(np.unique(np.clip(table.x, *x_limits)), np.unique(np.clip(table.y, *y_limits)))


def _moved_before(
    table: LookupTable, sip: SipTerms, cards: WcsCards, origin: tuple[float, float]
) -> LookupTable:
    """Return the table that, before a polynomial, does what this one does beside it.

    With the polynomial S, which adds to a position, and the table c, the new
    table t solves ``t(p) = c(p) + S(p) - S(p + t(p))`` at its nodes.
    """
    centre = [cards.number(f"CRPIX{axis}") + origin[axis - 1] for axis in (1, 2)]

    def solve(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shift = table.shift(x, y)
        here = sip.shift(x - centre[0], y - centre[1])
        dx, dy = shift
        for _ in range(30):
            there = sip.shift(x + dx - centre[0], y + dy - centre[1])
            dx, dy = shift[0] + here[0] - there[0], shift[1] + here[1] - there[1]
        return dx, dy

    limits = _limits(cards, origin)
    x, y = (_over_image(nodes, *limit) for nodes, limit in zip((table.x, table.y), limits, strict=True))
    for _ in range(_HALVINGS):
        if x.size * y.size > _MAX_NODES:
            break
        moved = LookupTable(x, y, *solve(*np.meshgrid(x, y)))
        middle = np.meshgrid(_middles(x), _middles(y))
        errors = [np.abs(a - b) for a, b in zip(moved.shift(*middle), solve(*middle), strict=True)]
        if max(np.max(error) for error in errors) <= _EXACT:
            return moved
        x, y = np.union1d(x, _middles(x)), np.union1d(y, _middles(y))
    raise cards.error("CPDIS1, A_ORDER", "a polynomial that bends tables", "both to be smooth")


def _over_image(nodes: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return nodes with others where the image goes beyond them, as the polynomial does."""
    if np.isinf(low):
        return nodes
    added = np.linspace(low, high, int(np.ceil((high - low) / _STEP)) + 1)
    return np.union1d(nodes, added[(added < nodes[0]) | (added > nodes[-1])])


def _middles(nodes: np.ndarray) -> np.ndarray:
    middles: np.ndarray = 0.5 * (nodes[1:] + nodes[:-1])
    return middles
