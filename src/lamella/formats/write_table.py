"""Exposure tables of exposures that were recognised: to be looked at, edited and read again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from astropy.table import Table

from ..data.exposure import ExposureSource
from ..errors import ConfigError, NoInputsError
from ..files import atomic_path, write_text
from .source import FileSource
from .table import TABLE_SUFFIXES
from .table_row import COLUMNS, TableRow

__all__ = ("write_exposure_table",)


def write_exposure_table(sources: Iterable[ExposureSource], path: Path) -> tuple[ExposureSource, ...]:
    """Write a table that gives the same exposures when it is read.

    Parameters
    ----------
    sources
        Exposures, in the order of the rows.
    path
        The table, ``.csv`` or ``.ecsv``; names of files in it are relative to its folder.

    Returns
    -------
    tuple of ExposureSource
        Exposures that have no row, because a reader of their own knows more of them than a row can say.

    Raises
    ------
    ConfigError
        Raised when the name is not that of such a table.
    NoInputsError
        Raised when no exposure has a row.
    OutputError
        Raised when the table cannot be written.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        expected = " or ".join(TABLE_SUFFIXES)
        raise ConfigError(
            f"{path}: the name of an exposure table ends in {expected}.", option="output", found=str(path)
        )
    rows: list[dict[str, str]] = []
    others: list[ExposureSource] = []
    for source in sources:
        recipe = source.recipe if isinstance(source, FileSource) else None
        if isinstance(recipe, TableRow):
            rows.append(recipe.cells_from(path.parent))
        else:
            others.append(source)
    if not rows:
        formats = ", ".join(sorted({source.info.format for source in others}))
        raise NoInputsError(
            f"There is nothing for a table: {len(others)} exposures have a reader of their own ({formats})."
        )
    given = {name for row in rows for name in row}
    names = [*(name for name in COLUMNS if name in given), *sorted(given - COLUMNS.keys())]
    cells = [[row.get(name, "") for name in names] for row in rows]
    if path.suffix.lower() == ".ecsv":
        with atomic_path(path) as temporary:
            Table(rows=cells, names=names, dtype=[str] * len(names)).write(temporary, format="ascii.ecsv")
    else:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([names, *cells])
        write_text(path, text.getvalue())
    return tuple(others)
