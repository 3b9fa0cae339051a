"""Exposures to coadds in one call, for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..coadd.reject.reject import Findings
from ..data.coadd import PatchCoadd
from ..data.exposure import ExposureSource
from ..resources import Resources
from ..sky.field import skymap_from_exposures
from ..sky.skymap import SkyMap
from .jobs import plan_jobs
from .patch import PatchWork, make_patch
from .patch_config import PatchConfig

__all__ = ("coadd_exposures",)


def coadd_exposures(
    exposures: Iterable[ExposureSource],
    skymap: SkyMap[Any] | None = None,
    config: PatchConfig | None = None,
    *,
    bands: Iterable[str] = (),
    resources: Resources | None = None,
    on_findings: Callable[[Findings], None] | None = None,
) -> Iterator[PatchCoadd]:
    """Make the coadds of some exposures: one per band and patch.

    They have the same bits as those of ``lamella coadd``.

    Parameters
    ----------
    exposures
        What `lamella.formats.recognise.open_exposures` found, or sources of your own.
    skymap
        Tracts and patches; by default one tract around the exposures.
    config
        Which exposures are used, and how.
    bands
        Make coadds of these bands only; empty means all.
    resources
        Threads and memory; the results do not depend on them.
    on_findings
        Called for each coadd, before it is given, with the artifacts that were
        found; `lamella.ArtifactMasks.of` puts both together.

    Yields
    ------
    PatchCoadd
        Sorted by band, tract and patch; each is made when it is asked for.

    Raises
    ------
    NoInputsError
        Raised when there are no exposures, or none is left for a patch.
    """
    sources = tuple(exposures)
    config = config or PatchConfig()
    if skymap is None:
        skymap = skymap_from_exposures(source.info for source in sources)
    work = PatchWork(resources=resources or Resources(), on_findings=on_findings)
    for job in plan_jobs(sources, skymap, config.select, bands=bands):
        yield make_patch(job, config, work)
