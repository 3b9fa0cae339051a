"""Convex polygons on the sky, whose sides are arcs of great circles."""

from __future__ import annotations

import math
from functools import cached_property

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from ..errors import GeometryError
from .vectors import SkyCircle, angular_separation, bounding_circle, to_lonlat, to_skycoord, to_vectors

__all__ = ("SkyPolygon",)

_EDGE = 1e-14
"""Radians within which a direction counts as on an edge: rounding, 2 nanoarcseconds."""

_STRAIGHT = 1e-13
"""Radians by which a corner of a hull must stand out to be kept."""


class SkyPolygon:
    """A convex polygon on the sky, with its boundary (a closed set).

    Polygons are smaller than a hemisphere.  They do not change, can be
    compared and can be keys of a dictionary.  Make one with `from_vertices` or
    `hull`.

    Parameters
    ----------
    vertices
        Unit vectors of shape (n, 3), counterclockwise as seen from outside of
        the sphere; they are not checked here.
    """

    def __init__(self, vertices: np.ndarray) -> None:
        first = np.lexsort(vertices.T[::-1])[0]
        # One way to write each polygon, so that equal ones compare equal.
        self._vertices = np.roll(np.ascontiguousarray(vertices, dtype=np.float64), -first, axis=0)
        self._vertices.flags.writeable = False

    @classmethod
    def from_vertices(cls, coords: SkyCoord | np.ndarray) -> SkyPolygon:
        """Make a polygon from its vertices, in order along the boundary (either way round).

        Parameters
        ----------
        coords
            Sky coordinates, or vectors of shape (n, 3).

        Raises
        ------
        GeometryError
            Raised when there are fewer than three vertices, when they are not
            finite, or when the polygon has no area, is not convex, or is not
            smaller than a hemisphere.
        """
        vertices = _checked(coords)
        polygon = cls.hull(vertices)
        # Those of the vertices that the hull does not have must lie on its boundary.
        depth = (vertices @ polygon._normals.T).min(axis=1)
        # And they must go once round it, either way.
        axis = np.array(polygon.bounding_circle.axis)
        plane = _gnomonic(vertices, axis) - _gnomonic(polygon.vertices, axis).mean(axis=0)
        steps = np.diff(np.arctan2(plane[:, 1], plane[:, 0]), append=np.arctan2(*plane[0, ::-1]))
        steps = (steps + np.pi) % (2.0 * np.pi) - np.pi
        one_way = np.all(steps >= 0.0) or np.all(steps <= 0.0)
        if np.any(depth > 1e-12) or not (one_way and abs(steps.sum()) < 3.0 * np.pi):
            raise GeometryError("The vertices are not those of a convex polygon, in order.")
        return polygon

    @classmethod
    def hull(cls, coords: SkyCoord | np.ndarray) -> SkyPolygon:
        """Make the smallest convex polygon that contains some directions.

        The result does not depend on the order of the directions.

        Parameters
        ----------
        coords
            Sky coordinates, or vectors of shape (n, 3).

        Raises
        ------
        GeometryError
            Raised when the directions are fewer than three, not finite, on one
            great circle, or do not fit into an open hemisphere.
        """
        vectors = np.unique(_checked(coords), axis=0)
        # The axis of an open hemisphere that holds all of them.  The mean direction nearly always serves.
        # Where it does not, the point of the convex hull that is nearest to the origin does, if anything.
        axis = _unit(vectors.mean(axis=0))
        if not (vectors @ axis).min() > 0.1:
            from scipy.optimize import nnls

            # Non-negative weights of sum 1 (a row of large weight) that bring the sum of the vectors closest
            # to 0.
            heavy = 1e3
            system = np.vstack([vectors.T, np.full(len(vectors), heavy)])
            weights, _ = nnls(system, np.array([0.0, 0.0, 0.0, heavy]))
            axis = _unit(vectors.T @ weights)
            if (vectors @ axis).min() < 1e-6:
                raise GeometryError("The directions do not fit into an open hemisphere.")
        points = _gnomonic(vectors, axis)
        order = np.lexsort((points[:, 1], points[:, 0])).tolist()
        flat = points.tolist()
        corners = _chain(flat, order, 0.0)[:-1] + _chain(flat, order[::-1], 0.0)[:-1]
        # Only now, in their order along the hull: of points on a side, one beyond the others could be taken
        # for one between them. The farthest one stays for sure.
        first = int(np.argmax(np.hypot(*points[corners].T))) if corners else 0
        outline = np.array(_chain(flat, corners[first:] + corners[: first + 1], _STRAIGHT)[:-1])
        if len(outline) < 3:
            raise GeometryError("The directions lie on one great circle; a polygon needs an area.")
        return cls(vectors[outline])

    @property
    def vertices(self) -> np.ndarray:
        """Unit vectors of the vertices, of shape (n, 3), counterclockwise from outside; read-only."""
        return self._vertices

    @property
    def coords(self) -> SkyCoord:
        """The vertices as ICRS coordinates."""
        return to_skycoord(self._vertices)

    @cached_property
    def _normals(self) -> np.ndarray:
        """Unit vectors, to the inside, of the planes of the edges; edge i runs from vertex i to i + 1."""
        return _normals(self._vertices, np.roll(self._vertices, -1, axis=0))

    @cached_property
    def center(self) -> SkyCoord:
        """Centre of the bounding circle, in ICRS."""
        return self.bounding_circle.center

    @cached_property
    def bounding_circle(self) -> SkyCircle:
        """The smallest circle that contains the polygon."""
        return bounding_circle(self._vertices)

    @cached_property
    def outer_circle(self) -> SkyCircle:
        """A circle that contains the polygon: hardly larger than the smallest, and found much faster."""
        axis = _unit(self._vertices.mean(axis=0))
        angle = float(angular_separation(self._vertices, axis).max())
        # A circle beyond a hemisphere need not contain the sides between vertices that it contains.
        return SkyCircle(tuple(axis.tolist()), angle) if angle < 0.5 * np.pi else self.bounding_circle

    @cached_property
    def area(self) -> u.Quantity:
        """Area in square degrees.

        Notes
        -----
        Sum of the solid angles of the triangles from the first vertex, by
        van Oosterom & Strackee (1983), which keeps its accuracy for tiny ones.
        """
        a, b, c = self._vertices[0], self._vertices[1:-1], self._vertices[2:]
        volume = np.einsum("j,ij->i", a, np.cross(b - a, c - a))
        side = 1.0 + b @ a + np.einsum("ij,ij->i", b, c) + c @ a
        return (2.0 * np.arctan2(volume, side).sum() * u.sr).to(u.deg**2)

    def contains(self, coords: SkyCoord | np.ndarray) -> np.ndarray:
        """Return which directions lie inside or on the boundary.

        Parameters
        ----------
        coords
            Sky coordinates of any shape, or vectors of shape (..., 3); one that is not finite is outside.

        Returns
        -------
        numpy.ndarray
            Booleans of the shape of the coordinates.
        """
        return np.asarray(np.all(to_vectors(coords) @ self._normals.T >= -_EDGE, axis=-1))

    def overlaps(self, other: SkyPolygon) -> bool:
        """Return whether the two polygons have a point in common.

        Touching counts, and so does one polygon inside of the other.
        """
        near = self.outer_circle, other.outer_circle
        separation = angular_separation(np.array(near[0].axis), np.array(near[1].axis))
        if separation > near[0].angle + near[1].angle + _EDGE:
            return False
        if self.contains(other._vertices).any() or other.contains(self._vertices).any():
            return True
        # Else an edge of one polygon properly crosses an edge of the other.
        a, c = self.vertices, other.vertices
        start, end = a @ other._normals.T, np.roll(a, -1, axis=0) @ other._normals.T
        other_start, other_end = self._normals @ c.T, self._normals @ np.roll(c, -1, axis=0).T
        # Each arc goes from one side of the other's plane to the other side; and in the opposite
        # sense, for else they cross the line of both planes at opposite points of the sphere.
        forward = (start < 0) & (end > 0) & (other_start > 0) & (other_end < 0)
        backward = (start > 0) & (end < 0) & (other_start < 0) & (other_end > 0)
        return bool(np.any(forward | backward))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkyPolygon):
            return NotImplemented
        return np.array_equal(self._vertices, other._vertices)

    def __hash__(self) -> int:
        return hash(self._vertices.tobytes())

    def __reduce__(self) -> tuple[type[SkyPolygon], tuple[np.ndarray]]:
        return SkyPolygon, (np.array(self._vertices),)

    def __repr__(self) -> str:
        lon, lat = np.degrees(to_lonlat(self._vertices))
        corners = ", ".join(f"({ra:.6f}, {dec:+.6f})" for ra, dec in zip(lon, lat, strict=True))
        return f"SkyPolygon({corners})"


