"""The documented task that clips what a clipped mean leaves out, where it belongs to one or two visits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from lsst.pex.config import ConfigField
from lsst.pipe.base import Struct

from ...coadd.reject.reject_control import RejectControl, SafeClipControl
from ...coadd.reject.safeclip import add_big_detections, difference_of_means, find_clipped
from ...data.coadd import PatchCoadd
from ...data.removals import VisitArtifacts
from ...image.footprints import Footprints
from .assembleInputs import WarpToStack
from .fields import borrow, check_with_core, core_values
from .references import warp_refs
from .rejectArtifacts import (
    FootprintsConfig,
    RejectArtifactsConfig,
    RejectArtifactsTask,
    VisitResults,
    spans_of,
)
from .scaleZeroPoint import ImageScaler
from .spans import SpanSet, as_spans

__all__ = (
    "ClipDetectionConfig",
    "SafeClipAssembleCoaddConfig",
    "SafeClipAssembleCoaddTask",
)


class ClipDetectionConfig(FootprintsConfig):
    """How the difference of the two means is searched."""

    thresholdValue = borrow(SafeClipControl, "threshold")
    minPixels = borrow(SafeClipControl, "min_pixels")
    nSigmaToGrow = borrow(SafeClipControl, "grow")

    advice = "thresholdValue, minPixels and nSigmaToGrow can be set"


class SafeClipAssembleCoaddConfig(RejectArtifactsConfig):
    """How artifacts are found by comparing a mean with a clipped mean; see `lamella.SafeClipControl`."""

    clipDetection: Any = ConfigField("How the difference of the two means is searched", ClipDetectionConfig)
    minClipFootOverlap = borrow(SafeClipControl, "overlap")
    minClipFootOverlapSingle = borrow(SafeClipControl, "overlap_single")
    minClipFootOverlapDouble = borrow(SafeClipControl, "overlap_double")
    maxClipFootOverlapDouble = borrow(SafeClipControl, "max_overlap_double")
    minBigOverlap = borrow(SafeClipControl, "min_big_overlap")
    detectionThreshold = borrow(SafeClipControl, "detection")
    detectionNSigmaToGrow = borrow(SafeClipControl, "detection_grow")

    def setDefaults(self) -> None:
        """Set the limits of the clipped mean, and the statistic of the coadd."""
        super().setDefaults()
        self.sigmaClip = 1.5
        self.clipIter = 3
        self.statistic = "MEAN"

    def rejectControl(self) -> RejectControl:
        """Return how artifacts are found, in the core's form."""
        safe_clip = SafeClipControl(
            sigma_clip=self.sigmaClip,
            clip_iter=self.clipIter,
            **core_values(self.clipDetection, SafeClipControl),
            **core_values(self, SafeClipControl),
        )
        return RejectControl(method="safe_clip", safe_clip=safe_clip, **core_values(self, RejectControl))

    def validate(self) -> None:
        """Check the options one by one, and together as the core does."""
        if self.doSigmaClip:
            warnings.warn("doSigmaClip has no effect on this task.", FutureWarning, stacklevel=2)
            self.doSigmaClip = False
        super().validate()
        check_with_core(self, {"reject": "clipDetection"})


