"""``lamella describe``: the exposure table of files, to be looked at and edited."""

from __future__ import annotations

from pathlib import Path

import click

from ..startup import quick_imports
from .help import Command
from .json_out import json_option, print_json
from .run_options import format_option, strict_option
from .voice import open_voice, voice_options

__all__ = ("command",)


@click.command(
    "describe",
    cls=Command,
    examples=(
        "lamella describe night1/ -o exposures.csv",
        "lamella coadd exposures.csv -o out",
    ),
)
@click.argument("exposures", nargs=-1, required=True, metavar="EXPOSURES...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The table, NAME.csv or NAME.ecsv.  [required]",
)
@format_option
@strict_option
@click.option("--overwrite", is_flag=True, help="Write over a table that is there.")
@json_option
@voice_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    exposures: tuple[Path, ...],
    output: Path,
    format_name: str | None,
    *,
    strict: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write what is known of EXPOSURES as an exposure table: a row each.

    EXPOSURES are files or folders. `lamella coadd TABLE` then makes what
    `lamella coadd EXPOSURES` would, unless you edit the table. Values that no
    header tells are measured, as `lamella coadd` does, and noise that
    is stated is compared with that of the pixels.
    """
    if output.exists() and not overwrite:
        raise click.UsageError(f"{output} is there already; --overwrite replaces it.")
    with open_voice(ctx, "reading exposures", as_json=as_json) as voice:
        with quick_imports():
            from ..data.origins import summarize_origins
            from ..formats.noise_check import check_noise
            from ..formats.recognise import open_exposures
            from ..formats.write_table import write_exposure_table
            from ..report.record import Skipped
            from .tell import tell_origins, tell_skipped
        with voice.progress() as reporter:
            inputs = open_exposures(
                exposures, format=format_name, strict=strict or None, on_measured=reporter.measured
            )
        others = write_exposure_table(inputs.sources, output)
        tell_skipped([Skipped(problem.path, str(problem.error)) for problem in inputs.problems], "Skipped")
        tell_skipped(
            [
                Skipped(other.info.path, f"format {other.info.format} has a reader of its own")
                for other in others
            ],
            "Without a row",
        )
        warnings = [Skipped(str(source.info.id), warning) for source, warning in check_noise(inputs.sources)]
        tell_skipped(warnings, "Warnings")
        if as_json:
            from .inspect_values import exposure_values

            print_json([exposure_values(source) for source in inputs.sources])
        elif not voice.quiet:
            tell_origins(summarize_origins(source.info.origins for source in inputs.sources))
        count = len(inputs.sources) - len(others)
        voice.say(f"{count} exposure{'s' if count != 1 else ''}: {output}")
