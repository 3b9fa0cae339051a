"""Positions of all pixels of a box, through lookup tables that are bilinear between their nodes."""

from __future__ import annotations

import numpy as np

from .._jit import jit

__all__ = ("spread_nodes", "undo_lookup")

_CLOSED = 1e-6
"""Last step in pixels; tables change slowly, so that the position is a hundred times nearer."""
_ITERATIONS = 100

# Coordinates of columns and rows of nodes, and corrections in x and in y of shape (rows, columns).
type Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@jit
def spread_nodes(nodes: np.ndarray, spacing: int, start: tuple[int, int], out: np.ndarray) -> np.ndarray:
    """Fill an array with values between nodes, bilinearly.

    Parameters
    ----------
    nodes
        float64 of shape (rows, columns): one node per ``spacing`` pixels.
    spacing
        Distance of nodes in pixels.
    start
        Rows and columns from the first node to the first pixel, less than ``spacing``.
    out
        float64 of shape (y, x), which is returned.
    """
    for y in range(out.shape[0]):
        j, v = (y + start[0]) // spacing, ((y + start[0]) % spacing) / spacing
        for x in range(out.shape[1]):
            i, u = (x + start[1]) // spacing, ((x + start[1]) % spacing) / spacing
            low = nodes[j, i] * (1.0 - u) + nodes[j, i + 1] * u
            high = nodes[j + 1, i] * (1.0 - u) + nodes[j + 1, i + 1] * u
            out[y, x] = low * (1.0 - v) + high * v
    return out


@jit
def undo_lookup(x: np.ndarray, y: np.ndarray, table: Table) -> None:
    """Take the corrections of a table off corrected positions, in place.

    A position is found by repeating ``p = q - d(p)``, with the corrected one q
    and the table d; where that does not settle it is NaN.

    Parameters
    ----------
    x, y
        Corrected positions, float64 of one shape (y, x), pixels; NaN stays NaN.
    table
        The table; the correction beyond its nodes is that of the border.
    """
    columns, rows, dx, dy = table
    for row in range(x.shape[0]):
        i = j = 0
        for column in range(x.shape[1]):
            goal_x, goal_y = x[row, column], y[row, column]
            at_x, at_y, step = goal_x, goal_y, np.inf
            for _ in range(_ITERATIONS):
                i, u = _cell(columns, at_x, i)
                j, v = _cell(rows, at_y, j)
                new_x, new_y = goal_x - _between(dx, i, j, u, v), goal_y - _between(dy, i, j, u, v)
                step = max(abs(new_x - at_x), abs(new_y - at_y))
                at_x, at_y = new_x, new_y
                # Written so that NaN ends it.
                if not step > _CLOSED:
                    break
            settled = step <= _CLOSED
            x[row, column] = at_x if settled else np.nan
            y[row, column] = at_y if settled else np.nan


@jit
def _cell(nodes: np.ndarray, position: float, guess: int) -> tuple[int, float]:
    """Return the node before a position, beginning the search at a guess, and the way to the next one."""
    last = nodes.size - 1
    if last == 0 or position <= nodes[0]:
        return 0, 0.0
    if position >= nodes[last]:
        return last - 1, 1.0
    i = min(guess, last - 1)
    while nodes[i] > position:
        i -= 1
    while i < last - 1 and nodes[i + 1] <= position:
        i += 1
    return i, (position - nodes[i]) / (nodes[i + 1] - nodes[i])


@jit
def _between(values: np.ndarray, i: int, j: int, u: float, v: float) -> float:
    i1, j1 = min(i + 1, values.shape[1] - 1), min(j + 1, values.shape[0] - 1)
    low = values[j, i] * (1.0 - u) + values[j, i1] * u
    high = values[j1, i] * (1.0 - u) + values[j1, i1] * u
    return float(low * (1.0 - v) + high * v)
