"""One run of ``lamella coadd``: plan, make what is not done, report."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..coadd.versions import package_versions
from ..errors import GeometryError, LamellaError, NoCoverageError, NoInputsError, NoOverlapError, OutputError
from ..formats.recognise import InputProblem, Inputs, open_exposures
from ..formats.regions import read_bright_objects
from ..report.console import skipped_table, summary_table
from ..report.page import write_page
from ..report.record import CoaddRecord, RunRecord, Skipped
from ..resources import Resources
from ..sky.skymap import SkyMap
from .choose_grid import GridOptions, choose_skymap
from .execute import Outcome, run_in_processes
from .folder import hold_folder
from .jobs import PatchJob, plan_jobs
from .outputs import PRODUCTS, CoaddWork, finished_record, make_color_pictures, save_skymap
from .patch import visits_of
from .patch_config import CoaddConfig

__all__ = ("CoaddRun", "find_exposures")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoaddRun:
    """One run of the command, with its options understood."""

    output: Path
    config: CoaddConfig = dataclasses.field(default_factory=CoaddConfig)
    grid: GridOptions = dataclasses.field(default_factory=GridOptions)
    resources: Resources = dataclasses.field(default_factory=Resources)
    format: str | None = None
    bands: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    bright_objects: Path | None = None
    keep_warps: bool = False
    overwrite: bool = False
    quiet: bool = False
    command_line: str = ""

    def __call__(self, exposures: Sequence[Path]) -> RunRecord:
        """Make the coadds of some exposures that are not done, and the page of the run.

        Returns
        -------
        RunRecord
            All coadds of the run, those included that an earlier run had made;
            and what could not be made or used.

        Raises
        ------
        NoInputsError
            Raised when there are no exposures, or no coadd could be made.
        NoOverlapError
            Raised when no exposure overlaps a chosen patch.
        OutputError
            Raised when the results cannot be written; what is finished stays.
        """
        started, start = datetime.datetime.now(datetime.UTC), time.perf_counter()
        inputs = find_exposures(exposures, self.format, self.config, leave_out=self.output)
        skymap = choose_skymap(self.grid, [source.info for source in inputs.sources])
        jobs = self._plan(inputs, skymap)
        with hold_folder(self.output, PRODUCTS) as folder:
            save_skymap(skymap, folder)
            made = self._make(jobs, folder)
            run = RunRecord(
                title=folder.resolve().name,
                command=self.command_line,
                started=started.strftime("%Y-%m-%d %H:%M UTC"),
                skymap=f"{skymap.name}, {len(skymap)} tract{'s' if len(skymap) != 1 else ''}",
                coadds=made.records,
                skipped=tuple(Skipped(p.path, str(p.error)) for p in inputs.problems),
                failures=made.failures,
                notes=tuple(f"No {item.what}: {item.reason}" for item in made.empty),
                settings=self.config.to_dict(),
                versions=package_versions(),
                pictures=make_color_pictures(made.records, folder),
            )
            run = dataclasses.replace(run, seconds=time.perf_counter() - start)
            write_page(folder / "index.html", run)
        self._report(run, made.empty)
        return run

    def _plan(self, inputs: Inputs, skymap: SkyMap[Any]) -> tuple[PatchJob, ...]:
        jobs = plan_jobs(inputs.sources, skymap, self.config.select, bands=self.bands, patches=self.patches)
        if not jobs:
            bands = sorted({source.info.band for source in inputs.sources})
            raise NoOverlapError(
                f"None of the {len(inputs)} exposures (bands {', '.join(bands)}) overlaps a chosen patch "
                f"of the sky map {skymap.name!r}."
            )
        changes: dict[str, Any] = {"reading": self.config.read.to_dict()}
        if self.bright_objects is not None:
            changes["bright_objects"] = read_bright_objects(self.bright_objects)
        return tuple(dataclasses.replace(job, **changes) for job in jobs)

    def _make(self, jobs: Sequence[PatchJob], folder: Path) -> _Made:
        done: dict[str, CoaddRecord] = {}
        for job in jobs:
            record = None if self.overwrite else self._finished(job, folder)
            if record is not None:
                done[job.name] = record
        empty: list[Skipped] = []
        failures: list[Skipped] = []
        for outcome in self._run([job for job in jobs if job.name not in done], folder):
            if outcome.result is not None:
                done[outcome.job.name] = outcome.result
            elif isinstance(outcome.error, OutputError):
                raise outcome.error  # the next ones could not be written either
            else:
                out = empty if isinstance(outcome.error, NoCoverageError) else failures
                out.append(Skipped(f"coadd {outcome.job.name}", _reason(outcome.error)))
        records = tuple(done[job.name] for job in jobs if job.name in done)
        return _Made(records, _sorted(empty), _sorted(failures))

    def _finished(self, job: PatchJob, folder: Path) -> CoaddRecord | None:
        return finished_record(job, self.config.patch_config(), folder, keep_warps=self.keep_warps)

    def _run(self, jobs: Sequence[PatchJob], folder: Path) -> Iterator[Outcome[PatchJob, CoaddRecord]]:
        workers = self.resources.threads
        processes = min(workers, max(1, len(jobs)))
        with self._progress() as progress:
            visits = sum(len(visits_of(job)) for job in jobs)
            task = progress.add_task("Coadding", total=len(jobs) if processes > 1 else visits)

            def advance() -> None:
                progress.advance(task)

            work = CoaddWork(
                folder,
                self.config.patch_config(),
                # Patches side by side share the cores and the memory.
                Resources(threads=max(1, workers // processes), memory=self.resources.memory / processes),
                keep_warps=self.keep_warps,
                on_visit=None if processes > 1 else advance,
            )
            for outcome in run_in_processes(jobs, work, processes):
                if processes > 1:
                    advance()
                yield outcome

    @contextlib.contextmanager
    def _progress(self) -> Iterator[Progress]:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(
            *columns, console=console, transient=True, disable=self.quiet or not console.is_terminal
        ) as progress:
            yield progress

    def _report(self, run: RunRecord, empty: Sequence[Skipped]) -> None:
        console = Console(stderr=True)
        for title, items in (("Skipped", run.skipped), ("Without data", empty), ("Failed", run.failures)):
            if items:
                console.print(skipped_table(items, title=title))
        if not run.coadds:
            reasons = " ".join(f"{item.what}: {item.reason}" for item in (*run.failures, *empty))
            raise NoInputsError(f"No coadd was made. {reasons}")
        warnings = [
            Skipped(f"coadd {record.name}, {one.what}", one.reason)
            for record in run.coadds
            for one in record.warnings
        ]
        if warnings:
            console.print(skipped_table(warnings, title="Warnings"))
        if not self.quiet:
            Console(file=sys.stdout).print(summary_table(run.coadds))
            click.echo(f"Report: {self.output / 'index.html'}")


@dataclasses.dataclass(frozen=True)
class _Made:
    """What became of the jobs of a run."""

    records: tuple[CoaddRecord, ...]
    empty: tuple[Skipped, ...]
    """Coadds of patches in which no selected exposure has a valid pixel: there is nothing to make."""
    failures: tuple[Skipped, ...]


def find_exposures(
    paths: Sequence[Path], format: str | None, config: CoaddConfig, *, leave_out: Path | None = None
) -> Inputs:
    """Find the exposures in files and folders.

    Parameters
    ----------
    paths
        Files and folders.
    format
        Name of the format; `None` to recognise it.
    config
        Options, of which those of reading are used.
    leave_out
        Folder of results: that its files are no exposures is no news.

    Returns
    -------
    Inputs
        One whose place on the sky cannot be told is among the problems.

    Raises
    ------
    NoInputsError
        Raised when there is none.
    """
    # Absolute, because the coadds will name them.
    found = open_exposures([path.absolute() for path in paths], format=format, control=config.read)
    problems = [problem for problem in found.problems if not _is_below(problem.path, leave_out)]
    sources = []
    for source in found.sources:
        try:
            _ = source.info.footprint  # which is kept, and looked at again
        except GeometryError as err:
            problems.append(InputProblem(source.info.path, err))
        else:
            sources.append(source)
    if not sources:
        raise NoInputsError(f"No exposure has a place on the sky: {problems[0]}")
    return Inputs(tuple(sources), tuple(problems))


def _is_below(path: str, folder: Path | None) -> bool:
    return folder is not None and Path(path).absolute().is_relative_to(folder.absolute())


def _sorted(items: Sequence[Skipped]) -> tuple[Skipped, ...]:
    return tuple(sorted(items, key=lambda item: item.what))


def _reason(error: Exception | None) -> str:
    return str(error) if isinstance(error, LamellaError) else f"{type(error).__name__}: {error}"
