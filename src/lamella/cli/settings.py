"""Options that have a name of their own on the command line; ``--set`` reaches all."""

from __future__ import annotations

__all__ = (
    "COADD_OPTIONS",
    "MATCH_OPTIONS",
    "READ_OPTIONS",
    "SELECT_OPTIONS",
    "WARP_OPTIONS",
)

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
