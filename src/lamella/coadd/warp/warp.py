"""From exposures to a warp: one visit on the pixel grid of a tract."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage, MaskSchema, SkyProjection

from ...data.detector import DetectorInput
from ...data.exposure import Exposure
from ...data.owners import Owners
from ...data.warp import Warp
from ...data.weights import WeightProblem
from ...errors import DuplicateInputError, InputError, MixedBandsError
from ...kernels.resample.merge import blank_bad, put_best
from ...planes import bits_of, make_schema
from .resampling import Resampled, resample_exposure
from .warp_control import WarpControl

__all__ = ("WarpControl", "make_warp", "warp_exposure")


def warp_exposure(
    exposure: Exposure, projection: SkyProjection[Any], box: Box, control: WarpControl | None = None
) -> MaskedImage | None:
    """Resample an exposure to the pixel grid of a tract, in nJy.

    The flux of sources is kept: a pixel twice as large in both axes holds four
    times the value.  Pixels outside of the exposure's polygon hold no data.

    Parameters
    ----------
    exposure
        Exposure to resample.
    projection
        Projection of the tract.
    box
        Box of tract pixels to fill.
    control
        Options.

    Returns
    -------
    lsst.images.MaskedImage or `None`
        The part of ``box`` that the exposure covers; NaN, NO_DATA and a
        variance of +inf where there is no measurement.  `None` when there is
        no measurement in all of the box.

    Raises
    ------
    CalibrationError
        Raised when the photometric scale is not a positive number everywhere.
    ProjectionError
        Raised when a pixel of the tract is longer than 200 pixels of the exposure.
    """
    schema = make_schema(exposure.pixels.mask.schema.names)
    found = resample_exposure(exposure, projection, box, control or WarpControl(), schema)
    if found is None or not found.is_good(schema).any():
        return None
    return _masked_image(found, projection, schema)


def make_warp(
    exposures: Sequence[Exposure],
    projection: SkyProjection[Any],
    box: Box,
    control: WarpControl | None = None,
    *,
    in_place: bool = False,
) -> Warp | None:
    """Resample the exposures of one visit to the pixel grid of a tract, and merge them.

    Where exposures overlap, a good pixel has precedence over one with a plane
    of ``bad_mask_planes`` or ``yielding_mask_planes``, and among equals the
    last exposure by identity has the pixel; mask and variance come with it.
    A pixel without a value has NO_DATA and the planes that say why.

    Parameters
    ----------
    exposures
        Exposures of one visit in one band, in any order.
    projection
        Projection of the tract.
    box
        Box of tract pixels to fill.
    control
        Options.
    in_place
        Whether lost pixels of the exposures themselves may be repaired, which
        saves memory; by default the exposures are not changed.

    Returns
    -------
    Warp or `None`
        The part of ``box`` that the visit covers.  Its detectors are those
        that own a pixel; ``good_pixels`` counts those that they own in the end.
        Exposures that say nothing of the sky (see `lamella.coadd.warp.information`)
        are not in it.  `None` when there is no measurement in all of the box.

    Raises
    ------
    DuplicateInputError
        Raised when two exposures have the same identity.
    MixedBandsError
        Raised when the exposures are of different bands.
    InputError
        Raised when the exposures are of different visits or instruments.
    CalibrationError
        Raised when a photometric scale is not a positive number everywhere.
    ProjectionError
        Raised when a pixel of the tract is longer than 200 pixels of an exposure.
    """
    control = control or WarpControl()
    ordered = sorted(exposures, key=lambda exposure: exposure.info.id)
    _check_one_visit(ordered)
    schema = make_schema({name for exposure in ordered for name in exposure.pixels.mask.schema.names})
    parts = [
        resample_exposure(exposure, projection, box, control, schema, in_place=in_place)
        for exposure in ordered
    ]
    parts = [None if part is None or isinstance(part.information, WeightProblem) else part for part in parts]
    merged, counts, owner = _merge(parts, schema, _flaws(control, schema))
    if merged is None:
        return None
    detectors = [
        _detector_input(exposure, part, count)
        for exposure, part, count in zip(ordered, parts, counts, strict=True)
        if part is not None and count
    ]
    if not detectors:
        return None
    planes = _masked_image(merged, projection, schema)
    first = ordered[0].info
    return Warp(
        planes.image,
        mask=planes.mask,
        variance=planes.variance,
        instrument=first.id.instrument,
        visit=first.id.visit,
        band=first.band,
        detectors=tuple(detectors),
        owners=_owners(owner, counts, merged.box),
        bad_mask_planes=control.bad_mask_planes,
    )


def _owners(owner: np.ndarray | None, counts: Sequence[int], box: Box) -> Owners | None:
    """Return which of the detectors that have pixels each pixel is from; `None` where one has them all."""
    number = np.cumsum(np.array([count > 0 for count in counts])) - 1
    if owner is None or number[-1] < 1:
        return None
    return Owners.from_array(np.append(number, -1).astype(np.int32)[owner], box)


def _flaws(control: WarpControl, schema: MaskSchema) -> int:
    """Return the bits of pixels that give way to those of other detectors."""
    names = {*control.bad_mask_planes, *control.yielding_mask_planes}
    return bits_of(schema, names, missing_ok=True)


def _merge(
    parts: Sequence[Resampled | None], schema: MaskSchema, flaws: int
) -> tuple[Resampled | None, list[int], np.ndarray | None]:
    """Put parts over each other, the best pixels only.

    Returns the merged part, how many pixels each part owns in the end, and which
    of several parts owns each pixel (int32; -1 for none).  The planes of the only
    part there is are changed in place.
    """
    present = [part for part in parts if part is not None]
    if not present:
        return None, [0] * len(parts), None
    pad = bits_of(schema, ["NO_DATA"])
    if len(present) == 1:
        merged = present[0]
        good = blank_bad((merged.image, merged.mask, merged.variance), pad)
        return merged, [0 if part is None else good for part in parts], None
    boxes = [part.box for part in present]
    hull = Box.factory[
        min(box.y.start for box in boxes) : max(box.y.stop for box in boxes),
        min(box.x.start for box in boxes) : max(box.x.stop for box in boxes),
    ]
    merged = Resampled.empty(hull, schema)
    owner, counts = np.full(hull.shape, -1, np.int32), np.zeros(len(parts), np.int64)
    for number, part in enumerate(parts):
        if part is None:
            continue
        y, x = part.box.slice_within(hull)
        put_best(
            (part.image, part.mask, part.variance),
            (merged.image[y, x], merged.mask[y, x], merged.variance[y, x]),
            pad,
            np.int32(flaws),
            owner[y, x],
            number,
            counts,
        )
    return merged, [int(count) for count in counts], owner


def _masked_image(part: Resampled, projection: SkyProjection[Any], schema: MaskSchema) -> MaskedImage:
    return MaskedImage(
        Image(part.image, bbox=part.box, unit=u.nJy, sky_projection=projection),
        mask=Mask(part.mask[..., np.newaxis], schema=schema, bbox=part.box),
        variance=Image(part.variance, bbox=part.box, unit=u.nJy**2),
    )


def _detector_input(exposure: Exposure, part: Resampled, good_pixels: int) -> DetectorInput:
    info, information = exposure.info, part.information
    return DetectorInput(
        id=info.id,
        band=info.band,
        bbox=exposure.pixels.bbox,
        projection=info.projection,
        psf=exposure.psf,
        polygon=info.polygon,
        good_pixels=good_pixels,
        information=None if isinstance(information, WeightProblem) else information,
        path=info.path,
        psf_fwhm=info.psf_fwhm,
        times=info.times,
        notes=exposure.notes,
        kernel=part.kernel,
    )


def _check_one_visit(ordered: Sequence[Exposure]) -> None:
    for before, after in itertools.pairwise(ordered):
        if before.info.id == after.info.id:
            raise DuplicateInputError(
                after.info.path,
                where="identity",
                found=f"{after.info.id}, as in {before.info.path}",
                expected="another visit or detector",
            )
        for name, found, expected in (
            ("instrument", after.info.id.instrument, before.info.id.instrument),
            ("visit", after.info.id.visit, before.info.id.visit),
            ("band", after.info.band, before.info.band),
        ):
            if found != expected:
                error = MixedBandsError if name == "band" else InputError
                raise error(
                    after.info.path,
                    where=name,
                    found=str(found),
                    expected=f"{expected}, as in {before.info.path}",
                )
