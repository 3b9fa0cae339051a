"""From warps to a coadd: the documented task."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...coadd.assemble import StackedPlanes, compare_visits, finish, notes_of, stack_inputs
from ...coadd.brightmask import BrightObjectCatalog, paint_bright_objects
from ...coadd.stack.prepare import Prepared, check_one_kind, input_of, rejections_of
from ...coadd.stack.sources import ImageSource
from ...coadd.stack.stack_control import StackControl
from ...coadd.warp_planes import plane_notices, planes_record
from ...data.coadd import PatchCoadd, Provenance, Rejection
from ...data.visit_check import VisitCheck, visit_warnings
from ...data.warp import Warp
from ...data.weights import WeightProblem, warp_weight
from ...errors import CalibrationError, ConfigError, DuplicateInputError, NoInputsError, ShapeError
from ...image.planes import conform_mask, overlap
from ...planes import STANDARD_PLANES, Layout, plane_name, plane_names
from ...resources import Resources
from ..cmdline.argument_parser import ArgumentParser
from ..cmdline.keys import OPTIONAL_KEYS
from ..history import common_settings, plain_settings, warp_rejections, warp_settings
from .assembleCoaddConfig import AssembleCoaddConfig
from .assembleInputs import (
    PreparedWarp,
    WarpToStack,
    WholeWarp,
    absent_warp,
    planes_of,
    stack_record,
)
from .coaddBase import CoaddBaseTask, coadd_target
from .maskPlanes import add_plane, bits_or_names, names_of_bits, plane_layout, region_list
from .references import WarpRef, data_refs, is_warp, sub_boxes, warp_ref, warp_refs
from .scaleZeroPoint import ImageScaler
from .spans import as_spans
from .statistics import Property, StatisticsControl, stringToStatisticsProperty
from .switches import add_switches

_ELSEWHERE = {
    "CompareWarpAssembleCoaddConfig": "compareWarpAssembleCoadd",
    "CompareWarpAssembleCoaddTask": "compareWarpAssembleCoadd",
    "SafeClipAssembleCoaddConfig": "safeClipAssembleCoadd",
    "SafeClipAssembleCoaddTask": "safeClipAssembleCoadd",
}
"""Classes that the manual's time had in this module; here they are in modules that import this one."""

__all__ = ("AssembleCoaddConfig", "AssembleCoaddTask", *_ELSEWHERE)


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_ELSEWHERE[name]}", __package__), name)


