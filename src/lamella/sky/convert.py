"""Positions of the pixels of one projection in those of another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lsst.images import ICRS, SkyProjection

__all__ = ("convert_positions",)

_OUTSIDE = -np.finfo(np.float64).max
"""What AST returns for a position that does not exist."""
# The projection brings angles into their standard range, this value too.
_OUTSIDE_SKY = (ICRS.standardize_x(_OUTSIDE), ICRS.standardize_y(_OUTSIDE))
_CLOSED = 4e-15
"""Angle in radians below which two directions are the same: some roundings."""
_CONVERGED = 1e-9
"""Step in pixels after which a position found by iteration is taken as found."""
_ITERATIONS = 8

type _Points = tuple[np.ndarray, np.ndarray]


def convert_positions(
    start: SkyProjection[Any], end: SkyProjection[Any], x: npt.ArrayLike, y: npt.ArrayLike
) -> _Points:
    """Return positions of one projection in the pixels of another, exact to 1e-9 pixels or so.

    Parameters
    ----------
    start, end
        The projections.
    x, y
        Positions in the pixels of ``start``; they are broadcast.

    Returns
    -------
    x, y : `numpy.ndarray`
        Positions in the pixels of ``end``; NaN where there is none.
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    if not x.size:
        return x.copy(), y.copy()
    shape = x.shape
    lon, lat = _to_sky(start, x.ravel(), y.ravel())
    there_x, there_y = _to_pixels(end, lon, lat)
    there_x, there_y = _polish(end, _vector(lon, lat), there_x, there_y)
    return there_x.reshape(shape), there_y.reshape(shape)


def _to_sky(projection: SkyProjection[Any], x: np.ndarray, y: np.ndarray) -> _Points:
    """Return longitude and latitude in radians, NaN where there is no such position."""
    valid = np.isfinite(x) & np.isfinite(y)
    lon, lat = projection.pixel_to_sky_transform.apply_forward(
        x=np.where(valid, x, 0.0), y=np.where(valid, y, 0.0)
    )
    valid &= ~((lon == _OUTSIDE_SKY[0]) & (lat == _OUTSIDE_SKY[1]))
    return np.where(valid, lon, np.nan), np.where(valid, lat, np.nan)


def _to_pixels(projection: SkyProjection[Any], lon: np.ndarray, lat: np.ndarray) -> _Points:
    """Return pixel positions, NaN where there is none."""
    valid = np.isfinite(lon)
    x, y = projection.pixel_to_sky_transform.apply_inverse(
        x=np.where(valid, lon, 0.0), y=np.where(valid, lat, 0.0)
    )
    valid &= (x != _OUTSIDE) & (y != _OUTSIDE) & np.isfinite(x) & np.isfinite(y)
    return np.where(valid, x, np.nan), np.where(valid, y, np.nan)


def _vector(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    cos_lat = np.cos(lat)
    return np.stack([cos_lat * np.cos(lon), cos_lat * np.sin(lon), np.sin(lat)])


def _polish(projection: SkyProjection[Any], target: np.ndarray, x: np.ndarray, y: np.ndarray) -> _Points:
    """Bring pixel positions to the directions ``target`` (3, n) by Newton's method.

    Inverses of distorted projections are approximate (the polynomials that
    headers give are wrong by up to 0.2 pixels), forward maps are not.
    """
    x, y = x.copy(), y.copy()
    active = np.flatnonzero(np.isfinite(x))
    for _ in range(_ITERATIONS):
        if not active.size:
            break
        residual = target[:, active] - _vector(*_to_sky(projection, x[active], y[active]))
        # Here and below written so that NaN stays active.
        far = ~(np.abs(residual).max(axis=0) <= _CLOSED)
        active, residual = active[far], residual[:, far]
        if not active.size:
            break
        dx, dy = _newton_step(projection, residual, x[active], y[active])
        x[active] += dx
        y[active] += dy
        active = active[~(np.hypot(dx, dy) <= _CONVERGED)]
    x[active] = y[active] = np.nan
    return x, y


def _newton_step(
    projection: SkyProjection[Any], residual: np.ndarray, x: np.ndarray, y: np.ndarray
) -> _Points:
    """Return the step in pixels that takes away a residual (3, n) of directions."""

    def at(dx: float, dy: float) -> np.ndarray:
        return _vector(*_to_sky(projection, x + dx, y + dy))

    across, along = at(0.5, 0.0) - at(-0.5, 0.0), at(0.0, 0.5) - at(0.0, -0.5)
    aa, bb, ab = (np.sum(p * q, axis=0) for p, q in ((across, across), (along, along), (across, along)))
    ra, rb = np.sum(residual * across, axis=0), np.sum(residual * along, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = aa * bb - ab * ab
        return (bb * ra - ab * rb) / determinant, (aa * rb - ab * ra) / determinant
