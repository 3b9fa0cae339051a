"""The configuration of the commands that make coadds, and what they share."""

from __future__ import annotations

from typing import Protocol, Self

from ..coadd.assemble import AssembleConfig
from ..config import option
from ..errors import ConfigError
from ..formats.source import ReadControl
from ..run.jobs import PatchConfig

__all__ = (
    "COADD_OPTIONS",
    "MATCH_OPTIONS",
    "READ_OPTIONS",
    "SELECT_OPTIONS",
    "WARP_OPTIONS",
    "CoaddConfig",
    "settle_statistic",
)


class CoaddConfig(PatchConfig):
    """All that changes the result of ``lamella coadd``."""

    read: ReadControl = option(ReadControl(), "How exposures are read.")

    def patch_config(self) -> PatchConfig:
        """Return the part that the work on a patch needs."""
        return PatchConfig(**{name: getattr(self, name) for name in PatchConfig.model_fields})


class _Combining(Protocol):
    """The configuration of a command that combines warps."""

    @property
    def assemble(self) -> AssembleConfig: ...
    def replace(self, **changes: object) -> Self: ...


def settle_statistic[C: _Combining](config: C) -> C:
    """Return a configuration whose statistic is the one that is used: with a rejection of artifacts, MEAN.

    Raises
    ------
    ConfigError
        Raised when another statistic was asked for.
    """
    assemble = config.assemble
    method, statistic = assemble.reject.method, assemble.statistic
    if method == "none" or statistic == "MEAN":
        return config
    if "statistic" in assemble.model_fields_set:
        reason = (
            f"found {statistic}; with --reject {method.replace('_', '-')} artifacts are left out first, and "
            "the coadd is the MEAN of the rest: leave --statistic out, or say --reject none"
        )
        raise ConfigError(f"--statistic: {reason}.", option="statistic", found=statistic, reason=reason)
    return config.replace(assemble=assemble.replace(statistic="MEAN"))


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
    "assemble.bad_mask_planes",
    "assemble.fill_gaps",
    "assemble.correct_variance",
)
"""Options that have a name of their own on the command line; ``--set`` reaches all."""
