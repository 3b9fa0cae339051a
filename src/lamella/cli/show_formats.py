"""Formats on the terminal: the list, one description, and what a description reads of a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from ..data.exposure import ExposureSource
from ..data.origins import summarize_origins
from ..formats.description_files import user_folder
from ..formats.readers import Format, find_format, known_formats
from ..formats.recognise import open_exposures
from ..formats.source import FileSource
from ..formats.table_row import TableRow
from .console import Console
from .describe_products import exposure_table
from .json_out import print_json
from .screen import echo
from .tell import tell_origins
from .terminal import facts_table, rows_table

__all__ = ("check_description", "list_formats", "show_format")


def list_formats(*, as_json: bool = False) -> None:
    """Print the formats by name, and where descriptions of the user are looked for."""
    folder = user_folder()
    rows = [
        {"format": format.name, "is": _kind(format, folder), "what": format.description}
        for format in sorted(known_formats(), key=lambda format: format.name)
    ]
    if as_json:
        print_json([{"format": row["format"], "kind": row["is"], "description": row["what"]} for row in rows])
        return
    Console().print(rows_table(rows))
    echo(f"\nYour own descriptions are read from {folder}")


def _kind(format: Format, folder: Path) -> str:
    if format.described is None:
        return "code"
    return "yours" if format.described.is_relative_to(folder) else "description"


def show_format(name: str) -> None:
    """Print the description of a format as it was written; of one that is code, what it says of itself.

    Raises
    ------
    ConfigError
        Raised when there is no such format.
    """
    format = find_format(name)
    if format.described is None:
        echo(f"{format.name}: {format.description}. It is read by code, without a description.")
    else:
        echo(format.described.read_text(encoding="utf-8"), nl=False)


def check_description(description: Path, file: Path) -> None:
    """Print what a description reads of a file: the cells of each exposure, and where values come from.

    Raises
    ------
    InputError
        Raised when the description has faults, does not recognise the file, or something is missing.
    """
    inputs = open_exposures([file], format=str(description), strict=True, measure=False)
    console = Console()
    console.print(exposure_table(inputs.sources))
    for cells in _cells(inputs.sources):
        console.print(cells)
    tell_origins(summarize_origins(source.info.origins for source in inputs.sources))


def _cells(sources: Iterable[ExposureSource]) -> Iterable[RenderableType]:
    for source in sources:
        if isinstance(source, FileSource) and isinstance(source.recipe, TableRow):
            values = {name: text for name, text in source.recipe.values.items() if name != "notes"}
            yield Group(Text(""), facts_table(source.info.id, values))
