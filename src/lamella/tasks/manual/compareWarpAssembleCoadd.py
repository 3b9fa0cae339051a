"""The documented task that finds artifacts by comparing PSF-matched warps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from lsst.images import Image
from lsst.pex.config import Config, ConfigField, ConfigurableField, Field, ListField
from lsst.pipe.base import Struct

from ...coadd.reject.compare_control import CompareWarpControl
from ...coadd.reject.compare_warps import compare_with, max_epochs
from ...coadd.reject.reject_control import RejectControl
from ...coadd.reject.template import Template, pixel_weight
from ...coadd.warp.pairs import Pairs
from ...data.coadd import PatchCoadd
from ...data.inputs import WarpInput
from ...data.weights import WeightProblem
from ...errors import NoMatchedWarpsError
from ...image.options import NoiseControl, StreakControl
from ...planes import plane_names
from ..derive import DerivedConfig, derive_config, from_core, to_core
from ..history import plain_settings, unmatched_reason
from ..matching import pair_settings
from .assembleCoadd import AssembleCoaddTask
from .assembleInputs import WarpToStack
from .coaddBase import refuse
from .fields import borrow, borrowed, check_with_core, core_values
from .references import WarpRef, warp_refs
from .rejectArtifacts import (
    AltMaskSpans,
    FootprintsConfig,
    RefSource,
    RejectArtifactsConfig,
    RejectArtifactsTask,
    VisitResults,
    refuse_changed,
    spans_of,
)
from .scaleZeroPoint import ImageScaler
from .spans import as_spans

__all__ = (
    "CompareWarpAssembleCoaddConfig",
    "CompareWarpAssembleCoaddTask",
    "DetectConfig",
    "DetectTemplateConfig",
)

_ADVICE = "make them with makeCoaddTempExp.py -c makePsfMatched=True"


class DetectConfig(FootprintsConfig):
    """How the difference of a warp and the static sky is searched."""

    thresholdValue = borrow(CompareWarpControl, "threshold")
    minPixels = borrow(CompareWarpControl, "min_pixels")
    nSigmaToGrow = Field[float]("Accepted for the sake of older files; comparison.grow decides", default=2.0)

    advice = "thresholdValue and minPixels can be set, and the options below comparison"


class DetectTemplateConfig(Config):
    """How sources of the static sky are found: they are not, see ``comparison.variables``."""

    thresholdValue = Field[float]("Accepted for the sake of older files", default=5.0)
    nSigmaToGrow = Field[float]("Accepted for the sake of older files", default=2.0)


_TEMPLATE = {
    "sigma_clip": "sigmaClip",
    "clip_iter": "clipIter",
    "clip_flux_tolerance": "fluxTolerance",
    "bad_mask_planes": "badMaskPlanes",
}


class CompareWarpAssembleCoaddConfig(RejectArtifactsConfig):
    """Search for artifacts by comparing warps: `lamella.coadd.reject.compare_control.CompareWarpControl`.

    ``comparison`` holds those options of the core that have no documented name.
    """

    assembleStaticSkyModel: Any = ConfigurableField(
        "Combines the PSF-matched warps to the static sky", target=AssembleCoaddTask
    )
    detect: Any = ConfigField("How the differences are searched", DetectConfig)
    detectTemplate: Any = ConfigField("How sources of the static sky are found", DetectTemplateConfig)
    maxNumEpochs = borrow(CompareWarpControl, "max_epochs")
    maxFractionEpochsLow = borrow(CompareWarpControl, "max_fraction_epochs_low")
    maxFractionEpochsHigh = borrow(CompareWarpControl, "max_fraction_epochs_high")
    spatialThreshold = borrow(CompareWarpControl, "spatial_threshold")
    doScaleWarpVariance = borrow(CompareWarpControl, "rescale_variance")
    scaleWarpVariance: Any = ConfigField(
        "How the noise of differences is measured", derive_config(NoiseControl)
    )
    doPreserveContainedBySource = Field[bool](
        "Keep differences that look like a source of the static sky that varies", default=True
    )
    doPrefilterArtifacts = Field[bool](
        "Accepted for the sake of older files: masked pixels are never compared", default=True
    )
    prefilterArtifactsMaskPlanes = ListField[str](
        "Accepted for the sake of older files; without effect",
        default=["NO_DATA", "BAD", "SAT", "SUSPECT"],
    )
    prefilterArtifactsRatio = Field[float](
        "Accepted for the sake of older files; without effect", default=0.05
    )
    doFilterMorphological = borrow(CompareWarpControl, "mask_streaks")
    maskStreaks: Any = ConfigField("How streaks are found", derive_config(StreakControl))
    streakMaskName = Field[str]("Plane of streaks", default="STREAK")
    growStreakFp = Field[float]("Accepted for the sake of older files", default=5)
    comparison: Any = ConfigField(
        "Options of the comparison that have no documented name", derive_config(CompareWarpControl)
    )

    def setDefaults(self) -> None:
        """Set what other tasks have otherwise."""
        super().setDefaults()
        control = CompareWarpControl()
        self.statistic = "MEAN"
        self.badMaskPlanes = [name for name in self.badMaskPlanes if name != "EDGE"]
        self.removeMaskPlanes = [*self.removeMaskPlanes, "EDGE"]
        self.scaleWarpVariance = from_core(control.noise)
        self.maskStreaks = from_core(control.streaks)
        sky = self.assembleStaticSkyModel
        sky.warpType = "psfMatched"
        sky.statistic = "NOISECLIP"
        sky.sigmaClip = control.template.sigma_clip
        sky.clipIter = control.template.clip_iter
        sky.fluxTolerance = control.template.clip_flux_tolerance
        # As in the core's template, lamella.coadd.reject.template.make_template.
        sky.gradientTolerance = sky.leastNoiseClip = 0.0
        sky.badMaskPlanes = list(control.template.bad_mask_planes)
        sky.removeMaskPlanes = list(self.removeMaskPlanes)
        sky.maskPropagationThresholds = {}
        sky.doWrite = False

    def rejectControl(self) -> RejectControl:
        """Return how artifacts are found, in the core's form."""
        rest: CompareWarpControl = to_core(self.comparison)
        sky = self.assembleStaticSkyModel.value
        template = {option: getattr(sky, name) for option, name in _TEMPLATE.items() if hasattr(sky, name)}
        if "bad_mask_planes" in template:
            template["bad_mask_planes"] = plane_names(template["bad_mask_planes"])
        compare = rest.replace(
            template=rest.template.replace(**template),
            noise=to_core(self.scaleWarpVariance),
            streaks=to_core(self.maskStreaks),
            variables=rest.variables.replace(
                enabled=rest.variables.enabled and self.doPreserveContainedBySource
            ),
            untested="discard" if self.doUsePsfMatchedPolygons else "keep",
            **core_values(self.detect, CompareWarpControl),
            **core_values(self, CompareWarpControl),
        )
        return RejectControl(method="compare_warp", compare_warp=compare, **core_values(self, RejectControl))

    def validate(self) -> None:
        """Check the options one by one, against each other, and together as the core does."""
        super().validate()
        check_with_core(self, {"reject": "comparison"})
        elsewhere = {
            **borrowed(self, CompareWarpControl),
            **{
                option: f"detect.{name}" for option, name in borrowed(self.detect, CompareWarpControl).items()
            },
            "noise": "scaleWarpVariance",
            "streaks": "maskStreaks",
            "untested": "doUsePsfMatchedPolygons",
        }
        self._check_places(self.comparison, CompareWarpControl(), elsewhere)
        sky = {name: f"assembleStaticSkyModel.{field}" for name, field in _TEMPLATE.items()}
        self._check_places(self.comparison.template, CompareWarpControl().template, sky)
        refuse_changed(
            self,
            {
                "detectTemplate": "sources of the static sky are not searched, see comparison.variables",
                "growStreakFp": "maskStreaks.floor says how far a streak is masked",
                "streakMaskName": "streaks are put on the plane STREAK",
            },
        )
        if getattr(self.assembleStaticSkyModel, "doNImage", False):
            refuse(self, "assembleStaticSkyModel", "its nImage is not written")

    def _check_places(self, config: DerivedConfig, default: Any, names: dict[str, str]) -> None:
        """Refuse values at the core's name of an option that has a documented one."""
        core = to_core(config)
        for option, name in names.items():
            if getattr(core, option) != getattr(default, option):
                refuse(self, "comparison", f"{option} has a documented name: set {name}")


