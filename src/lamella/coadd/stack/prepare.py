"""From warps to the records that are stacked: order and weight."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from lsst.images import Box, Interval, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ...data.coadd import Rejection
from ...data.exposure import ExposureId
from ...data.flux_unit import FluxUnit
from ...data.inputs import CoaddTarget, WarpInput
from ...data.options import WeightControl
from ...data.warp import Warp
from ...data.weights import WeightProblem, warp_weight, weight_of_mean
from ...errors import (
    InputError,
    MixedBandsError,
    MixedUnitsError,
    NoInputsError,
    PsfMatchError,
    WrongTypeError,
)
from ...planes import Layout, plane_names
from ...psf.parameters import psf_to_parameters
from .sources import ImageSource, view_planes

__all__ = (
    "Prepared",
    "WeightControl",
    "check_one_kind",
    "input_of",
    "prepare_inputs",
    "rejections_of",
    "same_psf",
    "target_around",
    "warp_of",
    "weigh",
    "with_pixels",
)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Inputs in the order of their identities, and those that were left out."""

    inputs: tuple[WarpInput, ...]
    rejected: tuple[Rejection, ...] = ()
    projection: SkyProjection[Any] | None = None

    def model_psf(self) -> PointSpreadFunction | None:
        """Return the PSF that all inputs were matched to; `None` when none was matched.

        Raises
        ------
        PsfMatchError
            Raised when inputs were matched to different PSFs, or some only:
            there is no PSF of their mean.
        """
        models = [warp.model_psf for warp in self.inputs]
        first = models[0] if models else None
        if first is None and not any(models):
            return None
        for warp in self.inputs:
            if warp.model_psf is None or first is None or not same_psf(warp.model_psf, first):
                raise PsfMatchError(
                    f"{warp.instrument} visit {warp.visit} and {self.inputs[0].instrument} visit "
                    f"{self.inputs[0].visit} are not matched to the same PSF; a coadd needs warps that all "
                    "are, or none."
                )
        return first

    def common_target(self) -> CoaddTarget:
        """Return the box around all inputs as the place of the coadd."""
        if self.projection is None:
            raise NoInputsError("The pixel grid of the coadd is unknown: give a target, or whole warps.")
        return target_around([warp.source.bbox for warp in self.inputs], self.projection)


def same_psf(first: PointSpreadFunction, second: PointSpreadFunction) -> bool:
    """Return whether two models are made of the same numbers, whatever their bounds."""
    (kind, mine), (other, theirs) = psf_to_parameters(first), psf_to_parameters(second)
    return kind == other and all(np.array_equal(value, theirs[name]) for name, value in mine.items())


def target_around(boxes: Sequence[Box], projection: SkyProjection[Any]) -> CoaddTarget:
    """Return the smallest box around some boxes as the place of a coadd."""
    y = Interval.hull(*(edge for box in boxes for edge in (box.y.min, box.y.max)))
    x = Interval.hull(*(edge for box in boxes for edge in (box.x.min, box.x.max)))
    return CoaddTarget(outer_bbox=Box(y, x), projection=projection)


def prepare_inputs(
    warps: Iterable[Warp | WarpInput], control: WeightControl, bad_mask_planes: Sequence[str]
) -> Prepared:
    """Give each warp its weight, and put the inputs in the order of their identities.

    Parameters
    ----------
    warps
        Warps, or records that have a weight already.
    control
        How weights are found.
    bad_mask_planes
        Pixels with one of these planes do not count for the weight.

    Returns
    -------
    Prepared
        The inputs; a warp without a valid weight is among ``rejected``.

    Raises
    ------
    MixedBandsError
        Raised when the warps are of different bands.
    MixedUnitsError
        Raised when their fluxes are in different units.
    WrongTypeError
        Raised for something that is no warp.
    """
    records: list[WarpInput] = []
    inputs: list[WarpInput] = []
    rejected: list[Rejection] = []
    projection = None
    for index, warp in enumerate(warps):
        if not isinstance(warp, Warp | WarpInput):
            raise WrongTypeError.of(warp, f"warps[{index}]", expected="a Warp or a WarpInput")
        records.append(warp if isinstance(warp, WarpInput) else input_of(warp))
        if isinstance(warp, Warp):
            projection = warp.sky_projection
    check_one_kind((record.instrument, record.visit, record.band, record.flux_unit) for record in records)
    for record in records:
        weighed = weigh(record, control, bad_mask_planes)
        if isinstance(weighed, WarpInput):
            inputs.append(weighed)
        else:
            rejected += weighed
    # Sums are taken in this order, so that their bits do not depend on that of a listing of files.
    inputs.sort(key=lambda warp: warp.key)
    return Prepared(tuple(inputs), tuple(sorted(rejected)), projection)


