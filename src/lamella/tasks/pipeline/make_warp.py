"""From the exposures of a visit to its warps on a patch: the direct one, and one matched to a common PSF."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any

import lsst.pipe.base.connectionTypes as ct
from lsst.daf.butler import Quantum
from lsst.pex.config import ConfigurableField, Field, FieldValidationError
from lsst.pipe.base import (
    NoWorkFound,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantaAdjuster,
    QuantumContext,
    Struct,
    Task,
)

from ...coadd.reject.choice import RejectionChoice
from ...coadd.select.select_control import SelectControl
from ...coadd.warp.pairs import CommonPsf
from ...coadd.warp.warp_control import WarpControl
from ...data.coadd import Rejection
from ...data.exposure import ExposureSource
from ...data.inputs import CoaddTarget
from ...data.warp import Warp
from ...psf.match_control import MatchControl
from ...run.patch import require_all, warp_visit
from ...run.patch_config import PatchConfig
from ...sky.tract import Patch
from ..derive import DerivedConfig, derive_config, to_core
from ..history import note_rejections, plain_settings, record_history, record_unmatched
from ..matching import MODEL_FWHM
from .base import (
    CALEXPS,
    SKY_MAP,
    CoaddPipelineTask,
    Inputs,
    Outputs,
    exposures_of,
    patch_of,
    storage_class_field,
)
from .choose import choose_for_graph
from .exposures import ExposureHandle, open_handles
from .lost import require_datasets
from .select import SelectExposuresTask

__all__ = (
    "ExposureHandle",
    "MakeWarpConfig",
    "MakeWarpConnections",
    "MakeWarpTask",
    "MatchWarpConfig",
    "MatchWarpTask",
    "WarpVisitConfig",
    "WarpVisitTask",
)


class WarpVisitConfig(derive_config(WarpControl)):  # type: ignore[misc]
    """How exposures are resampled to the pixel grid of a tract."""


class WarpVisitTask(Task):
    """Resample the exposures of one visit, and merge them.

    To retarget it, give a task whose `run` has the same arguments and result.
    """

    ConfigClass = WarpVisitConfig
    _DefaultName = "warp"

    def run(self, sources: Sequence[ExposureSource], target: CoaddTarget) -> Struct:
        """Make the warp of some exposures.

        Parameters
        ----------
        sources
            Exposures of one visit.
        target
            Pixel grid.

        Returns
        -------
        lsst.pipe.base.Struct
            ``warp``, `None` without a valid pixel; and ``rejected``, what is
            not in it, and why.
        """
        visit = warp_visit(sources, target, PatchConfig(warp=to_core(self.config)))
        return Struct(warp=visit.warp, rejected=visit.rejected)


class MatchWarpConfig(derive_config(MatchControl)):  # type: ignore[misc]
    """How warps are matched to a common PSF.

    The width of the target must be given, because a quantum sees one visit only.
    """

    def setDefaults(self) -> None:
        """Give the target a width."""
        super().setDefaults()
        self.fwhm = MODEL_FWHM

    def validate(self) -> None:
        """Check each option, and that there is a width."""
        super().validate()
        if self.fwhm is None:
            reason = "the width of the target must be given: this task sees one visit, and not the widest"
            raise FieldValidationError(type(self).fwhm, self, reason)


class MatchWarpTask(Task):
    """Match the warp of one visit to the PSF that all visits are matched to.

    To retarget it, give a task whose `run` has the same arguments and result.
    """

    ConfigClass = MatchWarpConfig
    _DefaultName = "match"

    def run(self, warp: Warp, target: CoaddTarget) -> Struct:
        """Match a warp.

        Parameters
        ----------
        warp
            A warp with its own PSF.
        target
            Pixel grid.

        Returns
        -------
        lsst.pipe.base.Struct
            ``warp``, `None` when it cannot be matched; and ``reason``, why not.
        """
        matched, reason = CommonPsf.of((), target, to_core(self.config)).match(warp)
        return Struct(warp=matched, reason=reason)


class MakeWarpConnections(
    PipelineTaskConnections,
    dimensions=("instrument", "skymap", "tract", "patch", "visit"),
    defaultTemplates={"coaddName": "deep", "warpType": "direct", "datasetPrefix": ""},
):
    """Datasets of `MakeWarpTask`."""

    calexps = CALEXPS
    skyMap = SKY_MAP
    warp = ct.Output(
        doc="The visit on the pixel grid of the patch.",
        name="{datasetPrefix}{coaddName}Coadd_{warpType}Warp",
        storageClass="LamellaWarp",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
    )
    psfMatched = ct.Output(
        doc="The same, matched to the PSF that all visits are matched to.",
        name="{datasetPrefix}{coaddName}Coadd_psfMatchedWarp",
        storageClass="LamellaWarp",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        self._choices: dict[tuple[str, str], RejectionChoice] = {}
        select = config.select.value
        # A task of a user may have options of its own.
        is_own = isinstance(select, DerivedConfig) and select.coreClass is SelectControl
        self._select: SelectControl = to_core(select) if is_own else SelectControl()
        self._chooses = config.makePsfMatched and config.matchCompared
        self.calexps = exposures_of(self.calexps, config.exposureStorageClass)
        if not config.makeDirect:
            del self.warp
        if not config.makePsfMatched:
            del self.psfMatched

    def adjust_all_quanta(self, adjuster: QuantaAdjuster) -> None:
        """Choose the bands whose visits are compared, from all of their exposures in the repository."""
        if self._chooses:
            self._choices.update(choose_for_graph(adjuster, self, self._select))

    def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: Any) -> Any:
        """Require a sky map whose file is there; match no visit that is not compared."""
        require_datasets(inputs, "skyMap")
        adjusted, changed = super().adjustQuantum(inputs, outputs, label, data_id)
        # There are none where a quantum is run and not planned.
        choice = self._choices and self._choices.get((str(data_id["skymap"]), str(data_id["band"])))
        if choice and choice.method == "none":
            connection, _ = outputs["psfMatched"]
            changed = {**changed, "psfMatched": (connection, ())}
        return adjusted, changed

    def buildDatasetRefs(self, quantum: Quantum) -> tuple[Inputs, Outputs]:
        """Return the datasets of a quantum; one whose visit is not compared makes no matched warp."""
        connections = self
        if "psfMatched" in self.outputs and not quantum.outputs.get(self.psfMatched.name):
            connections = copy.copy(self)
            connections.outputs = self.outputs - {"psfMatched"}
        return super(MakeWarpConnections, connections).buildDatasetRefs(quantum)


class MakeWarpConfig(PipelineTaskConfig, pipelineConnections=MakeWarpConnections):
    """Options of `MakeWarpTask`."""

    select: Any = ConfigurableField(doc="Chooses the exposures.", target=SelectExposuresTask)
    warp: Any = ConfigurableField(doc="Resamples the exposures.", target=WarpVisitTask)
    exposureStorageClass = storage_class_field()
    makeDirect = Field[bool](doc="Write the warp as it is.", default=True)
    makePsfMatched = Field[bool](doc="Write the warp matched to a common PSF.", default=False)
    matchCompared = Field[bool](
        doc="With makePsfMatched, make the matched warps only of bands whose visits are worth comparing: "
        "where three or more with a known PSF are on most of the area.",
        default=False,
    )
    match: Any = ConfigurableField(doc="Matches the warp, if makePsfMatched.", target=MatchWarpTask)
    strict = Field[bool](
        doc="Fail when an exposure that overlaps the patch cannot be used, where it is left out otherwise.",
        default=False,
    )

    def validate(self) -> None:
        """Check that there is something to make."""
        super().validate()
        if not (self.makeDirect or self.makePsfMatched):
            reason = "at least one of makeDirect and makePsfMatched must be True"
            raise FieldValidationError(type(self).makeDirect, self, reason)


class MakeWarpTask(CoaddPipelineTask):
    """Resample one visit to a patch, and match it to a common PSF if asked for.

    A visit whose PSF is too wide for the target is not matched, unless
    ``match.narrower`` is ``"regularize"``: its direct warp tells why.

    An exposure that cannot be read or resampled is left out, with a warning, or
    with ``strict`` an error.  Why is in the metadata of the warp; of a visit
    without a warp, in the metadata of the task.
    """

    ConfigClass = MakeWarpConfig
    _DefaultName = "makeWarp"
    config: MakeWarpConfig
    select: SelectExposuresTask
    warp: WarpVisitTask
    match: MatchWarpTask

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.makeSubtask("select")
        self.makeSubtask("warp")
        if self.config.makePsfMatched:
            self.makeSubtask("match")

    def runQuantum(self, butlerQC: QuantumContext, inputRefs: Inputs, outputRefs: Outputs) -> None:
        """Make the warp of the quantum's visit and patch."""
        patch, target = patch_of(butlerQC, butlerQC.get(inputRefs.skyMap))
        sources, unread = open_handles(butlerQC.get(inputRefs.calexps))
        # The graph has one only where visits are compared.
        matches = hasattr(outputRefs, "psfMatched")
        butlerQC.put(self.run(sources, patch, target, unread=unread, matches=matches), outputRefs)

    def run(
        self,
        sources: Sequence[ExposureSource],
        patch: Patch,
        target: CoaddTarget,
        *,
        unread: Sequence[Rejection] = (),
        matches: bool | None = None,
    ) -> Struct:
        """Make the warp of one visit.

        Parameters
        ----------
        sources
            Exposures of the visit; those that do not overlap the patch are passed over.
        patch
            Patch of the sky map.
        target
            Its pixel grid.
        unread
            Exposures of the visit of which nothing can be read.
        matches
            Whether the matched warp is made; by default if ``makePsfMatched``.

        Returns
        -------
        lsst.pipe.base.Struct
            ``warp``; ``psfMatched``, `None` when the visit was not matched;
            and ``rejected``: exposures that overlap the patch and are
            not in the warp.  The warps' metadata has them, and the options, too.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            Raised when the visit has no valid pixel on the patch, or cannot
            be matched and nothing else is asked for.
        InputError
            Raised with ``strict`` when an exposure cannot be used.
        """
        chosen = self.select.run([source.info for source in sources], patch)
        kept = set(chosen.kept)
        visit = self.warp.run([source for source in sources if source.info.id in kept], target)
        unused = sorted((*unread, *visit.rejected))
        if self.config.strict:
            require_all(unused)
        for item in unused:
            level = logging.WARNING if item.stage == "read" else logging.INFO
            self.log.log(level, "Left out %s: %s", item.id, item.reason)
        rejected = sorted((*chosen.rejected, *unused))
        if visit.warp is None:
            note_rejections(self.metadata, unused)
            reasons = "; ".join(sorted({item.reason for item in rejected})) or "none overlaps the patch"
            number = len(sources) + len(unread)
            raise NoWorkFound(f"None of {number} exposures has data on the patch: {reasons}")
        detectors = visit.warp.detectors
        pixels = sum(detector.good_pixels for detector in detectors)
        self.log.info("Warped %d of %d exposures; %d pixels have data.", len(detectors), len(sources), pixels)
        self.metadata["exposures"], self.metadata["goodPixels"] = len(detectors), pixels
        settings = {"select": plain_settings(self.select.config), "warp": plain_settings(self.warp.config)}
        record_history(visit.warp, unused, settings)
        matched: Warp | None = None
        if self.config.makePsfMatched if matches is None else matches:
            result = self.match.run(visit.warp, target)
            matched = result.warp
            if matched is None:
                number, text = visit.warp.visit, "Visit %d is not matched to the common PSF: %s"
                self.log.warning(text, number, result.reason)
                if not self.config.makeDirect:
                    raise NoWorkFound(f"The visit cannot be matched to the common PSF: {result.reason}")
                record_unmatched(visit.warp, result.reason)
            else:
                settings["match"] = plain_settings(self.match.config)
                record_history(matched, unused, settings)
            self.metadata["psfMatched"] = matched is not None
        return Struct(warp=visit.warp, psfMatched=matched, rejected=tuple(rejected))
