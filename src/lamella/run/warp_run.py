"""One run that makes warps: plan, make what is not done."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..coadd.warp.pairs import CommonPsf
from ..data.coadd import Rejection
from ..data.exposure import ExposureSource
from ..data.warp import Warp
from ..errors import InputError
from ..formats.archive.products import ArchiveWarp, read_product
from ..report.record import Skipped
from ..resources import Resources
from .choose_grid import GridOptions
from .execute import run_jobs
from .fingerprint import matched_fingerprint, warp_fingerprint
from .folder import hold_folder
from .jobs import PatchJob
from .memory import matching_bytes, matching_threads
from .outputs import PRODUCTS, save_skymap, warp_is_finished, warp_path, write_warp
from .patch import visits_of, warp_visit
from .patch_config import CoaddConfig
from .plan import plan_run

__all__ = ("WarpRow", "WarpRun", "WarpRunRecord")

_PER_WARP_PIXEL = 24
"""A warp that was read to be matched, and the archive of the matched one."""


@dataclasses.dataclass(frozen=True)
class WarpRow:
    """A warp of a run, in words."""

    name: str
    """Name of its file."""
    detectors: str
    """Their number; ``kept`` of a warp that an earlier run had made."""
    pixels: str = ""
    """Number of pixels with data."""


@dataclasses.dataclass(frozen=True)
class WarpRunRecord:
    """What became of the exposures of a run."""

    warps: tuple[WarpRow, ...]
    """Sorted by name; those included that an earlier run had made."""
    skipped: tuple[Skipped, ...]
    """Files and exposures that are in no warp, and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarpRun:
    """The warps of exposures in a folder, as ``lamella warp`` makes them: a rerun continues."""

    output: Path
    """Folder of the warps."""
    config: CoaddConfig = dataclasses.field(default_factory=CoaddConfig)
    """All that changes the result; with ``warp_type="psf_matched"``, matched warps are made, too."""
    grid: GridOptions = dataclasses.field(default_factory=GridOptions)
    """Pixels, bands and patches; by default all, on one tract around the exposures."""
    resources: Resources = dataclasses.field(default_factory=Resources)
    """Threads, and memory of the process."""
    format: str | None = None
    """Name of the format of the exposures; `None` to recognise it."""
    compress: bool = False
    """Whether the files are compressed, without loss."""
    overwrite: bool = False
    """Whether warps are made again that are done."""

    def __call__(self, exposures: Sequence[Path]) -> WarpRunRecord:
        """Make the warps that are not done.

        Parameters
        ----------
        exposures
            Files, folders and tables of exposures.

        Returns
        -------
        WarpRunRecord
            All warps of the run, and what could not be used.

        Raises
        ------
        NoInputsError
            Raised when there are no exposures.
        OutputError
            Raised when the warps cannot be written; what is finished stays.
        """
        plan = plan_run(exposures, self.config, self.grid, format=self.format, leave_out=self.output)
        tasks = [(job, visit) for job in plan.jobs for visit in visits_of(job)]
        with hold_folder(self.output, PRODUCTS) as folder, ThreadPoolExecutor(self.resources.threads) as pool:
            save_skymap(plan.skymap, folder)
            work = _WarpWork(folder, self.config, self.compress, self.overwrite)
            results = [outcome.unwrap() for outcome in run_jobs(tasks, work, pool)]
            if self.config.warp_type == "psf_matched":
                results += [
                    result for job in plan.jobs for result in _match(job, results, work, self.resources)
                ]
        rejected = [rejection for job in plan.jobs for rejection in job.rejected]
        rejected += [rejection for result in results for rejection in result.rejected]
        return WarpRunRecord(
            tuple(sorted((result.row for result in results if result.row), key=lambda row: row.name)),
            (*plan.skipped, *(Skipped(f"{item.id} ({item.path})", item.reason) for item in sorted(rejected))),
        )


@dataclasses.dataclass(frozen=True)
class _Result:
    """What became of a visit on a patch."""

    row: WarpRow | None = None
    rejected: tuple[Rejection, ...] = ()
    job: str = ""
    stamp: str = ""


@dataclasses.dataclass(frozen=True)
class _WarpWork:
    folder: Path
    config: CoaddConfig
    compress: bool
    overwrite: bool

    def __call__(self, task: tuple[PatchJob, tuple[ExposureSource, ...]]) -> _Result:
        job, visit = task
        identity = visit[0].info.id
        path = warp_path(self.folder, job, identity.instrument, identity.visit)
        stamp = warp_fingerprint(job, visit, self.config)
        if self.is_finished(path, stamp):
            return _Result(WarpRow(path.name, "kept"), job=job.name, stamp=stamp)
        resampled = warp_visit(visit, job.target(), self.config)
        if resampled.warp is None:
            return _Result(rejected=resampled.rejected)
        row = self.write(resampled.warp, path, stamp)
        return _Result(row, resampled.rejected, job.name, stamp)

    def is_finished(self, path: Path, stamp: str) -> bool:
        return not self.overwrite and warp_is_finished(path, stamp)

    def write(self, warp: Warp, path: Path, stamp: str) -> WarpRow:
        write_warp(warp, path, stamp, compress=self.compress)
        good = sum(detector.good_pixels for detector in warp.detectors)
        return WarpRow(path.name, str(len(warp.detectors)), str(good))


def _match(job: PatchJob, results: Sequence[_Result], work: _WarpWork, resources: Resources) -> list[_Result]:
    """Match the warps of a patch that are on disk to a PSF that follows from all of them."""
    direct = [(result.row.name, result.stamp) for result in results if result.row and result.job == job.name]
    if not direct:
        return []
    target, control = job.target(), work.config.match
    warps = [ArchiveWarp(work.folder / name) for name, _ in direct]
    detectors = [detector for warp in warps for detector in warp.detectors]
    common = CommonPsf.of(detectors, target, control)

    def match(task: tuple[ArchiveWarp, str]) -> _Result:
        source, direct_stamp = task
        path = warp_path(work.folder, job, source.instrument, source.visit, matched=True)
        stamp = matched_fingerprint(direct_stamp, common.psf, work.config)
        if work.is_finished(path, stamp):
            return _Result(WarpRow(path.name, "kept"))
        warp = read_product(source.path)
        if not isinstance(warp, Warp):
            raise InputError(source.path, found="a coadd", expected="a warp")
        matched, reason = common.match(warp)
        if matched is None:
            path.unlink(missing_ok=True)  # it would be taken for one that belongs to the others
            return _Result(rejected=tuple(Rejection(d.id, d.path, "match", reason) for d in warp.detectors))
        return _Result(work.write(matched, path, stamp))

    tasks = [(warp, stamp) for warp, (_, stamp) in zip(warps, direct, strict=True)]
    need = matching_bytes(common.fwhm, control, target.outer_bbox) + _PER_WARP_PIXEL * target.outer_bbox.area
    with ThreadPoolExecutor(matching_threads(resources, 0, need)) as pool:
        return [outcome.unwrap() for outcome in run_jobs(tasks, match, pool)]
