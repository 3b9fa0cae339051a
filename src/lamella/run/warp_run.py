"""One run of ``lamella warp``: plan, make what is not done, report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..coadd.warp.psfmatch import match_warp, patch_target_psf, target_fwhm
from ..data.coadd import Rejection
from ..data.exposure import ExposureSource
from ..data.warp import Warp
from ..errors import InputError, NoInputsError, PsfMatchError
from ..formats.archive.products import ArchiveWarp, read_product
from ..report.console import skipped_table
from ..report.record import Skipped
from ..resources import Resources
from .choose_grid import GridOptions, choose_skymap
from .coadd_run import find_exposures
from .execute import run_jobs
from .fingerprint import matched_fingerprint, warp_fingerprint
from .folder import hold_folder
from .jobs import PatchJob, plan_jobs
from .memory import matching_bytes, matching_threads
from .outputs import PRODUCTS, save_skymap, warp_is_finished, warp_path, write_warp
from .patch import visits_of, warp_visit
from .patch_config import CoaddConfig

__all__ = ("WarpRun",)

_PER_WARP_PIXEL = 24
"""A warp that was read to be matched, and the archive of the matched one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarpRun:
    """One run of the command, with its options understood."""

    output: Path
    config: CoaddConfig
    grid: GridOptions = dataclasses.field(default_factory=GridOptions)
    resources: Resources = dataclasses.field(default_factory=Resources)
    format: str | None = None
    bands: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    compress: bool = False
    overwrite: bool = False

    def __call__(self, exposures: Sequence[Path]) -> None:
        """Make the warps of some exposures that are not done, and tell what became of each.

        Raises
        ------
        NoInputsError
            Raised when there are no exposures, or no warp could be made.
        OutputError
            Raised when the warps cannot be written; what is finished stays.
        """
        config = self.config
        inputs = find_exposures(exposures, self.format, config, leave_out=self.output)
        skymap = choose_skymap(self.grid, [source.info for source in inputs.sources])
        jobs = plan_jobs(inputs.sources, skymap, config.select, bands=self.bands, patches=self.patches)
        tasks = [
            _Task(dataclasses.replace(job, reading=config.read.to_dict()), visit)
            for job in jobs
            for visit in visits_of(job)
        ]
        with hold_folder(self.output, PRODUCTS) as folder, ThreadPoolExecutor(self.resources.threads) as pool:
            save_skymap(skymap, folder)
            work = _WarpWork(folder, config, self.compress, self.overwrite)
            made = [outcome.unwrap() for outcome in run_jobs(tasks, work, pool)]
            if config.warp_type == "psf_matched":
                made += [row for job in jobs for row in _match(job, made, work, self.resources)]
        rejected = [one for job in jobs for one in job.rejected]
        rejected += [one for part in made for one in part.rejected]
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


def _match(job: PatchJob, rows: Sequence[_WarpRow], work: _WarpWork, resources: Resources) -> list[_WarpRow]:
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

    need = matching_bytes(fwhm, control, target.outer_bbox) + _PER_WARP_PIXEL * target.outer_bbox.area
    with ThreadPoolExecutor(matching_threads(resources, 0, need)) as pool:
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