def _checked(coords: SkyCoord | np.ndarray) -> np.ndarray:
    vectors = to_vectors(coords).reshape(-1, 3)
    if len(vectors) < 3:
        raise GeometryError(f"A polygon needs at least 3 directions; found {len(vectors)}.")
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise GeometryError(f"{bad.sum()} of {len(vectors)} directions are not finite.")
    return vectors


def _normals(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the unit normals of great circle arcs, to the left of the way."""
    # The product of sum and difference is twice that of the vectors, without its cancellation.
    normals = np.cross(starts + ends, ends - starts)
    return np.asarray(normals / np.linalg.norm(normals, axis=-1, keepdims=True))


def _unit(vector: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 0.0 else vector


def _gnomonic(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Project directions to the plane that touches the sphere at an axis: great circles become lines."""
    across = _unit(np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))]))
    up = np.cross(axis, across)
    plane = np.stack([vectors @ across, vectors @ up], axis=-1)
    return np.asarray(plane / (vectors @ axis)[:, None])


def _chain(points: list[list[float]], order: list[int], least: float) -> list[int]:
    """Return one side of a convex hull (the monotone chain of Andrew 1979)."""
    chain: list[int] = []
    for i in order:
        while len(chain) > 1:
            a, b, c = points[chain[-2]], points[chain[-1]], points[i]
            ux, uy, wx, wy = b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]
            # A corner lies to the right of the line between its neighbours, by more than a distance.
            if ux * wy - uy * wx > least * math.hypot(wx, wy):
                break
            chain.pop()
        chain.append(i)
    return chain
