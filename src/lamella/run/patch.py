"""One patch from its exposures: read, warp, weigh, wait on disk if need be, assemble."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..causes import told_once
from ..coadd.assemble import assemble
from ..coadd.reject.artifact_masks import rejection_notes
from ..coadd.reject.reject import Findings
from ..coadd.stack.combination import Combine
from ..coadd.stack.prepare import input_of, target_around, weigh
from ..coadd.warp.information import exposure_information
from ..coadd.warp.resampling import covered_box
from ..coadd.warp.warp import make_warp
from ..data.coadd import PatchCoadd, Rejection
from ..data.exposure import Exposure, ExposureInfo, ExposureSource
from ..data.inputs import CoaddTarget, WarpInput, WarpSource
from ..data.warp import Warp
from ..data.weights import WeightProblem
from ..errors import InputError, LamellaError, NoCoverageError, NoInputsError, PsfMatchError
from ..fits.datasum import STALE_SUM
from ..resources import Resources
from .execute import interruptible_threads
from .jobs import PatchJob
from .match import match_inputs, use_matched
from .memory import BYTES_PER_WARP_PIXEL, expected_matching_bytes, room_for_tiles, room_for_warps
from .patch_config import PatchConfig
from .rejection import BandRejection
from .scratch import scratch_folder, write_scratch

__all__ = (
    "PatchWork",
    "VisitWarp",
    "is_lost",
    "make_patch",
    "require_all",
    "require_intact",
    "visit_of",
    "visits_of",
    "warp_area",
    "warp_visit",
)

_OUTSIDE = "no pixel of the patch is covered by its valid data"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchWork:
    """Surroundings of the work on a patch; they do not change its result."""

    resources: Resources = dataclasses.field(default_factory=Resources)
    scratch: Path | None = None
    """Folder for warps that wait on disk; by default the system's folder for temporary files."""
    keep_warp: Callable[[Warp], None] | None = None
    """Called with each warp, e.g. to write it; several threads may do so at a time."""
    keep_matched: Callable[[Warp], None] | None = None
    """The same for matched warps, which are made when this is given, or when the options need them."""
    on_visit: Callable[[], None] | None = None
    """Called after each visit, e.g. to move a progress bar."""
    on_findings: Callable[[Findings], None] | None = None
    """Called with the artifacts that were found in the visits, before they are combined."""
    strict: bool = False
    """Whether a selected exposure that cannot be used is an error, where it would be left out."""


@dataclasses.dataclass(frozen=True)
class VisitWarp:
    """What a visit gave to a patch."""

    warp: Warp | None
    """`None` when it has no valid pixel there."""
    rejected: tuple[Rejection, ...] = ()
    """Its exposures that are not in the warp, and why."""


def make_patch(
    job: PatchJob, config: PatchConfig, work: PatchWork | None = None, *, combine: Combine | None = None
) -> PatchCoadd:
    """Make the coadd of one band and patch.

    Where visits are to be compared, or coadded with the same PSF, each warp is
    also matched to a common PSF once all warps are made: then the widest PSF is
    known, and exposures are still read once.

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
    combine
        A statistic of one's own, as `lamella.assemble` takes it.

    Returns
    -------
    PatchCoadd
        The coadd, with the options of ``config`` and ``job`` among its settings.

    Raises
    ------
    NoInputsError
        Raised when no exposure is left; a `NoCoverageError` where that is because none that is selected has
        a valid pixel there.
    PsfMatchError
        Raised when visits are to be matched to a common PSF, and none has a PSF or can be matched.
    ConfigError
        Raised when the options leave the rejection open, and the job has no choice.
    OutputError
        Raised when the folder for scratch files cannot be written to, or the disk is full.
    """
    work = work or PatchWork()
    target = job.target()
    rejecting = BandRejection.of(config.assemble, job.rejection)
    config = config.replace(assemble=rejecting.config)
    with scratch_folder(work.scratch) as folder:
        maker = _PatchInputs(config, work, target, folder)
        inputs, rejected = maker.make(job)
        matching = None
        if inputs and maker.matches:
            try:
                matching = maker.match(inputs)
            except PsfMatchError as err:
                if config.warp_type == "psf_matched":
                    raise
                rejecting = rejecting.without_matches(err)
                config = config.replace(assemble=rejecting.config)
        if matching is not None:
            inputs, more = matching.inputs, matching.rejected
            rejected += more
        rejected = sorted((*job.rejected, *rejected))
        if not inputs:
            reasons = told_once((f"{item.id}: {item.reason.rstrip('.')}", item.path) for item in rejected)
            nothing_to_do = all(item.stage == "select" or item.reason == _OUTSIDE for item in rejected)
            error = NoCoverageError if rejected and nothing_to_do else NoInputsError
            raise error(f"No exposure is left: {'; '.join(reasons)}.")
        coadd = assemble(
            inputs,
            config.assemble,
            target=target,
            bright_objects=job.bright_objects,
            rejected=rejected,
            resources=room_for_tiles(work.resources, target.outer_bbox.area),
            on_findings=work.on_findings,
            combine=combine,
        )
    notes = rejection_notes(coadd.settings, coadd.removals)
    settings = {**coadd.settings, **config.to_dict(), **rejecting.settings}
    settings["assemble"] = coadd.settings["assemble"]  # with the name of a function of one's own
    if matching is not None:
        settings["matching"] = matching.summary
    if job.reading:
        settings["read"] = dict(job.reading)
    return coadd.replace(settings=settings, notes=(*coadd.notes, *notes, *rejecting.notes))


