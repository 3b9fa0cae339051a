"""``lamella stack``: from warps to a coadd."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from lsst.images import TractFrame
from rich.console import Console

from ..coadd.artifact_masks import ArtifactMasks, rejection_note
from ..coadd.assemble import AssembleConfig, Resources, assemble
from ..coadd.inputs import CoaddTarget, WarpInput
from ..coadd.prepare import target_around
from ..coadd.reject import Findings
from ..coadd.summary import summarize
from ..config import Config, inherited, option
from ..errors import ConfigError, DuplicateInputError, InputError, OutputError
from ..formats.artifacts import write_artifacts
from ..formats.export import write_archive, write_plain_fits
from ..formats.warps import open_warp
from ..report.console import skipped_table, summary_table
from ..report.record import coadd_record
from ..run.jobs import PatchConfig, patch_target
from ..sky.projection import same_grid
from ..sky.registry import load_skymap
from .options import (
    FileOptions,
    build_config,
    config_file_options,
    config_options,
    print_config,
    require,
)
from .settings import COADD_OPTIONS
from .workers import count_cores

if TYPE_CHECKING:
    from ..formats.afw.warps import AfwWarp
    from ..formats.archives import ArchiveWarp

    type _WarpFile = ArchiveWarp | AfwWarp

__all__ = ("command",)


_OTHER_FILES = 128
"""Open files that are left for everything else."""


_OPTIONS = (*COADD_OPTIONS, "warp_type")


class _StackConfig(Config):
    warp_type: Literal["direct", "psf_matched"] = inherited(PatchConfig, "warp_type", default="direct")
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")


@click.command("stack")
@click.argument("warps", nargs=-1, metavar="WARPS...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Archive to write.  [required]")
@click.option("--plain", type=click.Path(path_type=Path), help="Plain FITS file to write, too.")
@click.option(
    "--artifacts", type=click.Path(path_type=Path), help="File of what was left out to write, with --reject."
)
@click.option(
    "--skymap", type=click.Path(path_type=Path), help="Sky map that the warps were made on; with --patch."
)
@click.option("--patch", help='Patch that the coadd fills, e.g. "5,4".  [default: the box around the warps]')
@config_options(_StackConfig, _OPTIONS)
@config_file_options
@click.option(
    "--workers", type=click.IntRange(1), metavar="INTEGER", help="Number of threads.  [default: cores]"
)
@click.option(
    "--memory",
    type=click.FloatRange(16),
    metavar="NUMBER",
    default=2048.0,
    help="Memory for tiles of warps.  [default: 2048 MiB]",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    warps: tuple[Path, ...],
    output: Path,
    plain: Path | None,
    artifacts: Path | None,
    skymap: Path | None,
    patch: str | None,
    config_file: FileOptions,
    settings: tuple[str, ...],
    show_config: bool,
    workers: int | None,
    memory: float,
    overwrite: bool,
    **given: Any,
) -> None:
    """Combine WARPS of one band on one pixel grid into a coadd.

    The warps are those of `lamella warp` and `lamella coadd --keep-warps`, or of
    the C++ stack; only the parts that are being stacked are in memory. Of a visit,
    a direct warp and one that is matched to a common PSF can be given. The
    option --reject compare-warp compares the matched ones and combines the
    direct ones; with --psf-matched the matched ones are combined.
    """
    config = build_config(_StackConfig, _OPTIONS, given=given, file=config_file, settings=settings)
    if show_config:
        print_config(ctx, config)
        return
    require(ctx, "warps", "output")
    if artifacts is not None and config.assemble.reject.method == "none":
        raise ConfigError("--artifacts goes with --reject: none are looked for.", option="artifacts")
    for path in (output, plain, artifacts):
        if path is not None and path.exists() and not overwrite:
            raise OutputError(path, reason="it exists (use --overwrite)")
    sources = [open_warp(path) for path in sorted(set(warps))]
    _check_one_grid(sources)
    found: list[Findings] = []
    with contextlib.ExitStack() as files:
        # Those that cannot be kept open are opened for each tile.
        for source in sources[: _files_to_keep(len(sources))]:
            files.enter_context(source)
        coadd = assemble(
            _inputs(sources, config),
            config.assemble,
            target=_choose_target(sources, skymap, patch),
            resources=Resources(threads=workers or count_cores(), memory=memory),
            on_findings=found.append,
        )
    note = rejection_note(config.assemble.reject.method, coadd.removals)
    if note is not None:
        coadd.notes += (note,)
    write_archive(coadd, output, threads=workers or count_cores())
    if plain is not None:
        write_plain_fits(coadd, plain)
    masks = ArtifactMasks.of(coadd, found[0])
    if artifacts is not None and masks is not None:
        write_artifacts(masks, artifacts)
    record = coadd_record(coadd, summarize(coadd), pictures=())
    if record.warnings:
        Console(stderr=True).print(skipped_table(record.warnings, title="Warnings"))
    Console().print(summary_table([record]))


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


def _inputs(sources: Sequence[_WarpFile], config: _StackConfig) -> list[WarpInput]:
    """Put direct and matched warps of the same visits together."""
    direct = _by_visit(source for source in sources if source.matched_psf is None)
    matched = _by_visit(source for source in sources if source.matched_psf is not None)
    if config.warp_type == "psf_matched" or not direct:
        _check_visits(direct, matched, "a matched warp of this visit, too")
        found = [source.as_input() for source in matched.values()]
        return [dataclasses.replace(one, matched=one.source, matched_scale=one.scale) for one in found]
    _check_visits(matched, direct, "a direct warp of this visit, too")
    inputs = {visit: source.as_input() for visit, source in direct.items()}
    if config.assemble.reject.method != "compare_warp":
        return list(inputs.values())
    return [
        dataclasses.replace(one, matched=matched[visit], matched_scale=one.scale) if visit in matched else one
        for visit, one in inputs.items()
    ]


def _by_visit(sources: Iterable[_WarpFile]) -> dict[tuple[str, int], _WarpFile]:
    found: dict[tuple[str, int], _WarpFile] = {}
    for source in sources:
        visit = source.instrument, source.visit
        if visit in found:
            raise DuplicateInputError(
                source.path, found=f"two warps of this visit, with {found[visit].path}", expected="one"
            )
        found[visit] = source
    return found


def _check_visits(
    some: Mapping[tuple[str, int], _WarpFile], needed: Mapping[tuple[str, int], _WarpFile], expected: str
) -> None:
    for visit, source in some.items():
        if visit not in needed:
            raise InputError(source.path, found="the only warp of its visit", expected=expected)


def _check_one_grid(sources: Sequence[_WarpFile]) -> None:
    first = sources[0]
    for other in sources[1:]:
        if not same_grid(first.projection, other.projection, other.bbox):
            raise InputError(
                other.path, where="projection", found="another pixel grid", expected=f"that of {first.path}"
            )
        if other.band != first.band:
            raise InputError(other.path, where="band", found=repr(other.band), expected=repr(first.band))


def _choose_target(sources: Sequence[_WarpFile], path: Path | None, label: str | None) -> CoaddTarget:
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
