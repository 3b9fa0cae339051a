"""``lamella coadd``: from exposures to coadds, pictures and a page."""

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

from ..coadd.assemble import Resources
from ..coadd.versions import package_versions
from ..errors import LamellaError, NoInputsError, NoOverlapError
from ..files import make_folder
from ..formats.recognise import Inputs, open_exposures
from ..formats.regions import read_bright_objects
from ..formats.registry import known_formats
from ..report.console import skipped_table, summary_table
from ..report.page import write_page
from ..report.record import CoaddRecord, RunRecord, Skipped
from ..run.execute import Outcome, process_pool, run_jobs
from ..run.jobs import PatchJob, plan_jobs
from ..sky.skymap import SkyMap
from .grid import GridOptions, choose_skymap, grid_options
from .options import build_config, config_file_options, config_options
from .outputs import CoaddFiles, CoaddWork, finished_record, make_color_pictures
from .settings import COADD_OPTIONS, READ_OPTIONS, SELECT_OPTIONS, WARP_OPTIONS, CoaddConfig

__all__ = ("CoaddRun", "command", "count_cores")

_OPTIONS = (*COADD_OPTIONS, *SELECT_OPTIONS, *WARP_OPTIONS, *READ_OPTIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CoaddRun:
    """One run of the command, with its options understood."""

    output: Path
    config: CoaddConfig
    grid: GridOptions
    resources: Resources
    format: str | None = None
    bands: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    bright_objects: Path | None = None
    keep_warps: bool = False
    overwrite: bool = False
    quiet: bool = False
    command_line: str = ""

    def __call__(self, exposures: Sequence[Path]) -> tuple[CoaddRecord, ...]:
        """Make the coadds of some exposures, and the page of the run.

        Returns
        -------
        tuple of CoaddRecord
            All coadds of the run, those included that an earlier run had made.

        Raises
        ------
        NoInputsError
            Raised when no coadd could be made.
        """
        started, start = datetime.datetime.now(datetime.UTC), time.perf_counter()
        folder = make_folder(self.output)
        inputs = open_exposures(exposures, format=self.format, control=self.config.read)
        skymap = choose_skymap(self.grid, [source.info for source in inputs.sources])
        jobs = self._plan(inputs, skymap)
        skymap.save(folder / "skymap.json")
        records, failures = self._make(jobs, folder)
        colors = make_color_pictures(records, folder)
        run = RunRecord(
            title=folder.resolve().name,
            command=self.command_line,
            started=started.strftime("%Y-%m-%d %H:%M UTC"),
            seconds=time.perf_counter() - start,
            skymap=f"{skymap.name}, {len(skymap)} tract{'s' if len(skymap) != 1 else ''}",
            coadds=records,
            skipped=tuple(Skipped(p.path, str(p.error)) for p in inputs.problems),
            failures=failures,
            settings=self.config.to_dict(),
            versions=package_versions(),
            pictures=colors,
        )
        write_page(folder / "index.html", run)
        self._report(run, folder)
        if failures:
            sys.exit(1)
        return records

    def _plan(self, inputs: Inputs, skymap: SkyMap[Any]) -> tuple[PatchJob, ...]:
        jobs = plan_jobs(inputs.sources, skymap, self.config.select, bands=self.bands, patches=self.patches)
        if not jobs:
            bands = sorted({source.info.band for source in inputs.sources})
            raise NoOverlapError(
                f"None of the {len(inputs)} exposures (bands {', '.join(bands)}) overlaps a chosen patch "
                f"of the sky map {skymap.name!r}."
            )
        if self.bright_objects is None:
            return jobs
        catalog = read_bright_objects(self.bright_objects)
        return tuple(dataclasses.replace(job, bright_objects=catalog) for job in jobs)

    def _make(
        self, jobs: Sequence[PatchJob], folder: Path
    ) -> tuple[tuple[CoaddRecord, ...], tuple[Skipped, ...]]:
        config = self.config.patch_config()
        records: dict[str, CoaddRecord] = {}
        waiting = []
        for job in jobs:
            done = None if self.overwrite else finished_record(job, config, CoaddFiles(folder, job.name))
            if done is None:
                waiting.append(job)
            else:
                records[job.name] = done
        failures = []
        for outcome in self._run(waiting, folder):
            if outcome.result is not None:
                records[outcome.job.name] = outcome.result
            else:
                failures.append(Skipped(f"coadd {outcome.job.name}", _reason(outcome)))
        ordered = tuple(records[job.name] for job in jobs if job.name in records)
        return ordered, tuple(sorted(failures, key=lambda failure: failure.what))

    def _run(self, jobs: Sequence[PatchJob], folder: Path) -> Iterator[Outcome[PatchJob, CoaddRecord]]:
        workers = self.resources.threads
        with process_pool(workers, len(jobs)) as pool, self._progress() as progress:
            parallel = pool is not None
            visits = sum(len({source.info.id.visit for source in job.sources}) for job in jobs)
            task = progress.add_task("Coadding", total=len(jobs) if parallel else visits)

            def advance() -> None:
                progress.advance(task)

            processes = min(workers, max(1, len(jobs))) if parallel else 1
            work = CoaddWork(
                folder,
                self.config.patch_config(),
                # Patches side by side share the cores and the memory.
                Resources(threads=max(1, workers // processes), memory=self.resources.memory / processes),
                keep_warps=self.keep_warps,
                on_visit=None if parallel else advance,
            )
            for outcome in run_jobs(jobs, work, pool):
                if parallel:
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

    def _report(self, run: RunRecord, folder: Path) -> None:
        console = Console(stderr=True) if not sys.stdout.isatty() else Console()
        if run.coadds and not self.quiet:
            console.print(summary_table(run.coadds))
        for title, items in (("Skipped", run.skipped), ("Failed", run.failures)):
            if items:
                console.print(skipped_table(items, title=title))
        if not run.coadds:
            reasons = "; ".join(f"{failure.what}: {failure.reason}" for failure in run.failures)
            raise NoInputsError(f"No coadd was made. {reasons}")
        if not self.quiet:
            click.echo(f"Report: {folder / 'index.html'}")


def _reason(outcome: Outcome[Any, Any]) -> str:
    error = outcome.error
    return str(error) if isinstance(error, LamellaError) else f"{type(error).__name__}: {error}"


def _make_command_line() -> str:
    import shlex

    return shlex.join(["lamella", *sys.argv[1:]])


@click.command("coadd")
@click.argument("exposures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the results.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice([f.name for f in known_formats()]),
    help="Format of the exposures.  [default: recognised from the headers]",
)
@grid_options
@click.option("--band", "bands", multiple=True, help="Coadd this band only. Can be repeated.")
@click.option("--patch", "patches", multiple=True, help='Coadd this patch only, e.g. "5,4". Can be repeated.')
@click.option(
    "--bright-objects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="DS9 region file of bright objects, whose masks are painted on the coadds.",
)
@config_options(CoaddConfig, _OPTIONS)
@config_file_options
@click.option(
    "--workers", type=click.IntRange(1), help="Patches or tiles worked on at a time.  [default: cores]"
)
@click.option(
    "--memory",
    type=click.FloatRange(16),
    default=2048.0,
    show_default=True,
    help="Memory for pixels, in MiB.",
)
@click.option("--keep-warps", is_flag=True, help="Write the warps, too.")
@click.option("--overwrite", is_flag=True, help="Make coadds again that are done.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def command(
    exposures: tuple[Path, ...],
    output: Path,
    format_name: str | None,
    bands: tuple[str, ...],
    patches: tuple[str, ...],
    bright_objects: Path | None,
    config_values: dict[str, Any],
    settings: tuple[str, ...],
    workers: int | None,
    memory: float,
    keep_warps: bool,
    overwrite: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Coadd EXPOSURES: one coadd per band and patch of a sky map.

    EXPOSURES are files, folders, or tables of exposures (CSV or ECSV). A rerun
    makes only what is missing or whose inputs or options have changed.
    """
    grid = GridOptions.take(given)
    run = CoaddRun(
        output=output,
        config=build_config(CoaddConfig, _OPTIONS, given=given, nested=config_values, settings=settings),
        grid=grid,
        resources=Resources(threads=workers or count_cores(), memory=memory),
        format=format_name,
        bands=bands,
        patches=patches,
        bright_objects=bright_objects,
        keep_warps=keep_warps,
        overwrite=overwrite,
        quiet=quiet,
        command_line=_make_command_line(),
    )
    run(exposures)


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
