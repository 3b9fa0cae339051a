"""One run that makes a coadd of warps in files."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lsst.images import TractFrame

from ..coadd.assemble import assemble
from ..coadd.reject.artifact_masks import ArtifactMasks, rejection_notes
from ..coadd.reject.reject import Findings
from ..coadd.stack.prepare import target_around
from ..coadd.summary import summarize
from ..coadd.warp.pairs import with_matched
from ..data.flux_unit import flux_unit_of
from ..data.inputs import CoaddTarget, WarpInput
from ..errors import ConfigError, DuplicateInputError, InputError, MixedBandsError, MixedUnitsError
from ..formats.archive.artifact_files import write_artifacts
from ..formats.archive.open_warp import WarpFile, open_warp
from ..formats.archive.write import write_archive, write_plain_fits
from ..report.record import CoaddRecord, coadd_record
from ..resources import Resources
from ..sky.projection import same_grid
from ..sky.registry import load_skymap
from .jobs import patch_target
from .memory import room_for_tiles
from .patch_config import StackConfig

__all__ = ("StackRun",)


_OTHER_FILES = 128
"""Open files that are left for everything else."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StackRun:
    """The coadd of warps in files, as ``lamella stack`` makes it."""

    output: Path
    """Archive to write."""
    config: StackConfig = dataclasses.field(default_factory=StackConfig)
    """All that changes the result."""
    plain: Path | None = None
    """Plain FITS file to write, too."""
    artifacts: Path | None = None
    """File of what was left out to write, where artifacts are looked for."""
    skymap: Path | None = None
    """Sky map that the warps were made on; with ``patch``."""
    patch: str | None = None
    """Patch that the coadd fills; by default the box around the warps."""
    resources: Resources = dataclasses.field(default_factory=Resources)
    """Threads, and memory of the process."""

    def __call__(self, warps: Iterable[Path]) -> CoaddRecord:
        """Combine warps, and write what was asked for.

        Returns
        -------
        CoaddRecord
            Numbers and warnings of the coadd, without pictures.

        Raises
        ------
        InputError
            Raised when a file is no warp, or does not go with the others.
        ConfigError
            Raised when the sky map and the patch do not go together.
        NoInputsError
            Raised when no warp has a valid weight.
        OutputError
            Raised when a result cannot be written.
        """
        sources = [open_warp(path) for path in sorted(set(warps))]
        _check_one_grid(sources)
        findings: list[Findings] = []
        with contextlib.ExitStack() as files:
            # Those that cannot be kept open are opened for each tile.
            for source in sources[: _files_to_keep(len(sources))]:
                files.enter_context(source)
            target = _choose_target(sources, self.skymap, self.patch)
            coadd = assemble(
                _inputs(sources, self.config),
                self.config.assemble,
                target=target,
                resources=room_for_tiles(self.resources, target.outer_bbox.area),
                on_findings=findings.append,
            )
        notes = rejection_notes(coadd.settings, coadd.removals)
        coadd = coadd.replace(notes=(*coadd.notes, *notes))
        write_archive(coadd, self.output, threads=self.resources.threads)
        if self.plain is not None:
            write_plain_fits(coadd, self.plain)
        masks = ArtifactMasks.of(coadd, findings[0])
        if self.artifacts is not None and masks is not None:
            write_artifacts(masks, self.artifacts)
        return coadd_record(coadd, summarize(coadd), pictures=())


def _files_to_keep(wanted: int) -> int:
    """Return how many files may be kept open; the limit of this process is raised where it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    needed = wanted + _OTHER_FILES
    if soft == unlimited or soft >= needed:
        return wanted
    soft = needed if hard == unlimited else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(soft - _OTHER_FILES, 0)


def _inputs(sources: Sequence[WarpFile], config: StackConfig) -> list[WarpInput]:
    """Put direct and matched warps of the same visits together."""
    direct = _by_visit(source for source in sources if source.matched_psf is None)
    matched = _by_visit(source for source in sources if source.matched_psf is not None)
    if config.warp_type == "psf_matched" or not direct:
        _check_visits(direct, matched, "a matched warp of this visit, too")
        warps = [source.as_input() for source in matched.values()]
        return [with_matched(warp, warp.source, warp.scale) for warp in warps]
    _check_visits(matched, direct, "a direct warp of this visit, too")
    inputs = {visit: source.as_input() for visit, source in direct.items()}
    if config.assemble.reject.method != "compare_warp":
        return list(inputs.values())
    return [
        with_matched(warp, matched[visit], warp.scale) if visit in matched else warp
        for visit, warp in inputs.items()
    ]


def _by_visit(sources: Iterable[WarpFile]) -> dict[tuple[str, int], WarpFile]:
    warps: dict[tuple[str, int], WarpFile] = {}
    for source in sources:
        other = warps.setdefault((source.instrument, source.visit), source)
        if other is not source:
            raise DuplicateInputError(
                source.path, found=f"two warps of this visit, with {other.path}", expected="one"
            )
    return warps


def _check_visits(
    warps: Mapping[tuple[str, int], WarpFile], needed: Mapping[tuple[str, int], WarpFile], expected: str
) -> None:
    for visit, source in warps.items():
        if visit not in needed:
            raise InputError(source.path, found="the only warp of its visit", expected=expected)


def _check_one_grid(sources: Sequence[WarpFile]) -> None:
    first = sources[0]
    for other in sources[1:]:
        if not same_grid(first.projection, other.projection, other.bbox):
            raise InputError(
                other.path, where="projection", found="another pixel grid", expected=f"that of {first.path}"
            )
        if other.band != first.band:
            raise MixedBandsError(
                other.path,
                where="band",
                found=f"{other.band!r} of {other.instrument} visit {other.visit}",
                expected=f"{first.band!r}, as {first.instrument} visit {first.visit} in {first.path} has it",
            )
        units = flux_unit_of(other.detectors), flux_unit_of(first.detectors)
        if units[0] != units[1]:
            raise MixedUnitsError(
                other.path, where="flux unit", found=str(units[0]), expected=f"{units[1]}, as in {first.path}"
            )


def _choose_target(sources: Sequence[WarpFile], path: Path | None, label: str | None) -> CoaddTarget:
    """Return the patch that was asked for, or the box around the warps."""
    first = sources[0]
    if path is None and label is None:
        return target_around([source.bbox for source in sources], first.projection)
    if path is None or label is None:
        raise ConfigError("--skymap and --patch go together.", option="patch")
    frame = first.projection.pixel_frame
    if not isinstance(frame, TractFrame):
        raise InputError(
            first.path, where="projection", found=f"a {type(frame).__name__}", expected="a tract"
        )
    skymap = load_skymap(path)
    target = patch_target(skymap, skymap[frame.tract].patch(label))
    if not same_grid(target.projection, first.projection, first.bbox):
        raise InputError(
            first.path, where="projection", found="another pixel grid", expected=f"that of {path}"
        )
    return target
