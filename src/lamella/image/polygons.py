"""Which pixels lie in a polygon."""

from __future__ import annotations

import numpy as np
from lsst.images import Box, Polygon

__all__ = ("inside_polygon",)


def inside_polygon(polygon: Polygon, box: Box) -> np.ndarray:
    """Return which pixel centres of a box lie in a polygon, by the crossings of each row.

    A centre on the left or lower border counts as inside, on the right or
    upper border as outside.
    """
    x0, y0 = np.asarray(polygon.x_vertices), np.asarray(polygon.y_vertices)
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    crossings = np.zeros((box.y.size, box.x.size + 1), np.int8)
    rows = np.arange(box.y.start, box.y.stop)[:, np.newaxis]
    row, edge = np.nonzero((rows >= np.minimum(y0, y1)) & (rows < np.maximum(y0, y1)))
    x = x0[edge] + (rows[row, 0] - y0[edge]) / (y1[edge] - y0[edge]) * (x1[edge] - x0[edge])
    column = np.clip(np.ceil(x) - box.x.start, 0, box.x.size).astype(np.int64)
    np.add.at(crossings, (row, column), 1)
    # Sums may wrap around; whether they are odd does not change.
    np.cumsum(crossings[:, :-1], axis=1, dtype=np.int8, out=crossings[:, :-1])
    inside: np.ndarray = crossings[:, :-1] & 1 != 0
    return inside
