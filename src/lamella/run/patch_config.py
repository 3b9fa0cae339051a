"""The options of the work on a patch, and of whole runs."""

from __future__ import annotations

from typing import Literal, Self

import pydantic

from ..coadd.assemble_control import AssembleConfig
from ..coadd.select.select_control import SelectControl
from ..coadd.warp.warp_control import WarpControl
from ..config import Config, inherited, option
from ..formats.frame_control import FrameControl
from ..formats.read_control import ReadControl
from ..psf.match_control import MatchControl

__all__ = ("CoaddConfig", "PatchConfig", "StackConfig")


class PatchConfig(Config):
    """How the exposures of a patch become a coadd: all that changes the result.

    Where ``assemble`` has neither a method of rejection nor a statistic that somebody gave, its method is
    ``auto``: chosen from all exposures of a band.
    """

    select: SelectControl = option(SelectControl(), "Which exposures are used.")
    warp: WarpControl = option(WarpControl(), "How exposures are resampled.")
    match: MatchControl = option(
        MatchControl(), "How visits are matched to a common PSF, where they are compared or coadded so."
    )
    warp_type: Literal["direct", "psf_matched"] = option(
        "direct", "Which warps are combined: direct, or psf_matched, which all have the same PSF."
    )
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")

    @pydantic.field_validator("assemble")
    @classmethod
    def _choose_rejection(cls, assemble: AssembleConfig) -> AssembleConfig:
        if not assemble.leaves_rejection_open:
            return assemble
        return assemble.replace(reject=assemble.reject.left_open())

    def settled(self, method: Literal["none", "compare_warp"]) -> Self:
        """Return the options with the rejection that was chosen, where it is ``auto``."""
        return self.replace(assemble=self.assemble.settled(method))

    @property
    def needs_matched(self) -> bool:
        """Whether matched warps have to be made."""
        return self.warp_type == "psf_matched" or self.assemble.reject.method == "compare_warp"


class CoaddConfig(PatchConfig):
    """All that changes the result of ``lamella coadd``."""

    read: ReadControl = option(ReadControl(), "How exposures are read.")

    def patch_config(self) -> PatchConfig:
        """Return the part that the work on a patch needs."""
        return PatchConfig(**{name: getattr(self, name) for name in PatchConfig.model_fields})


class StackConfig(Config):
    """All that changes the result of ``lamella stack``; ``frames`` is for plain images."""

    warp_type: Literal["direct", "psf_matched"] = inherited(PatchConfig, "warp_type", default="direct")
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")
    frames: FrameControl = option(FrameControl(), "How plain images are read, and put on one scale.")

    @pydantic.field_validator("assemble")
    @classmethod
    def _refuse_choice(cls, assemble: AssembleConfig) -> AssembleConfig:
        assemble.require_settled()
        return assemble
