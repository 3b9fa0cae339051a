"""Headers of the planes of an image in an archive.

`lsst.images` has astropy put each of them together card by card.  For a small
image that takes longer than to write it, and most of the cards are the same.
"""

from __future__ import annotations

import functools

import numpy as np
from astropy.io import fits
from lsst.images import Image, MaskedImage, MaskPlane, MaskSchema
from lsst.images.fits import ExtensionKey, add_offset_wcs

from ...fits.write import dump_header
from .flatmask import is_flat

__all__ = ("plane_headers",)


def plane_headers(image: MaskedImage) -> dict[ExtensionKey, bytes]:
    """Return the headers that `lsst.images` gives to image, variance, and mask if it is flat.

    The cards are as they stand in a file, without those that say how the
    pixels are stored.
    """
    header = image.fits_wcs.to_header(relax=True) if image.fits_wcs else fits.Header()
    add_offset_wcs(header, x=image.bbox.x.start, y=image.bbox.y.start)
    places = dump_header(header)
    headers = {
        ExtensionKey("IMAGE"): _unit_card(image.image) + places,
        ExtensionKey("VARIANCE"): _unit_card(image.variance) + places,
    }
    if is_flat(image.mask.schema):
        headers[ExtensionKey("MASK")] = _schema_cards(tuple(image.mask.schema)) + places
    return headers


def _unit_card(plane: Image) -> bytes:
    header = fits.Header()
    if plane.unit is not None:
        try:
            header["BUNIT"] = plane.unit.to_string(format="fits")
        except ValueError:  # the standard only recommends its units
            header["BUNIT"] = plane.unit.to_string()
    return dump_header(header)


@functools.lru_cache(maxsize=4)
def _schema_cards(planes: tuple[MaskPlane | None, ...]) -> bytes:
    header = fits.Header()
    MaskSchema(planes, dtype=np.int32).update_header(header)
    return dump_header(header)
