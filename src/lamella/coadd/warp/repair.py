"""Interpolation over bad pixels before an exposure is resampled.

A resampling kernel is several pixels wide, so that one cosmic ray or one dead
column would spoil all pixels of the warp within its reach.  Narrow defects
are therefore interpolated first, and what is left of wide ones is blanked, so
that no value under a mask reaches a neighbour.  The pixels themselves keep the
planes that say what is wrong with them, and the coadd does not use them.

Interpolated pixels count as lost where the weight of a pixel's kernel is
added up: beside a bright star they are far from the truth (5 % of the peak
through kernels, and 1 to 3 % of the flux, for widths of 2 to 2.5 pixels), but in
the little weight that a pixel may lose they are far better than nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from lsst.images import Image, Mask, MaskedImage

from ...data.exposure import Exposure
from ...image.options import GapControl
from ...image.planes import mask_plane_of
from ...kernels.fill import coefficient_table
from ...kernels.repair import blank_lost, fill_columns, fill_lost_rows, find_lost, flag_filled
from ...planes import Layout

__all__ = ("Repaired", "repair_exposure")


@dataclasses.dataclass(frozen=True, slots=True)
class Repaired:
    """An exposure without values under masks."""

    exposure: Exposure
    state: np.ndarray | None = None
    """What became of each pixel, uint8 of shape (y, x), with `lamella.kernels.repair.FILLED` where it was
    interpolated; `None` if nothing was done."""


def repair_exposure(
    exposure: Exposure, max_width: int, bad_mask_planes: Sequence[str] = (), *, in_place: bool = False
) -> Repaired:
    """Interpolate bad pixels of an exposure where they are in narrow runs, and blank the others.

    A pixel is bad when its value or its variance is not finite, or when it has
    NO_DATA or one of the planes.  A run along a row is interpolated when it is
    not wider than ``max_width`` and has good pixels at both ends; what is left
    is looked at along columns.  Masked pixels that remain, e.g. at the ends of
    the data, become NaN with a variance of +inf.

    Parameters
    ----------
    exposure
        Exposure to repair.
    max_width
        Widest run in pixels; 0 for no interpolation.
    bad_mask_planes
        Planes whose pixels are bad; those that the exposure does not have do not
        matter.  With none, BAD pixels are interpolated, as those without a
        value are, and no value is taken away.
    in_place
        Whether its pixels may be changed, which saves memory.  A second repair
        would give the same values: they depend on good pixels only.

    Returns
    -------
    Repaired
        The exposure.  Interpolated pixels are flagged INTERPOLATED, and no
        longer NO_DATA; those that no bad plane accounts for, BAD.
    """
    if max_width == 0 and not bad_mask_planes:
        return Repaired(exposure)
    pixels = exposure.pixels
    mask, layout = mask_plane_of(pixels), Layout(pixels.mask.schema)
    no_data, bad = layout.no_data, layout.bad
    masked = layout.bits({*bad_mask_planes, "NO_DATA"}, missing_ok=True)
    state, counts = np.empty(mask.shape, np.uint8), np.empty(mask.shape[0], np.int64)
    # Without planes to keep out, pixels without a value and BAD ones are interpolated all the same.
    lost = masked if bad_mask_planes else masked | bad
    find_lost(pixels.image.array, pixels.variance.array, mask, lost, state, counts)
    if not counts.any():
        return Repaired(exposure)
    image, variance = (
        plane.array if in_place else plane.array.copy() for plane in (pixels.image, pixels.variance)
    )
    if max_width > 0:
        # Along columns only what rows have left.
        for fill in (fill_lost_rows, fill_columns):
            fill(image, variance, state, counts, coefficient_table(), max_width, GapControl().edge_reach)
    if bad_mask_planes:
        blank_lost(image, variance, mask, masked, state)
    # A repaired pixel has a value, and so no longer NO_DATA; without another bad plane BAD says what it is.
    flags = mask if in_place else np.empty(mask.shape, np.int32)
    reasons = masked & ~no_data if bad_mask_planes else 0
    flag_filled(mask, state, no_data, layout.interpolated, reasons, bad, flags)
    if in_place:
        return Repaired(exposure, state)
    repaired = MaskedImage(
        Image(image, bbox=pixels.bbox, unit=pixels.unit, sky_projection=pixels.sky_projection),
        mask=Mask(flags[..., np.newaxis], bbox=pixels.bbox, schema=layout.schema),
        variance=Image(variance, bbox=pixels.bbox, unit=pixels.variance.unit),
    )
    return Repaired(dataclasses.replace(exposure, pixels=repaired), state)