class CompareWarpAssembleCoaddTask(RejectArtifactsTask):
    """Averages warps without what single PSF-matched warps show and the static sky does not.

    ``run`` needs what `makeSupplementaryData` or `makeStaticSkyModel` returned, and calls
    `findArtifacts` and ``applyAltEdgeMask``.
    """

    ConfigClass: ClassVar[type[CompareWarpAssembleCoaddConfig]] = CompareWarpAssembleCoaddConfig
    _DefaultName = "compareWarpAssembleCoadd"
    summary = (
        "Combines the warps of the exposures of --selectId to the coadd of a patch, as a mean "
        "without what single PSF-matched warps show and the static sky does not. Warps of both "
        "kinds are made by makeCoaddTempExp.py -c makePsfMatched=True."
    )
    example = (
        "assembleCoadd.py --warpCompareCoadd REPO --id tract=0 patch=5,4 filter=HSC-I --selectId "
        "visit=903986^904014"
    )
    config: CompareWarpAssembleCoaddConfig
    assembleStaticSkyModel: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.makeSubtask("assembleStaticSkyModel")
        # Its inputs are matched to one another; visits are judged by what goes into the coadd.
        self.assembleStaticSkyModel.checksVisits = False

    def _supplement(self, dataRef: Any, selectDataList: Sequence[Any], warpRefList: Sequence[Any]) -> Any:
        return self.makeSupplementaryData(dataRef, selectDataList, warpRefList)

    def makeSupplementaryData(
        self, dataRef: Any, selectDataList: Sequence[Any] = (), warpRefList: Sequence[Any] = ()
    ) -> Struct:
        """Make the static sky from the PSF-matched warps.

        Parameters
        ----------
        dataRef
            Data reference of the patch.
        selectDataList, warpRefList
            As for ``runDataRef``.

        Returns
        -------
        lsst.pipe.base.Struct
            As that of `makeStaticSkyModel`.

        Raises
        ------
        NoMatchedWarpsError
            Raised when there is no PSF-matched warp; it is a `RuntimeError`.
        """
        skyInfo = self.getSkyInfo(dataRef)
        refs, _ = self._chooseWarps(dataRef, skyInfo, selectDataList, warpRefList)
        name = self.getTempExpDatasetName("psfMatched")
        existing = [ref for ref in warp_refs(refs, name) if ref.exists()]
        matched, _ = self.selectBand(existing, self.getBand(dataRef))
        if not matched:
            raise NoMatchedWarpsError(f"There is no {name} of {dataRef.dataId}: {_ADVICE}.")
        return self.makeStaticSkyModel(skyInfo, matched)

    def makeStaticSkyModel(self, skyInfo: Struct, psfMatchedWarpRefList: Sequence[Any]) -> Struct:
        """Combine PSF-matched warps to what is there in all epochs.

        Parameters
        ----------
        skyInfo
            Where the patch lies.
        psfMatchedWarpRefList
            Data references of PSF-matched warps, or these warps.

        Returns
        -------
        lsst.pipe.base.Struct
            ``templateCoadd``, and ``psfMatchedWarpRefList``, references to the warps.

        Raises
        ------
        NoMatchedWarpsError
            Raised when none of the warps has a valid weight.
        """
        refs = self._matched_refs(psfMatchedWarpRefList)
        bad, scalers = plane_names(self.config.badMaskPlanes), {ref.key: self._scaler(ref) for ref in refs}
        weights = {ref.key: pixel_weight(RefSource(ref, scalers[ref.key]), 1.0, bad) for ref in refs}
        used = [ref for ref in refs if not isinstance(weights[ref.key], WeightProblem)]
        if not used:
            raise NoMatchedWarpsError(f"None of {len(refs)} PSF-matched warps has a valid weight: {_ADVICE}.")
        result = self.assembleStaticSkyModel.run(
            skyInfo, used, [scalers[ref.key] for ref in used], [weights[ref.key] for ref in used]
        )
        return Struct(templateCoadd=result.coaddExposure, psfMatchedWarpRefList=refs)

    def _matched_refs(self, refs: Iterable[Any]) -> list[WarpRef]:
        return warp_refs(refs, self.getTempExpDatasetName("psfMatched"))

    def _scaler(self, ref: WarpRef) -> ImageScaler:
        """Return the scaler of a matched warp: its own, never that of the direct one."""
        return self._scaler_of(ref.header, ref)

    def _find(
        self, skyInfo: Struct, inputs: list[WarpToStack], bad: Any, supplementaryData: Struct | None
    ) -> VisitResults:
        if supplementaryData is None:
            raise NoMatchedWarpsError(
                "Warps are compared with the static sky: give run the supplementaryData that "
                f"makeStaticSkyModel(skyInfo, psfMatchedWarps) returns; for the latter, {_ADVICE}."
            )
        matched = self._matched_refs(supplementaryData.psfMatchedWarpRefList)
        pairs = Pairs()
        records = self._paired(inputs, matched, pairs)
        refs, scalers, weights, altMasks = (list(column) for column in zip(*inputs, strict=True))
        artifacts = self.findArtifacts(
            supplementaryData.templateCoadd,
            refs,
            scalers,
            psfMatchedWarpRefList=matched,
            weightList=weights,
            altMaskList=altMasks,
            mask=bad,
        )
        sky = {"assembleStaticSkyModel": plain_settings(self.assembleStaticSkyModel.config)}
        return records, artifacts, {**pair_settings(pairs), **sky}

    def _paired(
        self, warps: Sequence[WarpToStack], matched: Sequence[WarpRef], pairs: Pairs
    ) -> list[WarpInput]:
        """Return warps in the form of the core, with their matched ones where there are some."""
        by_key = {ref.key: ref for ref in matched}
        paired = []
        for record, warp in zip(self._records(warps), warps, strict=True):
            ref = by_key.get(record.key)
            if ref is None:
                reason = unmatched_reason(warp.ref.header)
                self.log.warning("Visit %d cannot be compared with its PSF matched: %s", record.visit, reason)
                paired.append(pairs.add_without(record, reason))
            else:
                paired.append(pairs.add(record, ref.header, RefSource(ref, self._scaler(ref))))
        return paired

    def findArtifacts(
        self,
        templateCoadd: PatchCoadd,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler],
        psfMatchedWarpRefList: Sequence[Any] | None = None,
        weightList: Sequence[float] | None = None,
        altMaskList: Sequence[Any] | None = None,
        mask: Any = None,
    ) -> list[AltMaskSpans]:
        """Find what differs between each warp and the static sky, and is seen in few of them.

        Parameters
        ----------
        templateCoadd
            The static sky, as `makeStaticSkyModel` returns it.
        tempExpRefList, imageScalerList
            Direct warps, in the order of instrument and visit, and their scalers.
        psfMatchedWarpRefList
            PSF-matched warps, in any order; by default the datasets of that name of the same references.
        weightList
            Weights of the direct warps, which tell how noisy they are; by default they are found.
        altMaskList, mask
            As for ``run``.

        Returns
        -------
        list of dict
            For each warp lists of `SpanSet` by the name of the plane: CLIPPED for artifacts,
            STREAK for those that are streaks; with ``doUsePsfMatchedPolygons`` also NO_DATA where there
            is no matched pixel, and EDGE where the matched warp ends.
        """
        refs = warp_refs(tempExpRefList, self.getTempExpDatasetName(self.warpType))
        altMasks = [None] * len(refs) if altMaskList is None else altMaskList
        if weightList is None:  # a warp without a valid one counts nothing
            weighed = (self._weigh(ref) for ref in refs)
            weightList = [0.0 if isinstance(weight, str) else weight[0] for weight in weighed]
        columns = zip(refs, imageScalerList, weightList, altMasks, strict=True)
        warps = [WarpToStack(*column) for column in columns]
        if psfMatchedWarpRefList is None:
            matched = [ref for ref in self._matched_refs(ref.ref for ref in refs) if ref.exists()]
        else:
            matched = self._matched_refs(psfMatchedWarpRefList)
        inputs = self._paired(warps, matched, Pairs())
        scene = self._scene(inputs, templateCoadd.bbox, templateCoadd.sky_projection, mask)
        template = Template.of(
            templateCoadd.bbox,
            templateCoadd.image.array,
            templateCoadd.variance.array,
            templateCoadd.exposure_count_unmasked.array,
            scene.control.compare_warp.template,
        )
        artifacts = compare_with(template, scene)
        return [spans_of(mine, scene.control, warp) for warp, mine in zip(inputs, artifacts, strict=True)]

    def filterArtifacts(
        self,
        spanSetList: Sequence[Any],
        epochCountImage: Image,
        nImage: Image,
        footprintsToExclude: Sequence[Any] | None = None,
    ) -> list[Any]:
        """Return those of some regions that are seen in few enough epochs.

        `findArtifacts` uses the same rule, for all regions of a warp at once; it does not call this.

        Parameters
        ----------
        spanSetList
            Regions, each anything that `as_spans` takes.
        epochCountImage
            Number of epochs that differ at each pixel.
        nImage
            Number of epochs that could have been used at each pixel.
        footprintsToExclude
            Regions that an artifact must not lie in as a whole.
        """
        bbox = epochCountImage.bbox
        compare = self.config.rejectControl().compare_warp
        counts, epochs = epochCountImage.array, nImage.array
        few = (counts > 0) & (counts <= max_epochs(epochs, compare))
        others = [as_spans(other).to_array(bbox) for other in footprintsToExclude or ()]
        kept = []
        for region in spanSetList:
            flags = as_spans(region).to_array(bbox)
            share = np.count_nonzero(few & flags) / max(as_spans(region).getArea(), 1)
            inside = any(np.all(other[flags]) for other in others)
            if share > compare.spatial_threshold and not inside:
                kept.append(region)
        return kept
