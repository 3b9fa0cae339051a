"""``lamella stack``: from warps to a coadd."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..coadd.assemble import AssembleConfig, Resources, assemble
from ..coadd.inputs import CoaddTarget
from ..coadd.prepare import target_around
from ..coadd.summary import summarize
from ..config import Config, option
from ..errors import InputError, OutputError
from ..formats.archives import ArchiveWarp
from ..formats.export import write_archive, write_plain_fits
from ..report.console import summary_table
from ..report.record import coadd_record
from .options import build_config, config_file_options, config_options
from .settings import COADD_OPTIONS

__all__ = ("command",)


class _StackConfig(Config):
    assemble: AssembleConfig = option(AssembleConfig(), "How warps are combined.")


@click.command("stack")
@click.argument("warps", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Archive to write.")
@click.option("--plain", type=click.Path(path_type=Path), help="Plain FITS file to write, too.")
@config_options(_StackConfig, COADD_OPTIONS)
@config_file_options
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Number of threads.")
@click.option(
    "--memory", type=click.FloatRange(16), default=2048.0, show_default=True, help="Memory for tiles, in MiB."
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def command(
    warps: tuple[Path, ...],
    output: Path,
    plain: Path | None,
    config_values: dict[str, Any],
    settings: tuple[str, ...],
    workers: int,
    memory: float,
    overwrite: bool,
    **given: Any,
) -> None:
    """Combine WARPS of one band on one pixel grid into a coadd.

    The warps are archives as `lamella warp` and `lamella coadd --keep-warps`
    write them; only the parts that are being stacked are in memory.
    """
    for path in (output, plain):
        if path is not None and path.exists() and not overwrite:
            raise OutputError(path, reason="it exists (use --overwrite)")
    config = build_config(_StackConfig, COADD_OPTIONS, given=given, nested=config_values, settings=settings)
    sources = [ArchiveWarp(path) for path in warps]
    coadd = assemble(
        [source.as_input() for source in sources],
        config.assemble,
        target=_common_target(sources),
        resources=Resources(threads=workers, memory=memory),
    )
    write_archive(coadd, output)
    if plain is not None:
        write_plain_fits(coadd, plain)
    Console(stderr=True).print(summary_table([coadd_record(coadd, summarize(coadd), pictures=())]))


def _common_target(sources: Sequence[ArchiveWarp]) -> CoaddTarget:
    first = sources[0]
    for other in sources[1:]:
        if other.projection != first.projection:
            raise InputError(
                other.path, where="projection", found="another pixel grid", expected=f"that of {first.path}"
            )
        if other.band != first.band:
            raise InputError(other.path, where="band", found=repr(other.band), expected=repr(first.band))
    return target_around([source.bbox for source in sources], first.projection)
