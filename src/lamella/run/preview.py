"""What a run would do: exposures, patches, and what that costs.  Nothing is written."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import shapely

from ..bands import band_key
from ..config import PlainValues
from ..data.exposure import ExposureSource
from ..data.inputs import CoaddTarget
from ..errors import LamellaError
from ..formats.measure import unmeasured
from ..report.record import Skipped
from ..resources import Resources
from ..sky.footprint import to_pixels
from .cost import START_SECONDS, PatchCost, measuring_seconds, wall_seconds
from .jobs import PatchJob
from .patch import visits_of
from .plan import RunPlan

__all__ = ("PatchPreview", "RunPreview", "preview_run")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchPreview(PlainValues):
    """What a run would make of a band on a patch."""

    name: str
    """As in the names of the files."""
    band: str
    tract: int
    patch: tuple[int, int]
    """Column and row."""
    width: int
    height: int
    """Pixels of the outer box."""
    exposures: int
    """Detector images that are selected."""
    visits: int
    covered: float
    """Part of the patch that the outlines of the exposures cover."""
    depth: float
    """Number of exposures over a pixel of the covered part, on average."""
    left_out: dict[str, int]
    """Number of exposures that are not selected, by the reason."""
    kept: bool
    """Whether an earlier run has made it with the same inputs and options."""
    warp_pixels: int
    cpu_seconds: float
    memory: float
    """MiB of the process."""
    disk: int
    """Bytes."""
    scratch: int
    """Bytes of warps that wait on disk meanwhile."""

    @property
    def label(self) -> str:
        """Tract and patch for people, e.g. ``"0 · 5,4"``."""
        return f"{self.tract} · {self.patch[0]},{self.patch[1]}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunPreview(PlainValues):
    """What a run would do."""

    skymap: str
    tracts: int
    """Tracts of the sky map."""
    exposures: int
    """All that were found."""
    bands: dict[str, int]
    """Number of exposures of each band."""
    patches: tuple[PatchPreview, ...]
    skipped: tuple[Skipped, ...]
    """Files that cannot be used, and why."""
    to_measure: int
    """Exposures whose PSF, noise or scale would be measured; the selection may change then."""
    cpu_seconds: float
    wall_seconds: float
    """On the cores that were asked for, if nobody else uses them."""
    memory: float
    """MiB of all processes together."""
    disk: int
    """Bytes of the products and of warps that wait on disk."""
    disk_free: int | None
    """Bytes that are free where the results would be."""
    notes: tuple[str, ...] = ()
    """What a person may not expect, and how artifacts would be left out where that is chosen."""


def preview_run(
    plan: RunPlan,
    cost: Callable[[PatchJob, Resources], PatchCost],
    is_done: Callable[[PatchJob], bool],
    resources: Resources,
    output: Path,
    notes: tuple[str, ...] = (),
) -> RunPreview:
    """Say what a run would do.

    Parameters
    ----------
    plan
        The plan, made without measuring.
    cost
        What the work on a patch costs with the resources of a process.
    is_done
        Whether the products of a job are there already.
    resources
        Threads and memory of the whole run.
    output
        Folder of the results; it need not exist.
    notes
        What else is to be said.
    """
    jobs = [job for job in plan.jobs if job.sources]
    done = {job.name for job in jobs if is_done(job)}
    processes = max(1, min(resources.threads, len(jobs) - len(done)))
    share = Resources(threads=max(1, resources.threads // processes), memory=resources.memory / processes)
    patches = tuple(_preview(job, cost(job, share), job.name in done) for job in jobs)
    to_do = [patch for patch in patches if not patch.kept]
    measured = unmeasured(plan.inputs.sources)
    measuring = measuring_seconds(sum(source.info.bbox.area for source in measured))
    cpu = [patch.cpu_seconds for patch in to_do]
    counts = Counter(source.info.band for source in plan.inputs.sources)
    heaviest = sorted((patch.memory for patch in to_do), reverse=True)[:processes]
    return RunPreview(
        skymap=plan.skymap.name,
        tracts=len(plan.skymap),
        exposures=len(plan.inputs),
        bands={band: counts[band] for band in sorted(counts, key=band_key)},
        patches=patches,
        skipped=plan.skipped,
        to_measure=len(measured),
        cpu_seconds=processes * START_SECONDS + measuring + sum(cpu),
        wall_seconds=START_SECONDS + measuring / resources.threads + wall_seconds(cpu, resources.threads),
        memory=sum(heaviest),
        disk=sum(patch.disk for patch in to_do) + sum(sorted(p.scratch for p in to_do)[-processes:]),
        disk_free=_free(output),
        notes=notes,
    )


def _preview(job: PatchJob, cost: PatchCost, kept: bool) -> PatchPreview:
    target = job.target()
    covered, depth = _coverage(job.sources, target)
    return PatchPreview(
        name=job.name,
        band=job.band,
        tract=job.tract,
        patch=job.patch,
        width=target.outer_bbox.x.size,
        height=target.outer_bbox.y.size,
        exposures=len(job.sources),
        visits=len(visits_of(job)),
        covered=covered,
        depth=depth,
        left_out=dict(Counter(rejection.reason for rejection in job.rejected)),
        kept=kept,
        warp_pixels=cost.warp_pixels,
        cpu_seconds=cost.cpu_seconds,
        memory=cost.memory,
        disk=cost.disk,
        scratch=cost.scratch,
    )


def _coverage(sources: Sequence[ExposureSource], target: CoaddTarget) -> tuple[float, float]:
    """Return the part of a patch that exposures cover, and how many there are over its pixels on average."""
    box = target.outer_bbox
    patch = shapely.box(box.x.start - 0.5, box.y.start - 0.5, box.x.stop - 0.5, box.y.stop - 0.5)
    parts = [patch.intersection(outline) for outline in (_outline(source, target) for source in sources)]
    union = shapely.union_all(parts).area
    return union / patch.area, sum(part.area for part in parts) / union if union else 0.0


def _outline(source: ExposureSource, target: CoaddTarget) -> shapely.Polygon:
    """Return the outline of an exposure in the pixels of a patch; nothing where that cannot be told."""
    try:
        x, y = to_pixels(target.projection, source.info.footprint.coords)
    except LamellaError:
        return shapely.Polygon()
    if not np.isfinite([x, y]).all():
        return shapely.Polygon()
    return shapely.make_valid(shapely.Polygon(np.column_stack([x, y])))


def _free(output: Path) -> int | None:
    """Return how many bytes are free where a folder is or would be."""
    for folder in (output, *output.absolute().parents):
        if folder.is_dir():
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                return None
    return None
