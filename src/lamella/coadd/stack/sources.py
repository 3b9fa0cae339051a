"""Warp sources in memory: whole warps, and planes given as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from lsst.images import Box, MaskedImage, MaskSchema

from ...data.inputs import WarpSource
from ...image.masked_arrays import settle_masked
from ...image.planes import Planes, conform_mask
from ...planes import Layout

__all__ = ("FillingSource", "ImageSource", "RowSource", "Rows", "fill_planes", "read_rows", "view_planes")


class Rows(NamedTuple):
    """The planes of rows that need not be neighbours: arrays of shape (row, x)."""

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray


@runtime_checkable
class FillingSource(Protocol):
    """A `lamella.data.inputs.WarpSource` that puts pixels into arrays of its caller."""

    def fill(self, planes: Planes) -> None:
        """Fill the planes of a box."""
        ...


def fill_planes(source: WarpSource, planes: Planes) -> None:
    """Fill the planes of a box from a source."""
    if isinstance(source, FillingSource):
        source.fill(planes)
        return
    # A source of others: any value with these three arrays will do.
    read = source.read(planes.box)
    planes.image[...], planes.mask[...], planes.variance[...] = read.image, read.mask, read.variance


@runtime_checkable
class RowSource(Protocol):
    """A `lamella.data.inputs.WarpSource` that takes long to be asked, however little it is asked for."""

    def read_rows(self, rows: Sequence[int]) -> Rows:
        """Return the planes of whole rows, by their coordinates."""
        ...


def read_rows(source: WarpSource, rows: Sequence[int]) -> Rows:
    """Return the planes of whole rows of a source, by their coordinates."""
    if isinstance(source, RowSource):
        return source.read_rows(rows)
    x = source.bbox.x
    strips = [source.read(Box.factory[y : y + 1, x.start : x.stop]) for y in rows]
    return Rows(*(np.concatenate([getattr(strip, name) for strip in strips]) for name in Rows._fields))


def view_planes(source: WarpSource) -> Planes:
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
        self.bbox: Box = image.bbox
        layout = Layout.of(image.mask.schema)
        self.schema: MaskSchema = layout.schema
        pixels, variance = (
            np.ascontiguousarray(plane.array, dtype=np.float32) for plane in (image.image, image.variance)
        )
        self._planes = Planes(self.bbox, pixels, conform_mask(image.mask, layout), variance)

    def view(self) -> Planes:
        """Return the planes themselves, which must not be changed."""
        return self._planes

    def read(self, box: Box) -> Planes:
        """Return copies of the planes of a box."""
        planes = Planes.unset(box)
        self.fill(planes)
        return planes

    def fill(self, planes: Planes) -> None:
        """Fill the planes of a box."""
        planes.put(self._planes.part(planes.box))
