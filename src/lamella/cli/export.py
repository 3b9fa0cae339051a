"""``lamella export``: warps and coadds as files for other software."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from ..coadd.archive import PatchCoadd, Warp
from ..errors import ConfigError, NoInputsError, OutputError
from ..files import make_folder
from ..formats.afw.write import write_afw
from ..formats.archives import is_product, read_product
from ..formats.export import write_archive, write_plain_fits
from ..formats.files import bare_name, is_fits_name, walk
from ..report.console import skipped_table
from ..report.record import Skipped

__all__ = ("command",)

FileFormat = Literal["afw", "fits", "archive"]
_FORMATS: tuple[FileFormat, ...] = ("afw", "fits", "archive")


@click.command("export")
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
def command(
    products: tuple[Path, ...], output: Path, form: FileFormat, compress: bool, overwrite: bool
) -> None:
    """Write PRODUCTS, which are warps and coadds or folders of them, for other software.

    What a format cannot hold is named in a table.
    """
    pairs = _plan(list(dict.fromkeys(_find(products))), output, overwrite=overwrite)
    notes: list[Skipped] = []
    for path, target in pairs:
        product = read_product(path)
        notes += [Skipped(str(target), note) for note in _write(product, target, form, compress=compress)]
    if notes:
        Console(stderr=True).print(skipped_table(notes, title="Not as it was"))
    click.echo(f"Wrote {len(pairs)} file{'s' * (len(pairs) != 1)}.")


def _find(products: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that were named, and the warps and coadds in folders that were."""
    for path in products:
        if not path.is_dir():
            yield path
            continue
        found = [file for file in walk(path) if is_fits_name(file) and is_product(file)]
        if not found:
            raise NoInputsError(f"{path}: there is no warp and no coadd in this folder.")
        yield from found


def _plan(paths: Sequence[Path], output: Path, *, overwrite: bool) -> list[tuple[Path, Path]]:
    """Return which file becomes which; nothing is written when one of them is there already."""
    if len(paths) == 1 and is_fits_name(output) and not output.is_dir():
        pairs = [(paths[0], output)]
    else:
        folder = make_folder(output)
        pairs = [(path, folder / f"{Path(bare_name(path)).stem}.fits") for path in paths]
    origins: dict[Path, Path] = {}
    for path, target in pairs:
        if origins.setdefault(target, path) != path:
            raise OutputError(target, reason=f"{origins[target]} and {path} would both be written to it")
        if target.exists() and path.exists() and target.samefile(path):
            raise OutputError(target, reason="it is the product itself")
        if target.exists() and not overwrite:
            raise OutputError(target, reason="it exists (use --overwrite)")
    return pairs


def _write(product: Warp | PatchCoadd, target: Path, form: FileFormat, *, compress: bool) -> tuple[str, ...]:
    if form == "afw":
        return write_afw(product, target, compress=compress)
    if form == "archive":
        write_archive(product, target, compress=compress)
    elif isinstance(product, PatchCoadd):
        write_plain_fits(product, target)
    else:
        raise ConfigError(
            f"{target}: warps have no plain FITS form; write them with --format afw or archive.",
            option="format",
            found=form,
        )
    return ()
