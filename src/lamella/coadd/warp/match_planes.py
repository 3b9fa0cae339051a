"""The pixels of a matched warp, made band by band."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy
from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction

from ...data.warp import MatchRecord, Warp
from ...image.planes import Planes, mask_plane_of
from ...kernels.convolve import CELL, convolve_plane
from ...kernels.convolved_masks import fill_lost, grow_bits, store_good
from ...planes import Layout
from ...psf.match_control import MatchControl
from .match_kernels import RegionKernels
from .ownership import Region
from .warp_control import WarpControl

__all__ = ("MatchedPlanes",)

_BAND = 4 * CELL
"""Rows that are worked on at a time, so that memory does not grow with the warp."""


class _Scratch:
    """Arrays that are used again for each band: fresh memory costs as much as a pass over it."""

    def __init__(self) -> None:
        self._flat: dict[int, np.ndarray] = {}

    def get(self, index: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return a float32 array with any contents."""
        size = math.prod(shape)
        if index not in self._flat or self._flat[index].size < size:
            self._flat[index] = np.empty(size, np.float32)
        return self._flat[index][:size].reshape(shape)


class MatchedPlanes:
    """The planes of a matched warp while they are made."""

    def __init__(self, warp: Warp) -> None:
        self._scratch = _Scratch()
        self._layout = Layout(warp.mask.schema)
        # A warp that does not say which of its pixels count is taken to be as usual.
        flaws = WarpControl().bad_mask_planes if warp.bad_mask_planes is None else warp.bad_mask_planes
        self._flaws = self._layout.bits(flaws, missing_ok=True)
        planes = (warp.image.array, mask_plane_of(warp), warp.variance.array)
        self._old = Planes(warp.bbox, *(np.ascontiguousarray(plane) for plane in planes))
        self._new = Planes.empty(warp.bbox, self._layout.no_data)

    def fill(self, region: Region, frame: Box, kernels: RegionKernels, control: MatchControl) -> None:
        """Match the pixels of a region; what is around it within the frame is read, too."""
        at = region.box.slice_within(frame)
        owned = np.zeros(frame.shape, bool)
        owned[at.y, at.x] = region.owned
        for start in range(0, frame.y.size, _BAND):
            stop = min(start + _BAND, frame.y.size)
            if not owned[start:stop].any():
                continue
            # Whole cells around the band, so that the nodes of the kernels fall on the same pixels.
            low, high = max(start - CELL, 0), min(stop + CELL, frame.y.size)
            y, x = frame.y.start, frame.x
            window = Box.factory[y + low : y + high, x.start : x.stop]
            wanted, rows = np.zeros(window.shape, bool), slice(start - low, stop - low)
            wanted[rows] = owned[start:stop]
            self._match_window(window, wanted, rows, kernels.part(low // CELL, -(-high // CELL)), control)

    def _match_window(
        self, window: Box, wanted: np.ndarray, rows: slice, kernels: RegionKernels, control: MatchControl
    ) -> None:
        """Match the wanted pixels of a window, which are within some rows of it."""
        old, layout, scratch = self._old.part(window), self._layout, self._scratch
        starts = [np.arange(0, size, CELL) for size in wanted.shape]
        cells = np.logical_or.reduceat(np.logical_or.reduceat(wanted, starts[0], 0), starts[1], 1)
        lost_cells = np.zeros_like(cells)
        shape = old.image.shape
        filled = (scratch.get(0, shape), scratch.get(1, shape), scratch.get(2, shape))
        no_data, edge = layout.no_data, layout.edge
        least = fill_lost(*old.arrays, no_data, self._flaws, layout.interpolated, filled, lost_cells)
        # Elsewhere all of a kernel is on pixels with a value, and their weight need not be summed.
        affected = cells & _near(lost_cells, shape, kernels.image.side // 2)
        image, variance, weight = (scratch.get(index, shape) for index in range(3, 6))
        convolve_plane(filled[0], kernels.image, cells, image)
        convolve_plane(filled[1], kernels.variance, cells, variance)
        convolve_plane(filled[2], kernels.image, affected, weight)
        mask = scratch.get(6, shape).view(np.int32)
        grow_bits(old.mask, *kernels.footprint, ~no_data, rows.start, rows.stop, mask)
        store_good(
            (image, mask, variance),
            wanted,
            filled[2],
            weight,
            affected,
            (control.edge_weight, control.max_lost_weight, float(least) * kernels.least_square),
            (edge, no_data),
            self._new.part(window).arrays,
        )

    def as_warp(self, warp: Warp, target: PointSpreadFunction, records: Sequence[MatchRecord]) -> Warp:
        """Return the planes as a warp."""
        pixels = self._new.as_image(self._layout.schema, warp.sky_projection, warp.flux_unit.unit)
        return warp.with_planes(pixels, matched_psf=target, match_records=tuple(records))


def _near(lost_cells: np.ndarray, shape: tuple[int, ...], reach: int) -> np.ndarray:
    """Return which cells have lost pixels, or an edge of the array, in them or in a cell next to them."""
    lost = np.pad(lost_cells, 1, constant_values=True)
    # A narrow last cell does not keep the edge away from the one before it.
    for axis, size in enumerate(shape):
        if 0 < size % CELL <= reach:
            np.moveaxis(lost, axis, 0)[-2] = True
    near: np.ndarray = scipy.ndimage.binary_dilation(lost, np.ones((3, 3), bool))[1:-1, 1:-1]
    return near
