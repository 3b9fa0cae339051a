"""``lamella coadd``: from exposures to coadds, pictures and a page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from ..run.choose_grid import GridOptions
from ..run.patch_config import CoaddConfig
from ..startup import quick_imports
from .help import Command
from .json_out import json_option
from .options import config_file_options, config_options, take_config
from .run_options import (
    COADD_OPTIONS,
    MATCH_OPTIONS,
    READ_OPTIONS,
    SELECT_OPTIONS,
    WARP_OPTIONS,
    dry_run_option,
    format_option,
    grid_options,
    resource_options,
    strict_option,
    take_resources,
)
from .voice import open_voice, voice_options

__all__ = ("command",)

_OPTIONS = (*COADD_OPTIONS, *SELECT_OPTIONS, *WARP_OPTIONS, *MATCH_OPTIONS, *READ_OPTIONS)


@click.command(
    "coadd",
    cls=Command,
    examples=("lamella coadd night1/*.fits -o coadds", "lamella coadd night1/*.fits -o coadds --dry-run"),
)
@click.argument("exposures", nargs=-1, metavar="EXPOSURES...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the results.  [required]")
@format_option
@strict_option
@grid_options
@click.option(
    "--bright-objects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="DS9 region file of bright objects, whose masks are painted on the coadds.",
)
@config_options(CoaddConfig, _OPTIONS)
@config_file_options(CoaddConfig)
@resource_options("; warps that do not fit wait on disk")
@click.option(
    "--dask",
    metavar="ADDRESS|FILE.json",
    help="Make the coadds on the Dask cluster whose scheduler has this address or scheduler file. Threads "
    "are those of its workers; --memory is that of each.",
)
@click.option("--keep-warps", is_flag=True, help="Write the warps, too, and matched ones if there are any.")
@click.option("--overwrite", is_flag=True, help="Make coadds again that are done.")
@dry_run_option
@json_option
@voice_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    exposures: tuple[Path, ...],
    format_name: str | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Coadd EXPOSURES: one coadd per band and patch of a sky map.

    EXPOSURES are files, folders, or tables of exposures (CSV or ECSV). A rerun
    makes only what is missing or whose inputs or options have changed.
    """
    config = take_config(ctx, CoaddConfig, _OPTIONS, given, needed=("exposures", "output"))
    if given["dask"] is not None and given["workers"] is not None:
        raise ConfigError("--workers is for this machine; a Dask cluster has its own.", option="workers")
    with open_voice(ctx, "reading exposures", as_json=as_json) as voice:
        with quick_imports():
            from ..run.coadd_run import CoaddRun
            from .tell import run_coadds
        run = CoaddRun(
            config=config,
            grid=GridOptions.take(given),
            resources=take_resources(given),
            format=format_name,
            command_line=shlex.join(["lamella", *sys.argv[1:]]),
            **given,
        )
        if dry_run:
            from .tell_preview import tell_preview

            tell_preview(run.preview(exposures), as_json=as_json)
        elif not run_coadds(run, exposures, voice):
            ctx.exit(1)
