"""How many visits cover each pixel of a coadd, from the outlines of its inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from lsst.images import Box, SkyProjection

from ...data.detector import DetectorInput, psf_components

__all__ = ("count_visits", "outlines")

_STEP = 256.0
"""Pixels between points along an outline, which a projection bends."""
_FAR = 1e100


def count_visits(detectors: Iterable[DetectorInput], projection: SkyProjection[Any], bbox: Box) -> np.ndarray:
    """Return how many visits cover each pixel of a box.

    Parameters
    ----------
    detectors
        The inputs; their polygons count.
    projection
        Pixels of the box to ICRS.
    bbox
        The box.

    Returns
    -------
    numpy.ndarray
        int32 of shape (y, x).  A pixel counts where its centre is inside of an outline.
    """
    total = np.zeros(bbox.shape, dtype=np.int32)
    ordered = sorted(detectors, key=lambda detector: detector.id)
    for _, group in itertools.groupby(
        ordered, key=lambda detector: (detector.id.instrument, detector.id.visit)
    ):
        covered = np.zeros(bbox.shape, dtype=bool)
        for detector in group:
            for x, y in _rings(detector, projection):
                covered |= _inside(x, y, bbox)
        total += covered
    return total


def outlines(detectors: Iterable[DetectorInput], projection: SkyProjection[Any]) -> Iterable[np.ndarray]:
    """Yield the outlines of detectors in pixels of the coadd, as closed rings of shape (corner, 2).

    Those that are not all on the projection are left out.
    """
    for detector in detectors:
        for x, y in _rings(detector, projection):
            yield np.stack([x, y], axis=-1)


def _rings(
    detector: DetectorInput, projection: SkyProjection[Any]
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Return the outlines of a detector in pixels of the coadd; those that are not all on it are left out."""
    (component,) = psf_components([detector])
    for polygon in shapely.get_parts(shapely.segmentize(component.outline, _STEP)):
        x, y = np.asarray(polygon.exterior.coords, dtype=np.float64).T
        sky = detector.projection.pixel_to_sky_transform.apply_forward(x=x, y=y)
        there = projection.pixel_to_sky_transform.apply_inverse(x=np.asarray(sky.x), y=np.asarray(sky.y))
        corners = np.stack([np.asarray(there.x), np.asarray(there.y)])
        if (np.isfinite(corners) & (np.abs(corners) < _FAR)).all():
            yield corners[0], corners[1]


def _inside(x: np.ndarray, y: np.ndarray, bbox: Box) -> np.ndarray:
    """Return which pixels have their centre inside of a closed ring, by the even-odd rule."""
    (x0, x1), (y0, y1) = (np.array([values[:-1], values[1:]]) for values in (x, y))
    rows = np.asarray(bbox.y.arange, dtype=np.float64)[:, np.newaxis]
    crosses = (y0 <= rows) != (y1 <= rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.where(crosses, x0 + (rows - y0) * (x1 - x0) / (y1 - y0), np.inf)
    places.sort(axis=1)
    # Rows are crossed an even number of times: edges are inside and outside in turn.
    edges = np.clip(np.ceil(places - bbox.x.start), 0, bbox.x.size).astype(np.intp)
    steps = np.zeros((bbox.y.size, bbox.x.size + 1), dtype=np.int16)
    row = np.broadcast_to(np.arange(bbox.y.size)[:, np.newaxis], edges.shape)
    sign = np.broadcast_to(np.where(np.arange(edges.shape[1]) % 2, -1, 1).astype(np.int16), edges.shape)
    crossed = np.isfinite(places)
    np.add.at(steps, (row[crossed], edges[crossed]), sign[crossed])
    inside: np.ndarray = np.cumsum(steps, axis=1)[:, :-1] > 0
    return inside
