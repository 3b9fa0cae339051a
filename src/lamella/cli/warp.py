"""``lamella warp``: from exposures to warps."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..coadd.archive import Rejection, Warp
from ..coadd.inputs import ExposureSource
from ..coadd.psfmatch import match_warp, patch_target_psf, target_fwhm
from ..errors import InputError, NoInputsError, PsfMatchError
from ..formats.archives import ArchiveWarp, read_product
from ..report.console import skipped_table
from ..report.record import Skipped
from ..run.execute import run_jobs
from ..run.fingerprint import matched_fingerprint, warp_fingerprint
from ..run.folder import hold_folder
from ..run.jobs import PatchJob, plan_jobs
from ..run.patch import visits_of, warp_visit
from .coadd import format_option
from .coadd_run import find_exposures
from .grid import GridOptions, choose_skymap, grid_options
from .options import (
    FileOptions,
    build_config,
    config_file_options,
    config_options,
    print_config,
    require,
)
from .outputs import PRODUCTS, save_skymap, warp_is_finished, warp_path, write_warp
from .settings import MATCH_OPTIONS, READ_OPTIONS, SELECT_OPTIONS, WARP_OPTIONS, CoaddConfig
from .workers import count_cores, workers_option

__all__ = ("command",)

_OPTIONS = (*WARP_OPTIONS, *MATCH_OPTIONS, *SELECT_OPTIONS, *READ_OPTIONS)


@click.command("warp")
@click.argument("exposures", nargs=-1, metavar="EXPOSURES...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the warps.  [required]")
@format_option
@grid_options
@click.option("--band", "bands", multiple=True, help="This band only. Can be repeated.")
@click.option("--patch", "patches", multiple=True, help='This patch only, e.g. "5,4". Can be repeated.')
@config_options(CoaddConfig, _OPTIONS)
@config_file_options
@workers_option
@click.option(
    "--compress/--no-compress", default=False, help="Compress the files, without loss.  [default: off]"
)
@click.option("--overwrite", is_flag=True, help="Make warps again that are done.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    exposures: tuple[Path, ...],
    output: Path,
    format_name: str | None,
    bands: tuple[str, ...],
    patches: tuple[str, ...],
    config_file: FileOptions,
    settings: tuple[str, ...],
    show_config: bool,
    workers: int | None,
    compress: bool,
    overwrite: bool,
    **given: Any,
) -> None:
    """Resample EXPOSURES to the pixels of the patches that they overlap: one warp per visit and patch.

    With --psf-matched, each gets a second one, which is matched to a PSF that
    suits all visits of the patch. A rerun makes only what is missing or whose
    inputs or options have changed.
    """
    grid = GridOptions.take(given)
    config = build_config(CoaddConfig, _OPTIONS, given=given, file=config_file, settings=settings)
    if show_config:
        print_config(ctx, config)
        return
    require(ctx, "exposures", "output")
    inputs = find_exposures(exposures, format_name, config, leave_out=output)
    skymap = choose_skymap(grid, [source.info for source in inputs.sources])
    jobs = plan_jobs(inputs.sources, skymap, config.select, bands=bands, patches=patches)
    tasks = [
        _Task(dataclasses.replace(job, reading=config.read.to_dict()), visit)
        for job in jobs
        for visit in visits_of(job)
    ]
    with hold_folder(output, PRODUCTS) as folder, ThreadPoolExecutor(workers or count_cores()) as pool:
        save_skymap(skymap, folder)
        work = _WarpWork(folder, config, compress, overwrite)
        made = [outcome.unwrap() for outcome in run_jobs(tasks, work, pool)]
        if config.warp_type == "psf_matched":
            made += [row for job in jobs for row in _match(job, made, work, pool)]
    rejected = [one for job in jobs for one in job.rejected] + [one for part in made for one in part.rejected]
    skipped = [Skipped(problem.path, str(problem.error)) for problem in inputs.problems]
    skipped += [Skipped(f"{one.id} ({one.path})", one.reason) for one in sorted(rejected)]
    _report(sorted((part for part in made if part.name), key=lambda part: part.name), skipped)


@dataclasses.dataclass(frozen=True)
class _Task:
    job: PatchJob
    visit: tuple[ExposureSource, ...]


@dataclasses.dataclass(frozen=True)
class _WarpRow:
    """What became of a task; without a name when there is no warp."""

    name: str = ""
    detectors: str = ""
    pixels: str = ""
    rejected: tuple[Rejection, ...] = ()
    job: str = ""
    stamp: str = ""


@dataclasses.dataclass(frozen=True)
class _WarpWork:
    folder: Path
    config: CoaddConfig
    compress: bool
    overwrite: bool

    def __call__(self, task: _Task) -> _WarpRow:
        identity = task.visit[0].info.id
        path = warp_path(self.folder, task.job, identity.instrument, identity.visit)
        stamp = warp_fingerprint(task.job, task.visit, self.config)
        if not self.overwrite and warp_is_finished(path, stamp):
            return _WarpRow(path.name, "kept", job=task.job.name, stamp=stamp)
        made = warp_visit(task.visit, task.job.target(), self.config)
        if made.warp is None:
            return _WarpRow(rejected=made.rejected)
        write_warp(made.warp, path, stamp, compress=self.compress)
        row = _row(made.warp, path)
        return dataclasses.replace(row, rejected=made.rejected, job=task.job.name, stamp=stamp)


def _row(warp: Warp, path: Path) -> _WarpRow:
    good = sum(detector.good_pixels for detector in warp.detectors)
    return _WarpRow(path.name, str(len(warp.detectors)), str(good))


def _match(job: PatchJob, rows: Sequence[_WarpRow], work: _WarpWork, pool: Executor) -> list[_WarpRow]:
    """Match the warps of a patch that are on disk to a PSF that follows from all of them."""
    mine = [row for row in rows if row.job == job.name]
    if not mine:
        return []
    target, control = job.target(), work.config.match
    warps = [ArchiveWarp(work.folder / row.name) for row in mine]
    detectors = [detector for warp in warps for detector in warp.detectors]
    fwhm = target_fwhm(detectors, target.projection, target.outer_bbox, control)
    psf = patch_target_psf(fwhm, target.outer_bbox, control)

    def match(task: tuple[_WarpRow, ArchiveWarp]) -> _WarpRow:
        row, source = task
        path = warp_path(work.folder, job, source.instrument, source.visit, matched=True)
        stamp = matched_fingerprint(row.stamp, psf, work.config)
        if not work.overwrite and warp_is_finished(path, stamp):
            return _WarpRow(path.name, "kept")
        warp = read_product(source.path)
        if not isinstance(warp, Warp):
            raise InputError(source.path, found="a coadd", expected="a warp")
        try:
            matched = match_warp(warp, psf, control)
        except PsfMatchError as err:
            path.unlink(missing_ok=True)  # it would be taken for one that belongs to the others
            return _WarpRow(
                rejected=tuple(Rejection(d.id, d.path, "match", str(err)) for d in warp.detectors)
            )
        write_warp(matched, path, stamp, compress=work.compress)
        return _row(matched, path)

    return [outcome.unwrap() for outcome in run_jobs(list(zip(mine, warps, strict=True)), match, pool)]


def _report(rows: Sequence[_WarpRow], skipped: Sequence[Skipped]) -> None:
    if skipped:
        Console(stderr=True).print(skipped_table(skipped, title="Skipped"))
    if not rows:
        raise NoInputsError("No warp was made: no exposure has valid data on a chosen patch.")
    table = Table("warp", "detectors", "pixels with data", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.name, row.detectors, row.pixels)
    Console().print(table)
