"""From the warps of a patch to its coadd."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lsst.pipe.base.connectionTypes as ct
import numpy as np
from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import Mask
from lsst.pex.config import ChoiceField, ConfigurableField, Field, FieldValidationError
from lsst.pipe.base import (
    NoWorkFound,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    Task,
)

from ...coadd.assemble import assemble
from ...coadd.assemble_control import AssembleConfig
from ...coadd.brightmask import BrightObjectCatalog
from ...coadd.reject.artifact_masks import rejection_notes
from ...coadd.reject.choice import RejectionChoice, choice_of
from ...coadd.reject.reject import Findings
from ...coadd.stack.prepare import input_of, weigh
from ...coadd.warp.pairs import Pairs
from ...coadd.warp_planes import plane_notices
from ...data.coadd import PatchCoadd, Rejection
from ...data.exposure import ExposureId
from ...data.inputs import CoaddTarget, WarpInput, WarpSource
from ...data.visit_check import visit_warnings
from ...data.warp import Warp
from ...errors import UnreadableFileError
from ...planes import Layout
from ...resources import Resources
from ...run.rejection import BandRejection
from ...run.scratch import write_scratch
from ..derive import derive_config, derive_field, to_core
from ..history import (
    common_settings,
    noted_rejections,
    unmatched_reason,
    warp_rejections,
    warp_settings,
)
from ..matching import pair_settings
from .base import SKY_MAP, CoaddPipelineTask, Inputs, Outputs, patch_of, resources_of
from .lost import lost_datasets, require_datasets
from .select import selected_exposures, selection_rejections

__all__ = (
    "AssembleCoaddPipelineConfig",
    "AssembleCoaddPipelineConnections",
    "AssembleCoaddPipelineTask",
    "AssembleWarpsConfig",
    "AssembleWarpsTask",
)

_BYTES_PER_PIXEL = 12  # image, mask and variance
_SHARE_OF_WARPS = 0.5
_MEBIBYTE = 2**20


class AssembleWarpsConfig(derive_config(AssembleConfig)):  # type: ignore[misc]
    """How warps become a coadd."""


class AssembleWarpsTask(Task):
    """Weigh warps and combine them.

    To retarget it, give a task whose methods have the same arguments and results.
    """

    ConfigClass = AssembleWarpsConfig
    _DefaultName = "assemble"

    def weigh(self, warp: Warp) -> WarpInput | list[Rejection]:
        """Return the record of a warp with its weight, or why it has none."""
        control: AssembleConfig = to_core(self.config)
        return weigh(input_of(warp), control.weights, control.bad_mask_planes)

    def run(
        self,
        inputs: Sequence[WarpInput],
        target: CoaddTarget,
        *,
        brightObjects: BrightObjectCatalog | None = None,
        rejected: Sequence[Rejection] = (),
        resources: Resources | None = None,
        rejection: RejectionChoice | None = None,
    ) -> Struct:
        """Combine warps.

        Parameters
        ----------
        inputs
            Warps with weights, in any order.
        target
            Pixel grid of the coadd.
        brightObjects
            Objects whose masks are painted on the coadd.
        rejected
            Exposures left out earlier, for the record.
        resources
            Threads and memory.
        rejection
            What was chosen for the band; given where the options leave that open.

        Returns
        -------
        lsst.pipe.base.Struct
            ``coadd``; and ``artifacts``, the planes that each warp got, by its key.
        """
        findings: list[Findings] = []
        ordered = sorted(inputs, key=lambda visit: visit.key)

        coadd = assemble(
            ordered,
            BandRejection.of(to_core(self.config), rejection).config,
            target=target,
            bright_objects=brightObjects,
            rejected=rejected,
            resources=resources,
            on_findings=findings.append,
        )
        artifacts = zip((visit.key for visit in ordered), findings[0].artifacts, strict=True)
        return Struct(coadd=coadd, artifacts=dict(artifacts))


_TEMPLATES = {
    "inputCoaddName": "deep",
    "outputCoaddName": "deep",
    "warpType": "direct",
    "warpTypeSuffix": "",
    "datasetPrefix": "",
}


class AssembleCoaddPipelineConnections(
    PipelineTaskConnections,
    dimensions=("skymap", "tract", "patch", "band"),
    defaultTemplates=_TEMPLATES,
):
    """Datasets of `AssembleCoaddPipelineTask`."""

    inputWarps = ct.Input(
        doc="Warps of the patch.",
        name="{datasetPrefix}{inputCoaddName}Coadd_{warpType}Warp",
        storageClass="LamellaWarp",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
        multiple=True,
        deferLoad=True,
    )
    psfMatchedWarps = ct.Input(
        doc="The warps of the patch, matched to one PSF, in which visits are compared.",
        name="{datasetPrefix}{inputCoaddName}Coadd_psfMatchedWarp",
        storageClass="LamellaWarp",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
        multiple=True,
        deferLoad=True,
        minimum=0,
    )
    skyMap = SKY_MAP
    selectedVisits = ct.Input(
        doc="Visits to coadd, and exposures that were left out, with reasons.",
        name="{datasetPrefix}{outputCoaddName}Visits",
        storageClass="StructuredDataDict",
        dimensions=("skymap", "tract", "patch", "band"),
    )
    warpMetadata = ct.Input(
        doc="Metadata of makeWarp, which tells of a selected visit without a warp why it has none.",
        name="makeWarp_metadata",
        storageClass="TaskMetadata",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
        multiple=True,
        deferLoad=True,
        minimum=0,
    )
    brightObjectMask = ct.PrerequisiteInput(
        doc="Objects whose masks are painted on the coadd.",
        name="{datasetPrefix}brightObjectMask",
        storageClass="LamellaBrightObjects",
        dimensions=("skymap", "tract", "patch", "band"),
        minimum=0,
    )
    coaddExposure = ct.Output(
        doc="The coadd, with mask, variance, counts, inputs and PSF.",
        name="{datasetPrefix}{outputCoaddName}Coadd{warpTypeSuffix}",
        storageClass="LamellaPatchCoadd",
        dimensions=("skymap", "tract", "patch", "band"),
    )
    nImage = ct.Output(
        doc="Number of visits at each pixel that are not masked there; the coadd has it, too.",
        name="{datasetPrefix}{outputCoaddName}Coadd{warpTypeSuffix}_nImage",
        storageClass="ImageV2",
        dimensions=("skymap", "tract", "patch", "band"),
    )

    artifactMasks = ct.Output(
        doc="Planes that mask the artifacts of a visit: CLIPPED and STREAK.",
        name="{datasetPrefix}{outputCoaddName}Coadd_artifactMask",
        storageClass="MaskV2",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
        multiple=True,
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        if config.warpType == "psfMatched":
            names = config.connections
            templates = {template: getattr(names, template) for template in _TEMPLATES}
            templates |= {"warpType": "psfMatched", "warpTypeSuffix": "PsfMatched"}
            for name in ("inputWarps", "coaddExposure", "nImage"):
                matched_name = getattr(names, name).format(**templates)
                setattr(self, name, dataclasses.replace(getattr(self, name), name=matched_name))
        if not config.comparesWarps or config.warpType == "psfMatched":
            del self.psfMatchedWarps
        if not config.doWriteArtifactMasks:
            del self.artifactMasks
        if not config.doSelectVisits:
            del self.selectedVisits
            del self.warpMetadata
        if not config.doMaskBrightObjects:
            del self.brightObjectMask
        if not config.doNImage:
            del self.nImage

    def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: Any) -> Any:
        """Require a sky map whose file is there."""
        require_datasets(inputs, "skyMap")
        return super().adjustQuantum(inputs, outputs, label, data_id)


class AssembleCoaddPipelineConfig(PipelineTaskConfig, pipelineConnections=AssembleCoaddPipelineConnections):
    """Options of `AssembleCoaddPipelineTask`."""

    assemble: Any = ConfigurableField(doc="Weighs and combines the warps.", target=AssembleWarpsTask)
    warpType = ChoiceField[str](
        doc="Kind of warps that are combined.",
        default="direct",
        allowed={"direct": "resampled", "psfMatched": "resampled and matched to one PSF"},
    )
    doWriteArtifactMasks = Field[bool](
        doc="Write what was rejected of each visit as a mask, too.", default=False
    )
    doSelectVisits = Field[bool](
        doc="Coadd the visits that selectDeepCoaddVisits chose; otherwise all warps.", default=True
    )
    doMaskBrightObjects = Field[bool](
        doc="Paint the masks of bright objects, where there are any for the patch.", default=True
    )
    doNImage = Field[bool](doc="Write the number of visits at each pixel as a dataset, too.", default=False)
    memory: Any = derive_field(Resources, "memory")

    @property
    def comparesWarps(self) -> bool:
        """Whether PSF-matched warps are compared to find artifacts, of all bands or where that is chosen."""
        return self._rejection in ("auto", "compare_warp")

    @property
    def followsChoice(self) -> bool:
        """Whether it is chosen by the band how artifacts are found."""
        return self._rejection == "auto"

    @property
    def _rejection(self) -> str | None:
        reject = getattr(self.assemble, "reject", None)  # a task of a user need not have it
        return None if reject is None else reject.method

    def validate(self) -> None:
        """Check that artifacts are looked for when their masks are to be written."""
        super().validate()
        reject = getattr(self.assemble, "reject", None)
        if self.doWriteArtifactMasks and reject is not None and reject.method == "none":
            reason = 'no artifacts are looked for with assemble.reject.method = "none"'
            raise FieldValidationError(type(self).doWriteArtifactMasks, self, reason)


class AssembleCoaddPipelineTask(CoaddPipelineTask):
    """Combine the warps of one patch and band."""

    ConfigClass = AssembleCoaddPipelineConfig
    _DefaultName = "assembleCoadd"
    config: AssembleCoaddPipelineConfig
    assemble: AssembleWarpsTask

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("assemble")

    def runQuantum(self, butlerQC: QuantumContext, inputRefs: Inputs, outputRefs: Outputs) -> None:
        """Make the coadd of the quantum's patch and band."""
        inputs = butlerQC.get(inputRefs)
        _, target = patch_of(butlerQC, inputs["skyMap"])
        if self.config.doMaskBrightObjects and inputs.get("brightObjectMask") is None:
            self._require_no_masks(butlerQC)
        warps, selection = inputs["inputWarps"], inputs.get("selectedVisits")
        rejected: list[Rejection] = []
        if selection is not None:
            visits = selected_exposures(selection)
            warps = [handle for handle in warps if _key_of(handle.dataId) in visits]
            absent = visits.keys() - {_key_of(handle.dataId) for handle in warps}
            notes = {_key_of(handle.dataId): handle for handle in inputs["warpMetadata"]}
            rejected = selection_rejections(selection)
            for key in sorted(absent):
                rejected += _why_absent(visits[key], notes.get(key))
        result = self.run(
            warps,
            target,
            psfMatchedWarps=inputs.get("psfMatchedWarps", ()),
            brightObjects=inputs.get("brightObjectMask"),
            rejected=rejected,
            settings=dict(selection.get("settings", {})) if selection is not None else {},
            resources=resources_of(butlerQC, self.config.memory),
        )
        for ref in getattr(outputRefs, "artifactMasks", ()):
            artifacts = result.artifacts.get(_key_of(ref.dataId))
            if artifacts is not None:
                bbox, spans = artifacts
                layout = Layout.of(names=spans.planes)
                bits = spans.bits(bbox, layout)[..., np.newaxis]
                butlerQC.put(Mask(bits, bbox=bbox, schema=layout.schema), ref)
        butlerQC.put(Struct(coaddExposure=result.coaddExposure, nImage=result.nImage), outputRefs)

    def _require_no_masks(self, butlerQC: QuantumContext) -> None:
        """Raise when the store has lost masks of bright objects, without which the coadd would be another."""
        connections = self.config.connections.ConnectionsClass(config=self.config)
        for ref in lost_datasets(butlerQC, connections.brightObjectMask.name):
            name = f"{ref.datasetType.name} {dict(ref.dataId.required)}"
            expected = (
                f"that of the run {ref.run}; without masks: -c {self.getName()}:doMaskBrightObjects=False"
            )
            raise UnreadableFileError(name, found="no file", expected=expected)

    def run(
        self,
        inputWarps: Iterable[DeferredDatasetHandle],
        target: CoaddTarget,
        *,
        psfMatchedWarps: Iterable[DeferredDatasetHandle] = (),
        brightObjects: BrightObjectCatalog | None = None,
        rejected: Sequence[Rejection] = (),
        settings: Mapping[str, Any] | None = None,
        resources: Resources | None = None,
    ) -> Struct:
        """Read warps one after the other, weigh them, and combine them.

        Each warp is read once.  When all together would take more than half of
        the memory, they wait in scratch files (in the folder of ``TMPDIR``),
        from which boxes are read.

        Parameters
        ----------
        inputWarps
            References to warps of one band.
        target
            Pixel grid of the coadd.
        psfMatchedWarps
            References to the warps that are compared, in any order; a visit may be without.
        brightObjects
            Objects whose masks are painted on the coadd.
        rejected
            Exposures that were not selected, for the record.
        settings
            Options of the selection, for the record.  Those of earlier steps come from the warps.
        resources
            Threads and memory; the result does not depend on them.

        Returns
        -------
        lsst.pipe.base.Struct
            ``coaddExposure`` and ``nImage``; and ``artifacts``: box and planes of what was
            rejected of each visit, by its instrument and its number in the repository.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            Raised when there is no warp, or none with a valid weight.
        NoMatchedWarpsError
            Raised when warps are to be compared and no visit has a matched one.
        """
        handles = list(inputWarps)
        matched = {_key_of(handle.dataId): handle for handle in psfMatchedWarps}
        chosen = self._settle(bool(matched) or self.config.warpType == "psfMatched")
        compares = self.config.comparesWarps if chosen is None else chosen.config.reject.method != "none"
        resources = resources or Resources()
        with tempfile.TemporaryDirectory(prefix="lamella-", ignore_cleanup_errors=True) as folder:
            number = len(handles) + len(matched)
            expected = _BYTES_PER_PIXEL * target.outer_bbox.area * number / _MEBIBYTE
            scratch = Path(folder) if expected > _SHARE_OF_WARPS * resources.memory else None
            pairs = Pairs() if compares else None
            inputs, left_out, histories, numbers = self._read(
                handles, matched, pairs, partial(_put_away, scratch)
            )
            # What makeWarp could not read selectDeepCoaddVisits could not either, unless it was repaired.
            used = {detector.id for visit in inputs for detector in visit.detectors}
            everything = {item.id: item for item in (*left_out, *rejected) if item.id not in used}
            if not inputs:
                reasons = "; ".join(sorted({f"{item.id}: {item.reason}" for item in everything.values()}))
                raise NoWorkFound(f"Nothing to coadd: {reasons or 'no warp is selected'}.")
            boxes = {visit.key: visit.source.bbox for visit in inputs}
            result = self.assemble.run(
                inputs,
                target,
                brightObjects=brightObjects,
                rejected=sorted(everything.values()),
                resources=resources,
                # A task of a user need not know of choices.
                **({} if chosen is None else {"rejection": chosen.choice}),
            )
        earlier = {**common_settings(histories, self.log), **(settings or {})}
        earlier |= {} if pairs is None else pair_settings(pairs)
        coadd: PatchCoadd = result.coadd
        notes = rejection_notes(coadd.settings, coadd.removals)
        if chosen is not None:
            earlier, notes = earlier | chosen.settings, (*notes, *chosen.notes)
        coadd = coadd.replace(settings={**earlier, **coadd.settings}, notes=(*coadd.notes, *notes))
        self._describe(coadd)
        looked = chosen is None or bool(coadd.removals)
        masks = getattr(result, "artifacts", {}) if looked else {}  # a task of a user need not have them
        artifacts = {numbers[key]: (boxes[key], mask) for key, mask in masks.items()}
        return Struct(coaddExposure=coadd, nImage=coadd.exposure_count_unmasked, artifacts=artifacts)

    def _settle(self, matched: bool) -> BandRejection | None:
        """Return how warps are combined where that is left open: ``makeWarp`` matched what is compared.

        Where it could match no visit of this patch, nothing is compared, as if it had not been chosen.
        """
        if not self.config.followsChoice:
            return None
        choice = choice_of("compare_warp" if matched else "none")
        return BandRejection.of(to_core(self.assemble.config), choice)

    def _read(
        self,
        handles: Sequence[DeferredDatasetHandle],
        matched: Mapping[tuple[str, int], DeferredDatasetHandle],
        pairs: Pairs | None,
        put_away: Callable[[str, WarpSource], WarpSource],
    ) -> tuple[
        list[WarpInput], list[Rejection], list[dict[str, Any]], dict[tuple[str, int], tuple[str, int]]
    ]:
        """Read warps, and weigh them.

        Returns warps with a weight, exposures that are left out, the options of these warps, and the
        instrument and number in the repository of each by its key.
        """
        numbers: dict[tuple[str, int], tuple[str, int]] = {}
        inputs: list[WarpInput] = []
        rejected: list[Rejection] = []
        histories: list[dict[str, Any]] = []
        for number, handle in enumerate(handles):
            warp = handle.get()
            data_key = numbers[warp.instrument, warp.visit] = _key_of(handle.dataId)
            rejected += warp_rejections(warp)
            weighed = self.assemble.weigh(warp)
            if not isinstance(weighed, WarpInput):
                self.log.warning("Left out visit %d: %s", warp.visit, weighed[0].reason)
                rejected += weighed
                continue
            direct = dataclasses.replace(weighed, source=put_away(f"{number}.warp", weighed.source))
            if pairs is not None:
                put_matched = partial(put_away, f"{number}.matched")
                direct = self._pair(direct, warp, matched.get(data_key), pairs, put_matched)
            inputs.append(direct)
            histories.append(warp_settings(warp))
        return inputs, rejected, histories, numbers

    def _pair(
        self,
        direct: WarpInput,
        warp: Warp,
        matched: DeferredDatasetHandle | None,
        pairs: Pairs,
        put_away: Callable[[WarpSource], WarpSource],
    ) -> WarpInput:
        """Return an input with the matched warp of its visit."""
        if self.config.warpType == "psfMatched":
            return pairs.add(direct, warp, direct.source, direct.scale)
        if matched is None:
            reason = unmatched_reason(warp)
            self.log.warning("Visit %d cannot be compared with its PSF matched: %s", direct.visit, reason)
            return pairs.add_without(direct, reason)
        psf_matched = matched.get()
        return pairs.add(direct, psf_matched, put_away(input_of(psf_matched).source))

    def _describe(self, coadd: PatchCoadd) -> None:
        visits = {(detector.id.instrument, detector.id.visit) for detector in coadd.detectors}
        self.log.info(
            "Coadded %d visits with %d exposures; %d exposures were left out.",
            len(visits), len(coadd.detectors), len(coadd.rejections),
        )  # fmt: skip
        for notice in plane_notices(coadd.settings):
            self.log.warning("%s", notice)
        self.metadata["visits"] = len(visits)
        self.metadata["exposures"] = len(coadd.detectors)
        self.metadata["rejected"] = len(coadd.rejections)
        for removal in coadd.removals:
            self.log.verbose(
                "Rejected %.3f %% of the pixels of visit %d.", 100 * removal.fraction, removal.visit
            )
        for visit, warning in visit_warnings(coadd.visit_checks, coadd.removals):
            self.log.warning("%s: %s", visit, warning)
        self.metadata["rejectedPixels"] = sum(removal.removed for removal in coadd.removals)


def _put_away(folder: Path | None, name: str, source: WarpSource) -> WarpSource:
    """Return the pixels of a warp, in memory or from then on in a scratch file."""
    return source if folder is None else write_scratch(source, folder / name)


def _why_absent(ids: Sequence[ExposureId], metadata: DeferredDatasetHandle | None) -> list[Rejection]:
    """Return why the exposures of a selected visit are in no warp, as far as its task tells."""
    noted = {} if metadata is None else {item.id: item for item in noted_rejections(metadata.get())}
    silent = Rejection(ids[0], "", "warp", "there is no warp of this visit")
    return [noted.get(id, dataclasses.replace(silent, id=id)) for id in ids]


def _key_of(dataId: Any) -> tuple[str, int]:
    return str(dataId["instrument"]), int(dataId["visit"])
