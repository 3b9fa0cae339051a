"""Masks that are written as they are.

`lsst.images` copies a mask plane by plane when it writes it, because elements
of another size, or planes without a name, have to be moved.  In ours nothing
has to, and an image of 4200 x 4200 pixels is written a second faster.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.io import fits
from lsst.images import Mask, MaskedImage, MaskSchema
from lsst.images import MaskSerializationModel as MaskModel
from lsst.images.fits import add_offset_wcs as add_offset_cards
from lsst.images.serialization import NumberType, OutputArchive, no_header_updates

__all__ = ("FlatMask", "is_flat", "with_flat_mask")


def is_flat(schema: MaskSchema) -> bool:
    """Return whether the elements of a mask are stored as they are in memory: one int32, no gaps."""
    return schema.dtype == np.int32 and schema.mask_size == 1 and all(plane is not None for plane in schema)


class FlatMask(Mask):
    """A mask whose schema `is_flat`, on its way into a FITS file."""

    def serialize[P: Any](
        self,
        archive: OutputArchive[P],
        *,
        update_header: Callable[[fits.Header], None] = no_header_updates,
        save_projection: bool = True,
        add_offset_wcs: str | None = "A",
        tile_shape: tuple[int, ...] | None = None,
        options_name: str | None = None,
    ) -> MaskModel[P]:
        """Write the mask into an archive of FITS, which then is the same as if a `Mask` had been written."""

        def add_cards(header: fits.Header) -> None:
            update_header(header)
            self.schema.update_header(header)
            if self.sky_projection is not None and add_offset_wcs != " " and self.fits_wcs:
                header.update(self.fits_wcs.to_header(relax=True))
            if add_offset_wcs is not None:
                add_offset_cards(header, x=self.bbox.x.start, y=self.bbox.y.start, key=add_offset_wcs)

        pixels = archive.add_array(
            self.array[..., 0], update_header=add_cards, tile_shape=tile_shape, options_name=options_name
        )
        projection = None
        if save_projection and self.sky_projection is not None:
            projection = archive.serialize_direct("sky_projection", self.sky_projection.serialize)
        return MaskModel.model_construct(
            data=[pixels],
            yx0=list(self.bbox.start),
            planes=list(self.schema),
            dtype=NumberType.from_numpy(self.schema.dtype),
            sky_projection=projection,
            metadata=dict(self.metadata.native),
        )


def with_flat_mask[T: MaskedImage](image: T) -> T:
    """Return a shallow copy of an image with a `FlatMask`, or the image itself if its mask is not flat."""
    mask = image.mask
    if not is_flat(mask.schema):
        return image
    flat = FlatMask(mask.array, bbox=mask.bbox, schema=mask.schema, sky_projection=mask.sky_projection)
    result = copy.copy(image)
    result._mask = flat
    return result
