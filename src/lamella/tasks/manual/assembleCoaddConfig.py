"""Options of the task that assembles coadds, by their documented names."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable
from typing import Any

from lsst.pex.config import ChoiceField, Config, ConfigField, ConfigurableField, Field, ListField

from ...coadd.assemble_control import AssembleConfig
from ...data.detector import DetectorInput
from ...data.options import WeightControl
from ...kernels.resample.support import KERNELS, ResamplingKernel
from ...planes import plane_name, plane_names
from ...resources import Resources
from .coaddBase import CoaddBaseConfig, refuse
from .fields import borrow, borrowed, check_with_core, core_values
from .interpImage import InterpImageTask
from .scaleZeroPoint import ScaleZeroPointTask

__all__ = ("AssembleCoaddConfig", "CoaddPsfConfig")


class CoaddPsfConfig(Config):
    """How the PSFs of the inputs are resampled."""

    warpingKernelName = ChoiceField[str](
        "Kernel that stamps of PSFs are resampled with; unset: that of each image",
        allowed=dict.fromkeys(KERNELS, "to the letter"),
        optional=True,
    )
    cacheSize = Field[int]("Accepted for the sake of older files; without effect", default=10000)

    def applied(self, ccds: Iterable[DetectorInput]) -> tuple[DetectorInput, ...]:
        """Return the records of detectors with the kernel that their PSFs are to be resampled with."""
        if self.warpingKernelName is None:
            return tuple(ccds)
        kernel = ResamplingKernel(name=self.warpingKernelName)
        return tuple(dataclasses.replace(ccd, kernel=kernel) for ccd in ccds)


class AssembleCoaddConfig(CoaddBaseConfig):
    """How warps become a coadd; `toCore` says which option of `lamella.AssembleConfig` each one is."""

    warpType = ChoiceField[str](
        "Kind of warps that are combined",
        default="direct",
        allowed={"direct": "resampled", "psfMatched": "resampled and matched to one PSF"},
    )
    makeDirect = Field[bool]("Make the coadd of direct warps; unset: if warpType says so", optional=True)
    makePsfMatched = Field[bool](
        "Make the coadd of PSF-matched warps; unset: if warpType says so", optional=True
    )
    autoReference = Field[bool]("Accepted for the sake of older files; no warp is a reference", default=True)
    subregionSize = ListField[int](
        "Width and height of the boxes that are combined one after the other; changes no result [pixel]",
        length=2,
        default=[2000, 2000],
        itemCheck=lambda size: size > 0,
    )
    statistic = borrow(AssembleConfig, "statistic", default="MEANCLIP")
    doOnlineForMean = Field[bool](
        "Hold one warp in memory at a time; for the statistic MEAN only", default=False
    )
    doSigmaClip = Field[bool]("Older form of the statistic MEANCLIP", default=False)
    sigmaClip = borrow(AssembleConfig, "sigma_clip")
    clipIter = borrow(AssembleConfig, "clip_iter")
    fluxTolerance = borrow(AssembleConfig, "flux_tolerance")
    gradientTolerance = borrow(AssembleConfig, "gradient_tolerance")
    leastNoiseClip = borrow(AssembleConfig, "least_noise_clip")
    calcErrorFromInputVariance = borrow(AssembleConfig, "error_from_input_variance")
    scaleZeroPoint: Any = ConfigurableField(
        "Scales warps to one zero point, if doScaleZeroPoint", target=ScaleZeroPointTask
    )
    doScaleZeroPoint = Field[bool](
        "Scale warps to the zero point of scaleZeroPoint; otherwise the coadd is in nJy, as the warps are",
        default=False,
    )
    doInterp = borrow(AssembleConfig, "fill_gaps")
    interpImage: Any = ConfigurableField("Fills pixels without data, if doInterp", target=InterpImageTask)
    doWrite = Field[bool]("Write the coadd", default=True)
    doWriteArtifactMasks = Field[bool]("Write the masks of artifacts", default=False)
    doNImage = Field[bool]("Return, and write, the number of inputs used at each pixel", default=False)
    doUsePsfMatchedPolygons = Field[bool]("Use the shrunk polygons of PSF-matched warps", default=False)
    maskPropagationThresholds = borrow(AssembleConfig, "mask_propagation_thresholds", default={"SAT": 0.1})
    removeMaskPlanes = borrow(AssembleConfig, "remove_mask_planes")
    doMaskBrightObjects = Field[bool]("Paint the masks of bright objects", default=False)
    brightObjectMaskName = borrow(AssembleConfig, "bright_object_plane")
    coaddPsf: Any = ConfigField("How the PSFs of the inputs are resampled", CoaddPsfConfig)
    doAttachTransmissionCurve = Field[bool]("Combine the transmission curves of the inputs", default=False)
    hasFakes = Field[bool]("Combine warps with added sources", default=False)
    doSelectVisits = Field[bool]("Combine the visits of a list only", default=False)
    doInputMap = Field[bool]("Make a map of the inputs", default=False)
    threads = borrow(Resources, "threads")

    def setDefaults(self) -> None:
        """Set what other tasks have otherwise."""
        super().setDefaults()
        self.badMaskPlanes = ["NO_DATA", "BAD", "SAT", "EDGE"]

    def warpTypes(self) -> tuple[str, ...]:
        """Return the kinds of warps that coadds are made of: "direct", "psfMatched", or both."""
        kinds = {"direct": self.makeDirect, "psfMatched": self.makePsfMatched}
        return tuple(
            kind for kind, wanted in kinds.items() if (kind == self.warpType if wanted is None else wanted)
        )

    def toCore(self) -> AssembleConfig:
        """Return the core's form of this: the one place where options are translated."""
        options = core_values(self, AssembleConfig)
        interp = self.interpImage.value
        if hasattr(interp, "toCore"):  # a task of a user need not have it
            options["gaps"] = interp.toCore()
        thresholds = self.maskPropagationThresholds
        return AssembleConfig(
            **options
            | {
                "bad_mask_planes": plane_names(self.badMaskPlanes),
                "remove_mask_planes": plane_names(self.removeMaskPlanes),
                "mask_propagation_thresholds": {plane_name(name): thresholds[name] for name in thresholds},
                "weights": WeightControl(rule="variance", sigma_clip=self.sigmaClip, clip_iter=self.clipIter),
            }
        )

    def validate(self) -> None:
        """Check the options one by one, together as the core does, and against each other."""
        if self.doPsfMatch:
            warnings.warn(
                'doPsfMatch is deprecated: it sets warpType = "psfMatched".', FutureWarning, stacklevel=2
            )
            self.warpType = "psfMatched"
        if self.doSigmaClip and self.statistic != "MEANCLIP":
            warnings.warn(
                'doSigmaClip is deprecated: it sets statistic = "MEANCLIP".', FutureWarning, stacklevel=2
            )
            self.statistic = "MEANCLIP"
        kinds = self.warpTypes()
        if not kinds:
            refuse(self, "makeDirect", "at least one of makeDirect and makePsfMatched must be True")
        if self.warpType not in kinds:
            self.warpType = kinds[0]
        super().validate()
        if not self.autoReference:
            refuse(
                self,
                "autoReference",
                "all warps have one photometric scale, so that none is a reference for the others",
            )
        others = {"bad_mask_planes": "badMaskPlanes", "gaps": "interpImage", "weights": "sigmaClip"}
        check_with_core(self, borrowed(self, AssembleConfig) | others)
        if self.doInterp and self.statistic not in _FILLABLE:
            refuse(
                self,
                "doInterp",
                f"a coadd of {self.statistic} cannot be interpolated; there are: {_FILLABLE}",
            )
        scaling: Any = self.scaleZeroPoint
        if not self.doScaleZeroPoint and (
            scaling.target is not ScaleZeroPointTask
            or not scaling.value.compare(ScaleZeroPointTask.ConfigClass())
        ):
            refuse(self, "scaleZeroPoint", "it has no effect without doScaleZeroPoint = True")
        for name, reason in _REFUSED.items():
            if getattr(self, name):
                refuse(self, name, reason)


_FILLABLE = ("MEAN", "MEDIAN", "MEANCLIP", "NOISECLIP", "VARIANCE", "VARIANCECLIP")
_REFUSED = {
    "doWriteArtifactMasks": "only the pipeline task writes masks of artifacts",
    "doAttachTransmissionCurve": "transmission curves of exposures are not known; "
    "-c doAttachTransmissionCurve=False does without",
    "hasFakes": "there are no datasets with added sources",
    "doSelectVisits": "the command line selects with --selectId; the pipeline task has this option",
    "doInputMap": "maps of inputs are not made; the coadd's table of inputs has their polygons",
}
