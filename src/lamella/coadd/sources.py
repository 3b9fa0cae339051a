"""Warp sources in memory: whole warps, and planes given as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from lsst.images import Box, MaskedImage, MaskSchema

from ..errors import MaskPlaneError
from ..planes import bits_of, make_schema
from .inputs import WarpPixels, WarpSource
from .masked_arrays import settle_masked

__all__ = (
    "BitMoves",
    "FillingSource",
    "ImageSource",
    "Planes",
    "RowSource",
    "conform_mask",
    "fill_planes",
    "mask_plane_of",
    "overlap",
    "read_rows",
    "view_planes",
)


@dataclasses.dataclass(slots=True)
class Planes:
    """The three planes of a box: arrays of shape (y, x)."""

    image: np.ndarray
    """float32; NaN without a measurement."""
    mask: np.ndarray
    """int32."""
    variance: np.ndarray
    """float32; +inf without a measurement."""

    @staticmethod
    def unset(shape: tuple[int, ...]) -> Planes:
        """Return planes whose pixels have no value yet."""
        return Planes(np.empty(shape, np.float32), np.empty(shape, np.int32), np.empty(shape, np.float32))


@runtime_checkable
class FillingSource(Protocol):
    """A `lamella.coadd.inputs.WarpSource` that puts pixels into arrays of its caller."""

    def fill(self, box: Box, planes: Planes) -> None:
        """Fill arrays of the shape of a box with its planes."""
        ...


def fill_planes(source: WarpSource, box: Box, planes: Planes) -> None:
    """Fill arrays of the shape of a box with the planes of a source."""
    if isinstance(source, FillingSource):
        source.fill(box, planes)
        return
    read = source.read(box)
    planes.image[...], planes.mask[...], planes.variance[...] = read.image, read.mask, read.variance


@runtime_checkable
class RowSource(Protocol):
    """A `lamella.coadd.inputs.WarpSource` that takes long to be asked, however little it is asked for."""

    def read_rows(self, rows: Sequence[int]) -> Planes:
        """Return the planes of whole rows, by their coordinates."""
        ...


def read_rows(source: WarpSource, rows: Sequence[int]) -> Planes:
    """Return the planes of whole rows of a source, by their coordinates."""
    if isinstance(source, RowSource):
        return source.read_rows(rows)
    x = source.bbox.x
    planes = Planes.unset((len(rows), x.size))
    for at, y in enumerate(rows):
        row = Planes(planes.image[at : at + 1], planes.mask[at : at + 1], planes.variance[at : at + 1])
        fill_planes(source, Box.factory[y : y + 1, x.start : x.stop], row)
    return planes


def view_planes(source: WarpSource) -> WarpPixels:
    """Return all planes of a source to look at: they must not be changed, and may not be copies."""
    return source.view() if isinstance(source, ImageSource) else source.read(source.bbox)


class ImageSource:
    """A warp in memory as a `lamella.coadd.inputs.WarpSource`.

    Parameters
    ----------
    image
        Image, mask and variance.  A mask that is not one int32 per pixel is
        converted, plane by plane and by name.
    """

    def __init__(self, image: MaskedImage) -> None:
        image = settle_masked(image)
        self._image = np.ascontiguousarray(image.image.array, dtype=np.float32)
        self._variance = np.ascontiguousarray(image.variance.array, dtype=np.float32)
        self._schema = make_schema(image.mask.schema.names)
        self._mask = conform_mask(image, self._schema)
        self._bbox = image.bbox

    @property
    def bbox(self) -> Box:
        """Box of the pixels."""
        return self._bbox

    @property
    def schema(self) -> MaskSchema:
        """Schema of the mask."""
        return self._schema

    def view(self) -> Planes:
        """Return the planes themselves, which must not be changed."""
        return Planes(self._image, self._mask, self._variance)

    def read(self, box: Box) -> Planes:
        """Return copies of the planes of a box."""
        planes = Planes.unset((box.y.size, box.x.size))
        self.fill(box, planes)
        return planes

    def fill(self, box: Box, planes: Planes) -> None:
        """Fill arrays of the shape of a box with its planes."""
        part = box.slice_within(self._bbox)
        yx = (part.y, part.x)
        planes.image[...], planes.mask[...] = self._image[yx], self._mask[yx]
        planes.variance[...] = self._variance[yx]


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
