"""The options of the work on a patch."""

from __future__ import annotations

from typing import Literal

from ..coadd.assemble_control import AssembleConfig
from ..coadd.select.select_control import SelectControl
from ..coadd.warp.warp_control import WarpControl
from ..config import Config, option
from ..psf.match_control import MatchControl

__all__ = ("PatchConfig",)


class PatchConfig(Config):
    """How the exposures of a patch become a coadd: all that changes the result."""

    select: SelectControl = option(SelectControl(), "Which exposures are used.")
    warp: WarpControl = option(WarpControl(), "How exposures are resampled.")
    match: MatchControl = option(
        MatchControl(), "How visits are matched to a common PSF, where they are compared or coadded so."
    )
    warp_type: Literal["direct", "psf_matched"] = option(
        "direct", "Which warps are combined: direct, or psf_matched, which all have the same PSF."
    )
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")

    @property
    def needs_matched(self) -> bool:
        """Whether matched warps have to be made."""
        return self.warp_type == "psf_matched" or self.assemble.reject.method == "compare_warp"
