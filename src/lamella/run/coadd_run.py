"""One run that makes coadds: plan, make what is not done, write the page."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from ..bands import band_key
from ..coadd.versions import package_versions
from ..errors import ClusterError, LamellaError, NoCoverageError, NoOverlapError, OutputError
from ..fits.datasum import STALE_SUM
from ..formats.regions import read_bright_objects
from ..kernels.watch import watch
from ..report.page import write_page
from ..report.record import CoaddRecord, RunRecord, Skipped
from ..resources import Resources
from .attempts import Attempts
from .contents import find_earlier, require_same_skymap, save_skymap
from .cost import PatchCost, cost_of_patch
from .dask_cluster import DaskCluster, open_cluster
from .events import Relay
from .execute import Outcome, run_in_processes
from .exposure_run import ExposureRun
from .folder import hold_folder
from .jobs import PatchJob
from .outputs import PRODUCTS, CoaddWork, Earlier, StagedWork, find_finished, make_color_pictures
from .patch import is_lost
from .plan import RunPlan
from .progress import Progress, ProgressCounter
from .rejection import settled_config, told_rejections
from .scratch import scratch_folder

__all__ = ("CoaddRun",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoaddRun(ExposureRun):
    """The coadds of exposures in a folder, as ``lamella coadd`` makes them: a rerun continues.

    ::

        record = CoaddRun(output=Path("coadds"), grid=GridOptions(bands=("r",)))([Path("exposures")])
    """

    output: Path
    """Folder of the coadds, their pictures and the page."""
    resources: Resources = dataclasses.field(default_factory=Resources)
    """Patches that are made at a time, or threads of a single one; memory of all together."""
    strict: bool = False
    """Whether nothing is guessed or left out: a file that cannot be used, or a value that no header tells,
    ends the run, and an exposure whose pixels cannot be used its coadd."""
    bright_objects: Path | None = None
    """DS9 region file of bright objects, whose masks are painted on the coadds."""
    keep_warps: bool = False
    """Whether the warps are written, too."""
    command_line: str = ""
    """Told on the page."""
    dask: str | None = None
    """Address or scheduler file of a Dask cluster that makes the coadds.  Its workers see exposures and
    output under the same names; threads are theirs, and the memory of ``resources`` is that of each."""
    on_progress: Callable[[Progress], None] | None = None
    """Called with each step that is done, in any thread."""

    def __call__(self, exposures: Sequence[Path]) -> RunRecord:
        """Make the coadds that are not done, and the page of the run.

        Parameters
        ----------
        exposures
            Files, folders and tables of exposures.

        Returns
        -------
        RunRecord
            All coadds of the run, those included that an earlier run had made;
            and what could not be made or used, with reasons.

        Raises
        ------
        NoInputsError
            Raised when there are no exposures.
        NoOverlapError
            Raised when no exposure overlaps a chosen patch.
        OutputError
            Raised when the results cannot be written; what is finished stays.
        ClusterError
            Raised when the Dask cluster cannot be reached or used, or is gone; what is finished stays.
        """
        with contextlib.nullcontext() if self.dask is None else open_cluster(self.dask) as cluster:
            return self._run_on(cluster, exposures)

    def _plan(self, exposures: Sequence[Path], *, measure: bool = True) -> RunPlan:
        plan = super()._plan(exposures, measure=measure)
        if not plan.jobs:
            bands = sorted({source.info.band for source in plan.inputs.sources}, key=band_key)
            raise NoOverlapError(
                f"None of the {len(plan.inputs)} exposures (bands {', '.join(bands)}) overlaps a chosen "
                f"patch of the sky map {plan.skymap.name!r}."
            )
        if self.bright_objects is None:
            return plan
        objects = read_bright_objects(self.bright_objects)
        jobs = tuple(dataclasses.replace(job, bright_objects=objects) for job in plan.jobs)
        return dataclasses.replace(plan, jobs=jobs)

    def _cost(self, job: PatchJob, share: Resources) -> PatchCost:
        config = settled_config(job, self.config.patch_config())
        return cost_of_patch(job, config, share, keep_warps=self.keep_warps)

    def _is_done(self, job: PatchJob) -> bool:
        return self._finished(job, self.output).record is not None

    def _finished(self, job: PatchJob, folder: Path) -> Earlier:
        """Return the record of a coadd that need not be made again."""
        if self.overwrite:
            return Earlier()
        earlier = find_finished(job, self.config.patch_config(), folder, keep_warps=self.keep_warps)
        is_refused = self.strict and earlier.record is not None and _is_lenient(earlier.record)
        return Earlier() if is_refused else earlier

    def _notes(self, plan: RunPlan) -> tuple[str, ...]:
        return (*plan.notices, *told_rejections(plan.rejections, self.config.assemble))

    def _run_on(self, cluster: DaskCluster | None, exposures: Sequence[Path]) -> RunRecord:
        started, start = datetime.datetime.now(datetime.UTC), watch.clock()
        plan = self._plan(exposures)
        counter = ProgressCounter.of(plan.jobs, self.config.patch_config(), self.on_progress)
        skymap = plan.skymap
        require_same_skymap(self.output, skymap)
        with hold_folder(self.output, PRODUCTS) as folder:
            save_skymap(skymap, folder)
            damages: list[str] = []
            coadds, empty, failures = self._make(plan.jobs, folder, cluster, counter, damages)
            earlier = find_earlier(folder, {coadd.name for coadd in coadds}, skymap)
            listed = sorted((*coadds, *earlier.coadds), key=_place)
            record = RunRecord(
                title=folder.resolve().name,
                command=self.command_line,
                started=started.strftime("%Y-%m-%d %H:%M UTC"),
                skymap=f"{skymap.name}, {len(skymap)} tract{'s' if len(skymap) != 1 else ''}",
                coadds=coadds,
                origins=plan.origins,
                rejections=told_rejections(plan.rejections, self.config.assemble),
                notices=(*plan.notices, *damages),
                skipped=plan.skipped,
                empty=empty,
                failures=failures,
                settings=self.config.to_dict(),
                versions=package_versions(),
                pictures=make_color_pictures(listed, folder),
                seconds=watch.clock() - start - counter.compiled_elsewhere,
            )
            # The page lists all that the folder holds, the record what this run has to do with.
            skipped = (*record.skipped, *earlier.problems)
            write_page(
                folder / "index.html", dataclasses.replace(record, coadds=tuple(listed), skipped=skipped)
            )
        return record

    def _make(
        self,
        jobs: Sequence[PatchJob],
        folder: Path,
        cluster: DaskCluster | None,
        counter: ProgressCounter,
        damages: list[str],
    ) -> tuple[tuple[CoaddRecord, ...], tuple[Skipped, ...], tuple[Skipped, ...]]:
        """Return the coadds, and what became of the patches without data and of those that failed.

        What happened to files of earlier runs is added to ``damages``.
        """
        done: dict[str, CoaddRecord] = {}
        for job in jobs:
            earlier = self._finished(job, folder)
            if earlier.damage:
                damages.append(f"The coadd {job.name} was made again: {earlier.damage}.")
            if earlier.record is not None:
                done[job.name] = earlier.record
                counter.skip(job.name)
        empty: list[Skipped] = []
        failures: list[Skipped] = []
        undone = [job for job in jobs if job.name not in done]
        if cluster is None:
            outcomes = self._run(undone, folder, Relay(counter.step))
        else:
            outcomes = self._run_there(cluster, undone, folder, counter)
        # Whatever ends the run, what it began ends before its folder is free.
        with contextlib.closing(outcomes):
            for outcome in outcomes:
                name, error = outcome.job.name, outcome.error
                counter.finish(name)
                if outcome.result is not None:
                    done[name] = outcome.result
                elif isinstance(error, OutputError | ClusterError):
                    raise error  # the next ones could not be written either
                else:
                    reason = (
                        str(error) if isinstance(error, LamellaError) else f"{type(error).__name__}: {error}"
                    )
                    left_out = empty if isinstance(error, NoCoverageError) else failures
                    left_out.append(Skipped(f"coadd {name}", reason))
        # As tables and the page list them: sorted by patch within each band, from blue to red.
        listed = sorted(jobs, key=lambda job: band_key(job.band))
        records = tuple(done[job.name] for job in listed if job.name in done)
        return records, _sorted(empty), _sorted(failures)

    def _run(
        self, jobs: Sequence[PatchJob], folder: Path, relay: Relay
    ) -> Generator[Outcome[PatchJob, CoaddRecord]]:
        workers = self.resources.threads
        processes = min(workers, max(1, len(jobs)))
        work = CoaddWork(
            folder,
            self.config.patch_config(),
            # Patches side by side share the cores and the memory.
            Resources(threads=max(1, workers // processes), memory=self.resources.memory / processes),
            keep_warps=self.keep_warps,
            on_step=relay,
            strict=self.strict,
        )
        yield from run_in_processes(jobs, work, processes, relay)

    def _run_there(
        self, cluster: DaskCluster, jobs: Sequence[PatchJob], folder: Path, counter: ProgressCounter
    ) -> Generator[Outcome[PatchJob, CoaddRecord]]:
        """Have the coadds made by a cluster, and put each in its place."""
        work = CoaddWork(
            folder,
            self.config.patch_config(),
            self.resources,
            keep_warps=self.keep_warps,
            strict=self.strict,
        )
        staged = StagedWork.of(work, jobs)
        with (
            scratch_folder(folder.absolute()) as aside,
            contextlib.closing(
                cluster.run(jobs, staged, Attempts(aside), self.resources.memory, counter.step)
            ) as outcomes,
        ):
            for outcome in outcomes:
                record = None if outcome.result is None else outcome.result.put_in_place(folder)
                yield Outcome(outcome.job, record, outcome.error)


def _place(record: CoaddRecord) -> tuple[tuple[float, str], int, tuple[int, int]]:
    return band_key(record.summary.band), record.summary.tract, record.summary.patch


def _is_lenient(record: CoaddRecord) -> bool:
    """Return whether a strict run would not have made a coadd."""
    is_stale = any(note.startswith(STALE_SUM) for note in record.notes)
    return is_stale or any(is_lost(row["stage"], row["reason"]) for row in record.rejected)


def _sorted(items: Sequence[Skipped]) -> tuple[Skipped, ...]:
    return tuple(sorted(items, key=lambda item: item.what))
