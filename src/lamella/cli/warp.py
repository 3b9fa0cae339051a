"""``lamella warp``: from exposures to warps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..resources import Resources
from ..run.choose_grid import GridOptions
from ..run.patch_config import CoaddConfig
from .coadd import format_option
from .grid import grid_options
from .options import (
    FileOptions,
    build_config,
    config_file_options,
    config_options,
    print_config,
    require,
)
from .settings import MATCH_OPTIONS, READ_OPTIONS, SELECT_OPTIONS, WARP_OPTIONS
from .startup import quick_imports
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
    "--memory",
    type=click.FloatRange(16),
    metavar="NUMBER",
    default=2048.0,
    help="Memory to work in; fewer warps are matched at a time if need be.  [default: 2048 MiB]",
)
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
    memory: float,
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
    with quick_imports():
        from ..run.warp_run import WarpRun
    run = WarpRun(
        output=output,
        config=config,
        grid=grid,
        resources=Resources(threads=workers or count_cores(), memory=memory),
        format=format_name,
        bands=bands,
        patches=patches,
        compress=compress,
        overwrite=overwrite,
    )
    run(exposures)
