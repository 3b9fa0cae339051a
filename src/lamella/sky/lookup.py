"""Lookup tables of pixel positions: corrections at the nodes of a lattice, bilinear between them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Self

import numpy as np

# The one public form in which AST takes a mapping that `lsst.images` has no class for is its text.
from lsst.images._transforms import _ast as astshim

from ..astlock import guard_ast

__all__ = ("LookupTable", "prepend_tables", "split_lookups")

guard_ast()

CORRECTED = "CORRECTED"
"""Domain of the frame of pixel positions after all tables."""
_FAR = 1e6
"""Pixels around the nodes in which the correction of the border holds; further out is no position."""
_SPLINE = re.compile(r"Begin SplineMap\s(.*?)End SplineMap", re.DOTALL)
_NUMBER = re.compile(r"\b(KX|KY|NX|NY|TX\d+|TY\d+|CU\d+|CV\d+) = (\S+)")


class LookupTable(NamedTuple):
    """Corrections of both coordinates at the nodes of one lattice.

    Between nodes they are bilinear, beyond the lattice those of its border
    (Calabretta et al., FITS paper IV draft).

    Attributes
    ----------
    x, y
        Coordinates of columns and rows of nodes in pixels, rising.
    dx, dy
        What is added to x and to y, in pixels; shape (len(y), len(x)).
    """

    x: np.ndarray
    y: np.ndarray
    dx: np.ndarray
    dy: np.ndarray

    @classmethod
    def merge(cls, first: _Axis | None, second: _Axis | None) -> Self:
        """Return the tables of both coordinates, whose lattices may differ, on a lattice of all nodes."""
        tables = [table for table in (first, second) if table is not None]
        x, y = (np.unique(np.concatenate([table[axis] for table in tables])) for axis in (0, 1))
        lattice = np.meshgrid(x, y)
        shifts = [
            np.zeros(lattice[0].shape) if table is None else bilinear(table, *lattice)
            for table in (first, second)
        ]
        return cls(x, y, *shifts)

    def at_nodes(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Return the same corrections at other nodes, which include the old ones that lie among them."""
        dx, dy = self.shift(*np.meshgrid(x, y))
        return self._replace(x=x, y=y, dx=dx, dy=dy)

    def shift(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the corrections at positions."""
        return bilinear((self.x, self.y, self.dx), x, y), bilinear((self.x, self.y, self.dy), x, y)

    def mapping(self) -> Any:
        """Return the mapping of AST that adds the corrections: a spline of first degree is just that."""
        x, y = (np.concatenate([[n[0] - _FAR], n, [n[-1] + _FAR]]) for n in (self.x, self.y))
        dx, dy = (np.pad(shifts, 1, mode="edge") for shifts in (self.dx, self.dy))
        numbers = {"KX": 2, "KY": 2, "NX": x.size, "NY": y.size}
        knots = {
            "TX": _knots(x),
            "TY": _knots(y),
            "CU": (x + dx).ravel(),
            "CV": (y[:, np.newaxis] + dy).ravel(),
        }
        lines = ["Begin SplineMap", "Nin = 2", "IsA Mapping"]
        lines += [f"{key} = {value}" for key, value in numbers.items()]
        lines += [
            f"{key}{i} = {value!r}"
            for key, values in knots.items()
            for i, value in enumerate(values.tolist(), 1)
        ]
        lines += ["NiterInv = 20", "TolInv = 1e-10", "End SplineMap"]
        return astshim.Mapping.fromString("\n".join(lines))


type _Axis = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Coordinates of columns and of rows, and a correction of shape (rows, columns)."""


def bilinear(table: _Axis, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the correction of a table at positions."""
    columns, rows, values = table
    i, u = _cell(columns, x)
    j, v = _cell(rows, y)
    # The last node of all is the only one of its cell.
    i1, j1 = np.minimum(i + 1, columns.size - 1), np.minimum(j + 1, rows.size - 1)
    low = values[j, i] * (1.0 - u) + values[j, i1] * u
    high = values[j1, i] * (1.0 - u) + values[j1, i1] * u
    return np.asarray(low * (1.0 - v) + high * v)


def _cell(nodes: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the node before each position, and how far the position is on the way to the next one."""
    inside = np.clip(x, nodes[0], nodes[-1])
    before = np.clip(np.searchsorted(nodes, inside, side="right") - 1, 0, max(nodes.size - 2, 0))
    if nodes.size == 1:
        return before, np.zeros(before.shape)
    return before, (inside - nodes[before]) / (nodes[before + 1] - nodes[before])


def _knots(nodes: np.ndarray) -> np.ndarray:
    return np.concatenate([nodes[:1], nodes, nodes[-1:]])


def prepend_tables(frames: Any, tables: list[LookupTable]) -> None:
    """Put tables in front of frames from pixels to the sky, in place; the pixels are then those before them.

    Parameters
    ----------
    frames
        Frame set of AST whose base frame is that of the pixels.
    tables
        Tables in the order in which they are applied.
    """
    current, base = frames.current, frames.base
    frames.getFrame(base, copy=False).domain = CORRECTED
    mapping = tables[0].mapping()
    for table in tables[1:]:
        mapping = mapping.then(table.mapping())
    frames.addFrame(base, mapping.inverted(), astshim.Frame(2, "Domain=PIXEL"))
    frames.base, frames.current = frames.current, current


def split_lookups(mapping: Any) -> tuple[list[LookupTable], Any] | None:
    """Return the tables at the beginning of a mapping from pixels to the sky, and the smooth rest.

    Parameters
    ----------
    mapping
        Mapping of AST, also one that was read from an archive.

    Returns
    -------
    tables, frames
        Tables in order, and the frame set from positions after them to the sky;
        `None` for a mapping without tables.
    """
    if not isinstance(mapping, astshim.FrameSet):
        return None
    domains = [mapping.getFrame(number, copy=False).domain for number in range(1, mapping.nFrame + 1)]
    middle = domains.index(CORRECTED) + 1 if CORRECTED in domains else mapping.base
    if middle == mapping.base:
        return None
    text = mapping.getMapping(mapping.base, middle).show(False)
    tables = [_parse(block) for block in _SPLINE.findall(text)]
    rest = astshim.FrameSet.fromString(mapping.show(False))
    rest.base = middle
    return tables, rest


def _parse(text: str) -> LookupTable:
    numbers = {key: float(value) for key, value in _NUMBER.findall(text)}
    nx, ny = int(numbers["NX"]), int(numbers["NY"])
    x, y = (np.array([numbers[f"T{axis}{i}"] for i in range(3, n + 1)]) for axis, n in (("X", nx), ("Y", ny)))
    # The nodes at the far ends only carry the border outwards.
    u, v = (
        np.array([numbers[f"C{axis}{i}"] for i in range(1, nx * ny + 1)]).reshape(ny, nx)[1:-1, 1:-1]
        for axis in "UV"
    )
    return LookupTable(x, y, u - x, v - y[:, np.newaxis])
