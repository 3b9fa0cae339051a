"""Mask planes as the documented methods take them: bits, names, regions, and masks to use instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from lsst.images import Box, Mask, MaskedImage, MaskSchema

from ...errors import MaskPlaneError
from ...image.planes import conform_mask, overlap
from ...image.spans import Runs
from ...planes import Layout, make_schema, plane_name, plane_names
from .spans import SpanSet

__all__ = ("AltMask", "add_plane", "bits_or_names", "names_of_bits", "plane_layout", "region_list")


def bits_or_names(mask: Any) -> int | tuple[str, ...]:
    """Return which planes an argument ``mask`` asks for.

    Parameters
    ----------
    mask
        Bits, as an integer of Python or numpy; names of planes; or one text of
        names with commas between them.
    """
    if isinstance(mask, Integral):
        return int(mask)
    names = (name.strip() for name in mask.split(",")) if isinstance(mask, str) else mask
    return plane_names(name for name in names if name)


def plane_layout(badMaskPlanes: Iterable[str], thresholds: Iterable[str] = ()) -> Layout:
    """Return the bits of a configuration: standard planes first, then those that only its options name."""
    return Layout.of(names=(*badMaskPlanes, *thresholds))


def names_of_bits(bits: int, layout: Layout) -> tuple[str, ...]:
    """Return the names of the planes of some bits.

    Raises
    ------
    MaskPlaneError
        Raised when a bit belongs to no plane.
    """
    names = tuple(name for name in layout.names if layout.bits((name,)) & bits)
    if rest := bits & ~layout.bits(names):
        raise MaskPlaneError(
            f"The bits {rest:#x} of {bits:#x} belong to no mask plane; there are: {', '.join(layout.names)}. "
            "Planes that only some warps have can be given by name.",
            bits=rest,
        )
    return names


def region_list(regions: Any) -> list[Any]:
    """Return regions as a list, also where there is one that stands for itself.

    Parameters
    ----------
    regions
        A sequence of regions, or one of them; see `lamella.tasks.manual.spans.as_spans`.
    """
    if isinstance(regions, SpanSet | Runs | Box | Mask):
        return [regions]
    listed = list(regions)
    is_pair = isinstance(regions, tuple) and len(listed) == 2 and isinstance(listed[1], Box)
    is_spans = bool(listed) and all(_is_span(region) for region in listed)
    return [regions] if is_pair or is_spans else listed


def _is_span(region: Any) -> bool:
    return (
        isinstance(region, Sequence)
        and len(region) == 3
        and all(isinstance(number, Integral) for number in region)
    )


def add_plane(mask: Mask, name: str, description: str) -> None:
    """Give a mask a plane, in place; nothing is done where it has it.

    Parameters
    ----------
    mask
        The mask.  Its array stays the same while the elements of it have a bit left.
    name
        Name of the plane.
    description
        What it means.
    """
    name = plane_name(name)
    if name in mask.schema.names:
        return
    grown = mask.add_plane(name, description)
    # Masks of the documented methods are changed in place; those of lsst.images offer a copy only.  Planes
    # keep their bits, so that views of the array stay right.
    vars(mask)["_schema"] = grown.schema
    if grown.array.shape != mask.array.shape:
        vars(mask)["_array"] = grown.array


@dataclasses.dataclass(frozen=True)
class AltMask:
    """What a warp is masked with beside, or instead of, its own mask.

    Attributes
    ----------
    instead
        A mask that is used rather than that of the warp, where it has pixels.
    spans
        Regions to add, by the name of the plane.
    """

    instead: Mask | None = None
    spans: Mapping[str, list[Any]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> Self:
        """Make it of an element of ``altMaskList``: `None`, a mask to use instead, or regions by plane."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Mask):
            return cls(instead=value)
        return cls(spans={name: region_list(regions) for name, regions in (value or {}).items()})

    @property
    def names(self) -> set[str]:
        """Names of all planes."""
        own = set(self.spans) | (set(self.instead.schema.names) if self.instead is not None else set())
        return {plane_name(name) for name in own}

    def adding(self, other: Any) -> Self:
        """Return this with further regions: those of a dictionary, or of the planes of a mask."""
        spans = {name: list(regions) for name, regions in self.spans.items()}
        more = _mask_spans(other) if isinstance(other, Mask) else AltMask.of(other).spans
        for name, regions in more.items():
            spans.setdefault(name, []).extend(regions)
        return dataclasses.replace(self, spans=spans)

    def schema(self, own: Iterable[str]) -> MaskSchema:
        """Return the schema of a warp's mask once the other one has been put in; ``own`` are its planes."""
        return make_schema({*own, *(() if self.instead is None else self.instead.schema.names)})

    def put_in(self, image: MaskedImage) -> MaskedImage:
        """Return an image, or a part of it, with the mask that is to be used instead."""
        if self.instead is None:
            return image
        layout = Layout(self.schema(image.mask.schema.names))
        mask = Mask(
            conform_mask(image.mask, layout)[..., np.newaxis].copy(), schema=layout.schema, bbox=image.bbox
        )
        box = overlap(self.instead.bbox, image.bbox)
        if box is not None:
            mask[box].array[..., 0] = conform_mask(self.instead[box], layout)
        return MaskedImage(image.image, mask=mask, variance=image.variance)


def _mask_spans(mask: Mask) -> dict[str, list[Any]]:
    return {name: [(mask.get(name), mask.bbox)] for name in mask.schema.names if mask.get(name).any()}
