"""Directions on the sky as unit vectors, and circles around them.

Everything on the sphere is computed with unit vectors, arrays of shape
(..., 3) along x (right ascension 0), y (right ascension 90 degrees) and z (the
north pole).  The poles and the meridian of right ascension 0 are then
directions like all others.
"""

from __future__ import annotations

import dataclasses
import itertools

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord

from ..errors import GeometryError

__all__ = (
    "SkyCircle",
    "angular_separation",
    "bounding_circle",
    "from_lonlat",
    "offset_by",
    "to_lonlat",
    "to_skycoord",
    "to_vectors",
)

_SLACK = 1e-14


def from_lonlat(lon: np.ndarray | float, lat: np.ndarray | float) -> np.ndarray:
    """Return unit vectors for longitudes and latitudes.

    Parameters
    ----------
    lon, lat
        Right ascension and declination in radians, of any one shape.

    Returns
    -------
    numpy.ndarray
        Unit vectors, of shape (..., 3).
    """
    lon, lat = np.broadcast_arrays(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    cos_lat = np.cos(lat)
    return np.stack([cos_lat * np.cos(lon), cos_lat * np.sin(lon), np.sin(lat)], axis=-1)


def to_lonlat(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return right ascension [0, 2 pi) and declination in radians of unit vectors of shape (..., 3)."""
    x, y, z = np.moveaxis(np.asarray(vectors, dtype=np.float64), -1, 0)
    lon = np.arctan2(y, x) % (2.0 * np.pi)
    # The remainder of a tiny negative angle rounds to the full circle.
    lon = np.where(lon >= 2.0 * np.pi, 0.0, lon)
    return lon, np.arctan2(z, np.hypot(x, y))


def to_vectors(coords: SkyCoord | np.ndarray) -> np.ndarray:
    """Return unit vectors of shape (..., 3) for sky coordinates in any frame.

    Arrays are taken as vectors already and are normalised.

    Raises
    ------
    GeometryError
        Raised when an array does not end in an axis of length 3 or holds a null vector.
    """
    if isinstance(coords, SkyCoord):
        icrs = coords.icrs
        return from_lonlat(icrs.ra.to_value(u.rad), icrs.dec.to_value(u.rad))
    vectors = np.asarray(coords, dtype=np.float64)
    if vectors.ndim == 0 or vectors.shape[-1] != 3:
        raise GeometryError(f"Vectors have shape {vectors.shape}; expected (..., 3).", found=vectors.shape)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if np.any(norms == 0.0):
        raise GeometryError("A vector of length 0 is not a direction.")
    return np.asarray(vectors / norms)


def to_skycoord(vectors: np.ndarray) -> SkyCoord:
    """Return ICRS coordinates of unit vectors of shape (..., 3)."""
    lon, lat = to_lonlat(vectors)
    return SkyCoord(ra=lon * u.rad, dec=lat * u.rad, frame="icrs")


def angular_separation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angles in radians between unit vectors of shape (..., 3), accurate at all angles."""
    # Kahan: accurate near 0 and near pi, unlike the inverse cosine.
    chord, sum_of_both = np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)
    return np.asarray(2.0 * np.arctan2(chord, sum_of_both))


def offset_by(
    lon: float, lat: float, position_angle: np.ndarray | float, distance: np.ndarray | float
) -> np.ndarray:
    """Return the directions at some angles and distances from a point.

    Parameters
    ----------
    lon, lat
        The point, in radians.  At a pole the longitude says where position angle 0 points.
    position_angle
        From north through east, in radians.
    distance
        Along the great circle, in radians.

    Returns
    -------
    numpy.ndarray
        Unit vectors, of shape (..., 3).
    """
    angle, distance = np.broadcast_arrays(np.asarray(position_angle), np.asarray(distance))
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    toward = np.cos(angle)[..., None] * north + np.sin(angle)[..., None] * east
    along = np.cos(distance)[..., None] * from_lonlat(lon, lat)
    return np.asarray(along + np.sin(distance)[..., None] * toward)


@dataclasses.dataclass(frozen=True)
class SkyCircle:
    """A circle on the sky, with its inside.

    Attributes
    ----------
    axis
        Unit vector of the centre.
    angle
        Opening angle (the radius) in radians.
    """

    axis: tuple[float, float, float]
    angle: float

    @property
    def center(self) -> SkyCoord:
        """The centre, in ICRS."""
        return to_skycoord(np.array(self.axis))

    @property
    def radius(self) -> Angle:
        """The radius."""
        return Angle(self.angle, u.rad).to(u.deg)

    def contains(self, coords: SkyCoord | np.ndarray) -> np.ndarray:
        """Return which directions lie inside or on the circle."""
        separation = angular_separation(to_vectors(coords), np.array(self.axis))
        return np.asarray(separation <= self.angle * (1.0 + 1e-12) + _SLACK)


def bounding_circle(vectors: np.ndarray) -> SkyCircle:
    """Return the smallest circle that contains some directions.

    Parameters
    ----------
    vectors
        Unit vectors of shape (n, 3) that fit into an open hemisphere.

    Notes
    -----
    The smallest circle is fixed by two or three of the points; they are found
    by adding one point after the other (Welzl 1991).  It is unique, so that
    the order of the points matters only to rounding.
    """
    circle = _circle_of(vectors[:1])
    for i in range(1, len(vectors)):
        if not _inside(circle, vectors[i]):
            circle = _circle_with(vectors[:i], vectors[i : i + 1])
    return circle


def _circle_with(vectors: np.ndarray, rim: np.ndarray) -> SkyCircle:
    """Return the smallest circle that contains some directions and has others on its rim."""
    circle = _circle_of(rim)
    for i, vector in enumerate(vectors):
        if not _inside(circle, vector):
            on_rim = np.vstack([rim, vector])
            circle = _circle_of(on_rim) if len(on_rim) == 3 else _circle_with(vectors[:i], on_rim)
    return circle


def _circle_of(rim: np.ndarray) -> SkyCircle:
    """Return the smallest circle through one, two or three directions."""
    axis = rim.mean(axis=0)
    if len(rim) == 3:
        # The centre of the circle through three points in space, from differences, which keep their digits
        # however close the points are.
        a, d, e = rim[0], rim[1] - rim[0], rim[2] - rim[0]
        normal = np.cross(d, e)
        square = float(normal @ normal)
        # Without one, two of them are the same.
        offset = (d @ d) * np.cross(e, normal) + (e @ e) * np.cross(normal, d)
        axis = np.asarray(a + offset / (2.0 * square)) if square != 0.0 else np.full(3, np.nan)
    norm = np.linalg.norm(axis)
    if not norm > 1e-9:
        # Two of three points are the same, or all are on one great circle: the farthest pair decides.
        pairs = [np.array(pair) for pair in itertools.combinations(rim, 2)]
        return max((_circle_of(pair) for pair in pairs), key=lambda circle: circle.angle)
    axis = axis / norm
    return SkyCircle(tuple(axis.tolist()), float(angular_separation(rim, axis).max()))


def _inside(circle: SkyCircle, vector: np.ndarray) -> bool:
    return float(angular_separation(vector, np.array(circle.axis))) <= circle.angle * (1.0 + 1e-12) + _SLACK
