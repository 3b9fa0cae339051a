"""Interpolation over lost pixels before an exposure is resampled.

A resampling kernel is several pixels wide, so that one cosmic ray or one dead
column would spoil all pixels of the warp within its reach.  Narrow defects
are therefore interpolated first.  The pixels themselves stay BAD, and the
narrower mask kernel carries this into the warp: the coadd does not use them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from lsst.images import Image, Mask, MaskedImage

from ..kernels.fill import coefficient_table
from ..kernels.repair import fill_columns, fill_lost_rows, find_lost, flag_filled
from ..planes import bits_of
from .gap_control import GapControl
from .inputs import Exposure
from .sources import mask_plane_of

__all__ = ("repair_exposure",)


def repair_exposure(exposure: Exposure, max_width: int, *, in_place: bool = False) -> Exposure:
    """Interpolate lost pixels of an exposure where they are in narrow runs.

    A pixel is lost when its value or its variance is not finite, or when it
    is BAD or NO_DATA.  A run along a row is interpolated
    when it is not wider than ``max_width`` and has good pixels at both ends;
    what is left is looked at along columns.  Runs at the ends of the data
    stay as they are.

    Parameters
    ----------
    exposure
        Exposure to repair.
    max_width
        Widest run in pixels; 0 returns the exposure as it is.
    in_place
        Whether its pixels may be changed, which saves memory.  A second repair
        would give the same values: they depend on good pixels only.

    Returns
    -------
    Exposure
        The exposure with repaired pixels flagged BAD and INTERPOLATED, and
        no longer NO_DATA.
    """
    if max_width == 0:
        return exposure
    pixels = exposure.pixels
    schema = pixels.mask.schema
    mask = mask_plane_of(pixels)
    state, counts = np.empty(mask.shape, np.uint8), np.empty(mask.shape[0], np.int64)
    find_lost(
        pixels.image.array, pixels.variance.array, mask, bits_of(schema, ("BAD", "NO_DATA")), state, counts
    )
    if not counts.any():
        return exposure
    image, variance = (
        plane.array if in_place else plane.array.copy() for plane in (pixels.image, pixels.variance)
    )
    for fill in (fill_lost_rows, fill_columns):
        fill(image, variance, state, counts, coefficient_table(), max_width, GapControl().edge_reach)
    flags = mask if in_place else np.empty(mask.shape, np.int32)
    flag_filled(mask, state, bits_of(schema, ("NO_DATA",)), bits_of(schema, ("BAD", "INTERPOLATED")), flags)
    if in_place:
        return exposure
    repaired = MaskedImage(
        Image(image, bbox=pixels.bbox, unit=pixels.unit, sky_projection=pixels.sky_projection),
        mask=Mask(flags[..., np.newaxis], bbox=pixels.bbox, schema=schema),
        variance=Image(variance, bbox=pixels.bbox, unit=pixels.variance.unit),
    )
    return dataclasses.replace(exposure, pixels=repaired)
