"""From warps to a coadd: the driver, and the loop over tiles."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Interval, Mask, MaskSchema

from ..config import Config, inherited, option
from ..errors import ConfigError, DuplicateInputError, NoInputsError
from ..planes import bits_of, make_schema, plane_names
from .archive import PatchCoadd, Rejection, Warp
from .brightmask import BrightObjectCatalog, paint_bright_objects
from .gaps import GapControl, fill_masked_image
from .inputs import CoaddTarget, WarpInput
from .prepare import WeightControl, prepare_inputs
from .sources import BitMoves, Planes, overlap
from .stack import StackControl, StackResult, Statistic, StreamingMean, statistics_stack
from .stack_control import Combination
from .versions import package_versions

__all__ = ("AssembleConfig", "Resources", "StackedPlanes", "assemble", "stack_inputs")


class AssembleConfig(Combination):
    """How warps become a coadd."""

    statistic: Statistic = inherited(Combination, "statistic", default="NOISECLIP")
    error_from_input_variance: bool = inherited(Combination, "error_from_input_variance", default=True)
    bad_mask_planes: tuple[str, ...] = option(
        ("NO_DATA", "BAD", "SATURATED", "DETECTION_EDGE"), "Pixels with one of these planes are left out."
    )
    remove_mask_planes: tuple[str, ...] = option(
        ("NOT_DEBLENDED",), "Planes of the inputs that say nothing about a coadd and are cleared."
    )
    mask_propagation_thresholds: dict[str, float] = option(
        {"SATURATED": 0.1},
        "Planes that the coadd gets where the inputs that were left out with that plane hold more than "
        "this fraction of the weight.",
    )
    weights: WeightControl = option(WeightControl(), "How the weight of a warp is found.")
    fill_gaps: bool = option(True, "Interpolate pixels to which no input contributed.")
    gaps: GapControl = option(GapControl(max_gap=10), "How gaps are filled.")
    bright_object_plane: str = option("BRIGHT_OBJECT", "Plane that masks of bright objects are put on.")

    def stack_control(self, schema: MaskSchema) -> StackControl:
        """Translate the names of planes into bits."""
        thresholds = {
            bits_of(schema, (name,)).bit_length() - 1: value
            for name, value in self.mask_propagation_thresholds.items()
        }
        return StackControl(
            **{name: getattr(self, name) for name in Combination.model_fields},
            bad_mask=bits_of(schema, self.bad_mask_planes),
            weighted=True,
            no_good_mask=bits_of(schema, ("NO_DATA",)),
            clipped_mask=bits_of(schema, ("CLIPPED",)),
            mask_map=_rejected_mapping(schema, self.bad_mask_planes),
            propagation_thresholds=thresholds,
        )


class Resources(Config):
    """What a computation may use; results do not depend on it."""

    threads: int = option(1, "Number of threads.", ge=1)
    memory: float = option(1024.0, "Memory for tiles of inputs.", unit="MiB", gt=0)
    streaming: bool = option(
        False, "Hold one whole warp in memory at a time instead of tiles of all; for the statistic MEAN only."
    )


@dataclasses.dataclass(slots=True)
class StackedPlanes(Planes):
    """The planes of a coadd, with counts of inputs; arrays of shape (y, x)."""

    count: np.ndarray
    """int32; inputs really used."""
    unmasked: np.ndarray
    """int32; inputs whose pixel was not masked."""

    @classmethod
    def empty(cls, shape: tuple[int, int], no_data: int) -> StackedPlanes:
        """Make planes to which no input contributed."""
        return cls(
            image=np.full(shape, np.nan, dtype=np.float32),
            mask=np.full(shape, no_data, dtype=np.int32),
            variance=np.full(shape, np.inf, dtype=np.float32),
            count=np.zeros(shape, dtype=np.int32),
            unmasked=np.zeros(shape, dtype=np.int32),
        )


def assemble(
    warps: Iterable[Warp | WarpInput],
    config: AssembleConfig | None = None,
    *,
    target: CoaddTarget | None = None,
    bright_objects: BrightObjectCatalog | None = None,
    rejected: Sequence[Rejection] = (),
    resources: Resources | None = None,
) -> PatchCoadd:
    """Combine warps into the coadd of one patch.

    Parameters
    ----------
    warps
        Warps of one band on one pixel grid, in any order.  A `Warp` gets its
        weight here; a `WarpInput` has one.
    config
        How to combine.
    target
        Pixel grid of the coadd; by default the box around all warps.
    bright_objects
        Objects whose masks are painted on the coadd.
    rejected
        Exposures left out earlier, for the record.
    resources
        Threads and memory; the result does not depend on them.

    Returns
    -------
    PatchCoadd
        Image in nJy, mask, variance, counts, inputs with weights, and PSF.

    Raises
    ------
    NoInputsError
        Raised when there is no warp, or none with a valid weight.
    DuplicateInputError
        Raised when two warps are the same visit.
    """
    config = config or AssembleConfig()
    prepared = prepare_inputs(warps, config.weights, config.bad_mask_planes)
    if not prepared.inputs:
        reasons = "; ".join(f"{r.id}: {r.reason}" for r in prepared.rejected) or "no warps were given"
        raise NoInputsError(f"Nothing to coadd: {reasons}.")
    _check_identities(prepared.inputs)
    target = target or prepared.common_target()
    schema = make_schema(itertools.chain.from_iterable(i.source.schema.names for i in prepared.inputs))
    planes = stack_inputs(prepared.inputs, target.outer_bbox, schema, config, resources or Resources())
    _mark_inexact_psf(planes.mask, schema)
    coadd = _make_coadd(planes, target, schema, prepared.inputs, config, (*rejected, *prepared.rejected))
    if config.fill_gaps:
        fill_masked_image(coadd, ("NO_DATA",), config.gaps)
    if bright_objects is not None:
        paint_bright_objects(coadd.mask, target.projection, bright_objects, config.bright_object_plane)
    return coadd


def stack_inputs(
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
    config: AssembleConfig,
    resources: Resources,
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
    config, resources
        How to combine, and with what.

    Returns
    -------
    StackedPlanes
        Arrays of the shape of ``bbox``.
    """
    control = config.stack_control(schema)
    removed = bits_of(schema, config.remove_mask_planes, missing_ok=True)
    result = StackedPlanes.empty((bbox.y.size, bbox.x.size), bits_of(schema, ("NO_DATA",)))
    stacker = _Stacker([_Input(one, schema) for one in inputs], bbox, control, removed, result)
    if resources.streaming:
        _require_mean(config)
        stacker.stream()
        return result
    tiles = list(_tiles(bbox, len(inputs), resources))
    with ThreadPoolExecutor(resources.threads) as pool:
        # A failed tile fails the coadd: results are consumed so that errors surface.
        for _ in pool.map(stacker.stack, tiles):
            pass
    return result


