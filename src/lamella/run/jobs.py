"""What there is to do: one job per band and patch."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..bands import band_key
from ..coadd.brightmask import BrightObjectCatalog
from ..coadd.reject.choice import RejectionChoice, choose_rejection
from ..coadd.select.select import select_exposures
from ..coadd.select.select_control import SelectControl
from ..data.coadd import Rejection
from ..data.exposure import ExposureSource
from ..data.inputs import CoaddTarget
from ..errors import LamellaError, NoInputsError, SkyMapError
from ..sky.skymap import SkyMap
from ..sky.tract import Patch, Tract
from ..suggestions import nearest
from ..texts import parse_whole

__all__ = ("PatchJob", "patch_target", "plan_jobs", "sources_by_patch")


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
    rejection: RejectionChoice | None = None
    """How artifacts are left out in this band, where the options leave that open."""
    bright_objects: BrightObjectCatalog | None = None
    reading: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Options with which the exposures are read, as plain values, for the record."""

    @property
    def name(self) -> str:
        """Name that is unique in a run, e.g. ``r-0-5,4``."""
        return f"{self.band}-{self.tract}-{self.patch[0]},{self.patch[1]}"

    def target(self) -> CoaddTarget:
        """Return the pixel grid of the coadd."""
        return patch_target(self.skymap, self.skymap[self.tract].patch(self.patch))


def patch_target(skymap: SkyMap[Any], patch: Patch) -> CoaddTarget:
    """Return a patch of a sky map as the pixel grid of a coadd."""
    return CoaddTarget(
        outer_bbox=patch.outer_bbox,
        projection=patch.projection,
        inner_bbox=patch.inner_bbox,
        skymap=skymap.name,
        tract=patch.tract,
        patch=patch.index,
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

    Raises
    ------
    GeometryError
        Raised when an exposure has no footprint on the sky.
    NoInputsError
        Raised when no exposure is in one of the ``bands``.
    SkyMapError
        Raised when there is no patch of such a name below the exposures.
    """
    wanted_bands, wanted_tracts, wanted_patches = set(bands), set(tracts), set(patches)
    _require_bands(wanted_bands, {source.info.band for source in sources})
    chosen = [s for s in sources if not wanted_bands or s.info.band in wanted_bands]
    patches_in_reach: list[Patch] = []
    jobs = []
    chosen.sort(key=lambda source: (source.info.band, source.info.id))
    for band, group in itertools.groupby(chosen, key=lambda source: source.info.band):
        planned = [
            (patch, _plan_patch(members, band, skymap, patch, select))
            for patch, members in sources_by_patch(tuple(group), skymap)
        ]
        # By all patches, also those that are not wanted: each must be as it is in the coadd of all.
        rejection = choose_rejection((patch, [s.info for s in job.sources]) for patch, job in planned)
        patches_in_reach += [patch for patch, _ in planned]
        for patch, job in planned:
            if wanted_tracts and patch.tract not in wanted_tracts:
                continue
            if wanted_patches and not {patch.label, str(patch.sequential)} & wanted_patches:
                continue
            jobs.append(dataclasses.replace(job, rejection=rejection))
    reached = [skymap[number] for number in sorted({patch.tract for patch in patches_in_reach})]
    for number in sorted(wanted_tracts - {tract.id for tract in reached}):
        numbers = ", ".join(str(tract.id) for tract in reached)
        raise SkyMapError(
            f"No exposure is on tract {number} of the sky map {skymap.name!r}; "
            f"the exposures are on {numbers or 'none'}.",
            tract=number,
        )
    for name in sorted(wanted_patches):
        if reached and not any(_has_patch(tract, name) for tract in reached):
            across, up = reached[0].n_patches
            raise SkyMapError(
                f"There is no patch {name!r} in tract {reached[0].id} of the sky map {skymap.name!r}; "
                f"its patches are '0,0' to '{across - 1},{up - 1}' (column, row).",
                patch=name,
            )
    return tuple(jobs)


def _require_bands(wanted: set[str], present: set[str]) -> None:
    """Raise a `NoInputsError` for bands that no exposure has."""
    absent = sorted(wanted - present)
    if not absent:
        return
    hint = nearest(absent[0], sorted(present))
    raise NoInputsError(
        f"No exposure is in band {', '.join(map(repr, absent))}; "
        f"there are {', '.join(map(repr, sorted(present, key=band_key)))}{hint or '.'}",
        bands=absent,
    )


def _has_patch(tract: Tract, name: str) -> bool:
    try:
        tract.patch(name if (index := parse_whole(name)) is None else index)
    except LamellaError:
        return False
    return True


def sources_by_patch[S: ExposureSource](
    sources: Sequence[S], skymap: SkyMap[Any]
) -> list[tuple[Patch, list[S]]]:
    """Return the patches that exposures overlap, each with these exposures."""
    members: dict[tuple[int, int], tuple[Patch, list[S]]] = {}
    for source in sources:
        for _, patches in skymap.find_tract_patches(source.info.footprint):
            for patch in patches:
                members.setdefault((patch.tract, patch.sequential), (patch, []))[1].append(source)
    return [members[key] for key in sorted(members)]


def _plan_patch(
    sources: Sequence[ExposureSource], band: str, skymap: SkyMap[Any], patch: Patch, control: SelectControl
) -> PatchJob:
    selection = select_exposures([source.info for source in sources], patch, control)
    kept = {info.id for info in selection.kept}
    return PatchJob(
        skymap=skymap,
        tract=patch.tract,
        patch=patch.index,
        band=band,
        sources=tuple(source for source in sources if source.info.id in kept),
        rejected=tuple(rejection.record() for rejection in selection.rejected),
    )
