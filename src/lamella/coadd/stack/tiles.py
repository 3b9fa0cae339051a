"""The loop over tiles: inputs of a patch are read, put on one scale and stacked, a tile at a time."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from lsst.images import Box, Interval, MaskSchema

from ...data.inputs import WarpInput
from ...data.owners import Owners, weight_ranges
from ...errors import ConfigError
from ...image.planes import BitMoves, Planes, overlap
from ...kernels.byteorder import settle_mask
from ...resources import Resources
from .sources import fill_planes
from .stack import StackResult, StreamingMean, neighbours, statistics_stack
from .stack_control import StackControl

__all__ = ("MAX_TILE_BYTES", "InputReader", "StackedPlanes", "stack_inputs")


@dataclasses.dataclass(slots=True)
class StackedPlanes(Planes):
    """The planes of a coadd, with counts of inputs; arrays of shape (y, x)."""

    count: np.ndarray
    """int32; inputs really used."""
    unmasked: np.ndarray
    """int32; inputs whose pixel was not masked."""

    @classmethod
    def unset(cls, shape: tuple[int, ...]) -> StackedPlanes:
        """Return planes whose pixels have no value yet."""
        image, mask, variance, count, unmasked = (
            np.empty(shape, kind) for kind in (np.float32, np.int32, np.float32, np.int32, np.int32)
        )
        return cls(image=image, mask=mask, variance=variance, count=count, unmasked=unmasked)

    @classmethod
    def empty(cls, shape: tuple[int, int], no_data: int) -> StackedPlanes:
        """Make planes to which no input contributed."""
        planes = cls.unset(shape)
        planes.clear(no_data)
        return planes

    def part(self, yx: tuple[slice, slice]) -> StackedPlanes:
        """Return views of a part."""
        return StackedPlanes(
            self.image[yx], self.mask[yx], self.variance[yx], self.count[yx], self.unmasked[yx]
        )

    def clear(self, no_data: int) -> None:
        """Say that no input contributed."""
        self.image[...], self.mask[...], self.variance[...] = np.nan, no_data, np.inf
        self.count[...] = self.unmasked[...] = 0


def stack_inputs(
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
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
    schema
        Schema of the result's mask; it has all planes of the inputs.
    rules
        How to combine, with masks as bits of the schema.
    resources
        Threads and memory.
    removed
        Bits of the inputs that say nothing about a coadd and are cleared.

    Returns
    -------
    StackedPlanes
        Arrays of the shape of ``bbox``.
    """
    result = StackedPlanes.unset((bbox.y.size, bbox.x.size))
    stacker = _Stacker([InputReader(one, schema) for one in inputs], bbox, rules, removed, result, _Buffers())
    if resources.streaming:
        _require_mean(rules)
        stacker.stream()
        return result
    tiles = list(_tiles(bbox, len(inputs), resources, neighbours(rules)))
    with ThreadPoolExecutor(resources.threads) as pool:
        # A failed tile fails the coadd: results are consumed so that errors surface.
        for _ in pool.map(stacker.stack, tiles):
            pass
    return result


def _require_mean(rules: StackControl) -> None:
    if rules.statistic != "MEAN":
        raise ConfigError(
            f"Warps can be summed one after the other for the statistic MEAN only; found {rules.statistic}.",
            option="streaming",
            found=rules.statistic,
        )