def _require_mean(config: AssembleConfig) -> None:
    if config.statistic != "MEAN":
        raise ConfigError(
            f"Warps can be summed one after the other for the statistic MEAN only; found {config.statistic}.",
            option="streaming",
            found=config.statistic,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Stacker:
    """Stack tiles of some inputs into shared output planes."""

    inputs: Sequence[_Input]
    bbox: Box
    control: StackControl
    removed: int
    result: StackedPlanes

    def stack(self, tile: Box) -> None:
        """Stack the inputs that overlap a tile."""
        inside = [one for one in self.inputs if one.overlap(tile) is not None]
        if not inside:
            return
        cube, unmasked = self._read(inside, tile)
        weights = np.array([one.record.weight for one in inside], dtype=np.float64)
        stacked = statistics_stack(cube.image, cube.mask, cube.variance, weights, control=self.control)
        at = tile.slice_within(self.bbox)
        self._store(stacked, (at.y, at.x))
        self.result.unmasked[at.y, at.x] = unmasked

    def stream(self) -> None:
        """Sum the inputs one after the other over the whole box."""
        shape = (self.bbox.y.size, self.bbox.x.size)
        mean = StreamingMean(shape, self.control)
        for one in self.inputs:
            if one.overlap(self.bbox) is None:
                continue
            cube, unmasked = self._read([one], self.bbox)
            mean.add(cube.image[0], cube.mask[0], cube.variance[0], one.record.weight)
            self.result.unmasked[...] += unmasked
        self._store(mean.result(), (slice(None), slice(None)))

    def _store(self, stacked: StackResult, yx: tuple[slice, slice]) -> None:
        for name in ("image", "mask", "variance", "count"):
            getattr(self.result, name)[yx] = getattr(stacked, name)

    def _read(self, inputs: Sequence[_Input], tile: Box) -> tuple[Planes, np.ndarray]:
        shape = (len(inputs), tile.y.size, tile.x.size)
        cube = Planes(np.empty(shape, np.float32), np.empty(shape, np.int32), np.empty(shape, np.float32))
        unmasked = np.zeros(shape[1:], dtype=np.int32)
        for index, one in enumerate(inputs):
            box = one.overlap(tile)
            assert box is not None
            if box != tile:
                # What a warp does not cover is NaN without a plane: as if the warp were not there.
                cube.image[index], cube.mask[index], cube.variance[index] = np.nan, 0, np.inf
            at = box.slice_within(tile)
            part = one.read(box)
            unmasked[at.y, at.x] += (part.mask & self.control.bad_mask) == 0
            cube.image[index, at.y, at.x] = part.image
            np.bitwise_and(part.mask, ~self.removed, out=cube.mask[index, at.y, at.x])
            cube.variance[index, at.y, at.x] = part.variance
        return cube, unmasked


class _Input:
    """An input with its mask in the bits of the coadd."""

    def __init__(self, record: WarpInput, schema: MaskSchema) -> None:
        self.record = record
        self._schema = schema
        self._moves = BitMoves(record.source.schema, schema)

    def overlap(self, tile: Box) -> Box | None:
        """Return the part of a tile that the input holds."""
        return overlap(self.record.source.bbox, tile)

    def read(self, box: Box) -> Planes:
        """Read a box on the photometric scale of the coadd, with the alternate planes."""
        part = self.record.source.read(box)
        mask = self._moves(part.mask)
        if self.record.alternate is not None:
            mask = mask | self.record.alternate.bits(box, self._schema)
        if self.record.scale == 1.0:
            return Planes(part.image, mask, part.variance)
        scale = np.float32(self.record.scale)
        return Planes(part.image * scale, mask, part.variance * (scale * scale))


# Image, mask and variance of one input pixel, and the kernel's own working space.
_BYTES_PER_INPUT_PIXEL = 32
_TILE_WIDTH = 1024
_MAX_TILE_ROWS = 128


def _tiles(bbox: Box, n_inputs: int, resources: Resources) -> Iterator[Box]:
    width = min(_TILE_WIDTH, bbox.x.size)
    per_row = _BYTES_PER_INPUT_PIXEL * n_inputs * width * resources.threads
    rows = int(np.clip(resources.memory * 2**20 // per_row, 1, _MAX_TILE_ROWS))
    for y in range(bbox.y.start, bbox.y.stop, rows):
        for x in range(bbox.x.start, bbox.x.stop, width):
            yield Box(Interval(y, min(y + rows, bbox.y.stop)), Interval(x, min(x + width, bbox.x.stop)))


def _check_identities(inputs: Sequence[WarpInput]) -> None:
    for first, second in itertools.pairwise(inputs):
        if first.key == second.key:
            raise DuplicateInputError(
                f"{first.instrument} visit {first.visit}",
                found="two warps of this visit",
                expected="one warp per visit",
            )


def _rejected_mapping(schema: MaskSchema, bad: Iterable[str]) -> tuple[tuple[int, int], ...]:
    # An input left out for want of data or at the rim of a detector is not "rejected".
    names = set(plane_names(bad)) - {"NO_DATA", "DETECTION_EDGE", "CLIPPED"}
    pairs = (
        (bits_of(schema, names), bits_of(schema, ("REJECTED",))),
        (bits_of(schema, ("DETECTION_EDGE",)), bits_of(schema, ("SENSOR_EDGE",))),
        (bits_of(schema, ("CLIPPED",)), bits_of(schema, ("CLIPPED",))),
    )
    return tuple(pair for pair in pairs if pair[0])


def _mark_inexact_psf(mask: np.ndarray, schema: MaskSchema) -> None:
    causes = bits_of(schema, ("SENSOR_EDGE", "CLIPPED", "REJECTED"))
    np.bitwise_or(mask, bits_of(schema, ("INEXACT_PSF",)), out=mask, where=(mask & causes) != 0)


def _make_coadd(
    planes: StackedPlanes,
    target: CoaddTarget,
    schema: MaskSchema,
    inputs: Sequence[WarpInput],
    config: AssembleConfig,
    rejected: Sequence[Rejection],
) -> PatchCoadd:
    bbox = target.outer_bbox
    detectors = [
        dataclasses.replace(detector, weight=one.weight or 0.0)
        for one in inputs
        for detector in one.detectors
    ]
    settings: Mapping[str, object] = {"assemble": config.to_dict()}
    return PatchCoadd(
        Image(planes.image, bbox=bbox, unit=u.nJy, sky_projection=target.projection),
        mask=Mask(planes.mask[..., np.newaxis], bbox=bbox, schema=schema),
        variance=Image(planes.variance, bbox=bbox, unit=u.nJy**2),
        exposure_count=Image(planes.count, bbox=bbox),
        exposure_count_unmasked=Image(planes.unmasked, bbox=bbox),
        band=inputs[0].band,
        skymap=target.skymap,
        tract=target.tract,
        patch=target.patch,
        inner_bbox=target.inner_bbox or bbox,
        detectors=detectors,
        rejected=sorted(rejected),
        settings=settings,
        versions=package_versions(),
        notes=sorted({note for detector in detectors for note in detector.notes}),
    )
