"""Polygons in an archive: the valid regions of exposures."""

from __future__ import annotations

import numpy as np
from lsst.images import Polygon

from .afw_archive import Archive, ObjectRecord
from .persistables import persistable

__all__ = ()


@persistable("Polygon")
def build_polygon(record: ObjectRecord, archive: Archive) -> Polygon:
    """Return a polygon from one row per vertex, of which the last may repeat the first."""
    rows = record.rows()
    x, y = (np.asarray(rows.column(f"vertices_{axis}"), dtype=np.float64) for axis in "xy")
    if len(x) > 1 and (x[0], y[0]) == (x[-1], y[-1]):
        x, y = x[:-1], y[:-1]
    if len(x) < 3 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        record.fail(found=f"{len(x)} corners", expected="three finite corners or more")
    polygon = Polygon(x_vertices=x, y_vertices=y)
    if not (polygon.to_shapely().is_valid and polygon.area > 0):
        record.fail(found="a polygon that crosses itself", expected="one that does not")
    return polygon