class _Buffers(threading.local):
    """The cube of a thread, used again for each tile: fresh memory has to be cleared by the system first."""

    def __init__(self) -> None:
        self._flat = Planes.unset((0,))

    def planes(self, shape: tuple[int, ...]) -> Planes:
        """Return planes whose pixels have no value yet; those of an earlier call become invalid."""
        size = math.prod(shape)
        if self._flat.image.size < size:
            self._flat = Planes.unset((size,))
        flat = self._flat
        return Planes(*(plane[:size].reshape(shape) for plane in (flat.image, flat.mask, flat.variance)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Stacker:
    """Stack tiles of some inputs into shared output planes."""

    inputs: Sequence[InputReader]
    bbox: Box
    control: StackControl
    removed: int
    result: StackedPlanes
    buffers: _Buffers

    def stack(self, tile: Box) -> None:
        """Stack the inputs that overlap a tile."""
        at = tile.slice_within(self.bbox)
        result = self.result.part((at.y, at.x))
        if not any(one.overlap(tile) for one in self.inputs):
            result.clear(self.control.no_good_mask)
            return
        # Results must not depend on where tiles end: what lies around them is looked at, too.
        seen = tile.dilated_by(neighbours(self.control))
        inside = [(one, box) for one in self.inputs if (box := one.overlap(seen)) is not None]
        # Tiles of whole rows are one piece of the result, so that nothing has to be copied.
        whole = seen == tile and tile.x == self.bbox.x
        unmasked = result.unmasked if whole else np.empty((seen.y.size, seen.x.size), np.int32)
        out = StackResult(result.image, result.mask, result.variance, result.count) if whole else None
        cube = self._read(inside, seen, unmasked)
        weights = weight_ranges([one.weights for one, _ in inside], seen)
        planes = (cube.image, cube.mask, cube.variance)
        stacked = statistics_stack(*planes, weights, control=self.control, out=out)
        if not whole:
            inner = tile.slice_within(seen)
            self._store(stacked, unmasked, result, (inner.y, inner.x))

    def stream(self) -> None:
        """Sum the inputs one after the other over the whole box."""
        shape = (self.bbox.y.size, self.bbox.x.size)
        mean = StreamingMean(shape, self.control)
        unmasked, seen, empty = np.zeros(shape, np.int32), np.empty(shape, np.int32), True
        for one in self.inputs:
            box = one.overlap(self.bbox)
            if box is None:
                continue
            cube = self._read([(one, box)], self.bbox, seen)
            mean.add(cube.image[0], cube.mask[0], cube.variance[0], weight_ranges([one.weights], self.bbox))
            unmasked += seen
            empty = False
        if empty:
            self.result.clear(self.control.no_good_mask)
            return
        self._store(mean.result(), unmasked, self.result)

    def _store(
        self,
        stacked: StackResult,
        unmasked: np.ndarray,
        result: StackedPlanes,
        inner: tuple[slice, ...] = (slice(None), slice(None)),
    ) -> None:
        for name in ("image", "mask", "variance", "count"):
            getattr(result, name)[...] = getattr(stacked, name)[inner]
        result.unmasked[...] = unmasked[inner]

    def _read(self, inputs: Sequence[tuple[InputReader, Box]], tile: Box, unmasked: np.ndarray) -> Planes:
        """Read inputs into a cube, and count in ``unmasked`` how many have no bad bit."""
        shape = (len(inputs), tile.y.size, tile.x.size)
        cube = self.buffers.planes(shape)
        unmasked[...] = 0
        for index, (one, box) in enumerate(inputs):
            part = Planes(cube.image[index], cube.mask[index], cube.variance[index])
            if box == tile:
                one.fill(box, part)
                self._settle(part.mask, unmasked)
                continue
            # What a warp does not cover is NaN without a plane: as if the warp were not there.
            part.image[...], part.mask[...], part.variance[...] = np.nan, 0, np.inf
            at = box.slice_within(tile)
            inner = one.read(box)
            seen = np.zeros(inner.mask.shape, np.int32)
            self._settle(inner.mask, seen)
            unmasked[at.y, at.x] += seen
            for name in ("image", "mask", "variance"):
                getattr(part, name)[at.y, at.x] = getattr(inner, name)
        return cube

    def _settle(self, mask: np.ndarray, unmasked: np.ndarray) -> None:
        bad, removed = np.int32(self.control.bad_mask), np.int32(self.removed)
        settle_mask(mask.reshape(-1), bad, removed, unmasked.reshape(-1))


class InputReader:
    """An input with its mask in the bits of the coadd."""

    def __init__(self, record: WarpInput, schema: MaskSchema) -> None:
        self.record = record
        self._schema = schema
        self._moves = BitMoves(record.source.schema, schema)

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
        planes = Planes.unset((box.y.size, box.x.size))
        self.fill(box, planes)
        return planes

    def fill(self, box: Box, planes: Planes) -> None:
        """Fill arrays with what `read` returns."""
        fill_planes(self.record.source, box, planes)
        self._moves(planes.mask)
        if self.record.alternate is not None:
            np.bitwise_or(planes.mask, self.record.alternate.bits(box, self._schema), out=planes.mask)
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


def _tiles(bbox: Box, n_inputs: int, resources: Resources, rim: int) -> Iterator[Box]:
    """Cut a box into tiles: of whole rows, which are read in one piece, where memory allows.

    Around each tile ``rim`` more pixels are read.
    """
    memory = min(resources.memory * 2**20 / resources.threads, MAX_TILE_BYTES)
    pixels = memory / (_BYTES_PER_INPUT_PIXEL * n_inputs)
    width = bbox.x.size if pixels >= bbox.x.size else min(_MIN_TILE_WIDTH, bbox.x.size)
    rows = int(np.clip(pixels // width - 2 * rim, 1, _MAX_TILE_ROWS))
    for y in range(bbox.y.start, bbox.y.stop, rows):
        for x in range(bbox.x.start, bbox.x.stop, width):
            yield Box(Interval(y, min(y + rows, bbox.y.stop)), Interval(x, min(x + width, bbox.x.stop)))
