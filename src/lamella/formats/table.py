"""Exposures of any instrument, described by a table with one row for each.

The table is a CSV or ECSV file; `lamella.formats.table_row.COLUMNS` lists its
columns.  File names are relative to the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from ..coadd.inputs import ExposureSource
from ..errors import InputError, MissingPartError, UnreadableFileError
from .fitsio import quiet_astropy
from .registry import FileHead, Format, Opening, Role
from .source import FileSource
from .table_row import COLUMNS, QUALITY_PREFIX, TableRow

__all__ = ("FORMAT", "TABLE_SUFFIXES", "is_exposure_table", "missing_columns")

TABLE_SUFFIXES = (".csv", ".ecsv")
"""Ends of the names of exposure tables, in small letters."""

_REQUIRED = ("file", "band", "visit", "detector")


def is_exposure_table(head: FileHead) -> bool:
    """Tell whether a file is a CSV or ECSV table with the required columns."""
    return head.path.suffix.lower() in TABLE_SUFFIXES and not missing_columns(head)


def missing_columns(head: FileHead) -> tuple[str, ...]:
    """Return the required columns that the first line of a CSV or ECSV table lacks."""
    lines = [line for line in head.text.splitlines() if line.strip() and not line.startswith("#")]
    names = {name.strip().strip('"') for name in lines[0].replace(",", " ").split()} if lines else set()
    return tuple(name for name in _REQUIRED if name not in names)


def _recognise(head: FileHead) -> Role:
    return Role.EXPOSURE if is_exposure_table(head) else Role.FOREIGN


def _open(path: Path, opening: Opening) -> Iterator[ExposureSource]:
    for number, values in enumerate(_read_rows(path), start=1):
        yield FileSource(TableRow(path, number, values, opening.control))


def _read_rows(path: Path) -> list[dict[str, Any]]:
    kind = "ascii.ecsv" if path.suffix.lower() == ".ecsv" else "ascii.csv"
    try:
        with quiet_astropy():
            table = Table.read(path, format=kind)
    except Exception as err:
        # The readers of astropy raise whatever their parsers meet.
        reason = " ".join(str(err).split()).rstrip(".") or type(err).__name__
        raise UnreadableFileError(path, found=reason, expected="a table in CSV or ECSV") from err
    _require_columns(table.colnames, path)
    return [{name: row[name] for name in table.colnames if _is_given(row[name])} for row in table]


def _require_columns(names: list[str], path: Path) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        found = f"no column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        raise MissingPartError(path, where=missing[0], found=found, expected=", ".join(_REQUIRED))
    unknown = sorted(name for name in names if name not in COLUMNS and not name.startswith(QUALITY_PREFIX))
    if unknown:
        known = ", ".join((*COLUMNS, f"{QUALITY_PREFIX}NAME"))
        raise InputError(path, where=f"column {unknown[0]!r}", found="an unknown column", expected=known)


def _is_given(value: Any) -> bool:
    if value is np.ma.masked or value is None:
        return False
    return not (isinstance(value, str) and not value.strip())


FORMAT = Format(
    name="table",
    description="an exposure table (CSV, ECSV): one row per exposure of any instrument",
    recognise=_recognise,
    open=_open,
)
