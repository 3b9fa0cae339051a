"""The PSF of a coadd: the weighted sum of the warped PSFs of its inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import shapely
from lsst.images import Bounds, Box, Image, SkyProjection
from lsst.images.psfs import PointSpreadFunction
from lsst.images.utils import round_half_up

from ..errors import InvalidPsfError, NoInputsError
from .base import centred_box, require_finite
from .component import (
    MAX_SCALE,
    OFF_CENTRE,
    Contribution,
    PsfComponent,
    draw_component,
    middle_within,
)
from .maps import DetectorMaps, Mapped

__all__ = ("CoaddPsf", "Contribution", "PsfComponent")

_SLACK = 0.05
"""Part of a pixel by which a stamp may be cut, so that rounding does not add a rim of zeros."""


class CoaddPsf(PointSpreadFunction):
    """The PSF of a coadd that is a weighted mean of its inputs.

    At a position it is the mean, with the weights of the inputs, of the PSFs
    of those inputs that cover the position, each one resampled to the pixels
    of the coadd through the linear part of the map between them, with the
    kernel that its image was resampled with and zeros beyond the stamp, and
    divided by its sum.

    An input covers a position when the position falls into the box of the
    detector (lower edges included, upper ones not) and into the interior of its
    polygon, if it has one.

    Parameters
    ----------
    components
        The inputs.
    projection
        Pixels of the coadd to ICRS.
    bounds
        Region of the coadd where the PSF is wanted.  It can be evaluated
        outside, at a higher cost.
    max_side
        Greatest side of the stamps in pixels, odd.  What is cut off from wider ones is
        not part of the PSF, whose sum is always 1.

    Raises
    ------
    NoInputsError
        Raised when there are no components.

    Notes
    -----
    The star that is drawn at a position has, on each detector, the position
    that the real star has there, so that the broadening by the resampling of
    the images is part of this PSF.  The kernel image is that of a star at the
    centre of the pixel that the position falls into.

    Where inputs have been left out in some pixels only (see the mask planes
    CLIPPED, REJECTED and INEXACT_PSF), this is not exactly the PSF.
    """

    def __init__(
        self,
        components: Sequence[PsfComponent],
        projection: SkyProjection[Any],
        bounds: Bounds,
        *,
        max_side: int = 251,
    ) -> None:
        if not components:
            raise NoInputsError("The PSF of a coadd needs at least one input.")
        if max_side < 1 or max_side % 2 == 0:
            raise InvalidPsfError(f"The greatest side of a PSF stamp must be odd; found {max_side}.")
        self._components = tuple(components)
        self._projection = projection
        self._bounds = bounds
        self._max_side = max_side
        # The stamps used last; threads may share them, and get copies.
        self._stamp = lru_cache(maxsize=64)(self._combine)

    @property
    def components(self) -> tuple[PsfComponent, ...]:
        """The inputs."""
        return self._components

    @property
    def projection(self) -> SkyProjection[Any]:
        """Pixels of the coadd to ICRS."""
        return self._projection

    @property
    def bounds(self) -> Bounds:
        """Region of the coadd where the PSF is wanted."""
        return self._bounds

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._components, self._projection, self._bounds, self._max_side)

    @cached_property
    def _maps(self) -> DetectorMaps:
        projections = [component.projection for component in self._components]
        boxes = [component.bbox for component in self._components]
        return DetectorMaps(self._projection, projections, boxes, self._bounds.bbox)

    @cached_property
    def _edges(self) -> np.ndarray:
        boxes = [component.bbox for component in self._components]
        edges = np.array([[(b.x.start, b.y.start), (b.x.stop, b.y.stop)] for b in boxes], dtype=np.float64)
        edges -= 0.5
        return edges

    @cached_property
    def _polygons(self) -> np.ndarray:
        # shapely takes None for a missing geometry.
        regions = [component.polygon for component in self._components]
        polygons = np.empty(len(regions), dtype=object)
        polygons[:] = [None if region is None else region.to_shapely() for region in regions]
        shapely.prepare(polygons)
        return polygons

    @cached_property
    def _weights(self) -> np.ndarray:
        return np.array([component.weight for component in self._components])

    def contributions(self, x: float, y: float) -> tuple[Contribution, ...]:
        """Return which components cover a position, and where on their detectors it is.

        Parameters
        ----------
        x, y
            Position in pixels of the coadd.

        Returns
        -------
        `tuple` [`Contribution`]
            In the order of the components; empty where the coadd has no PSF.
        """
        return _as_contributions(*self._covering(x, y))

    def _covering(self, x: float, y: float) -> tuple[np.ndarray, Mapped]:
        """Return the indices of the components that cover a position, and where they see it."""
        indices = self._maps.near(x, y)
        seen = self._maps.at(x, y, indices)
        point = np.stack([seen.x, seen.y], axis=1)
        edges, polygons = self._edges[indices], self._polygons[indices]
        inside = ((edges[:, 0] <= point) & (point < edges[:, 1])).all(axis=1) & (self._weights[indices] > 0.0)
        limited = np.flatnonzero(inside & ~shapely.is_missing(polygons))
        inside[limited] = shapely.contains_xy(polygons[limited], seen.x[limited], seen.y[limited])
        return indices[inside], Mapped(seen.x[inside], seen.y[inside], seen.matrix[inside])

    def is_defined(self, x: float, y: float) -> bool:
        """Return whether some component covers a position."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return False
        return bool(self._covering(x, y)[0].size)

    def covers(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return which of many positions some component covers.

        Parameters
        ----------
        x, y
            Positions in pixels of the coadd, finite, shape (n,).

        Returns
        -------
        `numpy.ndarray` of bool, shape (n,)
            The same as `is_defined`, but for positions within 1e-4 pixels of the edge of a component.
        """
        covered = np.zeros(len(x), dtype=bool)
        for index in np.flatnonzero(self._weights > 0.0).tolist():
            point = np.stack(self._maps.to_detector(index, x, y), axis=1)
            inside = ((self._edges[index, 0] <= point) & (point < self._edges[index, 1])).all(axis=1)
            if self._polygons[index] is not None:
                inside &= shapely.contains_xy(self._polygons[index], point)
            covered |= inside
        return covered

    @cached_property
    def kernel_bbox(self) -> Box:
        """Box of all kernel images: it holds the stamps of all components, up to ``max_side``."""
        reach = max(self._reach(*row) for row in enumerate(self._maps.centres()))
        half = min(math.ceil(reach - _SLACK), self._max_side // 2)
        return centred_box(2 * half + 1)

    def _reach(self, index: int, centre: np.ndarray) -> float:
        """Return how far the stamp of a component reaches from its centre pixel, in pixels of the coadd."""
        box = self._components[index].psf.kernel_bbox
        half = np.array([max(-box.x.min, box.x.max), max(-box.y.min, box.y.max)]) + 0.5
        matrix = self._maps.at(float(centre[0]), float(centre[1]), np.array([index])).matrix[0]
        if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1.0 / MAX_SCALE**2:
            return 0.0
        reach = float((np.abs(np.linalg.inv(matrix)) @ half).max()) - 0.5
        return reach + (OFF_CENTRE if self._components[index].kernel.is_binned else 0.0)

    def compute_stellar_bbox(self, *, x: float, y: float) -> Box:
        """Return the box of `compute_stellar_image`."""
        require_finite(x, y)
        return centred_box(self.kernel_bbox.x.size, round_half_up(x), round_half_up(y))

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        """Return the PSF of a position, centred on pixel (0, 0), with sum 1.

        Raises
        ------
        InvalidPsfError
            Raised when no component covers the position, or one that does cannot be evaluated.
        """
        indices = self._selection(x, y)
        stamp = self._stamp(float(round_half_up(x)), float(round_half_up(y)), indices)
        return Image(stamp.copy(), bbox=self.kernel_bbox)

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        """Return the image of a star of flux 1 that is at a position.

        Raises
        ------
        InvalidPsfError
            Raised when no component covers the position, or one that does cannot be evaluated.
        """
        stamp = self._stamp(x, y, self._selection(x, y))
        return Image(stamp.copy(), bbox=self.compute_stellar_bbox(x=x, y=y))

    def _selection(self, x: float, y: float) -> tuple[int, ...]:
        """Return the indices of the components that cover a position, of which there must be one."""
        require_finite(x, y)
        indices, _ = self._covering(x, y)
        if not indices.size:
            raise InvalidPsfError(f"No input of the coadd covers (x={x}, y={y}).", x=x, y=y)
        return tuple(indices.tolist())

    def _combine(self, x: float, y: float, indices: tuple[int, ...]) -> np.ndarray:
        """Draw the PSF of some components with the star at a position."""
        box = self.compute_stellar_bbox(x=x, y=y)
        offsets = np.array([box.y.start - y, box.x.start - x])
        total, stamp = np.zeros(box.shape), np.empty(box.shape)
        weights = 0.0
        numbers = np.array(indices)
        for contribution in _as_contributions(numbers, self._maps.at(x, y, numbers)):
            component = self._components[contribution.index]
            draw_component(component, contribution, offsets, stamp)
            total += component.weight * stamp
            weights += component.weight
        total /= weights
        return total

    def average_position(self) -> tuple[float, float]:
        """Return a position (x, y) near the middle of the coadd's data where the PSF is defined.

        It is the mean, weighted with weight times good pixels, of the centres
        of the parts of the components that are within the bounds.  When none
        covers it, components are left out, from the lowest weight upwards,
        until one does.

        Raises
        ------
        InvalidPsfError
            Raised when no component has a part that covers its own centre.
        """
        centres = np.array([self._centre(index) for index in range(len(self._components))])
        share = self._weights * np.array([component.good_pixels for component in self._components])
        usable = np.flatnonzero(np.isfinite(centres).all(axis=1) & (share > 0.0))
        kept = usable[np.argsort(share[usable], kind="stable")]
        for first in range(len(kept)):
            rest = kept[first:]
            x, y = (share[rest] @ centres[rest] / share[rest].sum()).tolist()
            if self.is_defined(x, y):
                return x, y
        raise InvalidPsfError("No input of the coadd covers any average position.")

    def _centre(self, index: int) -> tuple[float, float]:
        """Return the middle of a component's part of the coadd in the coadd's pixels, or NaN."""

        def to_coadd(vertices: np.ndarray) -> np.ndarray:
            return np.stack(self._maps.to_coadd(index, vertices[:, 0], vertices[:, 1]), axis=1)

        # Edges that are straight on the detector are curved in the coadd.
        outline = shapely.segmentize(self._components[index].outline, 200.0)
        corners = shapely.get_coordinates(outline)
        if not len(corners) or not np.isfinite(to_coadd(corners)).all():
            return math.nan, math.nan
        outline = shapely.transform(outline, to_coadd)
        return middle_within(shapely.make_valid(outline), self._bounds.bbox)


def _as_contributions(indices: np.ndarray, seen: Mapped) -> tuple[Contribution, ...]:
    rows = zip(indices.tolist(), seen.x.tolist(), seen.y.tolist(), seen.matrix, strict=True)
    return tuple(Contribution(*row) for row in rows)


def _rebuild(
    components: tuple[PsfComponent, ...], projection: SkyProjection[Any], bounds: Bounds, max_side: int
) -> CoaddPsf:
    return CoaddPsf(components, projection, bounds, max_side=max_side)
