"""``lamella stack``: from warps to a coadd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError, OutputError
from ..resources import Resources
from ..run.patch_config import StackConfig
from .options import (
    FileOptions,
    build_config,
    config_file_options,
    config_options,
    print_config,
    require,
)
from .settings import COADD_OPTIONS
from .startup import quick_imports
from .workers import count_cores

__all__ = ("command",)

_OPTIONS = (*COADD_OPTIONS, "warp_type")


@click.command("stack")
@click.argument("warps", nargs=-1, metavar="WARPS...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Archive to write.  [required]")
@click.option("--plain", type=click.Path(path_type=Path), help="Plain FITS file to write, too.")
@click.option(
    "--artifacts", type=click.Path(path_type=Path), help="File of what was left out to write, with --reject."
)
@click.option(
    "--skymap", type=click.Path(path_type=Path), help="Sky map that the warps were made on; with --patch."
)
@click.option("--patch", help='Patch that the coadd fills, e.g. "5,4".  [default: the box around the warps]')
@config_options(StackConfig, _OPTIONS)
@config_file_options
@click.option(
    "--workers", type=click.IntRange(1), metavar="INTEGER", help="Number of threads.  [default: cores]"
)
@click.option(
    "--memory",
    type=click.FloatRange(16),
    metavar="NUMBER",
    default=2048.0,
    help="Memory to work in.  [default: 2048 MiB]",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    warps: tuple[Path, ...],
    output: Path,
    plain: Path | None,
    artifacts: Path | None,
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

    The warps are those of `lamella warp` and `lamella coadd --keep-warps`, or of
    the C++ stack; only the parts that are being stacked are in memory. Of a visit,
    a direct warp and one that is matched to a common PSF can be given. The
    option --reject compare-warp compares the matched ones and combines the
    direct ones; with --psf-matched the matched ones are combined.
    """
    config = build_config(StackConfig, _OPTIONS, given=given, file=config_file, settings=settings)
    if show_config:
        print_config(ctx, config)
        return
    require(ctx, "warps", "output")
    if artifacts is not None and config.assemble.reject.method == "none":
        raise ConfigError("--artifacts goes with --reject: none are looked for.", option="artifacts")
    for path in (output, plain, artifacts):
        if path is not None and path.exists() and not overwrite:
            raise OutputError(path, reason="it exists (use --overwrite)")
    with quick_imports():
        from ..run.stack_run import StackRun
    run = StackRun(
        output=output,
        config=config,
        plain=plain,
        artifacts=artifacts,
        skymap=skymap,
        patch=patch,
        resources=Resources(threads=workers or count_cores(), memory=memory),
    )
    run(warps)
