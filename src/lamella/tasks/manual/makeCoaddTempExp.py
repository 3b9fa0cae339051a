"""From exposures to warps: the documented task."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from lsst.pex.config import ConfigField, ConfigurableField, Field
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...data.exposure import Exposure, ExposureInfo
from ...errors import ConfigError, MissingPartError
from ...psf.match_control import MatchControl
from ..cmdline.argument_parser import ArgumentParser
from ..history import plain_settings, record_history, record_unmatched
from ..matching import MODEL_FWHM
from .assembleCoaddConfig import CoaddPsfConfig
from .coaddBase import (
    CoaddBaseConfig,
    CoaddBaseTask,
    CoaddTaskRunner,
    add_background,
    coadd_target,
    groupPatchExposures,
    refuse,
)
from .selectImages import make_select_struct
from .warpAndPsfMatch import WarpAndPsfMatchTask

__all__ = ("MakeCoaddTempExpConfig", "MakeCoaddTempExpTask", "MakeTempExpRunner")


class MakeCoaddTempExpConfig(CoaddBaseConfig):
    """How exposures become warps."""

    warpAndPsfMatch: Any = ConfigurableField("Resamples the exposures of a visit", target=WarpAndPsfMatchTask)
    coaddPsf: Any = ConfigField("How PSFs are resampled: with the kernel of the images", CoaddPsfConfig)
    doWrite = Field[bool]("Write the warps", default=True)
    bgSubtracted = Field[bool]("Leave the sky subtracted", default=True)
    makeDirect = Field[bool]("Make warps", default=True)
    makePsfMatched = Field[bool]("Make warps that are matched to one PSF", default=False)
    doWriteEmptyWarps = Field[bool]("Write warps without a valid pixel", default=False)
    doApplySkyCorr = Field[bool]("Subtract the dataset skyCorr", default=False)

    def setDefaults(self) -> None:
        """Set the width of the model PSF, which should be about that of the worst visit."""
        super().setDefaults()
        self.modelPsf.defaultFwhm = MODEL_FWHM

    def matchControl(self) -> MatchControl:
        """Return how warps are matched, in the core's form."""
        psf_match = getattr(self.warpAndPsfMatch.value, "psfMatch", None)  # a task of a user need not have it
        control = MatchControl() if psf_match is None else psf_match.toCore()
        return control.replace(
            fwhm=self.modelPsf.defaultFwhm,
            model=self.modelPsf.toCore(),
            kernel_size=self.matchingKernelSize,
        )

    def validate(self) -> None:
        """Check the options, and refuse what cannot be made."""
        if self.doPsfMatch:
            warnings.warn(
                "doPsfMatch is deprecated: it sets makePsfMatched = True and makeDirect = False.",
                FutureWarning,
                stacklevel=2,
            )
            self.makePsfMatched, self.makeDirect = True, False
        super().validate()
        try:
            self.matchControl()
        except ConfigError as err:
            refuse(self, "modelPsf", err.reason)
        if not (self.makeDirect or self.makePsfMatched):
            refuse(self, "makeDirect", "at least one of makeDirect and makePsfMatched must be True")
        warp = getattr(self.warpAndPsfMatch.value, "warp", None)
        kernel = self.coaddPsf.warpingKernelName
        if kernel is not None and warp is not None and kernel != warp.warpingKernelName:
            refuse(
                self,
                "coaddPsf",
                f"the PSF of a warp is resampled as its image is, with {warp.warpingKernelName} "
                f"(warpAndPsfMatch.warp.warpingKernelName); found {kernel}",
            )
        if self.doWriteEmptyWarps:
            refuse(
                self,
                "doWriteEmptyWarps",
                "a warp without a valid pixel has no box; there is nothing to write",
            )


class MakeTempExpRunner(CoaddTaskRunner):
    """Gives each patch its exposures, and the task the steps of which outputs are taken over."""

    def __init__(self, TaskClass: Any, parsedCmd: Any, doReturnResults: bool = False) -> None:
        super().__init__(TaskClass, parsedCmd, doReturnResults)
        self.reuse = list(parsedCmd.reuse)

    def makeTask(self, parsedCmd: Any = None, args: Any = None) -> Any:
        """Return a task, for a parsed command or for a target."""
        task_class: Any = self.TaskClass
        return task_class(config=self.config, log=self.log, reuse=self.reuse)


