"""Small steps on the sphere, exact anywhere, the poles included."""

from __future__ import annotations

import numpy as np

__all__ = ("convergence", "offset_sky", "separation")

_ARCSEC = np.pi / (180.0 * 3600.0)


def _vectors(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unit vectors to positions, and those to the east and to the north there; last axis xyz."""
    a, d = np.radians(ra), np.radians(dec)
    position = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)
    east = np.stack([-np.sin(a), np.cos(a), 0 * a], axis=-1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
    return position, east, north


def offset_sky(
    ra: np.ndarray | float, dec: np.ndarray | float, east: np.ndarray | float, north: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions at offsets in the tangent plane (the inverse gnomonic projection).

    Parameters
    ----------
    ra, dec
        Where the tangent plane touches, degrees.
    east, north
        Offsets in the tangent plane, arcseconds.

    Returns
    -------
    ra, dec
        Positions in degrees; right ascension within [0, 360).
    """
    ra, dec, east, north = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (ra, dec, east, north)))
    p, e, n = _vectors(ra, dec)
    moved = p + (east * _ARCSEC)[..., None] * e + (north * _ARCSEC)[..., None] * n
    x, y, z = np.moveaxis(moved, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def separation(
    ra1: np.ndarray | float, dec1: np.ndarray | float, ra2: np.ndarray | float, dec2: np.ndarray | float
) -> np.ndarray:
    """Return the angle between positions (degrees), in arcseconds."""
    first, _, _ = _vectors(*np.broadcast_arrays(np.asarray(ra1, dtype=float), np.asarray(dec1, dtype=float)))
    other, _, _ = _vectors(*np.broadcast_arrays(np.asarray(ra2, dtype=float), np.asarray(dec2, dtype=float)))
    # The chord keeps its accuracy at small angles, which the cosine loses.
    chord = np.linalg.norm(first - other, axis=-1)
    angle: np.ndarray = 2.0 * np.arcsin(np.minimum(chord / 2.0, 1.0)) / _ARCSEC
    return angle


def convergence(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return by how much the position angle of a great circle grows from one position to another.

    Parameters
    ----------
    ra1, dec1, ra2, dec2
        The positions, degrees.

    Returns
    -------
    `float`
        Degrees: the angle between the directions to north (Napier's analogy).
    """
    step = np.radians((ra2 - ra1 + 180.0) % 360.0 - 180.0) / 2.0
    above, apart = np.radians((dec1 + dec2) / 2.0), np.radians((dec2 - dec1) / 2.0)
    return float(np.degrees(2.0 * np.arctan2(np.sin(step) * np.sin(above), np.cos(step) * np.cos(apart))))
