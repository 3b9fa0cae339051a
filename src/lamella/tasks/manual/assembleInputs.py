"""Warps with their scalers, weights and further masks, in the form that the core stacks."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from lsst.images import Box, Mask, MaskedImage, MaskSchema

from ...coadd.assemble import StackedPlanes
from ...coadd.stack.sources import ImageSource
from ...data.coadd import PatchCoadd, Rejection
from ...data.exposure import ExposureId
from ...data.inputs import WarpInput, WarpSource
from ...image.planes import Planes, conform_mask
from ...planes import Layout
from .maskPlanes import AltMask
from .references import WarpRef, gen3_id
from .scaleZeroPoint import ImageScaler

__all__ = (
    "PreparedWarp",
    "WarpToStack",
    "WholeWarp",
    "absent_warp",
    "planes_of",
    "stack_record",
)


class WarpToStack(NamedTuple):
    """A warp and what belongs to it."""

    ref: WarpRef
    imageScaler: ImageScaler
    weight: float
    altMask: Any

    @property
    def alternate(self) -> AltMask:
        """What it is masked with beside, or instead of, its own mask."""
        return AltMask.of(self.altMask)


class Preparing(Protocol):
    """The steps of a task that the pixels of a warp go through."""

    def applyAltMaskPlanes(self, mask: Mask, altMaskSpans: Mapping[str, Sequence[Any]]) -> Mask:
        """Set planes in some regions."""

    def removeMaskPlanes(self, maskedImage: MaskedImage) -> None:
        """Clear planes that say nothing about a coadd."""


@dataclasses.dataclass
class PreparedWarp:
    """A box of a warp as a source: read, masked further, scaled, and rid of planes when it is asked for."""

    task: Preparing
    warp: WarpToStack
    bbox: Box
    coadd: PatchCoadd
    bad: int

    @property
    def schema(self) -> MaskSchema:
        """Schema of the coadd."""
        return self.coadd.mask.schema

    def load(self) -> ImageSource:
        """Return the box in memory, and count its pixels in the coadd."""
        image = self.prepared()
        at = self.bbox.slice_within(self.coadd.bbox)
        mask = image.mask.array[..., 0]
        self.coadd.exposure_count_unmasked.array[at.y, at.x] += (mask & self.bad) == 0
        self.task.removeMaskPlanes(image)
        return ImageSource(image)

    def prepared(self) -> MaskedImage:
        """Return the pixels masked further and scaled."""
        alternate = self.warp.alternate
        pixels = alternate.put_in(self.warp.ref.read(self.bbox))
        bits = conform_mask(pixels.mask, Layout(self.schema))
        mask = Mask(bits[..., np.newaxis].copy(), schema=self.schema, bbox=self.bbox)
        if self.warp.altMask is not None:
            mask = self.task.applyAltMaskPlanes(mask, alternate.spans)
        image = MaskedImage(pixels.image, mask=mask, variance=pixels.variance)
        self.warp.imageScaler.scaleMaskedImage(image)
        return image

    def read(self, box: Box) -> Planes:
        """Return the planes of a box."""
        return self.load().read(box)


@dataclasses.dataclass(frozen=True)
class WholeWarp:
    """A warp as a source that is read as a whole when it is asked for any of it, once for many boxes."""

    warp: PreparedWarp
    """All of the warp that is on the coadd."""
    last: dict[int, ImageSource]
    """The warp that was asked for last, by the identity of its source: one of all is in memory."""

    @property
    def bbox(self) -> Box:
        """Box of the pixels."""
        return self.warp.bbox

    @property
    def schema(self) -> MaskSchema:
        """Schema of the coadd."""
        return self.warp.schema

    def read(self, box: Box) -> Planes:
        """Return the planes of a box."""
        if id(self.warp) not in self.last:
            self.last.clear()
            self.last[id(self.warp)] = ImageSource(self.warp.prepared())
        return self.last[id(self.warp)].read(box)


def planes_of(coadd: PatchCoadd) -> StackedPlanes:
    """Return the planes of a coadd as the core knows them: views, through which the coadd changes."""
    images = coadd.image, coadd.variance, coadd.exposure_count, coadd.exposure_count_unmasked
    image, variance, count, unmasked = (plane.array for plane in images)
    return StackedPlanes(coadd.bbox, image, coadd.mask.array[..., 0], variance, count, unmasked)


def stack_record(warp: WarpToStack, source: WarpSource) -> WarpInput:
    """Return the core's record of a warp, with a source of its pixels."""
    (instrument, visit), band = warp.ref.key, warp.ref.header.band
    return WarpInput(instrument=instrument, visit=visit, band=band, source=source, weight=warp.weight)


def absent_warp(ref: WarpRef) -> list[Rejection]:
    """Return the record of a visit whose warp does not exist; none where its identifier has no visit."""
    dataId = ref.dataId
    with contextlib.suppress(LookupError):  # the repository does not even know the visit
        dataId = gen3_id(ref.ref, ref.name) or dataId
    if "visit" not in dataId:
        return []
    identity = ExposureId(
        str(dataId.get("instrument", "")), int(dataId["visit"]), -1, str(dataId.get("band", ""))
    )
    return [Rejection(identity, "", "warp", f"there is no {ref.name} of this visit")]
