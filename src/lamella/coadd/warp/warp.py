"""From exposures to a warp: one visit on the pixel grid of a tract."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from lsst.images import Box, MaskedImage, SkyProjection

from ...data.detector import DetectorInput
from ...data.exposure import Exposure
from ...data.owners import Owners
from ...data.warp import Warp
from ...data.weights import WeightProblem
from ...errors import DuplicateInputError, InputError, MixedBandsError, MixedUnitsError, WrongTypeError
from ...image.planes import Planes
from ...kernels.resample.merge import blank_bad, put_best
from ...planes import Layout
from .resampling import resample_exposure
from .warp_control import WarpControl

__all__ = ("WarpControl", "make_warp", "warp_exposure")


def warp_exposure(
    exposure: Exposure, projection: SkyProjection[Any], box: Box, control: WarpControl | None = None
) -> MaskedImage | None:
    """Resample an exposure to the pixel grid of a tract, in nJy (or in the flux unit of its ``info``).

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
    WrongTypeError
        Raised when something else than exposures is given.
    ProjectionError
        Raised when a pixel of the tract is longer than 200 pixels of the exposure.
    """
    layout = Layout.of(exposure.pixels.mask.schema)
    resampled = resample_exposure(exposure, projection, box, control or WarpControl(), layout)
    if resampled is None:
        return None
    planes = resampled.planes
    if not (np.isfinite(planes.image) & (planes.mask & layout.no_data == 0)).any():
        return None
    return planes.as_image(layout.schema, projection, exposure.info.flux_unit.unit)


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
    MixedUnitsError
        Raised when their fluxes are in different units.
    InputError
        Raised when the exposures are of different visits or instruments.
    CalibrationError
        Raised when a photometric scale is not a positive number everywhere.
    ProjectionError
        Raised when a pixel of the tract is longer than 200 pixels of an exposure.

    Examples
    --------
    >>> import lamella
    >>> sources = lamella.open_exposures(["demo/survey/exposures.ecsv"]).sources
    >>> skymap = lamella.skymap_from_exposures([source.info for source in sources])
    >>> patch = skymap[0].patch("0,0")
    >>> visit = sources[0].info.id.visit
    >>> exposures = [source.read() for source in sources if source.info.id.visit == visit]
    >>> warp = lamella.make_warp(exposures, patch.projection, patch.outer_bbox)
    >>> str(warp.unit), len(warp.detectors) == len(exposures), patch.outer_bbox.contains(warp.bbox)
    ('nJy', True, True)
    """
    control = _checked(exposures, control)
    # What is merged must not depend on the order in which exposures are listed.
    ordered = sorted(exposures, key=lambda exposure: exposure.info.id)
    _check_one_visit(ordered)
    layout = Layout.of(*(exposure.pixels.mask.schema for exposure in ordered))
    resampled = [
        (exposure, warped, warped.information)
        for exposure in ordered
        if (warped := resample_exposure(exposure, projection, box, control, layout, in_place=in_place))
        and not isinstance(warped.information, WeightProblem)
    ]
    if not resampled:
        return None
    flaws = layout.bits({*control.bad_mask_planes, *control.yielding_mask_planes}, missing_ok=True)
    merged, counts, owner = _merge([warped.planes for _, warped, _ in resampled], layout.no_data, flaws)
    detectors = [
        DetectorInput.of(
            exposure,
            bbox=exposure.pixels.bbox,
            good_pixels=count,
            information=information,
            kernel=warped.kernel,
        )
        for (exposure, warped, information), count in zip(resampled, counts, strict=True)
        if count
    ]
    if not detectors:
        return None
    first = ordered[0].info
    pixels = merged.as_image(layout.schema, projection, first.flux_unit.unit)
    return Warp.of(
        pixels,
        instrument=first.id.instrument,
        visit=first.id.visit,
        band=first.band,
        detectors=tuple(detectors),
        owners=_owners(owner, counts, merged.box),
        bad_mask_planes=control.bad_mask_planes,
    )


def _checked(exposures: Sequence[Exposure], control: WarpControl | None) -> WarpControl:
    """Return the options, when they and the exposures are of the right types."""
    expected = "exposures of one visit, in a list; sources are read by read()"
    if isinstance(exposures, str) or not isinstance(exposures, Sequence):
        raise WrongTypeError.of(exposures, "exposures", expected=expected)
    for index, exposure in enumerate(exposures):
        if not isinstance(exposure, Exposure):
            raise WrongTypeError.of(exposure, f"exposures[{index}]", expected=expected)
    if not isinstance(control, WarpControl | None):
        raise WrongTypeError.of(control, "control", expected="a WarpControl")
    return control or WarpControl()


def _owners(owner: np.ndarray | None, counts: Sequence[int], box: Box) -> Owners | None:
    """Return which of the detectors that have pixels each pixel is from; `None` where one has them all."""
    # Detectors without a pixel are not on record, so that those behind them move up.
    number = np.cumsum(np.array([count > 0 for count in counts])) - 1
    if owner is None or number[-1] < 1:
        return None
    return Owners.from_array(np.append(number, -1).astype(np.int32)[owner], box)


def _merge(
    detectors: Sequence[Planes], no_data: int, flaws: int
) -> tuple[Planes, list[int], np.ndarray | None]:
    """Put the planes of detectors over each other, the best pixels only.

    Returns the merged planes, how many pixels each detector owns in the end, and which of several
    detectors owns each pixel (int32; -1 for none).  The planes of the only detector there is are
    changed in place.
    """
    if len(detectors) == 1:
        (merged,) = detectors
        return merged, [blank_bad(merged.arrays, no_data)], None
    boxes = [planes.box for planes in detectors]
    hull = Box.factory[
        min(box.y.start for box in boxes) : max(box.y.stop for box in boxes),
        min(box.x.start for box in boxes) : max(box.x.stop for box in boxes),
    ]
    merged = Planes.empty(hull, no_data)
    # Counts go down again where a later detector takes a pixel over.
    owner, counts = np.full(hull.shape, -1, np.int32), np.zeros(len(detectors), np.int64)
    for number, planes in enumerate(detectors):
        below, owned = merged.part(planes.box), owner[planes.box.slice_within(hull)]
        put_best(planes.arrays, below.arrays, no_data, np.int32(flaws), owned, number, counts)
    return merged, counts.tolist(), owner


_MIXED = {"band": MixedBandsError, "flux unit": MixedUnitsError}


def _check_one_visit(ordered: Sequence[Exposure]) -> None:
    for before, after in itertools.pairwise(ordered):
        if before.info.id == after.info.id:
            raise DuplicateInputError(
                after.info.path,
                where="identity",
                found=f"{after.info.id}, as in {before.info.path}",
                expected="another visit or detector",
            )
        for name, value, expected in (
            ("instrument", after.info.id.instrument, before.info.id.instrument),
            ("visit", after.info.id.visit, before.info.id.visit),
            ("band", after.info.band, before.info.band),
            ("flux unit", after.info.flux_unit, before.info.flux_unit),
        ):
            if value != expected:
                raise _MIXED.get(name, InputError)(
                    after.info.path,
                    where=name,
                    found=str(value),
                    expected=f"{expected}, as in {before.info.path}",
                )
