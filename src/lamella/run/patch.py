"""One patch from its exposures: read, warp, weigh, wait on disk if need be, assemble."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..coadd.archive import PatchCoadd, Rejection, Warp
from ..coadd.assemble import Resources, assemble
from ..coadd.inputs import CoaddTarget, Exposure, ExposureSource, WarpInput
from ..coadd.prepare import input_of, weigh
from ..coadd.warp import make_warp
from ..errors import InputError
from .jobs import PatchConfig, PatchJob
from .scratch import write_scratch

__all__ = ("PatchWork", "make_patch")

# Of the memory allowed, warps take this share before they go to disk; tiles get the rest.
_SHARE_OF_WARPS = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchWork:
    """Surroundings of the work on a patch; they do not change its result."""

    resources: Resources = dataclasses.field(default_factory=Resources)
    scratch: Path | None = None
    """Folder for warps that wait on disk; by default the system's folder for temporary files."""
    keep_warp: Callable[[Warp], None] | None = None
    """Called with each warp, e.g. to write it."""
    on_visit: Callable[[], None] | None = None
    """Called after each visit, e.g. to move a progress bar."""


def make_patch(job: PatchJob, config: PatchConfig, work: PatchWork | None = None) -> PatchCoadd:
    """Make the coadd of one band and patch.

    An exposure that cannot be read, does not touch the patch, or has no valid
    weight is left out and recorded with its reason.

    Parameters
    ----------
    job
        What to coadd.
    config
        How.
    work
        Threads, memory, folders and callbacks.

    Raises
    ------
    NoInputsError
        Raised when no exposure is left.
    """
    work = work or PatchWork()
    target = job.target()
    with tempfile.TemporaryDirectory(prefix="lamella-", dir=work.scratch) as folder:
        store = _WarpStore(job, config, work, target, Path(folder))
        inputs, rejected = store.make_inputs()
        coadd = assemble(
            inputs,
            config.assemble,
            target=target,
            bright_objects=job.bright_objects,
            rejected=(*job.rejected, *rejected),
            resources=work.resources,
        )
    coadd.settings.update(config.to_dict())
    return coadd


class _WarpStore:
    """Makes the inputs of a patch, and puts their pixels on disk when they are many."""

    def __init__(
        self, job: PatchJob, config: PatchConfig, work: PatchWork, target: CoaddTarget, folder: Path
    ) -> None:
        self._job = job
        self._config = config
        self._work = work
        self._target = target
        self._folder = folder
        visits = itertools.groupby(
            job.sources, key=lambda source: (source.info.id.instrument, source.info.id.visit)
        )
        self._visits = [tuple(group) for _, group in visits]
        # Decided beforehand, so that peak memory does not depend on chance.
        expected = 12 * target.outer_bbox.area * len(self._visits) / 2**20
        self._on_disk = expected > _SHARE_OF_WARPS * work.resources.memory

    def make_inputs(self) -> tuple[list[WarpInput], list[Rejection]]:
        """Make one input per visit."""
        inputs: list[WarpInput] = []
        rejected: list[Rejection] = []
        with ThreadPoolExecutor(self._work.resources.threads) as pool:
            for found, left_out in pool.map(self._make_input, self._visits):
                inputs += found
                rejected += left_out
                if self._work.on_visit is not None:
                    self._work.on_visit()
        return inputs, rejected

    def _make_input(self, sources: Sequence[ExposureSource]) -> tuple[list[WarpInput], list[Rejection]]:
        exposures, rejected = _read(sources)
        warp = None
        if exposures:
            target = self._target
            warp = make_warp(exposures, target.projection, target.outer_bbox, self._config.warp)
        if warp is None:
            reason = "no pixel of the patch is covered by valid data"
            rejected += [Rejection(e.info.id, e.info.path, "warp", reason) for e in exposures]
            return [], rejected
        if self._work.keep_warp is not None:
            self._work.keep_warp(warp)
        control = self._config.assemble
        weighed = weigh(input_of(warp), control.weights, control.bad_mask_planes)
        if not isinstance(weighed, WarpInput):
            return [], rejected + weighed
        if self._on_disk:
            path = self._folder / f"{warp.instrument}-{warp.visit}.warp".replace("/", "_")
            weighed = dataclasses.replace(weighed, source=write_scratch(weighed.source, path))
        return [weighed], rejected


def _read(sources: Sequence[ExposureSource]) -> tuple[list[Exposure], list[Rejection]]:
    exposures: list[Exposure] = []
    rejected: list[Rejection] = []
    for source in sources:
        try:
            exposures.append(source.read())
        except InputError as err:
            rejected.append(Rejection(source.info.id, source.info.path, "read", str(err)))
    return exposures, rejected
