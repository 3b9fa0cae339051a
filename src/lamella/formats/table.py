"""Exposures of any instrument, described by a table with one row for each.

The table is a CSV or ECSV file; `lamella.formats.table_row.COLUMNS` lists its
columns.  File names are relative to the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data.exposure import ExposureSource
from ..errors import InputError, MissingPartError
from ..suggestions import nearest
from .readers import FileHead, Format, Opening, Role
from .row_cells import RowCells
from .row_check import check_cells
from .row_expand import expanded_rows
from .source import FileSource
from .table_cells import read_cells
from .table_columns import COLUMNS, QUALITY_PREFIX
from .table_row import TableRow

__all__ = ("FORMAT", "TABLE_SUFFIXES", "check_columns", "is_exposure_table", "missing_columns")

TABLE_SUFFIXES = (".csv", ".ecsv")
"""Ends of the names of exposure tables, in small letters."""

_BYTE_ORDER_MARK = "\ufeff"
"""Spreadsheets write it before UTF-8."""
_REQUIRED = ("file", "band", "visit", "detector")


def is_exposure_table(head: FileHead) -> bool:
    """Return whether a file is a CSV or ECSV table with the required columns."""
    return head.path.suffix.lower() in TABLE_SUFFIXES and not missing_columns(head)


def missing_columns(head: FileHead) -> tuple[str, ...]:
    """Return the required columns that the first line of a CSV or ECSV table lacks."""
    text = head.text.removeprefix(_BYTE_ORDER_MARK)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    names = {name.strip().strip('"') for name in lines[0].replace(",", " ").split()} if lines else set()
    return tuple(name for name in _REQUIRED if name not in names)


def check_columns(path: Path, names: Sequence[str], required: Sequence[str]) -> None:
    """Check the columns of a table.

    Raises
    ------
    MissingPartError
        Raised when a required one is missing.
    InputError
        Raised when one is unknown.
    """
    missing = [name for name in required if name not in names]
    if missing:
        absent = f"no column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        raise MissingPartError(path, where=missing[0], found=absent, expected=", ".join(required))
    unknown = [name for name in names if name not in COLUMNS and not name.startswith(QUALITY_PREFIX)]
    if unknown:
        where = f"column{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}"
        hints = "".join(dict.fromkeys(nearest(name, COLUMNS) for name in unknown))
        columns = ", ".join((*COLUMNS, f"{QUALITY_PREFIX}NAME"))
        content = "unknown columns" if len(unknown) > 1 else "an unknown column"
        raise InputError(path, where=where, found=content, expected=f"{columns}{hints}")


def _open(path: Path, opening: Opening) -> Iterator[ExposureSource]:
    names, rows = read_cells(path)
    check_columns(path, names, _REQUIRED)
    for number, values in enumerate(rows, start=1):
        try:
            check_cells(RowCells(path, number, values))
            several = list(expanded_rows(RowCells(path, number, values)))
        except InputError:
            several = [values]  # told with the faults of the other rows
        for row in several:
            yield FileSource(TableRow(path, number, row, opening.control))


FORMAT = Format(
    name="table",
    description="an exposure table (CSV, ECSV): one row per exposure of any instrument",
    recognise=lambda head: Role.EXPOSURE if is_exposure_table(head) else Role.FOREIGN,
    open=_open,
)
