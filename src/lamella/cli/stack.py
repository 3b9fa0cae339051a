"""``lamella stack``: from warps to a coadd."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from lsst.images import TractFrame
from rich.console import Console

from ..coadd.assemble import AssembleConfig, Resources, assemble
from ..coadd.inputs import CoaddTarget
from ..coadd.prepare import target_around
from ..coadd.summary import summarize
from ..config import Config, option
from ..errors import ConfigError, InputError, OutputError
from ..formats.archives import ArchiveWarp
from ..formats.export import write_archive, write_plain_fits
from ..report.console import summary_table
from ..report.record import coadd_record
from ..run.jobs import patch_target
from ..sky.registry import load_skymap
from .coadd import count_cores
from .options import (
    FileOptions,
    build_config,
    config_file_options,
    config_options,
    print_config,
    require,
)
from .settings import COADD_OPTIONS

__all__ = ("command",)


_MAX_OPEN_FILES = 200
"""Warps that are kept open; further ones are opened for each tile."""


class _StackConfig(Config):
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")


@click.command("stack")
@click.argument("warps", nargs=-1, metavar="WARPS...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Archive to write.  [required]")
@click.option("--plain", type=click.Path(path_type=Path), help="Plain FITS file to write, too.")
@click.option(
    "--skymap", type=click.Path(path_type=Path), help="Sky map that the warps were made on; with --patch."
)
@click.option("--patch", help='Patch that the coadd fills, e.g. "5,4".  [default: the box around the warps]')
@config_options(_StackConfig, COADD_OPTIONS)
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

    The warps are archives as `lamella warp` and `lamella coadd --keep-warps`
    write them; only the parts that are being stacked are in memory.
    """
    config = build_config(_StackConfig, COADD_OPTIONS, given=given, file=config_file, settings=settings)
    if show_config:
        print_config(ctx, config)
        return
    require(ctx, "warps", "output")
    for path in (output, plain):
        if path is not None and path.exists() and not overwrite:
            raise OutputError(path, reason="it exists (use --overwrite)")
    sources = [ArchiveWarp(path) for path in sorted(set(warps))]
    _check_one_grid(sources)
    with contextlib.ExitStack() as files:
        for source in sources[:_MAX_OPEN_FILES]:
            files.enter_context(source)
        coadd = assemble(
            [source.as_input() for source in sources],
            config.assemble,
            target=_choose_target(sources, skymap, patch),
            resources=Resources(threads=workers or count_cores(), memory=memory),
        )
    write_archive(coadd, output)
    if plain is not None:
        write_plain_fits(coadd, plain)
    Console().print(summary_table([coadd_record(coadd, summarize(coadd), pictures=())]))


def _check_one_grid(sources: Sequence[ArchiveWarp]) -> None:
    first = sources[0]
    for other in sources[1:]:
        if other.projection != first.projection:
            raise InputError(
                other.path, where="projection", found="another pixel grid", expected=f"that of {first.path}"
            )
        if other.band != first.band:
            raise InputError(other.path, where="band", found=repr(other.band), expected=repr(first.band))


def _choose_target(sources: Sequence[ArchiveWarp], path: Path | None, label: str | None) -> CoaddTarget:
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
    if target.projection != first.projection:
        raise InputError(
            first.path, where="projection", found="another pixel grid", expected=f"that of {path}"
        )
    return target
