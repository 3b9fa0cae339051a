"""From warps to a coadd: the driver."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np
import pydantic
from lsst.images import Box, Image, Mask, MaskSchema

from ..config import inherited, option
from ..errors import ConfigError, DuplicateInputError, NoInputsError
from ..kernels.words import mark_where
from ..planes import bits_of, make_schema, plane_names
from .archive import PatchCoadd, Rejection, Warp
from .brightmask import BrightObjectCatalog, paint_bright_objects
from .gaps import GapControl, fill_masked_image
from .inputs import CoaddTarget, WarpInput
from .prepare import WeightControl, prepare_inputs
from .reject import Findings, RejectControl, find_rejections
from .runs import pixels_of
from .scale import BAD_MASK_PLANES
from .skynoise import VarianceCorrection, corrected
from .stack import StackControl, Statistic
from .stack_control import Combination
from .tiles import Resources, StackedPlanes, stack_inputs
from .versions import package_versions

__all__ = ("AssembleConfig", "Resources", "StackedPlanes", "assemble", "stack_inputs")


class AssembleConfig(Combination):
    """How warps become a coadd.

    With a rejection of artifacts the statistic is MEAN; another one beside it is an error.
    """

    statistic: Statistic = inherited(Combination, "statistic", default="NOISECLIP")
    error_from_input_variance: bool = inherited(Combination, "error_from_input_variance", default=True)
    bad_mask_planes: tuple[str, ...] = option(
        BAD_MASK_PLANES, "Pixels with one of these planes are left out."
    )
    remove_mask_planes: tuple[str, ...] = option(
        ("NOT_DEBLENDED",), "Planes of the inputs that say nothing about a coadd and are cleared."
    )
    mask_propagation_thresholds: dict[str, float] = option(
        {"SATURATED": 0.1},
        "Planes that the coadd gets where the inputs that were left out with that plane hold more than "
        "this fraction of the weight.",
    )
    weights: WeightControl = option(WeightControl(), "How the weight of a warp is found.")
    fill_gaps: bool = option(True, "Interpolate pixels to which no input contributed.")
    gaps: GapControl = option(GapControl(max_gap=10), "How gaps are filled.")
    reject: RejectControl = option(RejectControl(), "How artifacts are found and left out.")
    bright_object_plane: str = option("BRIGHT_OBJECT", "Plane that masks of bright objects are put on.")
    correct_variance: VarianceCorrection = option(
        "none",
        "Multiply the variance plane by what blank sky says of it: 'pixel' makes it that of single pixels, "
        "'psf' makes errors of point-source fluxes right although resampled pixels share noise. All factors "
        "are stated in the coadd in any case.",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _settle_statistic(cls, values: Any) -> Any:
        reject = values.get("reject") if isinstance(values, dict) else None
        method = reject.get("method") if isinstance(reject, dict) else getattr(reject, "method", None)
        return values if method in (None, "none") else {"statistic": "MEAN"} | values

    @pydantic.model_validator(mode="after")
    def _check_statistic(self) -> Self:
        method = self.reject.method
        if method != "none" and self.statistic != "MEAN":
            reason = (
                f"found {self.statistic}; with the rejection {method} artifacts are left out first, and the "
                "coadd is the MEAN of the rest: leave the statistic out, or reject none"
            )
            message = f"statistic: {reason}."
            raise ConfigError(message, option="statistic", found=self.statistic, reason=reason)
        return self

    def stack_control(self, schema: MaskSchema) -> StackControl:
        """Translate the names of planes into bits."""
        thresholds = {
            bits_of(schema, (name,)).bit_length() - 1: value
            for name, value in self.mask_propagation_thresholds.items()
        }
        return StackControl(
            **{name: getattr(self, name) for name in Combination.model_fields},
            bad_mask=bits_of(schema, self.bad_mask_planes),
            weighted=True,
            no_good_mask=bits_of(schema, ("NO_DATA",)),
            clipped_mask=bits_of(schema, ("CLIPPED",)),
            mask_map=_rejected_mapping(schema, self.bad_mask_planes),
            propagation_thresholds=thresholds,
        )

    def after_rejection(self) -> AssembleConfig:
        """Return how warps are combined once their artifacts are marked as CLIPPED."""
        if self.reject.method == "none":
            return self
        return self.replace(bad_mask_planes=(*self.bad_mask_planes, "CLIPPED"))


def assemble(
    warps: Iterable[Warp | WarpInput],
    config: AssembleConfig | None = None,
    *,
    target: CoaddTarget | None = None,
    bright_objects: BrightObjectCatalog | None = None,
    rejected: Sequence[Rejection] = (),
    resources: Resources | None = None,
    on_findings: Callable[[Findings], None] | None = None,
) -> PatchCoadd:
    """Combine warps into the coadd of one patch.

    Parameters
    ----------
    warps
        Warps of one band on one pixel grid, in any order.  A `Warp` gets its
        weight here; a `WarpInput` has one.
    config
        How to combine.
    target
        Pixel grid of the coadd; by default the box around all warps.
    bright_objects
        Objects whose masks are painted on the coadd.
    rejected
        Exposures left out earlier, for the record.
    resources
        Threads and memory; the result does not depend on them.
    on_findings
        Called with what ``config.reject`` found, before the warps are combined.

    Returns
    -------
    PatchCoadd
        Image in nJy, mask, variance, counts, inputs with weights, and PSF.

    Raises
    ------
    NoInputsError
        Raised when there is no warp, or none with a valid weight.
    NoMatchedWarpsError
        Raised when matched warps are to be compared and there is none.
    DuplicateInputError
        Raised when two warps are the same visit.
    """
    config = config or AssembleConfig()
    prepared = prepare_inputs(warps, config.weights, config.bad_mask_planes)
    if not prepared.inputs:
        reasons = "; ".join(f"{r.id}: {r.reason}" for r in prepared.rejected) or "no warps were given"
        raise NoInputsError(f"Nothing to coadd: {reasons}.")
    _check_identities(prepared.inputs)
    target = target or prepared.common_target()
    schema = make_schema(itertools.chain.from_iterable(i.source.schema.names for i in prepared.inputs))
    inputs, resources = prepared.inputs, resources or Resources()
    findings = find_rejections(inputs, target.outer_bbox, schema, config, resources, target.projection)
    if on_findings is not None:
        on_findings(findings)
    planes = stack_inputs(
        findings.apply(inputs), target.outer_bbox, schema, config.after_rejection(), resources
    )
    _mark_edges(planes.mask, findings, target.outer_bbox, schema)
    _mark_inexact_psf(planes.mask, schema)
    coadd = _make_coadd(planes, target, schema, inputs, config, (*rejected, *prepared.rejected))
    coadd.matched_psf = prepared.model_psf()
    coadd.removals = findings.removals
    if config.fill_gaps:
        fill_masked_image(coadd, ("NO_DATA",), config.gaps)
    if bright_objects is not None:
        paint_bright_objects(coadd.mask, target.projection, bright_objects, config.bright_object_plane)
    return corrected(coadd, config.correct_variance)


def _check_identities(inputs: Sequence[WarpInput]) -> None:
    for first, second in itertools.pairwise(inputs):
        if first.key == second.key:
            raise DuplicateInputError(
                f"{first.instrument} visit {first.visit}",
                found="two warps of this visit",
                expected="one warp per visit",
            )


def _rejected_mapping(schema: MaskSchema, bad: Iterable[str]) -> tuple[tuple[int, int], ...]:
    # An input left out for want of data or at the rim of a detector is not "rejected".
    names = set(plane_names(bad)) - {"NO_DATA", "DETECTION_EDGE", "CLIPPED"}
    pairs = (
        (bits_of(schema, names), bits_of(schema, ("REJECTED",))),
        (bits_of(schema, ("DETECTION_EDGE",)), bits_of(schema, ("SENSOR_EDGE",))),
        (bits_of(schema, ("CLIPPED",)), bits_of(schema, ("CLIPPED",))),
    )
    return tuple(pair for pair in pairs if pair[0])


def _mark_edges(mask: np.ndarray, findings: Findings, bbox: Box, schema: MaskSchema) -> None:
    y, x, _ = pixels_of(findings.edges.y, findings.edges.x0, findings.edges.x1, bbox)
    mask[y, x] |= bits_of(schema, ("SENSOR_EDGE",))


def _mark_inexact_psf(mask: np.ndarray, schema: MaskSchema) -> None:
    causes = bits_of(schema, ("SENSOR_EDGE", "CLIPPED", "REJECTED"))
    mark_where(mask.reshape(-1), np.int32(causes), np.int32(bits_of(schema, ("INEXACT_PSF",))))


def _make_coadd(
    planes: StackedPlanes,
    target: CoaddTarget,
    schema: MaskSchema,
    inputs: Sequence[WarpInput],
    config: AssembleConfig,
    rejected: Sequence[Rejection],
) -> PatchCoadd:
    bbox = target.outer_bbox
    detectors = [
        dataclasses.replace(detector, weight=one.weight or 0.0)
        for one in inputs
        for detector in one.detectors
    ]
    settings: Mapping[str, object] = {"assemble": config.to_dict()}
    return PatchCoadd(
        Image(planes.image, bbox=bbox, unit=u.nJy, sky_projection=target.projection),
        mask=Mask(planes.mask[..., np.newaxis], bbox=bbox, schema=schema),
        variance=Image(planes.variance, bbox=bbox, unit=u.nJy**2),
        exposure_count=Image(planes.count, bbox=bbox),
        exposure_count_unmasked=Image(planes.unmasked, bbox=bbox),
        band=inputs[0].band,
        skymap=target.skymap,
        tract=target.tract,
        patch=target.patch,
        inner_bbox=target.inner_bbox or bbox,
        detectors=detectors,
        rejected=sorted(rejected),
        settings=settings,
        versions=package_versions(),
        notes=sorted({note for detector in detectors for note in detector.notes}),
    )