class AssembleCoaddTask(CoaddBaseTask):
    """Assembles the coadd of a patch from warps, one per visit.

    The arithmetic is that of `lamella.assemble`, which gives the same bits;
    this class is its documented form, whose steps can be called one by one and
    overridden.  Warps are `lamella.Warp`, coadds `lamella.PatchCoadd`.

    Parameters
    ----------
    *args, **kwargs
        As `lsst.pipe.base.Task` takes them.
    """

    ConfigClass: ClassVar[type[AssembleCoaddConfig]] = AssembleCoaddConfig
    _DefaultName = "assembleCoadd"
    summary = (
        "Combines the warps of the exposures of --selectId to the coadd of a patch, as a mean "
        "that may be clipped, and leaves artifacts to the statistic. Warps are made by "
        "makeCoaddTempExp.py."
    )
    example = (
        "assembleCoadd.py --legacyCoadd REPO --id tract=0 patch=5,4 filter=HSC-I --selectId "
        "visit=903986^904014"
    )
    config: AssembleCoaddConfig
    interpImage: Any
    scaleZeroPoint: Any
    checksVisits: bool = True
    """Whether `run` compares each visit with the coadd, and warns of those that do not go with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.makeSubtask("interpImage")
        self.makeSubtask("scaleZeroPoint")
        self.warpType: str = self.config.warpType

    @classmethod
    def _makeArgumentParser(cls) -> ArgumentParser:
        parser = super()._makeArgumentParser()
        add_switches(parser)
        return parser

    @timeMethod
    def runDataRef(
        self,
        dataRef: Any,
        selectDataList: Sequence[Any] = (),
        warpRefList: Sequence[Any] = (),
    ) -> Struct | None:
        """Assemble the coadd of a patch, and write it.

        Parameters
        ----------
        dataRef
            Data reference of the patch.
        selectDataList
            Data references of warps, or warps, or exposures, from which those that overlap the
            patch are chosen.
        warpRefList
            Data references of warps, all of which are used.

        Returns
        -------
        lsst.pipe.base.Struct or `None`
            As that of `run`; `None`, with a warning, when there is nothing to coadd.  Where direct and
            PSF-matched warps are coadded, see ``config.makePsfMatched``, it is that of the direct ones, and
            ``psfMatched`` is that of the others.

        Raises
        ------
        ConfigError
            Raised when ``selectDataList`` and ``warpRefList`` are given, or the former holds
            both warps and exposures.
        """
        if selectDataList and warpRefList:
            raise ConfigError("give either selectDataList or warpRefList.", option="warpRefList")
        coadds = []
        try:
            for warpType in self.config.warpTypes():
                self.warpType = warpType
                coadds.append(self._assembleKind(dataRef, selectDataList, warpRefList))
        finally:
            self.warpType = self.config.warpType
        results = [result for result in coadds if result is not None]
        if len(results) > 1:
            results[0].psfMatched = results[1]
        return results[0] if results else None

    def _assembleKind(
        self, dataRef: Any, selectDataList: Sequence[Any], warpRefList: Sequence[Any]
    ) -> Struct | None:
        """Assemble and write the coadd of one kind of warps."""
        skyInfo = self.getSkyInfo(dataRef)
        refs, selection = self._chooseWarps(dataRef, skyInfo, selectDataList, warpRefList)
        if not refs:
            return None
        # What is read of a warp to learn about it is kept with the reference.
        refs = warp_refs(refs, self.getTempExpDatasetName(self.warpType))
        refs, otherBands = self.selectBand(refs, self.getBand(dataRef))
        inputData = self.prepareInputs(refs)
        self.log.info("Found %d warps", len(inputData.tempExpRefList))
        if not inputData.tempExpRefList:
            self.log.warning("No warps to coadd.")
            return None
        supplementaryData = self._supplement(dataRef, selectDataList, data_refs(inputData.tempExpRefList))
        retStruct = self.run(
            skyInfo,
            inputData.tempExpRefList,
            inputData.imageScalerList,
            inputData.weightList,
            supplementaryData=supplementaryData,
        )
        retStruct.coaddExposure = retStruct.coaddExposure.replace(
            settings={**retStruct.coaddExposure.settings, **selection},
            rejections=tuple(sorted((*self.deselected, *otherBands, *inputData.rejected))),
        )
        self.processResults(retStruct.coaddExposure, dataRef)
        if self.config.doWrite:
            name = self.getCoaddDatasetName(self.warpType)
            self.log.info("Persisting %s", name)
            dataRef.put(retStruct.coaddExposure, name)
            if self.config.doNImage and retStruct.nImage is not None:
                dataRef.put(retStruct.nImage, f"{name}_nImage")
        return retStruct

    def _chooseWarps(
        self, dataRef: Any, skyInfo: Struct, selectDataList: Sequence[Any], warpRefList: Sequence[Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the warps of a patch, and the options that they were selected with, for the record."""
        self.deselected = []
        if warpRefList:
            return list(warpRefList), {}
        warps = [item for item in selectDataList if is_warp(item)]
        if warps and len(warps) < len(selectDataList):
            found = f"{len(warps)} warps among {len(selectDataList)} elements"
            message = f"selectDataList has {found}; give either warps or exposures."
            raise ConfigError(message, option="selectDataList", found=found)
        if warps:
            chosen = self.selectWarps(dataRef, skyInfo, warps)
            if not chosen:
                self.log.warning("No warps to coadd.")
            return chosen, {}
        calExpRefList = self.selectExposures(dataRef, skyInfo, selectDataList=selectDataList)
        if not calExpRefList:
            self.log.warning("No exposures to coadd.")
            return [], {}
        self.log.info("Coadding %d exposures", len(calExpRefList))
        refs = self.getTempExpRefList(dataRef, calExpRefList)
        return refs, {"select": plain_settings(self.select.config)}

    def selectWarps(self, dataRef: Any, skyInfo: Struct, warpRefList: Sequence[Any]) -> list[Any]:
        """Select the warps that overlap a patch.

        Parameters
        ----------
        dataRef
            Data reference of the patch.
        skyInfo
            Where the patch lies, as `getSkyInfo` returns it.
        warpRefList
            Data references of warps: those of the patch are kept; or warps: those with pixels on it.

        Returns
        -------
        list
            Elements of ``warpRefList``.
        """
        kept = []
        for item in warpRefList:
            ref = warp_ref(item, self.getTempExpDatasetName(self.warpType))
            if isinstance(ref.ref, Warp):
                overlaps = overlap(ref.ref.bbox, skyInfo.bbox) is not None
            else:
                index = skyInfo.tractInfo.patch(ref.dataId["patch"]).index
                overlaps = int(ref.dataId["tract"]) == int(dataRef.dataId["tract"])
                overlaps = overlaps and index == skyInfo.patchInfo.index
            if overlaps:
                kept.append(item)
            else:
                self.log.info("Leaving out %s %s: does not overlap", ref.name, ref.dataId)
        return kept

    def _supplement(self, dataRef: Any, selectDataList: Sequence[Any], warpRefList: Sequence[Any]) -> Any:
        return self.makeSupplementaryData(dataRef, selectDataList)

    def makeSupplementaryData(self, dataRef: Any, selectDataList: Sequence[Any] = ()) -> Struct | None:
        """Make further inputs of `run`; for subclasses that need some.

        Parameters
        ----------
        dataRef
            Data reference of the patch.
        selectDataList
            Data references of warps, or exposures.
        """
        return None

    def readBrightObjectMasks(self, dataRef: Any) -> BrightObjectCatalog | None:
        """Read the regions around bright objects; `None`, with a warning, when they cannot be read.

        Parameters
        ----------
        dataRef
            Data reference of the patch.
        """
        try:
            catalog = dataRef.get("brightObjectMask", immediate=True)
            if not isinstance(catalog, BrightObjectCatalog):
                raise TypeError(f"it is a {type(catalog).__name__}; expected a BrightObjectCatalog")
        except Exception as err:  # as documented: whatever fails, it is not there
            reason = str(err) or type(err).__name__
            self.log.warning("Unable to read brightObjectMask for %s: %s", dataRef.dataId, reason)
            return None
        return catalog

    def selectBand(
        self, refList: Sequence[Any], band: str | None = None
    ) -> tuple[list[Any], list[Rejection]]:
        """Leave out the warps of other bands, with a warning for each.

        The manual's tasks know a warp by its visit alone, so that ``--id filter=r --selectId filter=i``
        leads to warps of i.

        Parameters
        ----------
        refList
            Data references of warps, or warps.
        band
            The band of the coadd; by default that of the first warp, in the order of instrument and visit.

        Returns
        -------
        refs : list
            The elements of ``refList`` that are of the band, or do not exist.
        rejected : list of Rejection
            Records of the exposures in the others.
        """
        refs = [(item, warp_ref(item, self.getTempExpDatasetName(self.warpType))) for item in refList]
        existing = [ref for _, ref in refs if ref.exists()]
        if band is None and existing:
            band = min(existing, key=lambda ref: (ref.key, ref.header.band)).header.band
        kept: list[Any] = []
        rejected: list[Rejection] = []
        for item, ref in refs:
            if not ref.exists() or ref.header.band == band:
                kept.append(item)
                continue
            reason = f"its band is {ref.header.band!r}; that of the coadd is {band!r}"
            self.log.warning("Leaving out %s %s: %s", ref.name, ref.dataId, reason)
            rejected += rejections_of(ref.header, "select", reason)
        return kept, rejected

    def prepareInputs(self, refList: Sequence[Any]) -> Struct:
        """Find the weight of each warp, and the factor to its photometric scale.

        Warps of another band than the first are left out, see `selectBand`.

        Parameters
        ----------
        refList
            Data references of warps, or warps.

        Returns
        -------
        lsst.pipe.base.Struct
            ``tempExpRefList`` (also called ``tempExprefList`` and
            ``warpRefList``): the warps that can be used; ``weightList`` and
            ``imageScalerList``, of the same length; ``rejected``: records of the
            others, with reasons.
        """
        kept: list[tuple[Any, float, ImageScaler]] = []
        sameBand, rejected = self.selectBand(refList)
        for item in sameBand:
            ref = warp_ref(item, self.getTempExpDatasetName(self.warpType))
            if not ref.exists():
                self.log.warning("Could not find %s %s; skipping it", ref.name, ref.dataId)
                rejected += absent_warp(ref)
                continue
            weighed = self._weigh(ref)
            if isinstance(weighed, str):
                rejected += rejections_of(ref.header, "weight", weighed)
                self.log.warning("Leaving out %s %s: %s", ref.name, ref.dataId, weighed)
                continue
            weight, imageScaler = weighed
            rejected += warp_rejections(ref.header)
            self.log.info("Weight of %s %s = %.4g", ref.name, ref.dataId, weight)
            kept.append((item, weight, imageScaler))
        refs = [item for item, _, _ in kept]
        return Struct(
            tempExpRefList=refs,
            tempExprefList=refs,
            warpRefList=refs,
            weightList=[weight for _, weight, _ in kept],
            imageScalerList=[imageScaler for _, _, imageScaler in kept],
            rejected=rejected,
        )

    def _weigh(self, ref: WarpRef) -> tuple[float, ImageScaler] | str:
        """Return weight and scaler of a warp, or why it has none."""
        warp = ref.read()
        try:
            imageScaler = self._scaler_of(warp, ref)
            imageScaler.scaleMaskedImage(warp)
        except (CalibrationError, NoInputsError) as err:
            return str(err)
        layout = Layout.of(warp.mask.schema)
        bad = layout.bits(self.config.badMaskPlanes, missing_ok=True)
        control = self.config.toCore().weights
        weight = warp_weight(
            warp.variance.array, conform_mask(warp.mask, layout), bad, control, image=warp.image.array
        )
        return str(weight) if isinstance(weight, WeightProblem) else (weight, imageScaler)

    def _scaler_of(self, warp: Any, ref: WarpRef) -> ImageScaler:
        if not self.config.doScaleZeroPoint:
            return ImageScaler(1.0)
        scaler: ImageScaler = self.scaleZeroPoint.computeImageScaler(exposure=warp, dataRef=ref)
        return scaler

    def prepareStats(self, mask: Any = None) -> Struct:
        """Return how inputs are combined.

        Parameters
        ----------
        mask
            Bits of planes that reject a pixel, as `getBadPixelMask` has them, or names of
            planes, also as a text with commas; those of ``config.badMaskPlanes`` by default.

        Returns
        -------
        lsst.pipe.base.Struct
            ``statsCtrl`` (also called ``ctrl``), a `StatisticsControl`;
            ``statsFlags`` (also called ``flags``), a `Property`.

        Raises
        ------
        MaskPlaneError
            Raised when a bit belongs to no plane.
        """
        thresholds = self.config.maskPropagationThresholds
        planes = bits_or_names(self.config.badMaskPlanes if mask is None else mask)
        names = names_of_bits(planes, self._layout) if isinstance(planes, int) else planes
        layout = plane_layout((*self.config.badMaskPlanes, *names), thresholds)
        statsCtrl = StatisticsControl(
            numSigmaClip=self.config.sigmaClip,
            numIter=self.config.clipIter,
            andMask=layout.bits(names),
            nanSafe=True,
            schema=layout.schema,
        )
        statsCtrl.setFluxTolerance(self.config.fluxTolerance)
        statsCtrl.setGradientTolerance(self.config.gradientTolerance)
        statsCtrl.setLeastNoiseClip(self.config.leastNoiseClip)
        statsCtrl.setWeighted(True)
        statsCtrl.setCalcErrorFromInputVariance(self.config.calcErrorFromInputVariance)
        for plane, threshold in thresholds.items():
            statsCtrl.setMaskPropagationThreshold(layout.bits((plane,)).bit_length() - 1, threshold)
        statsFlags = stringToStatisticsProperty(self.config.statistic)
        return Struct(statsCtrl=statsCtrl, ctrl=statsCtrl, statsFlags=statsFlags, flags=statsFlags)

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
        """Combine warps, one subregion after the other.

        Parameters
        ----------
        skyInfo
            Where the patch lies, as `getSkyInfo` returns it.
        tempExpRefList
            Data references of warps, or warps, in any order.
        imageScalerList, weightList
            Their scalers and weights.
        altMaskList
            For each warp `None`; or further planes, regions by the name of a plane; or a
            `lsst.images.Mask` that is used rather than the one stored with it.
        mask
            Bits or names of the planes that reject a pixel, instead of
            ``config.badMaskPlanes``; or a `lsst.images.Mask`, for pixels that are
            rejected in all warps: those on which it has one of these planes.
        supplementaryData
            Used by subclasses.

        Returns
        -------
        lsst.pipe.base.Struct
            ``coaddExposure``, a `lamella.PatchCoadd`; ``nImage``, the number of
            inputs used at each pixel, or `None` without ``config.doNImage``; and the
            lists that went in: ``warpRefList``, ``imageScalerList``,
            ``weightList``, ``altMaskList``.

        Raises
        ------
        NoInputsError
            Raised when there is no warp.
        MixedBandsError
            Raised when the warps are of different bands.
        MixedUnitsError
            Raised when their fluxes are in different units.
        ConfigError
            Raised when the lists differ in length.
        """
        inputs = self._aligned(tempExpRefList, imageScalerList, weightList, altMaskList)
        everywhere, mask = (mask, None) if isinstance(mask, Mask) else (None, mask)
        if everywhere is not None:
            inputs = [warp._replace(altMask=warp.alternate.adding(everywhere)) for warp in inputs]
        coaddExposure, nImage = self._combine(skyInfo, inputs, mask)
        if self.checksVisits:
            checks = self._check_visits(skyInfo, coaddExposure, inputs, mask)
            coaddExposure = coaddExposure.replace(visit_checks=checks)
            self._warn(coaddExposure)
        return Struct(
            coaddExposure=coaddExposure,
            nImage=nImage,
            warpRefList=data_refs(tempExpRefList),
            imageScalerList=list(imageScalerList),
            weightList=list(weightList),
            altMaskList=None if altMaskList is None else list(altMaskList),
        )

    def _combine(
        self, skyInfo: Struct, inputs: Sequence[WarpToStack], mask: Any
    ) -> tuple[PatchCoadd, Image | None]:
        """Combine warps; return the coadd, and the number of inputs at each pixel if that is asked for."""
        stats = self.prepareStats(mask)
        coaddExposure = self._empty_coadd(skyInfo, inputs)
        refs, scalers, weights, altMasks = (list(column) for column in zip(*inputs, strict=True))
        columns = refs, scalers, weights, altMasks
        self.assembleMetadata(coaddExposure, refs, weights)
        nImage = coaddExposure.exposure_count if self.config.doNImage else None
        if self.config.doOnlineForMean and self.config.statistic == "MEAN":
            self.assembleOnlineMeanCoadd(coaddExposure, *columns, stats.statsCtrl, nImage=nImage)
        else:
            width, height = self.config.subregionSize
            for subBBox in sub_boxes(skyInfo.bbox, (width, height)):
                flags, control = stats.statsFlags, stats.statsCtrl
                self.assembleSubregion(coaddExposure, subBBox, *columns, flags, control, nImage=nImage)
        self.setInexactPsf(coaddExposure.mask)
        return coaddExposure, nImage

    def _check_visits(
        self, skyInfo: Struct, coadd: PatchCoadd, inputs: Sequence[WarpToStack], mask: Any
    ) -> tuple[VisitCheck, ...]:
        """Return how positions, fluxes and noise of each visit compare with the coadd."""
        stats = self.prepareStats(mask)
        control = self._core_control(coadd, stats.statsFlags, stats.statsCtrl)
        last: dict[int, ImageSource] = {}
        warps = []
        for warp in inputs:
            box = overlap(warp.ref.bbox, coadd.bbox)
            if box is not None:
                source = PreparedWarp(self, warp, box, coadd, control.bad_mask)
                warps.append(stack_record(warp, WholeWarp(source, last)))
        target, layout = coadd_target(skyInfo), Layout(coadd.mask.schema)
        return compare_visits(warps, planes_of(coadd), target, layout, control, Resources())

    def _warn(self, coadd: PatchCoadd) -> None:
        """Name the visits that a user should look at."""
        for visit, warning in visit_warnings(coadd.visit_checks, coadd.removals):
            self.log.warning("%s: %s", visit, warning)

    def _aligned(
        self,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler],
        weightList: Sequence[float],
        altMaskList: Sequence[Any] | None,
    ) -> list[WarpToStack]:
        """Return the inputs in the order in which they are summed, that of their identities."""
        altMasks = [None] * len(tempExpRefList) if altMaskList is None else altMaskList
        _check_length("imageScalerList", imageScalerList, tempExpRefList)
        _check_length("weightList", weightList, tempExpRefList)
        _check_length("altMaskList", altMasks, tempExpRefList)
        if not len(tempExpRefList):
            raise NoInputsError("Nothing to coadd: no warps were given.")
        refs = warp_refs(tempExpRefList, self.getTempExpDatasetName(self.warpType))
        columns = zip(refs, imageScalerList, weightList, altMasks, strict=True)
        inputs = sorted((WarpToStack(*row) for row in columns), key=lambda warp: warp.ref.key)
        headers = [(warp.ref.key, warp.ref.header) for warp in inputs]
        check_one_kind((*key, header.band, header.flux_unit) for key, header in headers)
        for before, after in itertools.pairwise(inputs):
            if before.ref.key == after.ref.key:
                raise DuplicateInputError(
                    str(after.ref.dataId), found="two warps of this visit", expected="one warp per visit"
                )
        return inputs

    def _empty_coadd(self, skyInfo: Struct, inputs: Sequence[WarpToStack]) -> PatchCoadd:
        """Make a coadd to which nothing has contributed yet, with all planes that it will have."""
        target = coadd_target(skyInfo)
        headers = [warp.ref.header for warp in inputs]
        names = {name for header in headers for name in header.mask.schema.names}
        names |= {name for warp in inputs for name in warp.alternate.names}
        if self.config.doMaskBrightObjects:
            names.add(self.config.brightObjectMaskName)
        layout = Layout.of(names=names)
        planes = StackedPlanes.empty(target.outer_bbox, layout.no_data)
        settings = common_settings([warp_settings(header) for header in headers], self.log)
        settings |= planes_record([header.bad_mask_planes for header in headers], self.config.badMaskPlanes)
        # No reason to warn: by default these tasks warp as the original does, with values of masked pixels.
        for notice in plane_notices(settings):
            self.log.info("%s", notice)
        settings["assemble"] = self.config.toCore().to_dict()
        mag0 = self.scaleZeroPoint.getPhotoCalib().getFluxMag0() if self.config.doScaleZeroPoint else None
        # The unit of fluxes is that of the inputs, whose records come when they have contributed.
        inputs_of_unit = () if headers[0].flux_unit.is_absolute else tuple(headers[0].detectors)
        provenance = Provenance(settings=settings, detectors=inputs_of_unit)
        return finish(planes, target, layout, "", provenance, flux_mag0=mag0)

    def assembleMetadata(
        self, coaddExposure: PatchCoadd, tempExpRefList: Sequence[Any], weightList: Sequence[float]
    ) -> None:
        """Set what a coadd says of its inputs: band, detectors with weights (hence the PSF), notes.

        The band is that of the first input.  One pixel of each warp is read.

        Parameters
        ----------
        coaddExposure
            The coadd.
        tempExpRefList
            Data references of warps, or warps.
        weightList
            Their weights.

        Raises
        ------
        ConfigError
            Raised when the lists differ in length.
        PsfMatchError
            Raised when warps are matched to different PSFs, or some of them only.
        """
        _check_length("weightList", weightList, tempExpRefList)
        refs = warp_refs(tempExpRefList, self.getTempExpDatasetName(self.warpType))
        pairs = sorted(zip(refs, weightList, strict=True), key=lambda pair: pair[0].key)
        coaddInputs = self.inputRecorder.makeCoaddInputs()
        for ref, weight in pairs:
            self.inputRecorder.addVisitToCoadd(coaddInputs, ref.header, weight)
        if self.config.doUsePsfMatchedPolygons:
            self.shrinkValidPolygons(coaddInputs)
        described = coaddExposure.replace(
            band=refs[0].header.band if refs else "",
            detectors=self.config.coaddPsf.applied(coaddInputs.ccds),
            notes=notes_of(coaddInputs.ccds),
            matched_psf=Prepared(tuple(input_of(ref.header) for ref, _ in pairs)).model_psf(),
        )
        # By its documented signature this method changes the coadd that it is given: here, and nowhere else,
        # a coadd becomes another one.
        vars(coaddExposure).clear()
        vars(coaddExposure).update(vars(described))

    def assembleSubregion(
        self,
        coaddExposure: PatchCoadd,
        bbox: Box,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler],
        weightList: Sequence[float],
        altMaskList: Sequence[Any],
        statsFlags: Property,
        statsCtrl: StatisticsControl,
        nImage: Image | None = None,
    ) -> None:
        """Combine the warps in one box, and put the result into the coadd.

        Parameters
        ----------
        coaddExposure
            The coadd to change.
        bbox
            The box, within that of the coadd.
        tempExpRefList, imageScalerList, weightList, altMaskList
            Warps, and what belongs to each.
        statsFlags, statsCtrl
            How they are combined, see `prepareStats`.
        nImage
            Image of counts that is changed as well.

        Raises
        ------
        ShapeError
            Raised when the box is not within that of the coadd.
        """
        if not coaddExposure.bbox.contains(bbox):
            raise ShapeError("bbox", found=bbox, expected=f"a box within {coaddExposure.bbox}")
        self._stack(
            coaddExposure,
            bbox,
            self._aligned(tempExpRefList, imageScalerList, weightList, altMaskList),
            self._core_control(coaddExposure, statsFlags, statsCtrl),
            nImage,
            streaming=False,
        )

    def assembleOnlineMeanCoadd(
        self,
        coaddExposure: PatchCoadd,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler],
        weightList: Sequence[float],
        altMaskList: Sequence[Any],
        statsCtrl: StatisticsControl,
        nImage: Image | None = None,
    ) -> None:
        """Average the warps over the whole coadd, with one of them in memory at a time.

        The arguments are those of `assembleSubregion`, and so are the bits of the result.
        """
        self._stack(
            coaddExposure,
            coaddExposure.bbox,
            self._aligned(tempExpRefList, imageScalerList, weightList, altMaskList),
            self._core_control(coaddExposure, Property.MEAN, statsCtrl),
            nImage,
            streaming=True,
        )

    def _core_control(
        self, coaddExposure: PatchCoadd, statsFlags: Property, statsCtrl: StatisticsControl
    ) -> StackControl:
        return statsCtrl.to_core(
            statsFlags,
            clipped=Layout(statsCtrl.schema).clipped,
            mask_map=tuple(self.setRejectedMaskMapping(statsCtrl)),
            schema=coaddExposure.mask.schema,
        )

    def _stack(
        self,
        coadd: PatchCoadd,
        bbox: Box,
        inputs: Sequence[WarpToStack],
        control: StackControl,
        nImage: Image | None,
        *,
        streaming: bool,
    ) -> None:
        """Stack inputs over a box into a coadd."""
        planes = planes_of(coadd)
        unmasked = planes.part(bbox).unmasked
        unmasked[...] = 0
        warps = []
        for warp in inputs:
            box = overlap(warp.ref.bbox, bbox)
            if box is None:
                continue
            source = PreparedWarp(self, warp, box, coadd, control.bad_mask)
            # Read at once for a small box; one after the other for the whole patch.
            warps.append(stack_record(warp, source if streaming else source.load()))
        layout = Layout(coadd.mask.schema)
        if warps:
            resources = Resources(streaming=streaming, threads=self.config.threads)
            stacked = stack_inputs(warps, bbox, layout, control, resources)
        else:
            stacked = StackedPlanes.empty(bbox, layout.no_data)
        stacked.unmasked = unmasked  # as counted before planes were removed
        planes.put(stacked)
        if nImage is not None and nImage is not coadd.exposure_count:
            nImage[bbox].array[...] = stacked.count

    def applyAltMaskPlanes(self, mask: Mask, altMaskSpans: Mapping[str, Sequence[Any]]) -> Mask:
        """Set planes of a mask in some regions, in place.

        Parameters
        ----------
        mask
            The mask.
        altMaskSpans
            Lists of regions, or one region, by the name of the plane that they are put on; a
            region is anything that `lamella.tasks.manual.spans.as_spans` takes.

        Returns
        -------
        lsst.images.Mask
            The mask, which has got the planes that it lacked.
        """
        spans = {
            plane_name(name): [as_spans(region) for region in region_list(regions)]
            for name, regions in altMaskSpans.items()
        }
        bad = plane_names(self.config.badMaskPlanes)
        if self.config.doUsePsfMatchedPolygons and "NO_DATA" in spans and "NO_DATA" in bad:
            # What no longer contributes for want of data must not count as rejected.
            for region in spans["NO_DATA"]:
                inside = region.to_array(mask.bbox)
                for name in bad:
                    if name in mask.schema.names:
                        mask.clear(name, inside)
        for name, regions in spans.items():
            add_plane(mask, name, f"Plane {name} of alternative masks.")
            for region in regions:
                region.setMask(mask, name)
        return mask

    def removeMaskPlanes(self, maskedImage: MaskedImage) -> None:
        """Clear the planes of ``config.removeMaskPlanes``; those that an image does not have do not matter.

        Parameters
        ----------
        maskedImage
            Image to change.
        """
        for name in plane_names(self.config.removeMaskPlanes):
            if name in maskedImage.mask.schema.names:
                maskedImage.mask.clear(name)
            else:
                self.log.debug("There is no mask plane %s to remove.", name)

    @staticmethod
    def setRejectedMaskMapping(statsCtrl: StatisticsControl) -> list[tuple[int, int]]:
        """Return which planes a coadd gets where inputs are rejected.

        Parameters
        ----------
        statsCtrl
            Tells what is rejected.

        Returns
        -------
        list of tuple of int
            Pairs of bits of the warps and bits of the coadd: rejected for
            other reasons gives REJECTED; EDGE gives SENSOR_EDGE; CLIPPED gives CLIPPED.
        """
        layout = Layout(statsCtrl.schema)
        edge, clipped = layout.edge, layout.clipped
        others = statsCtrl.getAndMask() & ~(layout.no_data | edge | clipped)
        return [(others, layout.rejected), (edge, layout.sensor_edge), (clipped, clipped)]

    def setInexactPsf(self, mask: Mask) -> None:
        """Set INEXACT_PSF where an input was rejected, clipped, or ends.

        Parameters
        ----------
        mask
            Mask of a coadd, changed in place; it gets the plane if it lacks it.
        """
        add_plane(mask, "INEXACT_PSF", STANDARD_PLANES["INEXACT_PSF"])
        inexact = np.zeros(mask.bbox.shape, dtype=bool)
        for name in {"SENSOR_EDGE", "CLIPPED", "REJECTED"} & set(mask.schema.names):
            inexact |= mask.get(name)
        mask.set("INEXACT_PSF", inexact)

    def processResults(
        self,
        coaddExposure: PatchCoadd,
        dataRef: Any = None,
        brightObjectMasks: BrightObjectCatalog | None = None,
        dataId: Any = None,
    ) -> None:
        """Interpolate over pixels without data, and paint the masks of bright objects, as configured.

        Parameters
        ----------
        coaddExposure
            The coadd, changed in place.
        dataRef
            Data reference of the patch; or, as in later versions, the regions
            themselves as the second argument.
        brightObjectMasks, dataId
            Regions and identifier, instead of a data reference.
        """
        if isinstance(dataRef, BrightObjectCatalog):
            dataRef, brightObjectMasks = None, dataRef
        if self.config.doInterp:
            self.interpImage.run(coaddExposure, planeName="NO_DATA")
        if self.config.doMaskBrightObjects:
            if dataRef is not None and brightObjectMasks is None:
                brightObjectMasks = self.readBrightObjectMasks(dataRef)
            if dataId is None and dataRef is not None:
                dataId = dataRef.dataId
            self.setBrightObjectMasks(coaddExposure, dataId, brightObjectMasks)

    def setBrightObjectMasks(self, exposure: PatchCoadd, dataId: Any, brightObjectMasks: Any = None) -> None:
        """Paint the regions around bright objects on the plane ``config.brightObjectMaskName``.

        Parameters
        ----------
        exposure
            The coadd, changed in place; its mask gets the plane if it lacks it.
        dataId, brightObjectMasks
            Identifier of the patch, and a `lamella.coadd.brightmask.BrightObjectCatalog`;
            in either order.  Without a catalogue a warning is all.
        """
        if isinstance(dataId, BrightObjectCatalog):
            dataId, brightObjectMasks = brightObjectMasks, dataId
        if brightObjectMasks is None:
            self.log.warning("Unable to apply bright object mask: none supplied")
            return
        where, metadata = "in metadata of the bright object masks", brightObjectMasks.metadata
        for key, value in (dataId or {}).items():
            if key in OPTIONAL_KEYS:  # no file tells them
                continue
            if key not in metadata:
                self.log.warning("Expected to see %s %s", key, where)
            elif str(metadata[key]) != str(value):
                self.log.warning("Expected to see %s == %s %s, saw %s", key, value, where, metadata[key])
        assert exposure.sky_projection is not None
        plane = self.config.brightObjectMaskName
        add_plane(exposure.mask, plane, STANDARD_PLANES["BRIGHT_OBJECT"])
        painted = paint_bright_objects(exposure.mask, exposure.sky_projection, brightObjectMasks, plane)
        self.log.info("Applied %d of %d bright object masks", painted, len(brightObjectMasks))


def _check_length(name: str, values: Sequence[Any], warps: Sequence[Any]) -> None:
    if len(values) != len(warps):
        raise ConfigError(f"{name} has {len(values)} elements for {len(warps)} warps.", option=name)
