"""Resampling the exposures of a visit to the pixel grid of a tract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lsst.pex.config import Config, ConfigField, Field
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...coadd.warp.pairs import CommonPsf
from ...coadd.warp.warp_control import WarpControl
from ...data.exposure import ExposureSource
from ...data.inputs import CoaddTarget
from ...planes import plane_names
from ...psf.match_control import MatchControl
from ...run.patch import warp_visit
from ...run.patch_config import PatchConfig
from ..cmdline.task import Task
from .fields import borrow, borrowed, check_with_core, core_values

__all__ = ("PsfMatchConfig", "WarpAndPsfMatchConfig", "WarpAndPsfMatchTask", "WarperConfig")


class WarperConfig(Config):
    """How exposures are resampled; see `lamella.WarpControl`.

    By default no planes keep values out of the kernel, and the last detector has
    the pixels of overlaps, as the documented tasks have it.
    """

    warpingKernelName = borrow(WarpControl, "kernel", default="lanczos3")
    maskWarpingKernelName = borrow(WarpControl, "mask_kernel")
    growFullMask = borrow(WarpControl, "grow_full_mask")
    badMaskPlanes = borrow(WarpControl, "bad_mask_planes", default=[])
    maxLostWeight = borrow(WarpControl, "max_lost_weight")
    yieldingMaskPlanes = borrow(WarpControl, "yielding_mask_planes", default=[])
    positionTolerance = borrow(WarpControl, "position_tolerance")
    repairWidth = borrow(WarpControl, "repair_width")
    interpLength = Field[int]("Accepted for the sake of older files; positionTolerance decides", default=10)
    cacheSize = Field[int]("Accepted for the sake of older files; without effect", default=1_000_000)

    def validate(self) -> None:
        """Check the options one by one, and together as the core does."""
        super().validate()
        check_with_core(self, {**borrowed(self, WarpControl), "": "maskWarpingKernelName"})

    def toCore(self) -> WarpControl:
        """Return the core's form of this."""
        values = core_values(self, WarpControl)
        lists = ("grow_full_mask", "bad_mask_planes", "yielding_mask_planes")
        return WarpControl(**values | {option: plane_names(values[option]) for option in lists})


class PsfMatchConfig(Config):
    """How warps are matched to a PSF; see `lamella.psf.match_control.MatchControl`."""

    ridge = borrow(MatchControl, "ridge")
    spatialOrder = borrow(MatchControl, "spatial_order")
    narrower = borrow(MatchControl, "narrower")
    maxNoiseGain = borrow(MatchControl, "max_noise_gain")
    maxResidual = borrow(MatchControl, "max_residual")
    maxLostWeight = borrow(MatchControl, "max_lost_weight")
    edgeWeight = borrow(MatchControl, "edge_weight")
    maskThreshold = borrow(MatchControl, "mask_threshold")

    def toCore(self) -> MatchControl:
        """Return the core's form of this, without the target."""
        return MatchControl(**core_values(self, MatchControl))


class WarpAndPsfMatchConfig(Config):
    """How exposures become warps."""

    warp: Any = ConfigField("How exposures are resampled", WarperConfig)
    psfMatch: Any = ConfigField("How warps are matched to one PSF", PsfMatchConfig)

    def toCore(self) -> WarpControl:
        """Return the core's form of this."""
        control: WarpControl = self.warp.toCore()
        return control


class WarpAndPsfMatchTask(Task):
    """Resamples the exposures of one visit, merges them, and matches the result to a PSF."""

    ConfigClass: ClassVar[type[Config]] = WarpAndPsfMatchConfig
    _DefaultName = "warpAndPsfMatch"
    config: WarpAndPsfMatchConfig

    @timeMethod
    def run(
        self, sources: Sequence[ExposureSource], target: CoaddTarget, matching: MatchControl | None = None
    ) -> Struct:
        """Make the warps of a visit; an exposure that cannot be read or resampled is left out.

        Parameters
        ----------
        sources
            Exposures of one visit.
        target
            Pixel grid.
        matching
            How the warp is matched to a PSF of given width; not at all by default.

        Returns
        -------
        lsst.pipe.base.Struct
            ``direct``, the warp, or `None` without a valid pixel; ``psfMatched``, the
            same matched, or `None`, and ``reason``, why it could not be; ``rejected``:
            exposures that are not in it, with reasons.
        """
        visit = warp_visit(sources, target, PatchConfig(warp=self.config.toCore()))
        for rejection in visit.rejected:
            self.log.warning("Leaving out %s (%s): %s", rejection.id, rejection.stage, rejection.reason)
        matched, reason = None, ""
        if matching is not None and visit.warp is not None:
            matched, reason = CommonPsf.of((), target, matching).match(visit.warp)
            if matched is None:
                self.log.warning("Visit %d is not matched: %s", visit.warp.visit, reason)
        return Struct(direct=visit.warp, psfMatched=matched, reason=reason, rejected=visit.rejected)
