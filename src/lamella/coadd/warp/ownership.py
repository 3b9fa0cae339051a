"""Which pixels of a warp come from which of its detectors, from their outlines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import shapely
from lsst.images import Box, Polygon, SkyProjection

from ...data.detector import DetectorInput, psf_components
from ...image.planes import inside_polygon, overlap
from ...sky.pixelmap import PixelMap

__all__ = ("Region", "detector_regions")

_SEGMENT = 64.0
"""Edges that are straight on the detector are curved in the warp: they are cut into pieces this long."""
_SLACK = 1.0
"""Pixels that outlines are grown by, for what rounding and resampling put beyond them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """The part of a warp that one of its detectors owns.

    Attributes
    ----------
    index
        Number of the detector.
    box
        Box around the region.
    owned
        Which pixels of the box it owns: bool of shape (y, x).
    """

    index: int
    box: Box
    owned: np.ndarray


def detector_regions(
    detectors: Sequence[DetectorInput], projection: SkyProjection[Any], box: Box
) -> Iterator[Region]:
    """Find the parts of a box of tract pixels that detectors own.

    Where outlines overlap, the last one by identity has the pixel, as in the
    merging of warps.

    Parameters
    ----------
    detectors
        Detectors of one visit.
    projection
        Projection of the tract.
    box
        Box of tract pixels.

    Yields
    ------
    Region
        One for each detector that owns a pixel, in the order of the detectors.
    """
    order = sorted(range(len(detectors)), key=lambda index: detectors[index].id)
    owner = np.full(box.shape, -1, np.int16)
    boxes: dict[int, Box] = {}
    for index in order:
        outline = _outline(detectors[index], projection)
        if outline is None:
            continue
        x, y = np.asarray(outline.x_vertices), np.asarray(outline.y_vertices)
        first = np.floor([y.min(), x.min()]).astype(int).tolist()
        last = np.ceil([y.max(), x.max()]).astype(int).tolist()
        near = overlap(Box.factory[first[0] : last[0] + 1, first[1] : last[1] + 1], box)
        if near is None:
            continue
        boxes[index] = near
        # Written in the order of identities, so that the last one keeps the pixel.
        rows, columns = near.slice_within(box)
        owner[rows, columns][inside_polygon(outline, near)] = index
    for index in sorted(boxes):
        rows, columns = boxes[index].slice_within(box)
        owned = owner[rows, columns] == index
        if owned.any():
            yield Region(index, boxes[index], owned)


def _outline(detector: DetectorInput, projection: SkyProjection[Any]) -> Polygon | None:
    """Return the valid region of a detector in tract pixels."""
    (component,) = psf_components([detector])
    # Grown on the detector, where its edges are straight; mitred, so that corners stay corners.
    shape = shapely.segmentize(component.outline.buffer(_SLACK, join_style="mitre"), _SEGMENT)
    if shape.geom_type != "Polygon" or shape.is_empty:
        # Of several pieces there is no single outline: what lies between them counts, too.
        shape = shape.convex_hull
    if shape.geom_type != "Polygon":
        return None
    corners = shapely.get_coordinates(shape.exterior)[:-1]
    x, y = PixelMap(detector.projection, projection).to_destination(corners[:, 0], corners[:, 1])
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    return Polygon(x_vertices=x, y_vertices=y)
