"""``lamella stack``: from warps to a coadd, and from plain images of one shape to their stack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError, NoInputsError
from ..formats.file_index import FITS_SUFFIXES, is_fits_name
from ..run.claim import claim_files, keep_claims_until_exit
from ..run.patch_config import StackConfig
from ..startup import quick_imports
from .help import Command
from .json_out import json_option
from .options import config_file_options, config_options, take_config
from .process import ends_with_command
from .run_options import COADD_OPTIONS, require_suffix, resource_options, take_resources
from .voice import open_voice, voice_options

__all__ = ("command",)

_FRAME_OPTIONS = (
    "frames.image_hdu",
    "frames.noise",
    "frames.gain",
    "frames.read_noise",
    "frames.saturation",
    "frames.sky",
    "frames.normalize",
)
_OPTIONS = (*COADD_OPTIONS, "warp_type", *_FRAME_OPTIONS)
_OF_WARPS = ("plain", "artifacts", "skymap", "patch")
"""Options that plain images have nothing for."""


@click.command(
    "stack",
    cls=Command,
    examples=(
        "lamella stack warps/warp-r-0-0,0-*.fits -o coadd-r.fits",
        "lamella stack flats/*.fits -o flat.fits --normalize median --statistic median",
    ),
)
@click.argument("warps", nargs=-1, metavar="INPUTS...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write: an archive of warps, FITS of images.  [required]",
)
@click.option("--plain", type=click.Path(path_type=Path), help="Plain FITS file to write, too.")
@click.option(
    "--artifacts", type=click.Path(path_type=Path), help="File of what was left out to write, with --reject."
)
@click.option(
    "--skymap", type=click.Path(path_type=Path), help="Sky map that the warps were made on; with --patch."
)
@click.option("--patch", help='Patch that the coadd fills, e.g. "5,4".  [default: the box around the warps]')
@config_options(StackConfig, _OPTIONS, {"assemble.reject.method": "auto"})
@config_file_options(StackConfig)
@resource_options("")
@json_option
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@voice_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    warps: tuple[Path, ...],
    output: Path,
    plain: Path | None,
    artifacts: Path | None,
    overwrite: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Combine INPUTS pixel by pixel: warps, or plain FITS images of one shape, or folders of these.

    Plain images need no WCS: aligned frames, flat fields, biases. The result has
    the header of the first by name. Noise, bad pixels and scales come from their
    HDUs, from options, or from a table (CSV, ECSV) with a column file and others
    of exposure tables.

    Warps are of one band on one pixel grid, and become a coadd. They are those of
    `lamella warp` and `lamella coadd --keep-warps`, or of the C++ stack; only the
    parts that are being stacked are in memory. Of a visit, a direct warp and one
    that is matched to a common PSF can be given. The option --reject compare-warp
    compares the matched ones and combines the direct ones; with --psf-matched the
    matched ones are combined.
    """
    config = take_config(ctx, StackConfig, _OPTIONS, given, needed=("warps", "output"))
    if artifacts is not None and config.assemble.reject.method == "none":
        raise ConfigError("--artifacts goes with --reject: none are looked for.", option="artifacts")
    outputs = [path for path in (output, plain, artifacts) if path is not None]
    for path in outputs:
        require_suffix(path, FITS_SUFFIXES)
    if ends_with_command(ctx):
        keep_claims_until_exit()
    with claim_files(outputs, overwrite=overwrite), open_voice(ctx, "reading", as_json=as_json) as voice:
        with quick_imports():
            from ..formats.archive.products import is_product
            from ..run.frame_run import FrameRun
            from ..run.stack_run import StackRun
            from .tell import tell_frames, tell_stack
        resources = take_resources(given)
        warps = _files_of(warps)
        if not any(is_product(path) for path in warps):
            _require_none({"plain": plain, "artifacts": artifacts, **given}, config)
            with voice.progress() as reporter:
                told = resources.replace(on_step=reporter.stepped)
                stack = FrameRun(output=output, config=config, resources=told)(warps)
            tell_frames(stack, voice)
            return
        if config.frames != StackConfig().frames:
            raise ConfigError(
                "Options of plain images (noise, normalize ...) do not go with warps.", option="frames"
            )
        with voice.progress() as reporter:
            told = resources.replace(on_step=reporter.stepped)
            run = StackRun(
                output=output, config=config, plain=plain, artifacts=artifacts, resources=told, **given
            )
            record = run(warps)
        tell_stack(record, voice)


def _files_of(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return files, and for each folder the FITS files in it.

    Raises
    ------
    NoInputsError
        Raised when there are none in a folder.
    """
    files: list[Path] = []
    for path in paths:
        members = sorted(filter(is_fits_name, path.iterdir())) if os.path.isdir(path) else [path]
        if not members:
            raise NoInputsError(f"{path}: found a folder without FITS files; expected warps or images in it.")
        files += members
    return tuple(files)


def _require_none(given: dict[str, Any], config: StackConfig) -> None:
    """Refuse options that go with warps only."""
    others = [f"--{name}" for name in _OF_WARPS if given.get(name) is not None]
    others += ["--psf-matched"] if config.warp_type != "direct" else []
    if others:
        raise ConfigError(
            f"{', '.join(others)}: found beside plain images; expected warps, to which that belongs.",
            option=others[0].lstrip("-"),
        )
