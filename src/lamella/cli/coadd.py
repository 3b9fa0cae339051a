"""``lamella coadd``: from exposures to coadds, pictures and a page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ..formats.readers import format_names
from ..resources import Resources
from ..run.choose_grid import GridOptions
from ..run.patch_config import CoaddConfig
from .grid import grid_options
from .options import (
    FileOptions,
    build_config,
    config_file_options,
    config_options,
    print_config,
    require,
)
from .settings import (
    COADD_OPTIONS,
    MATCH_OPTIONS,
    READ_OPTIONS,
    SELECT_OPTIONS,
    WARP_OPTIONS,
)
from .startup import quick_imports
from .workers import count_cores, workers_option

__all__ = ("command", "format_option")

_OPTIONS = (*COADD_OPTIONS, *SELECT_OPTIONS, *WARP_OPTIONS, *MATCH_OPTIONS, *READ_OPTIONS)

format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice(format_names()),
    help="Format of the exposures.  [default: recognised from the headers]",
)


@click.command("coadd")
@click.argument("exposures", nargs=-1, metavar="EXPOSURES...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the results.  [required]")
@format_option
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
@workers_option
@click.option(
    "--memory",
    type=click.FloatRange(16),
    metavar="NUMBER",
    default=2048.0,
    help="Memory to work in; warps that do not fit wait on disk.  [default: 2048 MiB]",
)
@click.option("--keep-warps", is_flag=True, help="Write the warps, too, and matched ones if there are any.")
@click.option("--overwrite", is_flag=True, help="Make coadds again that are done.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    exposures: tuple[Path, ...],
    output: Path,
    format_name: str | None,
    bands: tuple[str, ...],
    patches: tuple[str, ...],
    bright_objects: Path | None,
    config_file: FileOptions,
    settings: tuple[str, ...],
    show_config: bool,
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
    config = build_config(CoaddConfig, _OPTIONS, given=given, file=config_file, settings=settings)
    if show_config:
        print_config(ctx, config)
        return
    require(ctx, "exposures", "output")
    with quick_imports():
        from ..run.coadd_run import CoaddRun
    run = CoaddRun(
        output=output,
        config=config,
        grid=grid,
        resources=Resources(threads=workers or count_cores(), memory=memory),
        format=format_name,
        bands=bands,
        patches=patches,
        bright_objects=bright_objects,
        keep_warps=keep_warps,
        overwrite=overwrite,
        quiet=quiet,
        command_line=shlex.join(["lamella", *sys.argv[1:]]),
    )
    if run(exposures).failures:
        ctx.exit(1)
