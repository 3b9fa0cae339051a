"""Where many detectors see the pixels of a coadd, found for all of them at once.

The exact map from coadd to detector goes through the sky and costs tens of
microseconds per detector, too much to ask of hundreds of detectors for each
PSF.  Within the coadd each map is therefore replaced by a polynomial whose
error has been checked; where the check fails, the exact map is used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from lsst.images import XY, Box, SkyProjection
from lsst.images import Transform as PixelTransform

from ..kernels.resample.psfwarp import evaluate_maps

__all__ = ("DetectorMaps", "Mapped")

_DEGREE = 5
_RIM = 2.0
"""Pixels that boxes are grown by, so that positions at their edges stay within the polynomials."""
_INVALID = 1e100
"""AST marks positions that have no image with the most negative number."""


class Mapped(NamedTuple):
    """Positions on some detectors of one point of the coadd.

    Attributes
    ----------
    x, y
        Positions in detector pixels, shape (n,); NaN where there is none.
    matrix
        ``[[dx/dx', dx/dy'], [dy/dx', dy/dy']]``: derivatives by the position
        in the coadd, shape (n, 2, 2).
    """

    x: np.ndarray
    y: np.ndarray
    matrix: np.ndarray


@dataclasses.dataclass
class _Polynomials:
    """One polynomial per detector, in coordinates that run from -1 to 1 over its region."""

    centre: np.ndarray
    half: np.ndarray
    coefficients: np.ndarray
    usable: np.ndarray


_TERMS = np.array([(i, j) for j in range(_DEGREE + 1) for i in range(_DEGREE + 1 - j)])
"""Powers of x and y of each term."""


def _design(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    terms: np.ndarray = u[:, np.newaxis] ** _TERMS[:, 0] * v[:, np.newaxis] ** _TERMS[:, 1]
    return terms


def _grid(n: int, *, chebyshev: bool) -> tuple[np.ndarray, np.ndarray]:
    nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n) if chebyshev else np.linspace(-1.0, 1.0, n)
    u, v = np.meshgrid(nodes, nodes)
    return u.ravel(), v.ravel()


_FIT_NODES = _grid(_DEGREE + 3, chebyshev=True)
_CHECK_NODES = _grid(_DEGREE + 2, chebyshev=False)
_SOLVE = np.linalg.pinv(_design(*_FIT_NODES))
_CHECK = _design(*_CHECK_NODES)


class DetectorMaps:
    """The maps from the pixels of a coadd to those of its detectors.

    Parameters
    ----------
    projection
        Pixels of the coadd to the sky.
    projections, boxes
        Pixels to the sky, and box, of each detector.
    region
        Box of the coadd where the maps are wanted; they work outside of it, slower.
    tolerance
        Greatest error of a position, in detector pixels.
    """

    def __init__(
        self,
        projection: SkyProjection[Any],
        projections: Sequence[SkyProjection[Any]],
        boxes: Sequence[Box],
        region: Box,
        tolerance: float = 1e-4,
    ) -> None:
        self._tolerance = tolerance
        to_sky = projection.pixel_to_sky_transform
        self._transforms = [
            to_sky.then(other.sky_to_pixel_transform, remember_components=False) for other in projections
        ]
        self.footprints = np.array(
            [_footprint(transform, box) for transform, box in zip(self._transforms, boxes, strict=True)]
        ).reshape(-1, 2, 2)
        low, high = _edges(region)
        low = np.maximum(self.footprints[:, 0], low - _RIM)
        high = np.minimum(self.footprints[:, 1], high + _RIM)
        usable = (high > low).all(axis=1) & np.isfinite(self.footprints).all(axis=(1, 2))
        low[~usable], high[~usable] = -1.0, 1.0
        centre, half = 0.5 * (low + high), 0.5 * (high - low)
        coefficients = np.zeros((len(low), 2, _DEGREE + 1, _DEGREE + 1))
        for k in np.flatnonzero(usable).tolist():
            samples = self._sample(k, centre[k], half[k], _FIT_NODES)
            solution = samples @ _SOLVE.T
            coefficients[k][:, _TERMS[:, 1], _TERMS[:, 0]] = solution
            wanted = self._sample(k, centre[k], half[k], _CHECK_NODES)
            # Written so that NaN fails.
            usable[k] = bool((np.abs(solution @ _CHECK.T - wanted) <= self._tolerance).all())
        self._polynomials = _Polynomials(centre, half, coefficients, usable)

    def _sample(
        self, k: int, centre: np.ndarray, half: np.ndarray, nodes: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        u, v = nodes
        return _apply(self._transforms[k], centre[0] + half[0] * u, centre[1] + half[1] * v)

    def near(self, x: float, y: float) -> np.ndarray:
        """Return the indices of the detectors whose outline is around a point, or may be."""
        point = np.array([x, y])
        inside = (self.footprints[:, 0] <= point) & (point <= self.footprints[:, 1])
        return np.flatnonzero(inside.all(axis=1))

    def at(self, x: float, y: float, indices: np.ndarray) -> Mapped:
        """Return where some detectors see a point of the coadd.

        Parameters
        ----------
        x, y
            Position in pixels of the coadd.
        indices
            Which detectors, shape (n,) of integers.
        """
        fit = self._polynomials
        values = np.empty((len(indices), 2, 3))
        evaluate_maps(x, y, indices, fit.centre, fit.half, fit.coefficients, values)
        outside = (np.abs(np.array([x, y]) - fit.centre[indices]) > fit.half[indices]).any(axis=1)
        for n in np.flatnonzero(outside | ~fit.usable[indices]).tolist():
            # The position, and its derivatives as differences over two pixels.
            across, up = np.array([0.0, 1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0, -1.0])
            positions = _apply(self._transforms[indices[n]], x + across, y + up)
            slopes = 0.5 * (positions[:, 1::2] - positions[:, 2::2])
            values[n] = np.concatenate([positions[:, :1], slopes], axis=1)
        return Mapped(values[:, 0, 0], values[:, 1, 0], values[:, :, 1:])

    @property
    def approximated(self) -> np.ndarray:
        """Which detectors have a polynomial within the tolerance: booleans, shape (n,)."""
        return self._polynomials.usable

    def centres(self) -> np.ndarray:
        """Return a point (x, y) of the coadd near the middle of each detector's part: shape (n, 2)."""
        middle = self.footprints.mean(axis=1)
        return np.where(self._polynomials.usable[:, np.newaxis], self._polynomials.centre, middle)

    def to_detector(self, index: int, x: np.ndarray, y: np.ndarray) -> XY[np.ndarray]:
        """Return points of the coadd in pixels of a detector, by the exact map."""
        return _clean(self._transforms[index].apply_forward(x=x, y=y))

    def to_coadd(self, index: int, x: np.ndarray, y: np.ndarray) -> XY[np.ndarray]:
        """Return points of a detector in pixels of the coadd, by the exact map."""
        return _invert(self._transforms[index], x, y)


