"""Rims of matched warps that are there because the coadd ends, not the data of a visit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from lsst.images import Box, MaskSchema
from scipy.ndimage import minimum_filter

from ...data.inputs import WarpInput
from ...image.planes import overlap
from ..stack.tiles import InputReader

__all__ = ("find_box_rims",)


def find_box_rims(
    direct: WarpInput,
    matched: WarpInput,
    bbox: Box,
    schema: MaskSchema,
    *,
    bad: int,
    no_data: int,
    rim: int,
    reach: int,
) -> list[tuple[Box, np.ndarray]]:
    """Find the pixels along the ends of a coadd that are rims though the visit has lost no pixel near by.

    There the matched warps of all visits are made up for alike, which is no reason to believe none of them.

    Parameters
    ----------
    direct, matched
        The warp of a visit, and its matched one.
    bbox
        Box of the coadd.
    schema
        A schema with all planes of both.
    bad, no_data
        Bits of pixels that are lost in the direct and in the matched warp.
    rim
        Bits of rims.
    reach
        So far the kernel of the matching reaches, in pixels.

    Returns
    -------
    list of tuple
        Boxes that do not overlap, and which of their pixels these are: bool of shape (y, x).
    """
    rims = []
    for strip in _strips(bbox, reach):
        around = overlap(strip.padded(reach), bbox)
        common = overlap(matched.source.bbox, strip)
        if around is None or common is None:
            continue
        usable = _usable(direct, around, schema, bad)
        # Beyond the end of the coadd is nothing that a visit could have lost.
        whole = minimum_filter(usable, size=2 * reach + 1, mode="nearest")
        at = common.slice_within(around)
        planes = InputReader(matched, schema).read(common)
        flags = whole[at.y, at.x] & np.isfinite(planes.image)
        flags &= ((planes.mask & no_data) == 0) & ((planes.mask & rim) != 0)
        rims.append((common, flags))
    return rims


def _usable(direct: WarpInput, box: Box, schema: MaskSchema, bad: int) -> np.ndarray:
    """Return which pixels of a box a warp has: bool of shape (y, x)."""
    usable = np.zeros(box.shape, dtype=bool)
    common = overlap(direct.source.bbox, box)
    if common is not None:
        planes, at = InputReader(direct, schema).read(common), common.slice_within(box)
        usable[at.y, at.x] = np.isfinite(planes.image) & ((planes.mask & bad) == 0)
    return usable


def _strips(bbox: Box, width: int) -> Iterator[Box]:
    """Yield boxes along the four ends of a box."""
    y0, y1, x0, x1 = bbox.y.start, bbox.y.stop, bbox.x.start, bbox.x.stop
    low, left = min(y0 + width, y1), min(x0 + width, x1)
    high, right = max(low, y1 - width), max(left, x1 - width)
    edges = ((y0, low, x0, x1), (high, y1, x0, x1), (low, high, x0, left), (low, high, right, x1))
    for first, last, start, stop in edges:
        if first < last and start < stop:
            yield Box.factory[first:last, start:stop]
