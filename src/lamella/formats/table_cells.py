"""Cells of exposure tables: texts, and the numbers that they spell."""

from __future__ import annotations

import csv
import io
import itertools
import re
from pathlib import Path

import numpy as np

from ..errors import UnreadableFileError
from ..fits.quiet import quiet_astropy
from ..texts import read_text, require_modest_yaml

__all__ = ("parse_integer", "parse_number", "read_cells")

_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_DIGITS = re.compile(r"[+-]?\d+", re.ASCII)
_EXACT = 2**53
"""Floating point numbers beyond this are not all whole numbers' own."""
_LARGEST = 2**63 - 1
_MAX_DIGITS = 100
"""Characters of a number; more are no number of anybody."""
_EXPECTED = "a table in CSV or ECSV"


def parse_number(text: str) -> float | None:
    """Return the number that a text spells, NaN and infinity included; `None` when it spells none."""
    return float(text) if len(text) <= _MAX_DIGITS and _NUMBER.fullmatch(text) else None


def parse_integer(text: str) -> int | None:
    """Return the whole number of at most 64 bits that a text spells, exactly; `None` when it spells none.

    ``5.0`` and ``1e3`` are whole numbers, too, below 2^53: beyond, such a text
    may have been rounded by what wrote it.
    """
    if len(text) > _MAX_DIGITS:
        return None
    if _DIGITS.fullmatch(text):
        value = int(text)
        return value if -_LARGEST - 1 <= value <= _LARGEST else None
    number = parse_number(text)
    if number is None or not abs(number) <= _EXACT or number != int(number):
        return None
    return int(number)


def read_cells(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Read a table whose cells stay the texts that they are.

    Parameters
    ----------
    path
        A CSV file in UTF-8, or an ECSV file.

    Returns
    -------
    names
        The columns.
    rows
        The cells of each row that are not empty, without surrounding blanks.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, is no such table, or a row has more cells than there are columns.
    """
    try:
        return _read_ecsv(path) if path.suffix.lower() == ".ecsv" else _read_csv(path)
    except UnreadableFileError:
        raise
    except Exception as err:
        # The reader of astropy raises whatever its parsers meet.
        reason = " ".join(str(err).split()).rstrip(".") or type(err).__name__
        raise UnreadableFileError(path, found=reason, expected=_EXPECTED) from err


def _read_csv(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    text = io.StringIO(read_text(path, _EXPECTED, encoding="utf-8-sig"))
    lines = [[cell.strip() for cell in line] for line in csv.reader(text, skipinitialspace=True, strict=True)]
    filled = [line for line in lines if any(line)]
    while filled and filled[0][0].startswith("#"):
        del filled[0]
    if not filled:
        raise UnreadableFileError(path, found="an empty table", expected="a line with the names of columns")
    names, rows = filled[0], filled[1:]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(path, found=f"two columns {twice[0]!r}", expected="names that differ")
    for number, row in enumerate(rows, start=1):
        if any(row[len(names) :]):
            expected = f"at most {len(names)}, one for each column"
            raise UnreadableFileError(
                path, where=f"row {number}", found=f"{len(row)} cells", expected=expected
            )
    return tuple(names), [{n: cell for n, cell in zip(names, row, strict=False) if cell} for row in rows]


def _read_ecsv(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    from astropy.table import Table

    lines = read_text(path, _EXPECTED).splitlines()
    # The first line names the format; YAML of astropy follows it.
    comments = itertools.takewhile(lambda line: line.startswith("#"), lines[1:])
    require_modest_yaml("\n".join(line[2:] for line in comments), path, _EXPECTED)
    with quiet_astropy():
        table = Table.read(lines, format="ascii.ecsv")
    rows = []
    for row in table:
        cells = {name: row[name] for name in table.colnames if row[name] is not np.ma.masked}
        # Python's own numbers are written with all their digits.
        plain = {n: cell.item() if isinstance(cell, np.generic) else cell for n, cell in cells.items()}
        texts = {name: str(value).strip() for name, value in plain.items() if value is not None}
        rows.append({name: text for name, text in texts.items() if text})
    return tuple(table.colnames), rows
