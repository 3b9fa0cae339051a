"""From warps to the records that are stacked: order and weight."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from lsst.images import Box, Image, Interval, Mask, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ..errors import MixedBandsError, NoInputsError, PsfMatchError
from ..planes import bits_of, plane_names
from ..psf.parameters import psf_to_parameters
from .archive import Rejection, Warp
from .assemble_control import WeightControl
from .inputs import CoaddTarget, ExposureId, WarpInput
from .scale import WeightProblem, warp_weight, weight_of_mean
from .sources import ImageSource, view_planes

__all__ = (
    "Prepared",
    "WeightControl",
    "check_one_band",
    "input_of",
    "prepare_inputs",
    "same_psf",
    "target_around",
    "warp_of",
    "weigh",
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
        models = [one.model_psf for one in self.inputs]
        first = models[0] if models else None
        if first is None and not any(models):
            return None
        for one in self.inputs:
            if one.model_psf is None or first is None or not same_psf(one.model_psf, first):
                raise PsfMatchError(
                    f"{one.instrument} visit {one.visit} and {self.inputs[0].instrument} visit "
                    f"{self.inputs[0].visit} are not matched to the same PSF; a coadd needs warps that all "
                    "are, or none."
                )
        return first

    def common_target(self) -> CoaddTarget:
        """Return the box around all inputs as the place of the coadd."""
        if self.projection is None:
            raise NoInputsError("The pixel grid of the coadd is unknown: give a target, or whole warps.")
        return target_around([one.source.bbox for one in self.inputs], self.projection)


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
    """
    records: list[WarpInput] = []
    inputs: list[WarpInput] = []
    rejected: list[Rejection] = []
    projection = None
    for warp in warps:
        records.append(warp if isinstance(warp, WarpInput) else input_of(warp))
        if isinstance(warp, Warp):
            projection = warp.sky_projection
    check_one_band((record.instrument, record.visit, record.band) for record in records)
    for record in records:
        found = weigh(record, control, bad_mask_planes)
        if isinstance(found, WarpInput):
            inputs.append(found)
        else:
            rejected += found
    inputs.sort(key=lambda one: one.key)
    return Prepared(tuple(inputs), tuple(sorted(rejected)), projection)


def check_one_band(visits: Iterable[tuple[str, int, str]]) -> None:
    """Refuse warps of different bands: there is no flux that their mean would measure.

    Parameters
    ----------
    visits
        Instrument, visit and band of each warp, in any order.

    Raises
    ------
    MixedBandsError
        Raised with the first two, in the order of visits and bands, that differ.
    """
    ordered = sorted(visits)
    for instrument, visit, band in ordered:
        first = ordered[0]
        if band != first[2]:
            raise MixedBandsError(
                f"{instrument} visit {visit}",
                where="band",
                found=repr(band),
                expected=f"{first[2]!r}, the band of {first[0]} visit {first[1]}: a coadd is of one band",
            )


def input_of(warp: Warp) -> WarpInput:
    """Return the record of a warp in memory, without a weight."""
    return WarpInput(
        instrument=warp.instrument,
        visit=warp.visit,
        band=warp.band,
        source=ImageSource(warp),
        detectors=warp.detectors,
        model_psf=warp.matched_psf,
        bad_mask_planes=warp.bad_mask_planes,
    )


def warp_of(one: WarpInput, projection: SkyProjection[Any]) -> Warp:
    """Return the warp that a record is of, with all its pixels as its source has them.

    The scale of the record and its alternate planes are not applied.
    """
    box, planes = one.source.bbox, one.source.read(one.source.bbox)
    return Warp(
        Image(planes.image, bbox=box, unit=u.nJy, sky_projection=projection),
        mask=Mask(planes.mask[..., np.newaxis], bbox=box, schema=one.source.schema),
        variance=Image(planes.variance, bbox=box, unit=u.nJy**2),
        instrument=one.instrument,
        visit=one.visit,
        band=one.band,
        detectors=one.detectors,
        matched_psf=one.model_psf,
        bad_mask_planes=one.bad_mask_planes,
    )


def weigh(
    one: WarpInput, control: WeightControl, bad_mask_planes: Sequence[str]
) -> WarpInput | list[Rejection]:
    """Return an input with its weight, or why it has none.

    The weight is the inverse of the clipped mean of the variance over the
    pixels that are not masked (AssembleCoadd's ``prepareInputs``).
    """
    if one.weight is not None:
        return one
    weight = _known_weight(one, control, bad_mask_planes)
    if weight is None:
        planes = view_planes(one.source)
        bad = bits_of(one.source.schema, bad_mask_planes, missing_ok=True)
        weight = warp_weight(planes.variance, planes.mask, bad, control, scale=one.scale, image=planes.image)
    if not isinstance(weight, WeightProblem):
        return dataclasses.replace(one, weight=weight)
    identities = [(d.id, d.path) for d in one.detectors]
    if not identities:
        identities = [(ExposureId(one.instrument, one.visit, -1, one.band), "")]
    return [Rejection(identity, path, "weight", str(weight)) for identity, path in identities]


def _known_weight(
    one: WarpInput, control: WeightControl, bad_mask_planes: Sequence[str]
) -> float | WeightProblem | None:
    known = one.mean_variance
    asked = frozenset(plane_names(bad_mask_planes)), control.sigma_clip, control.clip_iter
    if known is None or (known.bad_mask_planes, known.sigma_clip, known.clip_iter) != asked:
        return None
    return weight_of_mean(known.mean, one.scale)
