"""``lamella warp``: from exposures to warps."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from ..run.choose_grid import GridOptions
from ..run.patch_config import CoaddConfig
from ..startup import quick_imports
from .help import Command
from .json_out import json_option
from .options import config_file_options, config_options, take_config
from .run_options import (
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

_OPTIONS = (*WARP_OPTIONS, *MATCH_OPTIONS, *SELECT_OPTIONS, *READ_OPTIONS)


@click.command("warp", cls=Command, examples=("lamella warp night1/*.fits -o warps",))
@click.argument("exposures", nargs=-1, metavar="EXPOSURES...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the warps.  [required]")
@format_option
@strict_option
@grid_options
@config_options(CoaddConfig, _OPTIONS)
@config_file_options(CoaddConfig)
@resource_options("; fewer warps are matched at a time if need be")
@click.option(
    "--compress/--no-compress", default=False, help="Compress the files, without loss.  [default: off]"
)
@click.option("--overwrite", is_flag=True, help="Make warps again that are done.")
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
    """Resample EXPOSURES to the pixels of the patches that they overlap: one warp per visit and patch.

    With --psf-matched, each gets a second one, which is matched to a PSF that
    suits all visits of the patch. A rerun makes only what is missing or whose
    inputs or options have changed.
    """
    config = take_config(ctx, CoaddConfig, _OPTIONS, given, needed=("exposures", "output"))
    with open_voice(ctx, "reading exposures", as_json=as_json) as voice:
        with quick_imports():
            from ..run.warp_run import WarpRun
            from .tell import tell_warps
        resources = take_resources(given)
        run = WarpRun(
            config=config, grid=GridOptions.take(given), resources=resources, format=format_name, **given
        )
        if dry_run:
            from .tell_preview import tell_preview

            tell_preview(run.preview(exposures), as_json=as_json)
            return
        with voice.progress() as reporter:
            told = resources.replace(on_step=reporter.stepped)
            record = dataclasses.replace(run, resources=told, on_measured=reporter.measured)(exposures)
        tell_warps(record, voice)
