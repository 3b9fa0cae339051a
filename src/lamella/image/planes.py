"""Image, mask and variance of a box, and masks of one schema in another."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage, MaskSchema, SkyProjection

from ..errors import MaskPlaneError
from ..planes import Layout

__all__ = ("Planes", "conform_mask", "mask_plane_of", "overlap")


@dataclasses.dataclass(slots=True)
class Planes:
    """The three planes of a box: arrays of shape (y, x)."""

    TYPES: ClassVar[tuple[type, ...]] = (np.float32, np.int32, np.float32)

    box: Box
    image: np.ndarray
    """float32; NaN without a measurement."""
    mask: np.ndarray
    """int32."""
    variance: np.ndarray
    """float32; +inf without a measurement."""

    @classmethod
    def unset(cls, box: Box) -> Self:
        """Return planes whose pixels have no value yet."""
        return cls(box, *(np.empty(box.shape, kind) for kind in cls.TYPES))

    @classmethod
    def empty(cls, box: Box, no_data: int) -> Self:
        """Return planes without any measurement."""
        planes = cls.unset(box)
        planes.clear(no_data)
        return planes

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image, mask and variance, as kernels take them."""
        return self.image, self.mask, self.variance

    def clear(self, no_data: int) -> None:
        """Take all measurements out."""
        self.image[...], self.mask[...], self.variance[...] = np.nan, no_data, np.inf

    def part(self, box: Box) -> Self:
        """Return views of a box inside."""
        at = box.slice_within(self.box)
        return type(self)(box, *(getattr(self, field.name)[at] for field in dataclasses.fields(self)[1:]))

    def put(self, planes: Planes) -> None:
        """Copy planes of a box inside."""
        at = planes.box.slice_within(self.box)
        for field in dataclasses.fields(self)[1:]:
            getattr(self, field.name)[at] = getattr(planes, field.name)

    def as_image(self, schema: MaskSchema, projection: SkyProjection[Any] | None) -> MaskedImage:
        """Return the planes, in nJy, as an image of `lsst.images`, whose masks have a third axis."""
        return MaskedImage(
            Image(self.image, bbox=self.box, unit=u.nJy, sky_projection=projection),
            mask=Mask(self.mask[..., np.newaxis], schema=schema, bbox=self.box),
            variance=Image(self.variance, bbox=self.box, unit=u.nJy**2),
        )


def mask_plane_of(image: MaskedImage) -> np.ndarray:
    """Return the mask of an image with lamella's schema as an int32 array of shape (y, x).

    The array is a view.

    Raises
    ------
    MaskPlaneError
        Raised when the mask has another type or more than one element per pixel.
    """
    array = image.mask.array
    if array.dtype != np.int32 or array.shape[-1] != 1:
        raise MaskPlaneError(
            f"The mask has {array.shape[-1]} elements of {array.dtype} per pixel; expected one int32."
        )
    return array[..., 0]


def conform_mask(mask: Mask, layout: Layout) -> np.ndarray:
    """Return a mask of `lsst.images` as int32 bits of a layout, by name.

    Parameters
    ----------
    mask
        Mask with any schema.
    layout
        A layout with all of its planes.

    Returns
    -------
    numpy.ndarray
        int32, shape (y, x); a view when the schemas agree already.
    """
    if mask.schema == layout.schema:
        return np.ascontiguousarray(mask.array[..., 0])
    bits = np.zeros(mask.array.shape[:2], dtype=np.int32)
    for name in mask.schema.names:
        bits[mask.get(name)] |= layout.bits((name,))
    return bits


def overlap(first: Box, second: Box) -> Box | None:
    """Return the common part of two boxes, or `None` when there is none."""
    fy, fx, sy, sx = first.y, first.x, second.y, second.x
    y0, y1 = max(fy.start, sy.start), min(fy.stop, sy.stop)
    x0, x1 = max(fx.start, sx.start), min(fx.stop, sx.stop)
    if (y0, y1, x0, x1) == (sy.start, sy.stop, sx.start, sx.stop):
        return second  # A new box takes longer than all the rest.
    return Box.factory[y0:y1, x0:x1] if y0 < y1 and x0 < x1 else None