def visits_of(job: PatchJob) -> list[tuple[ExposureSource, ...]]:
    """Return the exposures of a job, one tuple per visit, in the order of their identities."""
    return [tuple(group) for _, group in itertools.groupby(job.sources, key=visit_of)]


def visit_of(source: ExposureSource) -> tuple[str, int]:
    """Return instrument and number of the visit of an exposure."""
    return source.info.id.instrument, source.info.id.visit


def warp_area(infos: Sequence[ExposureInfo], target: CoaddTarget) -> int:
    """Return how many pixels the warp of a visit holds at most."""
    try:
        covered = [covered_box(info, target.projection, target.outer_bbox) for info in infos]
    except LamellaError:  # told when it is resampled
        return target.outer_bbox.area
    boxes = [box for box in covered if box is not None]
    return target_around(boxes, target.projection).outer_bbox.area if boxes else 0


def warp_visit(sources: Sequence[ExposureSource], target: CoaddTarget, config: PatchConfig) -> VisitWarp:
    """Read the exposures of one visit and resample them to the pixels of a patch.

    An exposure that cannot be read or resampled is left out, and the others are used.
    """
    exposures: list[Exposure] = []
    rejected: list[Rejection] = []
    for source in sources:
        try:
            exposures.append(source.read())
        except (LamellaError, OSError) as err:
            rejected.append(Rejection(source.info.id, source.info.path, "read", str(err)))
    # Pixels that nobody else has may be changed.
    in_place = all(getattr(source, "reads_afresh", False) for source in sources)
    warp, failed = _warp(exposures, target, config, in_place=in_place)
    used = {detector.id for detector in warp.detectors} if warp is not None else set()
    rejected += failed
    told = used | {rejection.id for rejection in failed}
    for exposure in exposures:
        info = exposure.info
        if info.id in told:
            continue
        # Without an error: it has no weight, or no pixel here.
        information = exposure_information(exposure)
        weightless = information is WeightProblem.NOT_POSITIVE
        stage, reason = ("weight", str(information)) if weightless else ("warp", _OUTSIDE)
        rejected.append(Rejection(info.id, info.path, stage, reason))
    return VisitWarp(warp, tuple(sorted(rejected)))


def is_lost(stage: str, reason: str) -> bool:
    """Return whether an exposure was left out although it was selected and touches the patch."""
    return stage != "select" and reason != _OUTSIDE


def require_all(rejected: Sequence[Rejection]) -> None:
    """Check that nothing was left out but what does not touch the patch.

    Raises
    ------
    InputError
        Raised for the first exposure that cannot be used.
    """
    for rejection in rejected:
        if is_lost(rejection.stage, rejection.reason):
            reason = rejection.reason.removeprefix(f"{rejection.path}: ").rstrip(".")
            found = f"an exposure that cannot be used ({reason})"
            where = str(rejection.id)
            raise InputError(rejection.path, where=where, found=found, expected="all to be used (strict)")


def require_intact(warp: Warp | None) -> None:
    """Check that no exposure of a warp has pixels that differ from the DATASUM of their file.

    Raises
    ------
    InputError
        Raised for the first that has.
    """
    for detector in warp.detectors if warp is not None else ():
        for note in detector.notes:
            if note.startswith(STALE_SUM):
                where, expected = str(detector.id), "the same sum (strict)"
                raise InputError(detector.path, where=where, found=note.rstrip("."), expected=expected)


def _warp(
    exposures: Sequence[Exposure], target: CoaddTarget, config: PatchConfig, *, in_place: bool
) -> tuple[Warp | None, list[Rejection]]:
    """Make the warp of the exposures that can be warped."""

    def make(usable: Sequence[Exposure]) -> Warp | None:
        if not usable:
            return None
        return make_warp(usable, target.projection, target.outer_bbox, config.warp, in_place=in_place)

    try:
        return make(exposures), []
    except LamellaError as err:
        if len(exposures) == 1:
            info = exposures[0].info
            return None, [Rejection(info.id, info.path, "warp", str(err))]
    # One of them cannot be resampled; it must not take the others along.
    alone = [_warp([exposure], target, config, in_place=in_place) for exposure in exposures]
    failed = [rejection for _, rejections in alone for rejection in rejections]
    failed_ids = {rejection.id for rejection in failed}
    return make([exposure for exposure in exposures if exposure.info.id not in failed_ids]), failed


