"""Masked arrays of numpy: an element that they mask is no measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
from lsst.images import Image, Mask, MaskedImage

from ..planes import Layout
from .planes import conform_mask

__all__ = ("masked_pixels", "settle_masked")


def masked_pixels(*planes: Any) -> np.ndarray | None:
    """Return which elements any of some planes masks.

    Parameters
    ----------
    *planes
        Arrays of one shape, or sequences of arrays; `numpy.ma.MaskedArray` or not.

    Returns
    -------
    numpy.ndarray or `None`
        bool, of the shape of the planes; `None` when nothing is masked.
    """
    masked: np.ndarray | None = None
    for plane in planes:
        if isinstance(plane, list | tuple) and any(isinstance(layer, np.ma.MaskedArray) for layer in plane):
            plane = np.ma.stack(plane)
        if isinstance(plane, np.ma.MaskedArray) and plane.mask is not np.ma.nomask:
            masked = np.asarray(plane.mask if masked is None else masked | plane.mask)
    return masked if masked is not None and masked.any() else None


def settle_masked(pixels: MaskedImage) -> MaskedImage:
    """Return an image whose planes are plain arrays, itself if they are.

    A pixel that the array of image, variance or mask masks holds NaN, the
    variance +inf and the plane NO_DATA; the others are as they were.
    """
    planes = (pixels.image.array, pixels.variance.array, pixels.mask.array)
    if not any(isinstance(plane, np.ma.MaskedArray) for plane in planes):
        return pixels
    masked = masked_pixels(planes[0], planes[1], *np.moveaxis(planes[2], -1, 0))
    image, variance, bits = (np.array(np.ma.getdata(plane)) for plane in planes)
    mask = type(pixels.mask)(bits, schema=pixels.mask.schema, bbox=pixels.bbox)
    if masked is not None:
        image[masked], variance[masked] = np.nan, np.inf
        layout = Layout.of(mask.schema)
        flags = np.array(conform_mask(mask, layout))
        flags[masked] |= np.int32(layout.no_data)
        mask = Mask(flags[..., np.newaxis], schema=layout.schema, bbox=pixels.bbox)
    return MaskedImage(
        Image(image, bbox=pixels.bbox, unit=pixels.image.unit),
        mask=mask,
        variance=Image(variance, bbox=pixels.bbox, unit=pixels.variance.unit),
        sky_projection=pixels.sky_projection,
    )
