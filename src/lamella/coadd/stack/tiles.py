"""The loop over tiles: inputs of a patch are read, put on one scale and stacked, a tile at a time."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
from lsst.images import Box, Interval

from ...data.inputs import WarpInput
from ...data.owners import Owners, weight_ranges
from ...errors import ConfigError
from ...image.planes import Planes, overlap
from ...kernels.byteorder import settle_mask
from ...planes import Layout
from ...resources import Resources
from .sources import fill_planes
from .stack import StackResult, StreamingMean, neighbours, statistics_stack
from .stack_control import StackControl

__all__ = ("MAX_TILE_BYTES", "InputReader", "StackedPlanes", "stack_inputs")


@dataclasses.dataclass(slots=True)
class StackedPlanes(Planes):
    """The planes of a coadd, with counts of inputs; arrays of shape (y, x)."""

    TYPES: ClassVar[tuple[type, ...]] = (*Planes.TYPES, np.int32, np.int32)

    count: np.ndarray
    """int32; inputs really used."""
    unmasked: np.ndarray
    """int32; inputs whose pixel was not masked."""

    def clear(self, no_data: int) -> None:
        """Say that no input contributed."""
        Planes.clear(self, no_data)
        self.count[...] = self.unmasked[...] = 0


def stack_inputs(
    inputs: Sequence[WarpInput],
    bbox: Box,
    layout: Layout,
    rules: StackControl,
    resources: Resources,
    removed: int = 0,
) -> StackedPlanes:
    """Stack inputs over a box, tile by tile.

    Parameters
    ----------
    inputs
        Warps with weights, in the order in which they are summed.
    bbox
        Box of the result.
    layout
        Planes of the result's mask, with all of the inputs.
    rules
        How to combine, with masks as bits of the layout.
    resources
        Threads and memory.
    removed
        Bits of the inputs that say nothing about a coadd and are cleared.

    Returns
    -------
    StackedPlanes
        Arrays of the shape of ``bbox``.
    """
    result = StackedPlanes.unset(bbox)
    stacker = _Stacker([InputReader(record, layout) for record in inputs], rules, removed, result, _Buffers())
    if resources.streaming:
        if rules.statistic != "MEAN":
            raise ConfigError(
                "Warps can be summed one after the other for the statistic MEAN only; "
                f"found {rules.statistic}.",
                option="streaming",
                found=rules.statistic,
            )
        stacker.stream()
        return result
    # Of whole rows, which are read in one piece, where memory allows.
    memory = min(resources.memory * 2**20 / resources.threads, MAX_TILE_BYTES)
    pixels = memory / (_BYTES_PER_INPUT_PIXEL * len(inputs))
    width = bbox.x.size if pixels >= bbox.x.size else min(_MIN_TILE_WIDTH, bbox.x.size)
    rows = int(np.clip(pixels // width - 2 * neighbours(rules), 1, _MAX_TILE_ROWS))
    tiles = [
        Box(Interval(y, min(y + rows, bbox.y.stop)), Interval(x, min(x + width, bbox.x.stop)))
        for y in range(bbox.y.start, bbox.y.stop, rows)
        for x in range(bbox.x.start, bbox.x.stop, width)
    ]
    with ThreadPoolExecutor(resources.threads) as pool:
        # A failed tile fails the coadd: results are consumed so that errors surface.
        for _ in resources.counted("stacking", pool.map(stacker.stack, tiles), len(tiles)):
            pass
    return result


class _Buffers(threading.local):
    """The cube of a thread, used again for each tile: fresh memory has to be cleared by the system first."""

    def __init__(self) -> None:
        self._flat: list[np.ndarray] = [np.empty(0, kind) for kind in Planes.TYPES]

    def cube(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Return image, mask and variance without values; those of an earlier call become invalid."""
        size = math.prod(shape)
        if self._flat[0].size < size:
            self._flat = [np.empty(size, kind) for kind in Planes.TYPES]
        return [plane[:size].reshape(shape) for plane in self._flat]


