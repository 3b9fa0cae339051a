"""What there is to do: one job per band and patch."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..coadd.archive import Rejection
from ..coadd.assemble import AssembleConfig
from ..coadd.brightmask import BrightObjectCatalog
from ..coadd.inputs import CoaddTarget, ExposureSource
from ..coadd.select import SelectControl, select_exposures
from ..coadd.versions import package_versions
from ..coadd.warp import WarpControl
from ..config import Config, option
from ..sky.footprint import footprint_polygon
from ..sky.skymap import SkyMap
from ..sky.tract import Patch

__all__ = ("PatchConfig", "PatchJob", "fingerprint", "input_files", "plan_jobs")


class PatchConfig(Config):
    """How the exposures of a patch become a coadd: all that changes the result."""

    select: SelectControl = option(SelectControl(), "Which exposures are used.")
    warp: WarpControl = option(WarpControl(), "How exposures are resampled.")
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchJob:
    """One coadd to be made; can be sent to another process."""

    skymap: SkyMap[Any]
    tract: int
    patch: tuple[int, int]
    """Column and row of the patch in the tract."""
    band: str
    sources: tuple[ExposureSource, ...]
    """The selected exposures, in the order of their identities."""
    rejected: tuple[Rejection, ...] = ()
    """Exposures that overlap the patch and were not selected."""
    bright_objects: BrightObjectCatalog | None = None

    @property
    def name(self) -> str:
        """Name that is unique in a run, e.g. ``r-0-5,4``."""
        return f"{self.band}-{self.tract}-{self.patch[0]},{self.patch[1]}"

    def target(self) -> CoaddTarget:
        """Return the pixel grid of the coadd."""
        patch = self.skymap[self.tract].patch(self.patch)
        return CoaddTarget(
            outer_bbox=patch.outer_bbox,
            projection=patch.projection,
            inner_bbox=patch.inner_bbox,
            skymap=self.skymap.name,
            tract=self.tract,
            patch=self.patch,
        )


def plan_jobs(
    sources: Sequence[ExposureSource],
    skymap: SkyMap[Any],
    select: SelectControl,
    *,
    bands: Iterable[str] = (),
    tracts: Iterable[int] = (),
    patches: Iterable[str] = (),
) -> tuple[PatchJob, ...]:
    """Find the patches that the exposures overlap, and the exposures of each.

    Parameters
    ----------
    sources
        The exposures.
    skymap
        Tracts and patches.
    select
        Which exposures are used.
    bands, tracts, patches
        Restrict the plan; empty means all.

    Returns
    -------
    tuple of PatchJob
        Sorted by band, tract and patch.  A job may be without sources when all
        exposures of its patch were rejected; its ``rejected`` says why.
    """
    wanted_bands, wanted_tracts, wanted_patches = set(bands), set(tracts), set(patches)
    chosen = [s for s in sources if not wanted_bands or s.info.band in wanted_bands]
    jobs = []
    for band, group in itertools.groupby(sorted(chosen, key=_band_and_id), key=lambda s: s.info.band):
        members = tuple(group)
        for patch in _overlapped_patches(members, skymap):
            if wanted_tracts and patch.tract not in wanted_tracts:
                continue
            if wanted_patches and not {patch.label, str(patch.sequential)} & wanted_patches:
                continue
            jobs.append(_plan_patch(members, band, skymap, patch, select))
    return tuple(jobs)


def _band_and_id(source: ExposureSource) -> tuple[str, Any]:
    return (source.info.band, source.info.id)


def _overlapped_patches(sources: Sequence[ExposureSource], skymap: SkyMap[Any]) -> list[Patch]:
    found = {}
    for source in sources:
        for _, patches in skymap.find_tract_patches(footprint_polygon(source.info)):
            found |= {(patch.tract, patch.sequential): patch for patch in patches}
    return [found[key] for key in sorted(found)]


def _plan_patch(
    sources: Sequence[ExposureSource], band: str, skymap: SkyMap[Any], patch: Patch, control: SelectControl
) -> PatchJob:
    selection = select_exposures([source.info for source in sources], patch, control)
    kept = {info.id for info in selection.kept}
    # What does not touch the patch is no news to a person who gave a whole survey.
    rejected = tuple(one.record() for one in selection.rejected if one.code != "footprint")
    return PatchJob(
        skymap=skymap,
        tract=patch.tract,
        patch=patch.index,
        band=band,
        sources=tuple(source for source in sources if source.info.id in kept),
        rejected=rejected,
    )


def fingerprint(job: PatchJob, config: PatchConfig) -> str:
    """Return a text that differs when the coadd of a job would differ.

    It covers the pixel grid, the options, the versions of packages, and name, size
    and time of change of every input file.
    """
    files = sorted({file for source in job.sources for file in input_files(source)})
    content = {
        "grid": [job.skymap.identity, job.skymap.name, job.tract, *job.patch],
        "inputs": [[str(source.info.id), source.info.path] for source in job.sources],
        "files": [_file_state(file) for file in files],
        "rejected": [[str(r.id), r.reason] for r in job.rejected],
        "bright": [dataclasses.astuple(one) for one in job.bright_objects or ()],
        "config": config.to_dict(),
        "versions": package_versions(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def input_files(source: ExposureSource) -> tuple[str, ...]:
    """Return the files that an exposure is read from; at least the one that its description names."""
    return tuple(str(file) for file in getattr(source, "files", (source.info.path,)))


def _file_state(path: str) -> list[Any]:
    state = Path(path).stat()
    return [path, state.st_size, state.st_mtime_ns]