class SafeClipAssembleCoaddTask(RejectArtifactsTask):
    """Averages warps without what differs between a mean and a clipped mean, and is seen in few visits.

    ``run`` calls `buildDifferenceImage`, `detectClip` and `detectClipBig`.
    """

    ConfigClass: ClassVar[type[SafeClipAssembleCoaddConfig]] = SafeClipAssembleCoaddConfig
    _DefaultName = "safeClipAssembleCoadd"
    summary = (
        "Combines the warps of the exposures of --selectId to the coadd of a patch, as a mean "
        "without what differs between a mean and a clipped mean and is seen in one or two visits."
        " Warps are made by makeCoaddTempExp.py."
    )
    example = "assembleCoadd.py REPO --id tract=0 patch=5,4 filter=HSC-I --selectId visit=903986^904014"
    config: SafeClipAssembleCoaddConfig

    def _find(
        self, skyInfo: Struct, inputs: list[WarpToStack], bad: Any, supplementaryData: Struct | None
    ) -> VisitResults:
        refs, scalers, weights, altMasks = (list(column) for column in zip(*inputs, strict=True))
        exp = self.buildDifferenceImage(skyInfo, refs, scalers, weights, altMasks, bad)
        result = self.detectClip(exp, refs, altMasks, bad)
        clipList = self.detectClipBig(
            result.clipList, result.clipFootprints, result.clipIndices, result.detectionFootprints, exp.bbox
        )
        records, control = self._records(inputs), self.config.rejectControl()
        artifacts = []
        for regions, valid, warp in zip(clipList, result.validSpans, records, strict=True):
            clipped = VisitArtifacts({"clipped": as_spans(regions).runs}, as_spans(valid).runs)
            artifacts.append(spans_of(clipped, control, warp))
        return records, artifacts, {}

    def buildDifferenceImage(
        self,
        skyInfo: Struct,
        tempExpRefList: Sequence[Any],
        imageScalerList: Sequence[ImageScaler],
        weightList: Sequence[float],
        altMaskList: Sequence[Any] | None = None,
        mask: Any = None,
    ) -> PatchCoadd:
        """Return the mean of the warps less their clipped mean.

        Parameters
        ----------
        skyInfo, tempExpRefList, imageScalerList, weightList, altMaskList
            As for `run`.
        mask
            Bits or names of the planes that reject a pixel.

        Returns
        -------
        PatchCoadd
            Difference, sum of the variances, and the inputs and the PSF of the mean.
        """
        inputs = self._aligned(tempExpRefList, imageScalerList, weightList, altMaskList)
        scene = self._scene(self._records(inputs), skyInfo.bbox, skyInfo.wcs, mask)
        exp = self._empty_coadd(skyInfo, inputs)
        self.assembleMetadata(exp, [warp.ref for warp in inputs], [warp.weight for warp in inputs])
        exp.image.array[...], exp.variance.array[...] = difference_of_means(scene)
        return exp

    def detectClip(
        self,
        exp: PatchCoadd,
        tempExpRefList: Sequence[Any],
        altMaskList: Sequence[Any] | None = None,
        mask: Any = None,
    ) -> Struct:
        """Find where the two means differ, and which visits that is due to.

        Parameters
        ----------
        exp
            What `buildDifferenceImage` returned.
        tempExpRefList
            Data references of warps, or warps, in any order.
        altMaskList, mask
            As for `buildDifferenceImage`.

        Returns
        -------
        lsst.pipe.base.Struct
            ``clipFootprints``, the `lamella.image.footprints.Footprints` that are clipped
            somewhere; ``clipIndices``, for each of them the indices of the warps that it is clipped
            from; ``detectionFootprints``, for each warp the Footprints of its detections;
            ``clipList`` and ``validSpans``, for each warp what is clipped of it, and its pixels that
            are not masked, as `SpanSet`.
        """
        refs = warp_refs(tempExpRefList, self.getTempExpDatasetName(self.warpType))
        altMasks = [None] * len(refs) if altMaskList is None else altMaskList
        stacked = [WarpToStack(ref, ImageScaler(), 1.0, alt) for ref, alt in zip(refs, altMasks, strict=True)]
        scene = self._scene(self._records(stacked), exp.bbox, exp.sky_projection, mask)
        clipped = find_clipped(scene, exp.image.array, exp.variance.array)
        anywhere = clipped.visits.any(axis=0)
        return Struct(
            clipFootprints=clipped.footprints.select(anywhere),
            clipIndices=[np.flatnonzero(mine).tolist() for mine in clipped.visits[:, anywhere].T],
            detectionFootprints=[visit.detections for visit in clipped.detected],
            clipList=[SpanSet.from_runs(runs) for runs in clipped.runs],
            validSpans=[SpanSet.from_runs(visit.valid) for visit in clipped.detected],
        )

    def detectClipBig(
        self,
        clipList: Sequence[Any],
        clipFootprints: Footprints,
        clipIndices: Sequence[Sequence[int]],
        detectionFootprints: Sequence[Footprints],
        coaddBBox: Any,
    ) -> list[SpanSet]:
        """Add whole detections of a visit of which a good part is clipped already.

        Parameters
        ----------
        clipList, clipFootprints, clipIndices, detectionFootprints
            What `detectClip` returned.
        coaddBBox
            Box of the coadd.

        Returns
        -------
        list of SpanSet
            What is clipped of each warp.
        """
        control = self.config.rejectControl().safe_clip
        return [
            SpanSet.from_runs(add_big_detections(as_spans(regions).runs, detections, coaddBBox, control))
            for regions, detections in zip(clipList, detectionFootprints, strict=True)
        ]