@dataclasses.dataclass(frozen=True, slots=True)
class _Stacker:
    """Stack tiles of inputs into shared output planes."""

    inputs: Sequence[InputReader]
    control: StackControl
    removed: int
    result: StackedPlanes
    buffers: _Buffers

    def stack(self, tile: Box) -> None:
        """Stack the inputs that overlap a tile."""
        result = self.result.part(tile)
        if not any(reader.overlap(tile) for reader in self.inputs):
            result.clear(self.control.no_good_mask)
            return
        # Results must not depend on where tiles end: what lies around them is looked at, too.
        seen = tile.dilated_by(neighbours(self.control))
        inside = [reader for reader in self.inputs if reader.overlap(seen) is not None]
        # Tiles of whole rows are one piece of the result, so that nothing has to be copied.
        whole = seen == tile and tile.x == self.result.box.x
        unmasked = result.unmasked if whole else np.empty(seen.shape, np.int32)
        out = StackResult(*result.arrays, result.count) if whole else None
        image, mask, variance = self._read(inside, seen, unmasked)
        weights = weight_ranges([reader.weights for reader in inside], seen)
        stacked = statistics_stack(image, mask, variance, weights, control=self.control, out=out)
        if not whole:
            result.put(_planes_of(stacked, unmasked, seen).part(tile))

    def stream(self) -> None:
        """Sum the inputs one after the other over the whole box."""
        box = self.result.box
        mean = StreamingMean(box.shape, self.control)
        inside = [reader for reader in self.inputs if reader.overlap(box) is not None]
        if not inside:
            self.result.clear(self.control.no_good_mask)
            return
        unmasked, seen = np.zeros(box.shape, np.int32), np.empty(box.shape, np.int32)
        for reader in inside:
            image, mask, variance = self._read([reader], box, seen)
            mean.add(image[0], mask[0], variance[0], weight_ranges([reader.weights], box))
            unmasked += seen
        self.result.put(_planes_of(mean.result(), unmasked, box))

    def _read(self, inputs: Sequence[InputReader], tile: Box, unmasked: np.ndarray) -> list[np.ndarray]:
        """Read inputs into a cube, and count in ``unmasked`` how many have no bad bit."""
        cube = self.buffers.cube((len(inputs), *tile.shape))
        unmasked[...] = 0
        for index, reader in enumerate(inputs):
            planes = Planes(tile, *(plane[index] for plane in cube))
            box = reader.overlap(tile)
            if box == tile:
                reader.fill(planes)
                self._settle(planes.mask, unmasked)
            elif box is not None:
                # What a warp does not cover is NaN without a plane: as if the warp were not there.
                planes.clear(0)
                inner, seen = reader.read(box), np.zeros(box.shape, np.int32)
                self._settle(inner.mask, seen)
                unmasked[box.slice_within(tile)] += seen
                planes.put(inner)
        return cube

    def _settle(self, mask: np.ndarray, unmasked: np.ndarray) -> None:
        bad, removed = np.int32(self.control.bad_mask), np.int32(self.removed)
        settle_mask(mask.reshape(-1), bad, removed, unmasked.reshape(-1))


def _planes_of(stacked: StackResult, unmasked: np.ndarray, box: Box) -> StackedPlanes:
    return StackedPlanes(box, stacked.image, stacked.mask, stacked.variance, stacked.count, unmasked)


class InputReader:
    """An input with its mask in the bits of the coadd."""

    def __init__(self, record: WarpInput, layout: Layout) -> None:
        self.record = record
        self._layout = layout
        self._own_layout = Layout(record.source.schema)

    @property
    def weights(self) -> tuple[float, Owners | None, list[float]]:
        """What `lamella.data.owners.weight_ranges` takes of the input."""
        record = self.record
        weight = math.nan if record.weight is None else record.weight
        return weight, record.owners, [detector.weight for detector in record.detectors]

    def overlap(self, tile: Box) -> Box | None:
        """Return the part of a tile that the input holds."""
        return overlap(self.record.source.bbox, tile)

    def read(self, box: Box) -> Planes:
        """Read a box on the photometric scale of the coadd, with the alternate planes."""
        planes = Planes.unset(box)
        self.fill(planes)
        return planes

    def fill(self, planes: Planes) -> None:
        """Fill the planes of a box as `read` does."""
        fill_planes(self.record.source, planes)
        self._layout.moved(planes.mask, self._own_layout)
        if self.record.alternate is not None:
            alternate = self.record.alternate.bits(planes.box, self._layout)
            np.bitwise_or(planes.mask, alternate, out=planes.mask)
        if self.record.scale != 1.0:
            scale = np.float32(self.record.scale)
            planes.image *= scale
            planes.variance *= scale * scale


# Image, mask and variance of one input pixel, and some space for what goes with them.
_BYTES_PER_INPUT_PIXEL = 16
MAX_TILE_BYTES = 64 << 20
"""Of a thread. Smaller tiles cost more calls for each input, and larger ones are not faster."""
_MAX_TILE_ROWS = 128
_MIN_TILE_WIDTH = 1024
"""Narrower tiles read a plane in small pieces."""
