"""Resampling of one exposure to a box of tract pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from lsst.images import Box, SkyProjection
from lsst.images.fields import BaseField

from ...data.exposure import Exposure, ExposureInfo
from ...data.photometry import apply_calibration, checked_scale
from ...data.weights import WeightProblem
from ...image.planes import Planes, conform_mask, inside_polygon, overlap
from ...kernels.repair import flag_filled
from ...kernels.resample.resample import ResampleRule, resample_planes
from ...kernels.resample.support import ResamplingKernel
from ...planes import SKY_PLANES, Layout
from ...sky.pixelmap import PixelMap
from .information import exposure_information
from .kernel_choice import choose_kernel
from .repair import repair_exposure
from .warp_control import WarpControl

__all__ = ("Resampled", "covered_box", "resample_exposure")

# The sign of a mask is no plane's bit: it marks pixels that were repaired on their way into the kernel.
_FILLED = -(2**31)

_MAX_NODES = 2**20  # of a grid, that are held at a time


class Resampled(NamedTuple):
    """An exposure on the grid of a tract, in nJy."""

    planes: Planes
    information: float | WeightProblem
    """Weight of the exposure, see `lamella.coadd.warp.information.exposure_information`."""
    kernel: ResamplingKernel


def resample_exposure(
    exposure: Exposure,
    projection: SkyProjection[Any],
    box: Box,
    control: WarpControl,
    layout: Layout,
    *,
    in_place: bool = False,
) -> Resampled | None:
    """Resample an exposure to the part of a box of tract pixels that it covers, in nJy.

    Parameters
    ----------
    exposure
        Exposure to resample.
    projection
        Projection of the tract.
    box
        Box of tract pixels.
    control
        Options.
    layout
        Planes of the mask to make, with all of the exposure.
    in_place
        Whether lost pixels of the exposure itself may be repaired, which saves
        memory.

    Returns
    -------
    Resampled or `None`
        Planes of the common part of ``box`` and the box around the exposure;
        `None` when there is no such part.

    Raises
    ------
    CalibrationError
        Raised when the photometric scale is not a positive number everywhere.
    ProjectionError
        Raised when pixels of the tract are so much larger than those of the
        exposure that the projection of one of them must be wrong.
    """
    source_box = exposure.pixels.bbox
    pixel_map = PixelMap(exposure.info.projection, projection)
    target = _common_box(pixel_map, source_box, box)
    if target is None:
        return None
    kernel = choose_kernel(control.kernel, pixel_map, source_box, path=exposure.info.path)
    # Before the repair, which may change the exposure itself.
    information = exposure_information(exposure)
    repaired = repair_exposure(exposure, control.repair_width, control.bad_mask_planes, in_place=in_place)
    spacing = pixel_map.spacing(source_box, control.position_tolerance)
    planes, scale = _calibrated_planes(repaired.exposure, layout)
    if control.bad_mask_planes and repaired.state is not None:
        marked = np.empty(planes.mask.shape, np.int32)
        flag_filled(planes.mask, repaired.state, 0, _FILLED, 0, 0, marked)
        planes.mask = marked
    rule, origin = _rule(control, kernel, layout), (source_box.y.start, source_box.x.start)
    bands = []
    # Rows whose grid fits in memory; only a grid as fine as the pixels needs several bands.
    rows = max(1, _MAX_NODES * spacing**2 // target.x.size)
    for first in range(target.y.start, target.y.stop, rows):
        band = Box.factory[first : min(first + rows, target.y.stop), target.x.start : target.x.stop]
        # Points of binned pixels lie up to half a pixel around its centre.
        grid = pixel_map.grid_with_spacing(band.padded(1) if kernel.is_binned else band, spacing)
        start, shape = (band.y.start, band.x.start), (band.y.size, band.x.size)
        bands.append(resample_planes(planes.arrays, grid, start, shape, rule, origin=origin, scale=scale)[:3])
    image, mask, variance = (
        pieces[0] if len(pieces) == 1 else np.concatenate(pieces) for pieces in zip(*bands, strict=True)
    )
    return Resampled(Planes(target, image, mask, variance), information, kernel)


def covered_box(info: ExposureInfo, projection: SkyProjection[Any], box: Box) -> Box | None:
    """Return the box that `resample_exposure` fills, before the pixels are there.

    Parameters
    ----------
    info
        What is known of the exposure.
    projection
        Projection of the tract.
    box
        Box of tract pixels.
    """
    return _common_box(PixelMap(info.projection, projection), info.bbox, box)


def _common_box(pixel_map: PixelMap, source_box: Box, box: Box) -> Box | None:
    footprint = pixel_map.destination_box(source_box)
    return None if footprint is None else overlap(footprint, box)


def _rule(control: WarpControl, kernel: ResamplingKernel, layout: Layout) -> ResampleRule:
    """Return the options in terms of the bits of a mask."""
    # Without planes a single lost tap of any weight takes the value, as in the original pipelines.
    keeps_out = bool(control.bad_mask_planes)
    return ResampleRule(
        kernel=kernel,
        mask_kernel=control.mask_kernel,
        grow=layout.bits(control.grow_full_mask, missing_ok=True),
        no_data=layout.no_data,
        filled=_FILLED if keeps_out else 0,
        reasons=layout.bits(set(layout.names) - SKY_PLANES - {"NO_DATA"}),
        max_lost_weight=control.max_lost_weight if keeps_out else 0.0,
        pad=layout.no_data,
    )


def _calibrated_planes(exposure: Exposure, layout: Layout) -> tuple[Planes, float]:
    """Return the planes of an exposure, and the factor to nJy that they still need."""
    pixels, scale = exposure.pixels, exposure.to_njy
    if isinstance(scale, BaseField):
        # All of the exposure, so that rounding does not depend on the tile.
        pixels, scale = apply_calibration(pixels, scale), 1.0
    scale = checked_scale(scale, exposure.info.path)
    mask = conform_mask(pixels.mask, layout)
    if exposure.info.polygon is not None:
        outside = ~inside_polygon(exposure.info.polygon, pixels.bbox)
        mask = np.where(outside, mask | np.int32(layout.no_data), mask)
    return Planes(pixels.bbox, pixels.image.array, mask, pixels.variance.array), scale