def _edges(box: Box) -> tuple[np.ndarray, np.ndarray]:
    low = np.array([box.x.start - 0.5, box.y.start - 0.5])
    return low, np.array([box.x.stop - 0.5, box.y.stop - 0.5])


def _footprint(transform: PixelTransform[Any, Any], box: Box) -> np.ndarray:
    """Return lowest and highest (x, y) of a detector's outline in the coadd, infinite if it is not known."""
    (x0, y0), (x1, y1) = (edge.tolist() for edge in _edges(box))
    t = np.linspace(0.0, 1.0, 9)
    still = np.ones_like(t)
    x = np.concatenate([x0 + (x1 - x0) * t, x0 + (x1 - x0) * t, x0 * still, x1 * still])
    y = np.concatenate([y0 * still, y1 * still, y0 + (y1 - y0) * t, y0 + (y1 - y0) * t])
    outline = np.array(_invert(transform, x, y))
    if not np.isfinite(outline).all():
        return np.array([[-np.inf, -np.inf], [np.inf, np.inf]])
    low, high = outline.min(axis=1), outline.max(axis=1)
    # Edges that are curved in the coadd bulge beyond the points taken on them.
    rim = _RIM + 0.01 * (high - low)
    return np.array([low - rim, high + rim])


def _clean(positions: XY[np.ndarray]) -> XY[np.ndarray]:
    x, y = np.asarray(positions.x, dtype=np.float64), np.asarray(positions.y, dtype=np.float64)
    bad = ~((np.abs(x) < _INVALID) & (np.abs(y) < _INVALID))
    return XY(np.where(bad, np.nan, x), np.where(bad, np.nan, y))


def _invert(transform: PixelTransform[Any, Any], x: np.ndarray, y: np.ndarray) -> XY[np.ndarray]:
    return _clean(transform.apply_inverse(x=x, y=y))


def _apply(transform: PixelTransform[Any, Any], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array(_clean(transform.apply_forward(x=x, y=y)))