def check_one_kind(visits: Iterable[tuple[str, int, str, FluxUnit]]) -> None:
    """Refuse warps of different bands, or whose fluxes are in different units: their mean measures no flux.

    Parameters
    ----------
    visits
        Instrument, visit, band and unit of each warp, in any order.

    Raises
    ------
    MixedBandsError
        Raised with the first two, in the order of visits and bands, whose bands differ.
    MixedUnitsError
        Raised with the first two, in the order of visits and units, whose units differ.
    """
    records = list(visits)
    _check_same("band", [record[:3] for record in records], repr, MixedBandsError)
    _check_same("flux unit", [(*record[:2], record[3]) for record in records], str, MixedUnitsError)


def _check_same[T: (str, FluxUnit)](
    name: str, visits: Iterable[tuple[str, int, T]], told: Callable[[T], str], error: type[InputError]
) -> None:
    ordered = sorted(visits)
    for instrument, visit, value in ordered:
        first = ordered[0]
        if value != first[2]:
            noun = name.rpartition(" ")[2]
            other = f"{told(first[2])}, the {noun} of {first[0]} visit {first[1]}"
            raise error(
                f"{instrument} visit {visit}",
                where=name,
                found=told(value),
                expected=f"{other}: a coadd is of one {noun}",
            )


def input_of(warp: Warp) -> WarpInput:
    """Return the record of a warp in memory, without a weight."""
    return WarpInput.of(warp, ImageSource(warp), warp.sky_projection)


def warp_of(warp: WarpInput, projection: SkyProjection[Any]) -> Warp:
    """Return the warp that a record is of, with all its pixels as its source has them.

    The scale of the record and its alternate planes are not applied.
    """
    pixels = warp.source.read(warp.source.bbox).as_image(warp.source.schema, projection, warp.flux_unit.unit)
    shared = ("instrument", "visit", "band", "detectors", "owners", "bad_mask_planes")
    return Warp.of(pixels, matched_psf=warp.model_psf, **{name: getattr(warp, name) for name in shared})


def weigh(
    warp: WarpInput, control: WeightControl, bad_mask_planes: Sequence[str]
) -> WarpInput | list[Rejection]:
    """Return an input with its weight, or why it has none.

    By the rule of information its pixels have the weights of the detector images that they are from.
    Where a warp does not say what these are, and by the rule of variance, all have one weight: the inverse
    of the clipped mean of the variance over the pixels that are not masked (AssembleCoadd's
    ``prepareInputs``), by the rule of information times the area of a pixel.
    """
    if warp.weight is not None:
        return warp
    if control.rule == "information":
        if (weighed := _weigh_detectors(warp)) is not None:
            return with_pixels(weighed, bad_mask_planes)
        return _weigh_area(warp, bad_mask_planes)
    return _weigh_variance(warp, control, bad_mask_planes)


_STRIP = 64  # rows read at a time: some MiB of a patch, so that a good pixel costs little to find


