"""Resampling the exposures of a visit to the pixel grid of a tract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lsst.pex.config import Config, ConfigField, Field
from lsst.pipe.base import Struct

from ...coadd.inputs import CoaddTarget, ExposureSource
from ...coadd.resampling import WarpControl
from ...planes import plane_names
from ...run.jobs import PatchConfig
from ...run.patch import warp_visit
from ..cmdline.task import Task
from .fields import borrow, check_with_core

__all__ = ("WarpAndPsfMatchConfig", "WarpAndPsfMatchTask", "WarperConfig")

_NAMES = {
    "kernel": "warpingKernelName",
    "mask_kernel": "maskWarpingKernelName",
    "grow_full_mask": "growFullMask",
    "position_tolerance": "positionTolerance",
    "repair_width": "repairWidth",
}


class WarperConfig(Config):
    """How exposures are resampled; see `lamella.WarpControl`."""

    warpingKernelName = borrow(WarpControl, "kernel")
    maskWarpingKernelName = borrow(WarpControl, "mask_kernel")
    growFullMask = borrow(WarpControl, "grow_full_mask")
    positionTolerance = borrow(WarpControl, "position_tolerance")
    repairWidth = borrow(WarpControl, "repair_width")
    interpLength = Field[int]("Accepted for the sake of older files; positionTolerance decides", default=10)
    cacheSize = Field[int]("Accepted for the sake of older files; without effect", default=1_000_000)

    def validate(self) -> None:
        """Check the options one by one, and together as the core does."""
        super().validate()
        check_with_core(self, {**_NAMES, "": "maskWarpingKernelName"})

    def toCore(self) -> WarpControl:
        """Return the core's form of this."""
        return WarpControl(
            kernel=self.warpingKernelName,
            mask_kernel=self.maskWarpingKernelName,
            grow_full_mask=plane_names(self.growFullMask),
            position_tolerance=self.positionTolerance,
            repair_width=self.repairWidth,
        )


class WarpAndPsfMatchConfig(Config):
    """How exposures become warps."""

    warp: Any = ConfigField("How exposures are resampled", WarperConfig)


class WarpAndPsfMatchTask(Task):
    """Resamples the exposures of one visit, and merges them."""

    ConfigClass: ClassVar[type[Config]] = WarpAndPsfMatchConfig
    _DefaultName = "warpAndPsfMatch"
    config: WarpAndPsfMatchConfig

    def run(self, sources: Sequence[ExposureSource], target: CoaddTarget) -> Struct:
        """Make the warp of a visit; an exposure that cannot be read or resampled is left out.

        Parameters
        ----------
        sources
            Exposures of one visit.
        target
            Pixel grid.

        Returns
        -------
        lsst.pipe.base.Struct
            ``direct``, the warp, or `None` without a valid pixel; ``rejected``:
            exposures that are not in it, with reasons.
        """
        made = warp_visit(sources, target, PatchConfig(warp=self.config.warp.toCore()))
        for one in made.rejected:
            self.log.warning("Leaving out %s (%s): %s", one.id, one.stage, one.reason)
        return Struct(direct=made.warp, psfMatched=None, rejected=made.rejected)
