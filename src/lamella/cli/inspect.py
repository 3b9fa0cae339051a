"""``lamella inspect``: say what a file holds."""

from __future__ import annotations

from pathlib import Path

import click

from ..startup import quick_imports
from .help import Command
from .json_out import json_option
from .run_options import format_option

__all__ = ("command",)


@click.command("inspect", cls=Command, examples=("lamella inspect night1/*.fits",))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@format_option
@click.option("--pixels", is_flag=True, help="Read the pixels of exposures, too: noise and masked parts.")
@click.option("-v", "--verbose", is_flag=True, help="Show all inputs with their files, options and versions.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    files: tuple[Path, ...],
    format_name: str | None,
    pixels: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Say what FILES hold: exposures, warps, coadds, artifacts, sky maps, or folders of results.

    Of any other FITS file it shows the HDUs, the WCS, and the cards that a coadd could use.
    """
    with quick_imports():
        from .show import show_files
        from .tell import tell_skipped
    failures = show_files(files, format_name, pixels=pixels, verbose=verbose, as_json=as_json)
    if failures:
        if len(files) == 1:
            raise click.ClickException(failures[0].reason)
        tell_skipped(failures, "Not understood")
        ctx.exit(1)
