"""Resampling of one exposure to a box of tract pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from lsst.images import Box, MaskSchema, SkyProjection
from lsst.images.fields import BaseField

from ...data.exposure import Exposure, ExposureInfo
from ...data.photometry import apply_calibration, checked_scale
from ...data.weights import WeightProblem
from ...image.planes import conform_mask, overlap
from ...image.polygons import inside_polygon
from ...kernels.repair import mark_filled
from ...kernels.resample.resample import ResampleRule, resample
from ...kernels.resample.support import LANCZOS3, ResamplingKernel
from ...planes import SKY_PLANES, bits_of
from ...sky.pixelmap import PixelMap
from .information import exposure_information
from .kernel_choice import choose_kernel
from .repair import repair_exposure
from .warp_control import WarpControl

__all__ = ("Resampled", "covered_box", "resample_exposure")

type _Planes = tuple[np.ndarray, np.ndarray, np.ndarray]

# The sign of a mask is no plane's bit: it marks pixels that were repaired on their way into the kernel.
_FILLED = -(2**31)

# Nodes of a grid that are held at a time: only a grid as fine as the pixels needs several parts.
_MAX_NODES = 2**20


@dataclasses.dataclass(frozen=True, slots=True)
class Resampled:
    """Planes of a box of tract pixels: arrays of shape (y, x).

    Attributes
    ----------
    box
        Box of the pixels.
    image, mask, variance
        float32 in nJy, int32, and float32 in nJy squared.
    information
        What `lamella.coadd.warp.information.exposure_information` says of the exposure.
    kernel
        What they were resampled with.
    """

    box: Box
    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    information: float | WeightProblem = WeightProblem.NO_GOOD_PIXEL
    kernel: ResamplingKernel = dataclasses.field(default=LANCZOS3, kw_only=True)

    @classmethod
    def empty(cls, box: Box, schema: MaskSchema) -> Resampled:
        """Make planes without any measurement."""
        return cls(
            box,
            np.full(box.shape, np.nan, np.float32),
            np.full(box.shape, bits_of(schema, ["NO_DATA"]), np.int32),
            np.full(box.shape, np.inf, np.float32),
        )

    def is_good(self, schema: MaskSchema) -> np.ndarray:
        """Return which pixels hold a measurement."""
        good: np.ndarray = np.isfinite(self.image) & (self.mask & bits_of(schema, ["NO_DATA"]) == 0)
        return good


def resample_exposure(
    exposure: Exposure,
    projection: SkyProjection[Any],
    box: Box,
    control: WarpControl,
    schema: MaskSchema,
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
    schema
        Schema of the mask to make, with all planes of the exposure.
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
    target = _covered_box(pixel_map, source_box, box)
    if target is None:
        return None
    kernel = choose_kernel(control.kernel, pixel_map, source_box, path=exposure.info.path)
    # Before the repair, which may change the exposure itself.
    information = exposure_information(exposure)
    repaired = repair_exposure(exposure, control.repair_width, control.bad_mask_planes, in_place=in_place)
    spacing = pixel_map.spacing(source_box, control.position_tolerance)
    planes, scale = _calibrated_planes(repaired.exposure, schema)
    if control.bad_mask_planes and repaired.state is not None:
        planes = _mark_filled(planes, repaired.state)
    rule, origin = _rule(control, kernel, schema), (source_box.y.start, source_box.x.start)
    done = []
    for band in _bands(target, spacing):
        # Points of binned pixels lie up to half a pixel around its centre.
        grid = pixel_map.grid_with_spacing(band.padded(1) if kernel.is_binned else band, spacing)
        start, shape = (band.y.start, band.x.start), (band.y.size, band.x.size)
        done.append(resample(planes, grid, start, shape, rule, origin=origin, scale=scale)[:3])
    image, mask, variance = (
        pieces[0] if len(pieces) == 1 else np.concatenate(pieces) for pieces in zip(*done, strict=True)
    )
    return Resampled(target, image, mask, variance, information, kernel=kernel)


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
    return _covered_box(PixelMap(info.projection, projection), info.bbox, box)


def _covered_box(pixel_map: PixelMap, source_box: Box, box: Box) -> Box | None:
    footprint = pixel_map.destination_box(source_box)
    return None if footprint is None else overlap(footprint, box)


def _bands(box: Box, spacing: int) -> Iterator[Box]:
    """Cut a box into rows of tiles, so that the grid of each fits in memory."""
    rows = max(1, _MAX_NODES * spacing**2 // box.x.size)
    for y in range(box.y.start, box.y.stop, rows):
        yield Box.factory[y : min(y + rows, box.y.stop), box.x.start : box.x.stop]


def _rule(control: WarpControl, kernel: ResamplingKernel, schema: MaskSchema) -> ResampleRule:
    """Return the options in terms of the bits of a mask."""
    no_data = bits_of(schema, ["NO_DATA"])
    # Without planes a single lost tap of any weight takes the value, as in the original pipelines.
    keeps_out = bool(control.bad_mask_planes)
    return ResampleRule(
        kernel=kernel,
        mask_kernel=control.mask_kernel,
        grow=bits_of(schema, control.grow_full_mask, missing_ok=True),
        no_data=no_data,
        filled=_FILLED if keeps_out else 0,
        reasons=bits_of(schema, set(schema.names) - SKY_PLANES - {"NO_DATA"}),
        max_lost_weight=control.max_lost_weight if keeps_out else 0.0,
        pad=no_data,
    )


def _mark_filled(planes: _Planes, state: np.ndarray) -> _Planes:
    image, mask, variance = planes
    marked = np.empty(mask.shape, np.int32)
    mark_filled(mask, state, np.int32(_FILLED), marked)
    return image, marked, variance


def _calibrated_planes(exposure: Exposure, schema: MaskSchema) -> tuple[_Planes, float]:
    """Return image, mask and variance, and the factor to nJy that they still need."""
    pixels, scale = exposure.pixels, exposure.to_njy
    if isinstance(scale, BaseField):
        # All of the exposure, so that rounding does not depend on the tile.
        pixels, scale = apply_calibration(pixels, scale), 1.0
    scale = checked_scale(scale, exposure.info.path)
    mask = conform_mask(pixels, schema)
    if exposure.info.polygon is not None:
        outside = ~inside_polygon(exposure.info.polygon, pixels.bbox)
        mask = np.where(outside, mask | np.int32(bits_of(schema, ["NO_DATA"])), mask)
    return (pixels.image.array, mask, pixels.variance.array), scale
