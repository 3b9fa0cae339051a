"""The pixels of a matched warp, made band by band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import astropy.units as u
import numpy as np
import scipy
from lsst.images import Box, Image, Mask
from lsst.images.psfs import PointSpreadFunction

from ...data.warp import MatchRecord, Warp
from ...image.planes import mask_plane_of
from ...kernels.convolve import CELL, convolve
from ...kernels.convolved_masks import fill_lost, grow_bits, store_good
from ...planes import bits_of
from ...psf.match_control import MatchControl
from .match_kernels import RegionKernels
from .ownership import Region
from .warp_control import WarpControl

__all__ = ("MatchedPlanes",)

_BAND = 4 * CELL
"""Rows that are worked on at a time, so that memory does not grow with the warp."""


class _Bits(NamedTuple):
    """Planes that the match sets, and those whose pixels count, or do not."""

    no_data: int
    edge: int
    flawed: int
    made: int

    @classmethod
    def of(cls, warp: Warp) -> _Bits:
        """Return the bits that count; what is not known of a warp is taken to be as usual."""
        planes = WarpControl().bad_mask_planes if warp.bad_mask_planes is None else warp.bad_mask_planes
        schema = warp.mask.schema
        return cls(
            bits_of(schema, ("NO_DATA",)),
            bits_of(schema, ("DETECTION_EDGE",)),
            bits_of(schema, planes, missing_ok=True),
            bits_of(schema, ("INTERPOLATED",)),
        )


class _Planes(NamedTuple):
    """Planes of a warp, shape (y, x), and the meaning of their bits."""

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    bits: _Bits

    @property
    def planes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.image, self.mask, self.variance

    def part(self, window: tuple[slice, slice]) -> _Planes:
        return _Planes(self.image[window], self.mask[window], self.variance[window], self.bits)


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
        self._box = warp.bbox
        self._scratch = _Scratch()
        bits = _Bits.of(warp)
        image, mask, variance = (
            np.ascontiguousarray(plane)
            for plane in (warp.image.array, mask_plane_of(warp), warp.variance.array)
        )
        self._old = _Planes(image, mask, variance, bits)
        self._new = _Planes(
            np.full(image.shape, np.nan, np.float32),
            np.full(image.shape, bits.no_data, np.int32),
            np.full(image.shape, np.inf, np.float32),
            bits,
        )

    def fill(self, region: Region, frame: Box, kernels: RegionKernels, control: MatchControl) -> None:
        """Match the pixels of a region; what is around it within the frame is read, too."""
        at = region.box.slice_within(frame)
        owned = np.zeros(frame.shape, bool)
        owned[at.y, at.x] = region.owned
        for start in range(0, frame.y.size, _BAND):
            stop = min(start + _BAND, frame.y.size)
            if owned[start:stop].any():
                self._fill_band(frame, owned, slice(start, stop), kernels, control)

    def _fill_band(
        self, frame: Box, owned: np.ndarray, band: slice, kernels: RegionKernels, control: MatchControl
    ) -> None:
        # Whole cells around the band, so that the nodes of the kernels fall on the same pixels.
        low, high = max(band.start - CELL, 0), min(band.stop + CELL, frame.y.size)
        at = frame.slice_within(self._box)
        window = (slice(at.y.start + low, at.y.start + high), at.x)
        old, new = self._old.part(window), self._new.part(window)
        wanted = np.zeros(old.image.shape, bool)
        inner = slice(band.start - low, band.stop - low)
        wanted[inner] = owned[band]
        _match_window(
            old, new, wanted, inner, kernels.part(low // CELL, -(-high // CELL)), control, self._scratch
        )

    def as_warp(self, warp: Warp, target: PointSpreadFunction, records: Sequence[MatchRecord]) -> Warp:
        """Return the planes as a warp."""
        new, box = self._new, self._box
        return Warp(
            Image(new.image, bbox=box, unit=u.nJy, sky_projection=warp.sky_projection),
            mask=Mask(new.mask[..., np.newaxis], bbox=box, schema=warp.mask.schema),
            variance=Image(new.variance, bbox=box, unit=u.nJy**2),
            instrument=warp.instrument,
            visit=warp.visit,
            band=warp.band,
            detectors=warp.detectors,
            owners=warp.owners,
            matched_psf=target,
            match_records=records,
            bad_mask_planes=warp.bad_mask_planes,
        )


def _match_window(
    old: _Planes,
    new: _Planes,
    wanted: np.ndarray,
    rows: slice,
    kernels: RegionKernels,
    control: MatchControl,
    scratch: _Scratch,
) -> None:
    """Match the wanted pixels of a window, which are within some rows of it."""
    cells = _any_in_cells(wanted)
    lost_cells = np.zeros_like(cells)
    shape = old.image.shape
    filled = (scratch.get(0, shape), scratch.get(1, shape), scratch.get(2, shape))
    bits = old.bits
    least = fill_lost(*old.planes, bits.no_data, bits.flawed, bits.made, filled, lost_cells)
    affected = cells & _near(lost_cells, shape, kernels.image.side // 2)
    image, variance, weight = (scratch.get(index, shape) for index in range(3, 6))
    convolve(filled[0], kernels.image, cells, image)
    convolve(filled[1], kernels.variance, cells, variance)
    convolve(filled[2], kernels.image, affected, weight)
    mask = scratch.get(6, shape).view(np.int32)
    grow_bits(old.mask, *kernels.footprint, ~old.bits.no_data, rows.start, rows.stop, mask)
    store_good(
        (image, mask, variance),
        wanted,
        filled[2],
        weight,
        affected,
        (control.edge_weight, control.max_lost_weight, float(least) * kernels.least_square),
        (old.bits.edge, old.bits.no_data),
        new.planes,
    )


def _any_in_cells(flags: np.ndarray) -> np.ndarray:
    """Return in which cells any flag is set."""
    starts = [np.arange(0, size, CELL) for size in flags.shape]
    found: np.ndarray = np.logical_or.reduceat(np.logical_or.reduceat(flags, starts[0], 0), starts[1], 1)
    return found


def _near(lost_cells: np.ndarray, shape: tuple[int, ...], reach: int) -> np.ndarray:
    """Return which cells have lost pixels, or an edge of the array, in them or in a cell next to them."""
    lost = np.pad(lost_cells, 1, constant_values=True)
    # A narrow last cell does not keep the edge away from the one before it.
    for axis, size in enumerate(shape):
        if 0 < size % CELL <= reach:
            np.moveaxis(lost, axis, 0)[-2] = True
    near: np.ndarray = scipy.ndimage.binary_dilation(lost, np.ones((3, 3), bool))[1:-1, 1:-1]
    return near
