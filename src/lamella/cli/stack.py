"""``lamella stack``: from warps to a coadd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError, OutputError
from ..run.patch_config import StackConfig
from .options import config_file_options, config_options, take_config
from .run_options import COADD_OPTIONS, resource_options, take_resources
from .startup import quick_imports

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
@resource_options("")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    warps: tuple[Path, ...],
    output: Path,
    plain: Path | None,
    artifacts: Path | None,
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
    config = take_config(ctx, StackConfig, _OPTIONS, given, needed=("warps", "output"))
    if artifacts is not None and config.assemble.reject.method == "none":
        raise ConfigError("--artifacts goes with --reject: none are looked for.", option="artifacts")
    for path in (output, plain, artifacts):
        if path is not None and path.exists() and not overwrite:
            raise OutputError(path, reason="it exists (use --overwrite)")
    with quick_imports():
        from ..run.stack_run import StackRun
        from .tell import tell_stack
    resources = take_resources(given)
    run = StackRun(
        output=output, config=config, plain=plain, artifacts=artifacts, resources=resources, **given
    )
    tell_stack(run(warps))
