"""``lamella inspect``: say what a file holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from ..coadd.archive import PatchCoadd
from ..errors import InputError, LamellaError
from ..formats.afw.kinds import kind_of
from ..formats.archives import is_product, read_product
from ..formats.artifacts import is_artifact_file, read_artifacts
from ..formats.recognise import open_exposures
from ..report.console import skipped_table
from ..report.record import Skipped
from ..sky.registry import load_skymap
from .coadd import format_option
from .describe import (
    describe_coadd,
    describe_exposure,
    describe_plain_fits,
    describe_warp,
    exposure_table,
    is_plain_fits,
)
from .describe_afw import describe_afw
from .describe_artifacts import describe_artifacts
from .skymap import describe_skymap

__all__ = ("command",)


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@format_option
@click.option("--pixels", is_flag=True, help="Read the pixels of exposures, too: noise and masked parts.")
@click.option("-v", "--verbose", is_flag=True, help="Show all inputs with their files, options and versions.")
@click.pass_context
def command(
    ctx: click.Context, /, files: tuple[Path, ...], format_name: str | None, pixels: bool, verbose: bool
) -> None:
    """Say what FILES hold: exposures, warps, coadds, artifacts or sky maps."""
    console = Console()
    exposures, failures = [], []
    for file in files:
        try:
            if not _show_afw(console, file, verbose) and not _show_own(console, file, verbose):
                exposures.append(file)
        except LamellaError as err:
            failures.append(Skipped(str(file), str(err)))
    if exposures:
        failures += _show_exposures(console, exposures, format_name, pixels=pixels, verbose=verbose)
    if failures:
        if len(files) == 1:
            raise click.ClickException(failures[0].reason)
        Console(stderr=True).print(skipped_table(failures, title="Not understood"))
        ctx.exit(1)


def _show_own(console: Console, file: Path, verbose: bool) -> bool:
    """Describe what lamella wrote; return whether the file is of that kind."""
    if file.suffix == ".json":
        console.print(describe_skymap(load_skymap(file)))
        return True
    if is_artifact_file(file):
        console.print(describe_artifacts(read_artifacts(file), file))
        return True
    if is_plain_fits(file):
        console.print(describe_plain_fits(file))
        return True
    if not is_product(file):
        return False
    product = read_product(file)
    if isinstance(product, PatchCoadd):
        console.print(describe_coadd(product, file, verbose=verbose))
    else:
        console.print(describe_warp(product, file, verbose=verbose))
    return True


def _show_afw(console: Console, file: Path, verbose: bool) -> bool:
    """Describe what afw wrote; return whether that is all: exposures are listed with others, too."""
    try:
        kind = kind_of(file)
    except InputError:
        return False  # those who look at it next say what is wrong
    if kind is None:
        return False
    text, is_exposure = describe_afw(file, kind, verbose=verbose)
    console.print(text)
    return not is_exposure


def _show_exposures(
    console: Console, files: Sequence[Path], format: str | None, *, pixels: bool, verbose: bool
) -> list[Skipped]:
    inputs = open_exposures(files, format=format, strict=False)
    console.print(exposure_table(inputs.sources, verbose=verbose))
    failures = [Skipped(problem.path, str(problem.error)) for problem in inputs.problems]
    for source in inputs.sources if pixels else ():
        try:
            console.print(describe_exposure(source.read()))
        except LamellaError as err:
            failures.append(Skipped(source.info.path, str(err)))
    return failures
