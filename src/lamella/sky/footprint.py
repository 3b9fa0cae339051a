"""Regions of the sky that pixels cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from lsst.images import Box, Polygon, SkyProjection

from .geometry import SkyPolygon
from .vectors import from_lonlat

__all__ = (
    "Footprint",
    "box_polygon",
    "corner_vectors",
    "footprint_polygon",
    "mean_pixel_area",
    "pixel_scale",
    "to_pixels",
    "to_sky",
)

_BAD = 1e100
"""Pixel coordinates beyond this are the mark of AST for a position that cannot be projected."""


class Footprint(Protocol):
    """Anything that covers pixels: an exposure, or a record of one."""

    @property
    def bbox(self) -> Box:
        """Box of the pixels."""
        ...

    @property
    def projection(self) -> SkyProjection[Any]:
        """Pixels to ICRS."""
        ...

    @property
    def polygon(self) -> Polygon | None:
        """Valid region in pixels; `None` means all of ``bbox``."""
        ...


def to_sky(projection: SkyProjection[Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the directions of pixel positions.

    Parameters
    ----------
    projection
        Pixels to ICRS.
    x, y
        Positions in pixels, of any one shape.

    Returns
    -------
    numpy.ndarray
        Unit vectors, of shape (..., 3); NaN where the projection ends.
    """
    sky = projection.pixel_to_sky_transform.apply_forward(x=np.asarray(x, float), y=np.asarray(y, float))
    # The mark of AST has been wrapped like an angle by now: to a declination beyond the pole.
    good = np.abs(sky.y) <= 0.5 * np.pi + 1e-9
    return from_lonlat(np.where(good, sky.x, np.nan), np.where(good, sky.y, np.nan))


def to_pixels(projection: SkyProjection[Any], sky: SkyCoord) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel positions x and y of sky coordinates; NaN where the projection ends."""
    icrs = sky.icrs
    lon, lat = np.asarray(icrs.ra.to_value(u.rad)), np.asarray(icrs.dec.to_value(u.rad))
    pixels = projection.pixel_to_sky_transform.apply_inverse(x=lon, y=lat)
    good = (np.abs(pixels.x) < _BAD) & (np.abs(pixels.y) < _BAD)
    return np.where(good, pixels.x, np.nan), np.where(good, pixels.y, np.nan)


def corner_vectors(projection: SkyProjection[Any], box: Box, *, per_side: int = 1) -> np.ndarray:
    """Return directions along the outer border of a box of pixels.

    Parameters
    ----------
    projection
        Pixels to ICRS.
    box
        The box; its border is half a pixel beyond the centres of its outermost pixels.
    per_side
        Number of points on each side, counting one corner; 1 gives the four corners.

    Returns
    -------
    numpy.ndarray
        Unit vectors of shape (4 * per_side, 3).
    """
    x0, x1 = box.x.start - 0.5, box.x.stop - 0.5
    y0, y1 = box.y.start - 0.5, box.y.stop - 0.5
    return to_sky(projection, *_border([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], per_side))


def box_polygon(projection: SkyProjection[Any], box: Box, *, per_side: int = 8) -> SkyPolygon:
    """Return the smallest convex polygon on the sky that contains a box of pixels.

    Points between the corners count as well, so that sides that the
    projection bends outwards are not cut off.

    Raises
    ------
    GeometryError
        Raised when a point of the border is not on the sky, or when the box is not smaller than a hemisphere.
    """
    return SkyPolygon.hull(corner_vectors(projection, box, per_side=per_side))


def footprint_polygon(footprint: Footprint, *, per_side: int = 8) -> SkyPolygon:
    """Return the smallest convex polygon on the sky that contains the valid pixels.

    Parameters
    ----------
    footprint
        Box, projection and valid region.  A valid region that is not convex is replaced by its hull.
    per_side
        Number of points on each side, as for `corner_vectors`.

    Raises
    ------
    GeometryError
        Raised when a point of the border is not on the sky, or when the region has no area.
    """
    valid = footprint.polygon
    if valid is None:
        return box_polygon(footprint.projection, footprint.bbox, per_side=per_side)
    points = np.stack([valid.x_vertices, valid.y_vertices], axis=-1)
    return SkyPolygon.hull(to_sky(footprint.projection, *_border(points, per_side)))


def mean_pixel_area(projection: SkyProjection[Any], box: Box) -> float:
    """Return the mean area of the pixels of a box, in square arcseconds.

    It is the mean over nine positions, those that are on the sky; NaN where none is.
    """
    at = np.array([1.0, 3.0, 5.0]) / 6.0 - 0.5
    x, y = (
        nodes.ravel() for nodes in np.meshgrid(box.x.center + at * box.x.size, box.y.center + at * box.y.size)
    )
    steps = to_sky(
        projection,
        x + np.array([-1.0, 1.0, 0.0, 0.0])[:, np.newaxis],
        y + np.array([0.0, 0.0, -1.0, 1.0])[:, np.newaxis],
    )
    areas = np.linalg.norm(np.cross(steps[1] - steps[0], steps[3] - steps[2]), axis=-1) / 4.0
    areas = areas[np.isfinite(areas)]
    return float(np.degrees(np.degrees(areas.mean())) * 3600.0**2) if areas.size else float("nan")


def pixel_scale(projection: SkyProjection[Any], box: Box) -> float:
    """Return the square root of the area of a pixel in the middle of a box, in arcseconds."""
    x, y = box.x.center, box.y.center
    steps = to_sky(projection, x + np.array([-1.0, 1.0, 0.0, 0.0]), y + np.array([0.0, 0.0, -1.0, 1.0]))
    area = np.linalg.norm(np.cross(steps[1] - steps[0], steps[3] - steps[2])) / 4.0
    return float(np.degrees(np.sqrt(area)) * 3600.0)


def _border(corners: Sequence[tuple[float, float]] | np.ndarray, per_side: int) -> tuple[Any, Any]:
    """Return x and y of points on the sides of a closed polygon."""
    starts = np.asarray(corners, dtype=np.float64)
    steps = np.arange(per_side)[None, :, None] / per_side
    points = starts[:, None] + steps * (np.roll(starts, -1, axis=0) - starts)[:, None]
    return points[..., 0].ravel(), points[..., 1].ravel()
