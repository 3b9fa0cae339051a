"""The configuration of the commands that make coadds, and what they share."""

from __future__ import annotations

from typing import Literal

from ..coadd.assemble_control import AssembleConfig
from ..config import Config, inherited, option
from ..formats.read_control import ReadControl
from ..run.patch_config import PatchConfig

__all__ = (
    "COADD_OPTIONS",
    "MATCH_OPTIONS",
    "READ_OPTIONS",
    "SELECT_OPTIONS",
    "WARP_OPTIONS",
    "CoaddConfig",
    "StackConfig",
)


class CoaddConfig(PatchConfig):
    """All that changes the result of ``lamella coadd``."""

    read: ReadControl = option(ReadControl(), "How exposures are read.")

    def patch_config(self) -> PatchConfig:
        """Return the part that the work on a patch needs."""
        return PatchConfig(**{name: getattr(self, name) for name in PatchConfig.model_fields})


class StackConfig(Config):
    """All that changes the result of ``lamella stack``."""

    warp_type: Literal["direct", "psf_matched"] = inherited(PatchConfig, "warp_type", default="direct")
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")


READ_OPTIONS = ("read.subtract_background", "read.background_mesh", "read.edge_width")
SELECT_OPTIONS = (
    "select.max_psf_fwhm",
    "select.min_psf_fwhm",
    "select.max_visits",
    "select.seeing_quantiles",
)
WARP_OPTIONS = ("warp.kernel", "warp.position_tolerance")
MATCH_OPTIONS = ("warp_type", "match.fwhm")
COADD_OPTIONS = (
    "assemble.reject.method",
    "assemble.statistic",
    "assemble.sigma_clip",
    "assemble.clip_iter",
    "assemble.flux_tolerance",
    "assemble.weights.rule",
    "assemble.bad_mask_planes",
    "assemble.fill_gaps",
    "assemble.correct_variance",
)
"""Options that have a name of their own on the command line; ``--set`` reaches all."""
