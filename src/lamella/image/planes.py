"""Image, mask and variance of a box, and masks of one schema in another."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage, MaskSchema, SkyProjection

from ..errors import MaskPlaneError
from ..planes import bits_of

__all__ = ("BitMoves", "Planes", "conform_mask", "mask_plane_of", "overlap")


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


def conform_mask(image: MaskedImage, schema: MaskSchema) -> np.ndarray:
    """Return the mask of an image as int32 bits of another schema, mapped by name.

    Parameters
    ----------
    image
        Image with a mask of any schema.
    schema
        A schema of `lamella.planes.make_schema` with all planes of the image.

    Returns
    -------
    numpy.ndarray
        int32, shape (y, x); a view when the schemas agree already.
    """
    mask = image.mask
    if mask.schema == schema:
        return np.ascontiguousarray(mask.array[..., 0])
    result = np.zeros(mask.array.shape[:2], dtype=np.int32)
    for name in mask.schema.names:
        result[mask.get(name)] |= bits_of(schema, (name,))
    return result


class BitMoves:
    """Moves the bits of int32 masks from one of lamella's schemas to another, by name.

    Parameters
    ----------
    old, new
        Schemas of `lamella.planes.make_schema`; ``new`` has all planes of ``old``.
    """

    def __init__(self, old: MaskSchema, new: MaskSchema) -> None:
        pairs = [(bits_of(old, (name,)), bits_of(new, (name,))) for name in old.names]
        self._kept = sum(before for before, after in pairs if before == after)
        self._moves = [(before, after) for before, after in pairs if before != after]

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """Move the bits of a mask in place, and return it."""
        if self._moves:
            old = mask.copy()
            mask &= self._kept
            for before, after in self._moves:
                mask[(old & before) != 0] |= after
        return mask


def overlap(first: Box, second: Box) -> Box | None:
    """Return the common part of two boxes, or `None` when there is none."""
    fy, fx, sy, sx = first.y, first.x, second.y, second.x
    y0, y1 = max(fy.start, sy.start), min(fy.stop, sy.stop)
    x0, x1 = max(fx.start, sx.start), min(fx.stop, sx.stop)
    if (y0, y1, x0, x1) == (sy.start, sy.stop, sx.start, sx.stop):
        return second  # A new box takes longer than all the rest.
    return Box.factory[y0:y1, x0:x1] if y0 < y1 and x0 < x1 else None