def with_pixels(warp: WarpInput, bad_mask_planes: Sequence[str]) -> WarpInput | list[Rejection]:
    """Return an input, or why it is left out: no good pixel of it has a value and a variance."""
    mean = warp.mean_variance
    if mean is not None and mean.bad_mask_planes == frozenset(plane_names(bad_mask_planes)):
        return warp
    bad, box = Layout(warp.source.schema).bits(bad_mask_planes, missing_ok=True), warp.source.bbox
    starts = list(range(box.y.start, box.y.stop, _STRIP))
    middle = len(starts) // 2
    for start in (*starts[middle:], *starts[:middle]):  # the middle of a warp mostly has pixels
        strip = Box.factory[start : min(start + _STRIP, box.y.stop), box.x.start : box.x.stop]
        planes = warp.source.read(strip)
        good = ((planes.mask & bad) == 0) & np.isfinite(planes.image) & np.isfinite(planes.variance)
        if good.any():
            return warp
    return rejections_of(warp, "weight", str(WeightProblem.NO_GOOD_PIXEL))


def _weigh_detectors(warp: WarpInput) -> WarpInput | None:
    """Return an input with the weights of its detectors; `None` where they are not known."""
    # A factor on the pixels multiplies their variance by its square, and information is over variance.
    weights = [d.information / warp.scale**2 for d in warp.detectors if d.information is not None]
    if not weights or len(weights) < len(warp.detectors):
        return None
    # One weight for all pixels: no need to know which detector each is from.
    if min(weights) == max(weights):
        return dataclasses.replace(warp, weight=weights[0], owners=None)
    pixels = [detector.good_pixels for detector in warp.detectors]
    mean = float(np.average(weights, weights=pixels if any(pixels) else None))
    if warp.owners is None:
        # Older warps of several detectors do not say which pixel is from which.
        return dataclasses.replace(warp, weight=mean)
    detectors = (dataclasses.replace(d, weight=w) for d, w in zip(warp.detectors, weights, strict=True))
    return dataclasses.replace(warp, weight=mean, detectors=tuple(detectors))


_NOTE = (
    "Its weight follows from the variance of its warp, which does not say how its detector images are to be "
    "weighted: it was made by other software, or before weights were kept."
)


def _weigh_area(warp: WarpInput, bad_mask_planes: Sequence[str]) -> WarpInput | list[Rejection]:
    """Weigh a warp without the information of its detectors, in the unit of those with it."""
    weighed = _weigh_variance(warp, WeightControl(rule="variance"), bad_mask_planes)
    if not isinstance(weighed, WarpInput) or weighed.weight is None:
        return weighed
    # One over a variance per pixel, times the area of a pixel, is one over a variance per area.
    detectors = tuple(dataclasses.replace(d, notes=(*d.notes, _NOTE)) for d in warp.detectors)
    return dataclasses.replace(weighed, weight=weighed.weight * (warp.pixel_area or 1.0), detectors=detectors)


def _weigh_variance(
    warp: WarpInput, control: WeightControl, bad_mask_planes: Sequence[str]
) -> WarpInput | list[Rejection]:
    weight: float | WeightProblem
    mean = warp.mean_variance
    asked = frozenset(plane_names(bad_mask_planes)), control.sigma_clip, control.clip_iter
    if mean is not None and (mean.bad_mask_planes, mean.sigma_clip, mean.clip_iter) == asked:
        # Measured by the same rules when the warp was written: the same number without its pixels.
        weight = weight_of_mean(mean.mean, warp.scale)
    else:
        planes = view_planes(warp.source)
        bad = Layout(warp.source.schema).bits(bad_mask_planes, missing_ok=True)
        weight = warp_weight(planes.variance, planes.mask, bad, control, scale=warp.scale, image=planes.image)
    if not isinstance(weight, WeightProblem):
        return dataclasses.replace(warp, weight=weight, owners=None)
    return rejections_of(warp, "weight", str(weight))


def rejections_of(visit: Warp | WarpInput, stage: str, reason: str) -> list[Rejection]:
    """Return the records of the exposures in a warp that is left out; one of the visit if it names none."""
    identities = [(detector.id, detector.path) for detector in visit.detectors]
    if not identities:
        identities = [(ExposureId(visit.instrument, visit.visit, -1, visit.band), "")]
    return [Rejection(identity, path, stage, reason) for identity, path in identities]
