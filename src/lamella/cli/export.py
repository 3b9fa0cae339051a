"""``lamella export``: warps and coadds as files for other software."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..startup import quick_imports

if TYPE_CHECKING:
    from ..run.export_run import FileFormat

from .help import Command
from .process import ends_with_command
from .voice import open_voice, voice_options

__all__ = ("command",)

_FORMATS: tuple[FileFormat, ...] = ("afw", "fits", "archive")


@click.command("export", cls=Command, examples=("lamella export coadds -o for-the-stack --format afw",))
@click.argument("products", nargs=-1, required=True, metavar="PRODUCTS...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File, for one product, or folder to write.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="afw",
    show_default=True,
    help="'afw' for the C++ stack of LSST; 'fits' for plain FITS files, of coadds only; 'archive' for "
    "archives of lamella.",
)
@click.option(
    "--compress/--no-compress",
    default=True,
    show_default=True,
    help="Compress pixels, without loss; plain FITS files never are.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@voice_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    products: tuple[Path, ...],
    output: Path,
    form: FileFormat,
    compress: bool,
    overwrite: bool,
) -> None:
    """Write PRODUCTS, which are warps and coadds or folders of them, for other software.

    What a format cannot hold is named in a table.
    """
    with open_voice(ctx, "reading") as voice:
        with quick_imports():
            from ..report.record import Skipped
            from ..run.claim import keep_claims_until_exit
            from ..run.export_run import export_products
            from .tell import tell_skipped
        if ends_with_command(ctx):
            keep_claims_until_exit()
        files = export_products(products, output, form, compress=compress, overwrite=overwrite)
        notes = [Skipped(str(path), note) for path, notes in files.items() for note in notes]
        tell_skipped(notes, "Not as it was")
        voice.say(f"Wrote {len(files)} file{'s' * (len(files) != 1)}.")
