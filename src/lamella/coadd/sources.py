"""Warp sources in memory: whole warps, and planes given as arrays."""

from __future__ import annotations

import dataclasses

import numpy as np
from lsst.images import Box, MaskedImage, MaskSchema

from ..errors import MaskPlaneError
from ..planes import bits_of, make_schema

__all__ = ("ImageSource", "Planes", "conform_mask", "mask_plane_of", "remap_mask")


@dataclasses.dataclass(slots=True)
class Planes:
    """The three planes of a box: arrays of shape (y, x)."""

    image: np.ndarray
    """float32; NaN without a measurement."""
    mask: np.ndarray
    """int32."""
    variance: np.ndarray
    """float32; +inf without a measurement."""


class ImageSource:
    """A warp in memory as a `lamella.coadd.inputs.WarpSource`.

    Parameters
    ----------
    image
        Image, mask and variance.  A mask that is not one int32 per pixel is
        converted, plane by plane and by name.
    """

    def __init__(self, image: MaskedImage) -> None:
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

    def read(self, box: Box) -> Planes:
        """Return copies of the planes of a box."""
        part = box.slice_within(self._bbox)
        yx = (part.y, part.x)
        return Planes(self._image[yx].copy(), self._mask[yx].copy(), self._variance[yx].copy())


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


def remap_mask(mask: np.ndarray, old: MaskSchema, new: MaskSchema) -> np.ndarray:
    """Move the bits of an int32 mask from one of lamella's schemas to another, by name.

    Parameters
    ----------
    mask
        int32, shape (y, x).
    old, new
        Schemas of `lamella.planes.make_schema`; ``new`` has all planes of ``old``.

    Returns
    -------
    numpy.ndarray
        int32; ``mask`` itself when no bit moves.
    """
    moves = [(bits_of(old, (name,)), bits_of(new, (name,))) for name in old.names]
    kept = sum(before for before, after in moves if before == after)
    moves = [(before, after) for before, after in moves if before != after]
    if not moves:
        return mask
    result = mask & kept
    for before, after in moves:
        result[(mask & before) != 0] |= after
    return result
