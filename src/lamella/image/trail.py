"""Lines in an image, and the pixels near them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

__all__ = ("Band", "Line", "gather_band", "trail_pixels")


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A directed line: a point of it, and its direction (unit vector), in pixels."""

    x: float
    y: float
    dx: float
    dy: float

    @classmethod
    def through(cls, x0: float, y0: float, x1: float, y1: float) -> Line:
        """Return the line from one point to another; its point lies halfway."""
        length = math.hypot(x1 - x0, y1 - y0)
        return cls(0.5 * (x0 + x1), 0.5 * (y0 + y1), (x1 - x0) / length, (y1 - y0) / length)

    def moved(self, along: float, across: float, slope: float) -> Line:
        """Return the line with a new point, shifted to its left and turned by the slope about that point."""
        norm = math.hypot(1.0, slope)
        return Line(
            self.x + along * self.dx - across * self.dy,
            self.y + along * self.dy + across * self.dx,
            (self.dx - slope * self.dy) / norm,
            (self.dy + slope * self.dx) / norm,
        )

    def at(self, along: float) -> tuple[float, float]:
        """Return a point (x, y) at a distance from the line's own."""
        return self.x + along * self.dx, self.y + along * self.dy

    def chord(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Return between which distances from its point the line is within an image."""
        low, high = -math.inf, math.inf
        for place, step, size in ((self.x, self.dx, shape[1]), (self.y, self.dy, shape[0])):
            if step == 0.0:
                continue
            ends = sorted(((-0.5 - place) / step, (size - 0.5 - place) / step))
            low, high = max(low, ends[0]), min(high, ends[1])
        return low, high


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """The usable pixels near a line: arrays of shape (pixel,).

    ``along`` and ``across`` are coordinates relative to the line, ``value`` is
    the image, and ``weight`` one over the variance.
    """

    along: np.ndarray
    across: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    def select(self, chosen: np.ndarray) -> Band:
        """Return some of the pixels."""
        return Band(self.along[chosen], self.across[chosen], self.value[chosen], self.weight[chosen])


def trail_pixels(
    line: Line, span: tuple[float, float], half_width: float, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the pixels near a part of a line."""
    ends = np.array([line.at(span[0]), line.at(span[1])])
    steep = abs(line.dy) >= abs(line.dx)
    # Walk along the axis in which the line is longer, and take a run across it at every step.
    major, minor = (1, 0) if steep else (0, 1)
    direction = (line.dx, line.dy)
    reach = half_width * max(abs(line.dx), abs(line.dy)) + 1.0
    first = max(0, math.floor(ends[:, major].min() - reach))
    last = min(shape[0] if steep else shape[1], math.ceil(ends[:, major].max() + reach) + 1)
    steps = np.arange(first, last)
    centre = (line.x, line.y)[minor] + (steps - (line.x, line.y)[major]) * direction[minor] / direction[major]
    wide = math.ceil(half_width / abs(direction[major])) + 1
    other = np.rint(centre).astype(np.int64)[:, None] + np.arange(-wide, wide + 1)
    size = shape[1] if steep else shape[0]
    mine = np.broadcast_to(steps[:, None], other.shape)
    inside = (other >= 0) & (other < size)
    rows, columns = (mine, other) if steep else (other, mine)
    rows, columns = rows[inside], columns[inside]
    along, across = _coordinates(line, rows, columns)
    near = (np.abs(across) <= half_width) & (along >= span[0]) & (along <= span[1])
    return rows[near], columns[near]


def _coordinates(line: Line, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    dx, dy = columns - line.x, rows - line.y
    return dx * line.dx + dy * line.dy, dy * line.dx - dx * line.dy


def gather_band(
    image: np.ndarray,
    variance: np.ndarray,
    bad: np.ndarray,
    line: Line,
    span: tuple[float, float],
    half_width: float,
) -> Band:
    """Return the usable pixels near a part of a line."""
    rows, columns = trail_pixels(line, span, half_width, image.shape)
    value, noise = image[rows, columns].astype(np.float64), variance[rows, columns].astype(np.float64)
    usable = np.isfinite(value) & np.isfinite(noise) & (noise > 0) & ~bad[rows, columns]
    rows, columns = rows[usable], columns[usable]
    along, across = _coordinates(line, rows, columns)
    return Band(along, across, value[usable], 1.0 / noise[usable])
