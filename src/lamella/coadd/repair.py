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

from ..planes import bits_of
from .gaps import GapControl, fill_gaps, narrow_runs
from .inputs import Exposure

__all__ = ("repair_exposure",)


def repair_exposure(exposure: Exposure, max_width: int) -> Exposure:
    """Interpolate lost pixels of an exposure where they are in narrow runs.

    A pixel is lost when its value or its variance is not finite, or when it
    is BAD or NO_DATA.  A run along a row is interpolated
    when it is not wider than ``max_width`` and has good pixels at both ends;
    what is left is looked at along columns.  Runs at the ends of the data
    stay as they are.

    Parameters
    ----------
    exposure
        Exposure to repair; it is not changed.
    max_width
        Widest run in pixels; 0 returns the exposure as it is.

    Returns
    -------
    Exposure
        The exposure with repaired pixels flagged BAD and INTERPOLATED, and
        no longer NO_DATA.
    """
    pixels = exposure.pixels
    schema = pixels.mask.schema
    lost_bits = bits_of(schema, ("BAD", "NO_DATA"))
    mask = pixels.mask.array[..., 0]
    lost = ((mask & lost_bits) != 0) | ~np.isfinite(pixels.image.array) | ~np.isfinite(pixels.variance.array)
    if max_width == 0 or not lost.any():
        return exposure
    image, variance = pixels.image.array.copy(), pixels.variance.array.copy()
    # Lost pixels beside a run must not be used to fill it.
    image[lost] = np.nan
    filled = _fill(image, variance, narrow_runs(lost, max_width))
    runs = narrow_runs((lost & ~filled).T, max_width).T
    filled |= _fill(image, variance, runs, transpose=True)
    # What is wide keeps the value that it had.
    kept = lost & ~filled
    image[kept] = pixels.image.array[kept]
    mask = mask.copy()
    mask[filled] &= ~bits_of(schema, ("NO_DATA",))
    mask[filled] |= bits_of(schema, ("BAD", "INTERPOLATED"))
    repaired = MaskedImage(
        Image(image, bbox=pixels.bbox, unit=pixels.unit, sky_projection=pixels.sky_projection),
        mask=Mask(mask[..., np.newaxis], bbox=pixels.bbox, schema=schema),
        variance=Image(variance, bbox=pixels.bbox, unit=pixels.variance.unit),
    )
    return dataclasses.replace(exposure, pixels=repaired)


def _fill(
    image: np.ndarray, variance: np.ndarray, runs: np.ndarray, *, transpose: bool = False
) -> np.ndarray:
    """Fill runs in place; return which pixels have a value and a variance now."""
    if not runs.any():
        return runs
    control = GapControl(transpose=transpose, use_fallback_at_edge=False)
    fill_gaps(image, runs.astype(np.int32), variance, 1, control=control, interpolated_bit=0)
    usable = np.isfinite(image) & np.isfinite(variance)
    image[runs & ~usable] = np.nan
    filled: np.ndarray = runs & usable
    return filled
