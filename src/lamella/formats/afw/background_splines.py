"""Interpolation between the cells of a background, as afw does it through the GNU Scientific Library.

Beyond the outermost nodes a curve continues as a parabola that has its value,
slope and curvature there.
"""

from __future__ import annotations

import enum

import numpy as np
import scipy

__all__ = ("Style", "best_style", "interpolate", "interpolate_grid")


class Style(enum.IntEnum):
    """Ways to interpolate, with the numbers that afw writes."""

    CONSTANT = 0
    LINEAR = 1
    NATURAL_SPLINE = 2
    CUBIC_SPLINE = 3
    AKIMA_SPLINE = 5

    @property
    def least(self) -> int:
        """Least number of nodes."""
        return _LEAST[self]


_LEAST = {
    Style.CONSTANT: 1,
    Style.LINEAR: 2,
    Style.NATURAL_SPLINE: 3,
    Style.CUBIC_SPLINE: 3,
    Style.AKIMA_SPLINE: 5,
}


def best_style(count: int) -> Style:
    """Return the smoothest style that a number of nodes allows; at least one."""
    if count > 4:
        return Style.AKIMA_SPLINE
    return (Style.CONSTANT, Style.CONSTANT, Style.LINEAR, Style.CUBIC_SPLINE, Style.CUBIC_SPLINE)[count]


def interpolate_grid(
    values: np.ndarray, nodes: tuple[np.ndarray, np.ndarray], at: tuple[np.ndarray, np.ndarray], style: Style
) -> np.ndarray:
    """Interpolate a grid, first along y in each of its columns, then along x.

    Parameters
    ----------
    values
        Shape (y, x); those that are not finite do not count.
    nodes
        Ascending positions of the rows (y) and of the columns (x) of the grid.
    at
        Positions y and x of the result.
    style
        Way to interpolate; where too few values are finite, `best_style` of these.

    Returns
    -------
    `numpy.ndarray` of float64, shape (len(y), len(x))
        NaN all over when no value is finite.
    """
    columns = np.flatnonzero(np.isfinite(values).any(axis=0))
    if not columns.size:
        return np.full((len(at[0]), len(at[1])), np.nan)
    lines = np.empty((len(columns), len(at[0])))
    for line, column in zip(lines, values.T[columns], strict=True):
        good = np.isfinite(column)
        line[:] = interpolate(nodes[0][good], column[good], at[0], style)
    return interpolate(nodes[1][columns], lines, at[1], style).T


def interpolate(nodes: np.ndarray, values: np.ndarray, at: np.ndarray, style: Style) -> np.ndarray:
    """Interpolate one series of values or several on the same nodes.

    Parameters
    ----------
    nodes
        Ascending positions, shape (n,), at least one.
    values
        Shape (n,), or (n, series).
    at
        Positions, shape (m,).
    style
        Way to interpolate; when there are too few nodes, `best_style` of their number.

    Returns
    -------
    `numpy.ndarray` of float64, shape (m,) or (m, series)
    """
    if len(nodes) < style.least:
        style = best_style(len(nodes))
    values = np.asarray(values, dtype=np.float64)
    if style is Style.CONSTANT:
        nearest: np.ndarray = values[np.searchsorted(0.5 * (nodes[1:] + nodes[:-1]), at, side="right")]
        return nearest
    cubic = _PIECES[style](nodes, values)
    piece = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, len(nodes) - 2)
    distance = (at - nodes[piece]).reshape(-1, *(1,) * (cubic.ndim - 2))
    a, b, c, d = cubic[:, piece]
    result: np.ndarray = a + distance * (b + distance * (c + distance * d))
    # The parabolas at the ends lack the cubic term of the piece that they continue.
    before, after = at < nodes[0], at > nodes[-1]
    result[before] -= d[before] * distance[before] ** 3
    result[after] -= d[after] * (at[after] - nodes[-1]).reshape(distance[after].shape) ** 3
    return result


def _linear(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    slopes = _slopes(x, y)
    return np.stack([y[:-1], slopes, np.zeros_like(slopes), np.zeros_like(slopes)])


def _natural(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    pieces: np.ndarray = scipy.interpolate.CubicSpline(x, y, bc_type="natural").c[::-1]
    return pieces


def _akima(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the pieces of the curve of Akima (1970, JACM 17, 589)."""
    inner = _slopes(x, y)
    before = 2.0 * inner[0] - inner[1], 3.0 * inner[0] - 2.0 * inner[1]
    after = 2.0 * inner[-1] - inner[-2], 3.0 * inner[-1] - 2.0 * inner[-2]
    slope = np.stack([before[1], before[0], *inner, *after])
    # Differences of neighbouring slopes left and right of each node.
    change = np.abs(np.diff(slope, axis=0))
    left, right = change[:-2], change[2:]
    total = left + right
    flat = total == 0.0
    share = left / np.where(flat, 1.0, total)
    tangent = (1.0 - share) * slope[1:-2] + share * slope[2:-1]
    start, stop = tangent[:-1], tangent[1:]
    # Where the slopes do not change on either side, the piece to the right is straight, and
    # the one to the left arrives with its own slope.
    start, stop = np.where(flat[:-1], inner, start), np.where(flat[1:], inner, stop)
    stop = np.where(flat[:-1], inner, stop)
    width = _widths(x, y)
    second = (3.0 * inner - 2.0 * start - stop) / width
    return np.stack([y[:-1], start, second, (start + stop - 2.0 * inner) / width**2])


_PIECES = {
    Style.LINEAR: _linear,
    Style.NATURAL_SPLINE: _natural,
    Style.CUBIC_SPLINE: _natural,
    Style.AKIMA_SPLINE: _akima,
}
"""Coefficients of powers 0 to 3 of the distance from the left node, shape (4, n - 1, ...)."""


def _widths(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.diff(x).reshape(-1, *(1,) * (y.ndim - 1))


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    slopes: np.ndarray = np.diff(y, axis=0) / _widths(x, y)
    return slopes
