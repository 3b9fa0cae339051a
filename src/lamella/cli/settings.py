"""The configuration of the commands that make coadds, and what they share."""

from __future__ import annotations

from ..config import option
from ..formats.source import ReadControl
from ..run.jobs import PatchConfig

__all__ = ("COADD_OPTIONS", "READ_OPTIONS", "SELECT_OPTIONS", "WARP_OPTIONS", "CoaddConfig")


class CoaddConfig(PatchConfig):
    """All that changes the result of ``lamella coadd``."""

    read: ReadControl = option(ReadControl(), "How exposures are read.")

    def patch_config(self) -> PatchConfig:
        """Return the part that the work on a patch needs."""
        return PatchConfig(select=self.select, warp=self.warp, assemble=self.assemble)


READ_OPTIONS = ("read.subtract_background", "read.background_mesh", "read.edge_width")
SELECT_OPTIONS = ("select.max_psf_fwhm", "select.min_psf_fwhm")
WARP_OPTIONS = ("warp.kernel", "warp.position_tolerance")
COADD_OPTIONS = (
    "assemble.statistic",
    "assemble.sigma_clip",
    "assemble.clip_iter",
    "assemble.flux_tolerance",
    "assemble.bad_mask_planes",
    "assemble.fill_gaps",
)
"""Options that have a name of their own on the command line; ``--set`` reaches all."""
