"""What the tasks that reject artifacts have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from lsst.images import Box, Mask, MaskSchema, SkyProjection
from lsst.pex.config import Config, Field, FieldValidationError
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...coadd.assemble import notes_of, scene_of
from ...coadd.assemble_control import AssembleConfig
from ...coadd.reject.reject import Findings
from ...coadd.reject.reject_control import RejectControl
from ...coadd.reject.scene import Scene
from ...coadd.stack.sources import ImageSource, Rows
from ...data.coadd import PatchCoadd
from ...data.inputs import CoaddTarget, WarpInput
from ...data.removals import Removal, VisitArtifacts
from ...image.planes import Planes
from ...image.spans import SpanMask, united_runs
from ...planes import plane_name, plane_names
from ...resources import Resources
from .assembleCoadd import AssembleCoaddTask
from .assembleCoaddConfig import AssembleCoaddConfig
from .assembleInputs import WarpToStack, stack_record
from .coaddBase import refuse
from .fields import borrow
from .maskPlanes import AltMask, bits_or_names, names_of_bits
from .references import WarpRef
from .scaleZeroPoint import ImageScaler
from .spans import SpanSet, as_spans

__all__ = (
    "AltMaskSpans",
    "FootprintsConfig",
    "RefSource",
    "RejectArtifactsConfig",
    "RejectArtifactsTask",
    "VisitResults",
    "refuse_changed",
    "spans_of",
)


type VisitResults = tuple[list[WarpInput], list[AltMaskSpans], dict[str, Any]]
"""Inputs in the form of the core, the artifacts of each, and options for the record."""


class FootprintsConfig(Config):
    """Options of a search for footprints that are there for the sake of older files: each has one value."""

    thresholdType = Field[str]("Unit of the threshold: errors of the pixels", default="pixel_stdev")
    thresholdPolarity = Field[str]("Sign of what is found: both", default="both")
    isotropicGrow = Field[bool]("Whether footprints grow by a disc", default=True)
    reEstimateBackground = Field[bool]("Whether a background is subtracted", default=False)
    doTempLocalBackground = Field[bool]("Whether a background is subtracted for the search", default=False)
    returnOriginalFootprints = Field[bool]("Whether footprints do not grow", default=False)

    advice: ClassVar[str]
    """Options that can be set instead, as a sentence."""

    def validate(self) -> None:
        """Refuse what the search does not do."""
        super().validate()
        refuse_changed(self, dict.fromkeys(FootprintsConfig._fields, self.advice))


class AltMaskSpans(dict[str, list[Any]]):
    """Planes to be or-ed into the mask of one warp: lists of regions by the name of the plane.

    Parameters
    ----------
    planes
        The regions.
    artifacts
        The artifacts that they are, for the account that the coadd gives.
    """

    def __init__(self, planes: Mapping[str, list[Any]], artifacts: VisitArtifacts | None = None) -> None:
        super().__init__(planes)
        self.artifacts = artifacts


@dataclasses.dataclass(frozen=True)
class RefSource:
    """A referenced warp as a source of pixels, on the scale of the coadd."""

    ref: WarpRef
    imageScaler: ImageScaler
    alternate: AltMask = dataclasses.field(default_factory=AltMask)
    """Of it, the mask that is used instead of that of the warp."""

    @property
    def bbox(self) -> Box:
        """Box of the pixels."""
        return self.ref.bbox

    @property
    def schema(self) -> MaskSchema:
        """Schema of the mask that `read` returns."""
        return self.alternate.schema(self.ref.header.mask.schema.names)

    def read(self, box: Box) -> Planes:
        """Return the planes of a box."""
        image = self.ref.read(box)
        self.imageScaler.scaleMaskedImage(image)
        return ImageSource(self.alternate.put_in(image)).read(box)

    def read_rows(self, rows: Sequence[int]) -> Rows:
        """Return the planes of whole rows; the warp is asked for once, because that takes long."""
        whole, at = self.read(self.bbox), np.asarray(rows) - self.bbox.y.start
        return Rows(whole.image[at], whole.mask[at], whole.variance[at])


class RejectArtifactsConfig(AssembleCoaddConfig):
    """What the configurations of tasks that reject artifacts have in common."""

    warnFraction = borrow(RejectControl, "warn_fraction")
    defaultFwhm = borrow(RejectControl, "default_fwhm")

    def rejectControl(self) -> RejectControl:
        """Return how artifacts are found, in the core's form."""
        raise NotImplementedError

    def toCore(self) -> AssembleConfig:
        """Return the core's form of this."""
        return super().toCore().replace(reject=self.rejectControl())

    def validate(self) -> None:
        """Check the options; artifacts are left out of a mean."""
        super().validate()
        if self.statistic != "MEAN":
            reason = f"without artifacts the warps are averaged; found {self.statistic!r}, expected 'MEAN'"
            raise FieldValidationError(type(self).statistic, self, reason)


