"""The artifacts of all visits of a coadd as a value: what a file of them holds, and pictures show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from lsst.images import Box, Image, SkyProjection

from ...data.coadd import PatchCoadd
from ...data.removals import Removal
from ...image.spans import Runs, SpanMask, no_runs, shared_runs
from .reject import Findings
from .scene import count_visits

__all__ = ("ArtifactMasks", "VisitMask", "rejection_notes")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class VisitMask:
    """The artifacts of one visit.

    Attributes
    ----------
    removal
        Identity of the visit, and how much of it was removed.
    planes
        What was or-ed into the mask of its warp, whether or not a pixel was
        masked before; it can be the ``alternate`` of a `lamella.WarpInput`.
    removed
        The pixels that were not masked before, and are not in the coadd.
    """

    removal: Removal
    planes: SpanMask
    removed: Runs


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ArtifactMasks:
    """The artifacts of all visits of a coadd.

    Attributes
    ----------
    band, skymap, tract, patch
        Identity of the coadd; ``patch`` is (x, y).
    method
        How they were found: ``"safe_clip"`` or ``"compare_warp"``.
    bbox
        Box of the coadd, in the tract's pixel frame.
    projection
        Tract pixels to ICRS.
    visits
        One mask per visit, in the order of their identities.
    before
        A part of the coadd as it would be with the artifacts in it; files do not have it.
    """

    band: str
    skymap: str
    tract: int
    patch: tuple[int, int]
    method: str
    bbox: Box
    projection: SkyProjection[Any]
    visits: tuple[VisitMask, ...]
    before: Image | None = None

    @classmethod
    def of(cls, coadd: PatchCoadd, findings: Findings) -> Self | None:
        """Put together what was found for a coadd; `None` if nothing was looked for.

        Parameters
        ----------
        coadd
            The coadd.
        findings
            What `lamella.assemble` gave to ``on_findings``.
        """
        if not findings.removals or coadd.sky_projection is None:
            return None
        return cls(
            band=coadd.band,
            skymap=coadd.skymap,
            tract=coadd.tract,
            patch=coadd.patch,
            method=str(coadd.settings["assemble"]["reject"]["method"]),
            bbox=coadd.bbox,
            projection=coadd.sky_projection,
            before=findings.before,
            visits=tuple(
                VisitMask(removal=removal, planes=planes, removed=removed)
                for removal, planes, removed in zip(
                    findings.removals, findings.artifacts, findings.removed, strict=True
                )
            ),
        )

    @property
    def removals(self) -> tuple[Removal, ...]:
        """How much of each visit was removed."""
        return tuple(visit.removal for visit in self.visits)

    @property
    def plane_names(self) -> tuple[str, ...]:
        """The mask planes that any visit has pixels on, sorted."""
        return tuple(sorted({name for visit in self.visits for name in visit.planes.planes}))

    def counts(self, plane: str | None = None) -> np.ndarray:
        """Return how many visits were removed at each pixel: int32 of shape (y, x).

        Parameters
        ----------
        plane
            Count only what was removed with this plane.
        """
        removed = (
            visit.removed
            if plane is None
            else shared_runs(visit.removed, visit.planes.planes.get(plane, no_runs()))
            for visit in self.visits
        )
        return count_visits(removed, self.bbox)


_SAFE_CLIP_LIMITS = (
    "safe_clip leaves what moves by less than its own width between visits, what touches an artifact of "
    "another visit, and all where there are only two visits, as a clipped mean of two leaves nothing out; "
    "it does not say where. compare_warp looks at each visit by itself."
)


def rejection_notes(settings: Mapping[str, Any], removals: Sequence[Removal]) -> tuple[str, ...]:
    """Return what a user should know of a method of rejection: what it cannot do, here or at all.

    Parameters
    ----------
    settings
        Those of a coadd, which hold the method that was asked for.
    removals
        One per visit.
    """
    method = settings.get("assemble", {}).get("reject", {}).get("method", "none")
    if method == "none" or not removals:
        return ()
    if len(removals) > 1:
        return (_SAFE_CLIP_LIMITS,) if method == "safe_clip" else ()
    only = removals[0]
    return (
        f"Artifacts were looked for ({method}), but {only.instrument} visit {only.visit} is the only visit: "
        "there is nothing to compare it with, and its artifacts stay.",
    )
