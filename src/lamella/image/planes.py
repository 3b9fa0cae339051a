"""Image, mask and variance of a box; masks at the doors to `lsst.images`; boxes and polygons of pixels."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage, MaskSchema, Polygon, SkyProjection

from ..errors import MaskPlaneError, WrongTypeError
from ..planes import Layout, plane_name, suggestion

__all__ = (
    "Planes",
    "conform_mask",
    "inside_polygon",
    "mask_plane_of",
    "overlap",
    "plane_pixels",
    "require_box",
)


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

    def as_image(
        self, schema: MaskSchema, projection: SkyProjection[Any] | None, unit: u.UnitBase = u.nJy
    ) -> MaskedImage:
        """Return the planes, in some unit, as an image of `lsst.images`, whose masks have a third axis."""
        return MaskedImage(
            Image(self.image, bbox=self.box, unit=unit, sky_projection=projection),
            mask=Mask(self.mask[..., np.newaxis], schema=schema, bbox=self.box),
            variance=Image(self.variance, bbox=self.box, unit=unit**2),
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


def plane_pixels(mask: Mask, name: str) -> np.ndarray:
    """Return where a plane of a mask, in either spelling of its name, is set: bool, shape (y, x).

    Raises
    ------
    MaskPlaneError
        Raised when there is no such plane.
    """
    known = plane_name(name)
    if known not in mask.schema.names:
        hint = suggestion(name) or "."
        there = ", ".join(sorted(mask.schema.names))
        raise MaskPlaneError(f"There is no mask plane {name!r}; there are: {there}{hint}", plane=name)
    pixels: np.ndarray = mask.get(known)
    return pixels


def require_box(bbox: object) -> None:
    """Raise a `WrongTypeError` for what an image cannot be cut by."""
    if not (bbox is ... or isinstance(bbox, Box)):
        raise WrongTypeError(
            "image[...]",
            found=repr(bbox)[:60],
            expected="a Box of the frame of bbox: image.local[y0:y1, x0:x1] counts from the first pixel, "
            "image.absolute[y0:y1, x0:x1] as bbox does, and a coadd has cutout(position, size)",
        )


def overlap(first: Box, second: Box) -> Box | None:
    """Return the common part of two boxes, or `None` when there is none."""
    fy, fx, sy, sx = first.y, first.x, second.y, second.x
    y0, y1 = max(fy.start, sy.start), min(fy.stop, sy.stop)
    x0, x1 = max(fx.start, sx.start), min(fx.stop, sx.stop)
    if (y0, y1, x0, x1) == (sy.start, sy.stop, sx.start, sx.stop):
        return second  # A new box takes longer than all the rest.
    return Box.factory[y0:y1, x0:x1] if y0 < y1 and x0 < x1 else None


def inside_polygon(polygon: Polygon, box: Box) -> np.ndarray:
    """Return which pixel centres of a box lie in a polygon, by the crossings of each row.

    A centre on the left or lower border counts as inside, on the right or
    upper border as outside.
    """
    x0, y0 = np.asarray(polygon.x_vertices), np.asarray(polygon.y_vertices)
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    crossings = np.zeros((box.y.size, box.x.size + 1), np.int8)
    rows = np.arange(box.y.start, box.y.stop)[:, np.newaxis]
    row, edge = np.nonzero((rows >= np.minimum(y0, y1)) & (rows < np.maximum(y0, y1)))
    x = x0[edge] + (rows[row, 0] - y0[edge]) / (y1[edge] - y0[edge]) * (x1[edge] - x0[edge])
    column = np.clip(np.ceil(x) - box.x.start, 0, box.x.size).astype(np.int64)
    np.add.at(crossings, (row, column), 1)
    # Sums may wrap around; whether they are odd does not change.
    np.cumsum(crossings[:, :-1], axis=1, dtype=np.int8, out=crossings[:, :-1])
    inside: np.ndarray = crossings[:, :-1] & 1 != 0
    return inside
