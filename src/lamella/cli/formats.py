"""``lamella formats``: what is read, and whether a description of one's own fits a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..startup import quick_imports
from .help import Command
from .json_out import json_option
from .option_types import complete

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ("command",)


def _complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from ..formats.readers import format_names

    return complete(format_names(), incomplete)


@click.command(
    "formats",
    cls=Command,
    examples=(
        "lamella formats ztf",
        "lamella formats --check mycam.toml night1/a.fits",
    ),
)
@click.argument("name", required=False, metavar="[NAME]", shell_complete=_complete_names)
@click.option(
    "--check",
    nargs=2,
    metavar="NAME.toml FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check a description of your own, and say what it would read of a file.",
)
@json_option
def command(*, name: str | None, check: tuple[Path, Path] | None, as_json: bool) -> None:
    """List the formats that are read, or show the description NAME.

    Descriptions of your own are used with --format NAME.toml, or always when
    they lie in your configuration folder, which the list names.
    """
    if name is not None and check is not None:
        raise click.UsageError("NAME and --check do not go together.")
    if as_json and (name is not None or check is not None):
        raise click.UsageError("--json is for the list of all formats.")
    with quick_imports():
        from .show_formats import check_description, list_formats, show_format
    if check is not None:
        check_description(*check)
    elif name is not None:
        show_format(name)
    else:
        list_formats(as_json=as_json)