class MakeCoaddTempExpTask(CoaddBaseTask):
    """Makes the warps of the visits that overlap a patch: direct ones, and PSF-matched ones.

    A visit that cannot be matched, because its PSF is wider than the model, has
    no matched warp; the log and the direct warp tell why.

    Parameters
    ----------
    reuse
        Steps whose outputs are taken over where they exist: "makeCoaddTempExp".
    **kwargs
        As `lsst.pipe.base.Task` takes them.
    """

    ConfigClass: ClassVar[type[MakeCoaddTempExpConfig]] = MakeCoaddTempExpConfig
    _DefaultName = "makeCoaddTempExp"
    summary = (
        "Resamples the exposures of --selectId that overlap a patch to its pixels: one warp for "
        "each visit, and, with -c makePsfMatched=True, another one that is matched to one PSF."
    )
    example = "makeCoaddTempExp.py REPO --id tract=0 patch=5,4 filter=HSC-I --selectId visit=903986^904014"
    RunnerClass = MakeTempExpRunner
    config: MakeCoaddTempExpConfig
    warpAndPsfMatch: Any

    def __init__(self, *args: Any, reuse: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reuse = list(reuse)
        self.makeSubtask("warpAndPsfMatch")

    @timeMethod
    def runDataRef(self, patchRef: Any, selectDataList: Sequence[Any] = ()) -> list[Any] | None:
        """Make the warps of a patch, and write them.

        Parameters
        ----------
        patchRef
            Data reference of the patch.
        selectDataList
            Exposures from which those that overlap the patch are chosen.

        Returns
        -------
        list or `None`
            Data references of the warps that have a valid pixel, of the direct ones if
            both kinds are made; `None`, with a warning, when no exposure overlaps the patch.
        """
        skyInfo = self.getSkyInfo(patchRef)
        calExpRefList = self.selectExposures(patchRef, skyInfo, selectDataList=selectDataList)
        if not calExpRefList:
            self.log.warning("No exposures to coadd for patch %s", patchRef.dataId)
            return None
        self.log.info("Selected %d calexps for patch %s", len(calExpRefList), patchRef.dataId)
        wanted = {"direct": self.config.makeDirect, "psfMatched": self.config.makePsfMatched}
        names = {kind: self.getTempExpDatasetName(kind) for kind, is_wanted in wanted.items() if is_wanted}
        primary = next(iter(names))
        groups = groupPatchExposures(patchRef, calExpRefList, self.getCoaddDatasetName(), names[primary])
        self.log.info("Processing %d warps for patch %s", len(groups), patchRef.dataId)
        warps = []
        for dataId, refs in groups:
            tempExpRef = patchRef.getButler().dataRef(names[primary], dataId)
            reuses = self._DefaultName in self.reuse
            if reuses and all(tempExpRef.datasetExists(name) for name in names.values()):
                self.log.info("Skipping %s, which exists", dataId)
                warps.append(tempExpRef)
                continue
            exposures = self.run(refs, skyInfo, visitId=int(dataId["visit"])).exposures
            if exposures[primary] is None:
                self.log.warning("There is no %s warp of %s", primary, dataId)
                continue
            if self.config.doWrite:
                for kind, name in names.items():
                    if exposures[kind] is not None:
                        tempExpRef.put(exposures[kind], name)
            warps.append(tempExpRef)
        return warps or None

    @timeMethod
    def run(self, calexpRefList: Sequence[Any], skyInfo: Struct, visitId: int = 0) -> Struct:
        """Make the warp of a visit.

        Parameters
        ----------
        calexpRefList
            Data references of the visit's exposures.
        skyInfo
            Where the patch lies, as `getSkyInfo` returns it.
        visitId
            Number of the visit, for messages.

        Returns
        -------
        lsst.pipe.base.Struct
            ``exposures``: warps by type, ``direct`` and ``psfMatched``; each
            `None` when there is none.
        """
        sources = [_CalExpSource(self, ref) for ref in calexpRefList]
        matching = {"matching": self.config.matchControl()} if self.config.makePsfMatched else {}
        result = self.warpAndPsfMatch.run(sources, coadd_target(skyInfo), **matching)
        matched = getattr(result, "psfMatched", None)
        if result.direct is not None:
            good = sum(detector.good_pixels for detector in result.direct.detectors)
            self.log.info("Warp of visit %d has %d good pixels", visitId, good)
            steps = {"select": self.select, "warp": self.warpAndPsfMatch}
            settings = {name: plain_settings(task.config) for name, task in steps.items()}
            record_history(result.direct, result.rejected, settings)
            if matched is not None:
                settings["match"] = matching["matching"].to_dict()
                record_history(matched, result.rejected, settings)
            elif matching:
                record_unmatched(result.direct, result.reason)
        return Struct(exposures={"direct": result.direct, "psfMatched": matched})

    def readExposure(self, dataRef: Any) -> Exposure:
        """Read one exposure, with the sky as configured."""
        exposure = self.getCalExp(dataRef, self.config.bgSubtracted)
        return self.applySkyCorr(dataRef, exposure) if self.config.doApplySkyCorr else exposure

    def applySkyCorr(self, dataRef: Any, calexp: Exposure) -> Exposure:
        """Return an exposure with the dataset ``skyCorr`` subtracted.

        Raises
        ------
        MissingPartError
            Raised when there is none.
        """
        if not dataRef.datasetExists("skyCorr"):
            raise MissingPartError(str(dataRef.dataId), found="no dataset skyCorr", expected="the correction")
        return add_background(calexp, dataRef.get("skyCorr", immediate=True), sign=-1.0)

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        parser = super()._makeArgumentParser()
        parser.addReuseOption([cls._DefaultName])
        return parser


class _CalExpSource:
    """An exposure of the repository that is read when it is needed."""

    def __init__(self, task: MakeCoaddTempExpTask, ref: Any) -> None:
        self._task = task
        self._ref = ref
        self.info: ExposureInfo = make_select_struct(ref).info

    def read(self) -> Exposure:
        """Read the pixels."""
        return self._task.readExposure(self._ref)
