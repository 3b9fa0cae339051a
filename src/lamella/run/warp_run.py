"""One run that makes warps: plan, make what is not done."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..coadd.warp.pairs import CommonPsf
from ..data.coadd import Rejection
from ..data.exposure import ExposureSource
from ..data.origins import OriginSummary
from ..data.warp import Warp
from ..errors import InputError
from ..formats.archive.products import ArchiveWarp, read_product
from ..report.record import Skipped
from ..resources import Resources
from .contents import require_same_skymap, save_skymap
from .cost import PatchCost, cost_of_warps
from .execute import run_jobs
from .exposure_run import ExposureRun
from .folder import hold_folder
from .jobs import PatchJob
from .memory import matching_bytes, matching_threads
from .outputs import PRODUCTS
from .patch import require_all, require_intact, visit_of, visits_of, warp_visit
from .patch_config import CoaddConfig
from .warp_files import Visit, WarpFiles

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
    origins: tuple[OriginSummary, ...] = ()
    """Where values of the exposures come from, as far as their reader chose or measured them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarpRun(ExposureRun):
    """The warps of exposures in a folder, as ``lamella warp`` makes them: a rerun continues."""

    output: Path
    """Folder of the warps."""
    config: CoaddConfig = dataclasses.field(default_factory=CoaddConfig)
    """All that changes the result; with ``warp_type="psf_matched"``, matched warps are made, too."""
    resources: Resources = dataclasses.field(default_factory=Resources)
    """Threads, and memory of the process."""
    compress: bool = False
    """Whether the files are compressed, without loss."""

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
        plan = self._plan(exposures)
        require_same_skymap(self.output, plan.skymap)
        with hold_folder(self.output, PRODUCTS) as folder, ThreadPoolExecutor(self.resources.threads) as pool:
            save_skymap(plan.skymap, folder)
            patches = [WarpFiles.of(folder, job, self.config, compress=self.compress) for job in plan.jobs]
            tasks = [(files, sources) for files in patches for sources in visits_of(files.job)]
            outcomes = run_jobs(tasks, self._make, pool)
            made = self.resources.counted("warping", outcomes, len(tasks))
            results = [outcome.unwrap() for outcome in made]
            if self.config.warp_type == "psf_matched":
                for files in patches:
                    visits = [result.visit for result in results if result.files is files and result.row]
                    results += self._match(files, visits)
        rejected = [rejection for job in plan.jobs for rejection in job.rejected]
        rejected += [rejection for result in results for rejection in result.rejected]
        return WarpRunRecord(
            tuple(sorted((result.row for result in results if result.row), key=lambda row: row.name)),
            (*plan.skipped, *(Skipped(f"{item.id} ({item.path})", item.reason) for item in sorted(rejected))),
            plan.origins,
        )

    def _cost(self, job: PatchJob, share: Resources) -> PatchCost:
        return cost_of_warps(job, self.config, share)

    def _is_done(self, job: PatchJob) -> bool:
        # Which warps are to be matched is known when all are made.
        if self.overwrite or self.config.warp_type != "direct":
            return False
        files = WarpFiles.of(self.output, job, self.config)
        return all(files.has(visit) for visit in files.states)

    def _make(self, task: tuple[WarpFiles, tuple[ExposureSource, ...]]) -> _Result:
        """Make the warp of a visit on a patch, unless it is there."""
        files, sources = task
        visit = visit_of(sources[0])
        if not self.overwrite and files.has(visit):
            return _Result(files, visit, _kept(files.path(visit)))
        resampled = warp_visit(sources, files.job.target(), self.config)
        if self.strict:
            require_all(resampled.rejected)
            require_intact(resampled.warp)
        row = None if resampled.warp is None else _written(resampled.warp, files)
        return _Result(files, visit, row, resampled.rejected)

    def _match(self, files: WarpFiles, visits: Sequence[Visit]) -> list[_Result]:
        """Match the warps of a patch that are on disk to a PSF that follows from all of them."""
        if not visits:
            return []
        warps = [ArchiveWarp(files.path(visit)) for visit in visits]
        detectors = [detector for warp in warps for detector in warp.detectors]
        target, control = files.job.target(), self.config.match
        common = CommonPsf.of(detectors, target, control)

        def match(source: ArchiveWarp) -> _Result:
            visit = source.instrument, source.visit
            path = files.path(visit, common.psf)
            if not self.overwrite and files.has(visit, common.psf):
                return _Result(files, visit, _kept(path))
            warp = read_product(source.path)
            if not isinstance(warp, Warp):
                raise InputError(source.path, found="a coadd", expected="a warp")
            matched, reason = common.match(warp)
            if matched is not None:
                return _Result(files, visit, _written(matched, files))
            path.unlink(missing_ok=True)  # it would be taken for one that belongs to the others
            rejected = tuple(Rejection(d.id, d.path, "match", reason) for d in warp.detectors)
            return _Result(files, visit, rejected=rejected)

        pixels = target.outer_bbox.area
        need = matching_bytes(common.fwhm, control, target.outer_bbox) + _PER_WARP_PIXEL * pixels
        with ThreadPoolExecutor(matching_threads(self.resources, 0, need)) as pool:
            matched = self.resources.counted("matching", run_jobs(warps, match, pool), len(warps))
            return [outcome.unwrap() for outcome in matched]


@dataclasses.dataclass(frozen=True)
class _Result:
    """The warp of a visit on a patch, or why exposures are not in it."""

    files: WarpFiles
    visit: Visit
    row: WarpRow | None = None
    rejected: tuple[Rejection, ...] = ()


def _kept(path: Path) -> WarpRow:
    return WarpRow(path.name, "kept")


def _written(warp: Warp, files: WarpFiles) -> WarpRow:
    """Write a warp, direct or matched, and return its row."""
    files.write(warp)
    path = files.path((warp.instrument, warp.visit), warp.matched_psf)
    good = sum(detector.good_pixels for detector in warp.detectors)
    return WarpRow(path.name, str(len(warp.detectors)), str(good))
