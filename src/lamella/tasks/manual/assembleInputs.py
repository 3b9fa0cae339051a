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
from .references import WarpRef
from .scaleZeroPoint import ImageScaler

__all__ = (
    "PreparedPart",
    "WarpToStack",
    "WholeWarp",
    "absent_warp",
    "alt_spans",
    "empty_planes",
    "rejections_of",
    "stack_record",
    "with_mask",
)


class WarpToStack(NamedTuple):
    """A warp and what belongs to it."""

    ref: WarpRef
    imageScaler: ImageScaler
    weight: float
    altMask: Any


class Preparing(Protocol):
    """The steps of a task that a part of a warp goes through."""

    def applyAltMaskPlanes(self, mask: Mask, altMaskSpans: Mapping[str, Sequence[Any]]) -> Mask:
        """Set planes in some regions."""

    def removeMaskPlanes(self, maskedImage: MaskedImage) -> None:
        """Clear planes that say nothing about a coadd."""


@dataclasses.dataclass
class PreparedPart:
    """A part of a warp as a source: read, masked further, scaled, and rid of planes when it is asked for."""

    task: Preparing
    one: WarpToStack
    bbox: Box
    coadd: PatchCoadd
    bad: int

    @property
    def schema(self) -> MaskSchema:
        """Schema of the coadd."""
        return self.coadd.mask.schema

    def load(self) -> ImageSource:
        """Return the part in memory, and count its pixels in the coadd."""
        image = self.prepared()
        at = self.bbox.slice_within(self.coadd.bbox)
        mask = image.mask.array[..., 0]
        self.coadd.exposure_count_unmasked.array[at.y, at.x] += (mask & self.bad) == 0
        self.task.removeMaskPlanes(image)
        return ImageSource(image)

    def prepared(self) -> MaskedImage:
        """Return the part masked further and scaled."""
        part = self.one.ref.read(self.bbox)
        bits = conform_mask(part.mask, Layout(self.schema))
        mask = Mask(bits[..., np.newaxis].copy(), schema=self.schema, bbox=self.bbox)
        if self.one.altMask is not None:
            mask = self.task.applyAltMaskPlanes(mask, alt_spans(self.one.altMask))
        image = MaskedImage(part.image, mask=mask, variance=part.variance)
        self.one.imageScaler.scaleMaskedImage(image)
        return image

    def read(self, box: Box) -> Planes:
        """Return the planes of a box of the part."""
        return self.load().read(box)


@dataclasses.dataclass(frozen=True)
class WholeWarp:
    """A warp as a source that is read as a whole when it is asked for any of it, once for many boxes."""

    part: PreparedPart
    """All of the warp that is on the coadd."""
    last: dict[int, ImageSource]
    """The warp that was asked for last, by the identity of its part: one of all is in memory."""

    @property
    def bbox(self) -> Box:
        """Box of the pixels."""
        return self.part.bbox

    @property
    def schema(self) -> MaskSchema:
        """Schema of the coadd."""
        return self.part.schema

    def read(self, box: Box) -> Planes:
        """Return the planes of a box."""
        if id(self.part) not in self.last:
            self.last.clear()
            self.last[id(self.part)] = ImageSource(self.part.prepared())
        return self.last[id(self.part)].read(box)


def empty_planes(bbox: Box, coadd: PatchCoadd) -> StackedPlanes:
    """Return the planes of a box that no warp reaches."""
    return StackedPlanes.empty(bbox, Layout(coadd.mask.schema).no_data)


def stack_record(one: WarpToStack, source: WarpSource) -> WarpInput:
    """Return the core's record of a warp, with a source of its pixels."""
    header = one.ref.header
    return WarpInput(
        instrument=header.instrument,
        visit=header.visit,
        band=header.band,
        source=source,
        weight=one.weight,
    )


def alt_spans(altMask: Any) -> dict[str, list[Any]]:
    """Return an alternative mask as regions by the name of the plane."""
    if altMask is None:
        return {}
    if isinstance(altMask, Mask):
        return {
            name: [(altMask.get(name), altMask.bbox)]
            for name in altMask.schema.names
            if altMask.get(name).any()
        }
    return {name: list(regions) for name, regions in altMask.items()}


def with_mask(altMask: Any, everywhere: Mask) -> dict[str, list[Any]]:
    """Return an alternative mask with the planes of another one added."""
    spans = alt_spans(altMask)
    for name, regions in alt_spans(everywhere).items():
        spans.setdefault(name, []).extend(regions)
    return spans


def rejections_of(ref: WarpRef, reason: str, stage: str = "weight") -> list[Rejection]:
    """Return the records of the exposures in a warp that was left out."""
    header = ref.header
    identities = [(d.id, d.path) for d in header.detectors]
    if not identities:
        identities = [(ExposureId(header.instrument, header.visit, -1, header.band), "")]
    return [Rejection(identity, path, stage, reason) for identity, path in identities]


def absent_warp(ref: WarpRef) -> list[Rejection]:
    """Return the record of a visit whose warp does not exist; none where its identifier has no visit."""
    known = ref.dataId
    translate = getattr(ref.ref.getButler(), "dataCoordinate", None)
    if translate is not None:
        with contextlib.suppress(LookupError):  # the repository does not even know the visit
            known = translate(ref.name, known)
    if "visit" not in known:
        return []
    identity = ExposureId(
        str(known.get("instrument", "")), int(known["visit"]), -1, str(known.get("band", ""))
    )
    return [Rejection(identity, "", "warp", f"there is no {ref.name} of this visit")]
