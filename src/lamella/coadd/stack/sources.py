"""Warp sources in memory: whole warps, and planes given as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from lsst.images import Box, MaskedImage, MaskSchema

from ...data.inputs import WarpPixels, WarpSource
from ...image.masked_arrays import settle_masked
from ...image.planes import Planes, conform_mask
from ...planes import make_schema

__all__ = ("FillingSource", "ImageSource", "RowSource", "fill_planes", "read_rows", "view_planes")


@runtime_checkable
class FillingSource(Protocol):
    """A `lamella.data.inputs.WarpSource` that puts pixels into arrays of its caller."""

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
    """A `lamella.data.inputs.WarpSource` that takes long to be asked, however little it is asked for."""

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
    """A warp in memory as a `lamella.data.inputs.WarpSource`.

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