class RejectArtifactsTask(AssembleCoaddTask):
    """Finds artifacts in single warps, and averages the warps without them."""

    config: RejectArtifactsConfig

    @timeMethod
    def run(
        self,
        skyInfo: Struct,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler],
        weightList: Sequence[float],
        altMaskList: Sequence[Any] | None = None,
        mask: Any = None,
        supplementaryData: Struct | None = None,
    ) -> Struct:
        """Find artifacts, and combine the warps without them.

        Parameters
        ----------
        skyInfo, tempExpRefList, imageScalerList, weightList, altMaskList, mask
            As for `AssembleCoaddTask.run`.
        supplementaryData
            What ``makeSupplementaryData`` returned.

        Returns
        -------
        lsst.pipe.base.Struct
            As that of `AssembleCoaddTask.run`; ``altMaskList`` has the artifacts.
            ``coaddExposure.artifacts`` is a table of them, a row per visit.
        """
        inputs = self._aligned(tempExpRefList, imageScalerList, weightList, altMaskList)
        if isinstance(mask, Mask):
            inputs = [warp._replace(altMask=warp.alternate.adding(mask)) for warp in inputs]
            mask = None
        bad = self._bad_planes(mask)
        records, artifacts, settings = self._find(skyInfo, inputs, bad, supplementaryData)
        masked = []
        for warp, mine in zip(inputs, artifacts, strict=True):
            # The ends of matched warps reject nothing.
            planes = {name: regions for name, regions in mine.items() if name != "EDGE"}
            masked.append(warp._replace(altMask=warp.alternate.adding(planes)))
        coadd, nImage = self._combine(skyInfo, masked, (*bad, "CLIPPED"))
        self.applyAltEdgeMask(coadd.mask, artifacts)
        coadd = self._account(coadd, records, artifacts)
        # With their artifacts: they may be all that is wrong with a visit.
        checks = self._check_visits(skyInfo, coadd, inputs, bad)
        coadd = coadd.replace(settings={**coadd.settings, **settings}, visit_checks=checks)
        self._warn(coadd)
        return Struct(
            coaddExposure=coadd,
            nImage=nImage,
            warpRefList=[warp.ref.ref for warp in inputs],
            imageScalerList=[warp.imageScaler for warp in inputs],
            weightList=[warp.weight for warp in inputs],
            altMaskList=artifacts,
        )

    def _find(
        self, skyInfo: Struct, inputs: list[WarpToStack], bad: Any, supplementaryData: Struct | None
    ) -> VisitResults:
        """Find the artifacts of each input; pixels with one of the bad planes are left out."""
        raise NotImplementedError

    def applyAltEdgeMask(self, mask: Mask, altMaskList: Sequence[Any]) -> None:
        """Set SENSOR_EDGE and INEXACT_PSF where a matched warp ends, in place.

        Parameters
        ----------
        mask
            Mask of the coadd.
        altMaskList
            For each warp `None`, or regions by the name of a plane; those of EDGE matter.
        """
        for altMask in altMaskList:
            for region in (altMask or {}).get("EDGE", ()):
                for name in ("SENSOR_EDGE", "INEXACT_PSF"):
                    as_spans(region).setMask(mask, name)

    def _bad_planes(self, mask: Any) -> tuple[str, ...]:
        """Return the names of the planes that reject a pixel."""
        if mask is None:
            return plane_names(self.config.badMaskPlanes)
        planes = bits_or_names(mask)
        return names_of_bits(planes, self._layout) if isinstance(planes, int) else planes

    def _records(self, warps: Sequence[WarpToStack]) -> list[WarpInput]:
        """Return warps in the form of the core."""
        records = []
        for warp in warps:
            alternate = warp.alternate
            spans = {
                plane_name(name): united_runs(*(as_spans(region).runs for region in regions))
                for name, regions in alternate.spans.items()
                if regions
            }
            record = dataclasses.replace(
                stack_record(warp, RefSource(warp.ref, warp.imageScaler, alternate)),
                detectors=warp.ref.header.detectors,
                alternate=SpanMask(spans) if alternate.spans else None,
            )
            records.append(record)
        return records

    def _scene(
        self, inputs: Sequence[WarpInput], bbox: Box, projection: SkyProjection[Any] | None, mask: Any
    ) -> Scene:
        """Return the scene in which artifacts are looked for."""
        assert projection is not None, "a coadd has a projection"
        config = self.config.toCore().replace(bad_mask_planes=self._bad_planes(mask))
        target = CoaddTarget(outer_bbox=bbox, projection=projection)
        return scene_of(inputs, target, config, Resources(threads=self.config.threads))

    def _account(
        self, coadd: PatchCoadd, inputs: Sequence[WarpInput], artifacts: Sequence[AltMaskSpans]
    ) -> PatchCoadd:
        """Return the coadd with the number of rejected pixels on record."""
        removals = tuple(
            Removal.of(warp.instrument, warp.visit, mine.artifacts, self.config.warnFraction)
            for warp, mine in zip(inputs, artifacts, strict=True)
            if mine.artifacts is not None
        )
        for removal in removals:
            self.log.info("Rejected %d pixels of visit %d", removal.removed, removal.visit)
        notes = {detector.id: detector.notes for warp in inputs for detector in warp.detectors}
        detectors = tuple(dataclasses.replace(d, notes=notes[d.id]) for d in coadd.detectors)
        return coadd.replace(removals=removals, detectors=detectors, notes=notes_of(detectors))


def spans_of(artifacts: VisitArtifacts, control: RejectControl, warp: WarpInput) -> AltMaskSpans:
    """Return the artifacts of a visit as regions by the name of the plane."""
    findings = Findings.of([warp], [artifacts], control)
    planes = {name: [SpanSet.from_runs(runs)] for name, runs in findings.artifacts[0].planes.items()}
    if findings.edges.area:
        planes["EDGE"] = [SpanSet.from_runs(findings.edges)]
    return AltMaskSpans(planes, artifacts)


def refuse_changed(config: Any, names: Mapping[str, str]) -> None:
    """Refuse options that are there for the sake of older files, when they ask for something else.

    Parameters
    ----------
    config
        A configuration.
    names
        By the name of a field, what to do instead.
    """
    for name, advice in names.items():
        field = config._fields[name]
        value = getattr(config, name)
        changed = not value.compare(field.dtype()) if hasattr(value, "compare") else value != field.default
        if changed:
            refuse(config, name, f"it has no effect here; {advice}")