class _PatchInputs:
    """Makes the inputs of a patch, and puts the pixels of those on disk that memory has no room for."""

    def __init__(self, config: PatchConfig, work: PatchWork, target: CoaddTarget, folder: Path) -> None:
        self._config = config
        self._work = work
        self._target = target
        self._folder = folder
        self._in_memory: set[tuple[str, int]] = set()
        self._kept_bytes = 0

    def make(self, job: PatchJob) -> tuple[list[WarpInput], list[Rejection]]:
        """Make one input per visit, several visits at a time."""
        visits = visits_of(job)
        infos = [source.info for source in job.sources]
        target, largest = self._target, max((info.bbox.area for info in infos), default=0)
        matching = expected_matching_bytes(infos, target, self._config.match) if self.matches else 0
        room = room_for_warps(self._work.resources, target.outer_bbox.area, largest, matching)
        bytes_per_pixel = BYTES_PER_WARP_PIXEL * (2 if self.matches else 1)
        room //= bytes_per_pixel
        everything = target.outer_bbox.area * len(visits) <= room
        chosen = set()
        self._kept_bytes = 0
        for visit in visits:
            area = 0 if everything else warp_area([source.info for source in visit], target)
            if area <= room:
                held = target.outer_bbox.area if everything else area
                self._kept_bytes += held * bytes_per_pixel
                chosen.add(visit_of(visit[0]))
                room -= area
        self._in_memory = chosen
        inputs: list[WarpInput] = []
        rejected: list[Rejection] = []
        with interruptible_threads(self._work.resources.threads) as pool:
            per_visit = pool.map(self._make_input, visits)
            for accepted, left_out in self._work.resources.counted("warping", per_visit, len(visits)):
                inputs += accepted
                rejected += left_out
                if self._work.on_visit is not None:
                    self._work.on_visit()
        return inputs, rejected

    def _make_input(self, sources: Sequence[ExposureSource]) -> tuple[list[WarpInput], list[Rejection]]:
        visit = warp_visit(sources, self._target, self._config)
        if self._work.strict:
            require_all(visit.rejected)
            require_intact(visit.warp)
        if visit.warp is None:
            return [], list(visit.rejected)
        if self._work.keep_warp is not None:
            self._work.keep_warp(visit.warp)
        control = self._config.assemble
        weighed = weigh(input_of(visit.warp), control.weights, control.bad_mask_planes)
        if not isinstance(weighed, WarpInput):
            return [], [*visit.rejected, *weighed]
        stored = dataclasses.replace(weighed, source=self._put_away(weighed, weighed.source, "warp"))
        return [stored], list(visit.rejected)

    def _put_away(self, warp: WarpInput, source: WarpSource, kind: str) -> WarpSource:
        if warp.key in self._in_memory:
            return source
        path = self._folder / f"{warp.instrument}-{warp.visit}.{kind}".replace("/", "_")
        return write_scratch(source, path)

    @property
    def matches(self) -> bool:
        """Whether matched warps are made."""
        return self._config.needs_matched or self._work.keep_matched is not None

    def match(self, inputs: Sequence[WarpInput]) -> _MatchedInputs:
        """Match the inputs to a common PSF, and take the kind of warp that is to be combined."""
        config = self._config
        warps, matching = match_inputs(
            inputs,
            self._target,
            config.match,
            put_away=lambda warp, source: self._put_away(warp, source, "matched"),
            keep=self._work.keep_matched,
            resources=self._work.resources,
            kept=self._kept_bytes,
        )
        if matching.failed and not matching.records and config.assemble.reject.method == "compare_warp":
            reasons = "; ".join(told_once((reason.rstrip("."), "") for _, reason in matching.failed))
            raise PsfMatchError(f"No visit could be matched to a common PSF, to compare them: {reasons}.")
        rejected: list[Rejection] = []
        if config.warp_type == "psf_matched":
            assemble = config.assemble
            warps, rejected = use_matched(warps, matching, assemble.weights, assemble.bad_mask_planes)
        return _MatchedInputs(warps, rejected, matching.to_dict())


@dataclasses.dataclass(frozen=True)
class _MatchedInputs:
    """Inputs after the match, those without, and what a user should know of it."""

    inputs: list[WarpInput]
    rejected: list[Rejection]
    summary: dict[str, Any]
