"""Rows of exposure tables that stand for several HDUs of a file: one row for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..errors import MissingPartError
from ..fits.read import Header, hdu_name, read_headers
from ..texts import hdu_of
from .row_cells import RowCells
from .table_columns import COLUMNS
from .table_hdus import flat_shape, hdu_index, is_other_plane

__all__ = ("expanded_rows", "hdu_spelling")

_HDU_COLUMN = re.compile(r"\w+_hdu")
_ANY = "*"


def expanded_rows(cells: RowCells) -> Iterator[dict[str, str]]:
    """Iterate over the rows that a row stands for: itself, unless image_hdu has a ``*``.

    For each image whose EXTNAME fits, ``*`` in the other columns of HDUs is what it stands for in the name;
    without ``*``, an HDU of the same file is the one of this name with the EXTVER of the image.

    Raises
    ------
    MissingPartError
        Raised when no HDU fits.
    UnreadableFileError
        Raised when the file is absent or damaged.
    """
    pattern = cells.text("image_hdu", "")
    if _ANY not in pattern:
        yield dict(cells.values)
        return
    path = cells.table.parent / cells.text("file")
    headers = read_headers(path)
    regex = re.compile(re.escape(pattern).replace(r"\*", "(.*)", 1).replace(r"\*", ".*"), re.IGNORECASE)
    count = 0
    for index, header in enumerate(headers):
        matched = regex.fullmatch(hdu_name(header, index))
        bare = pattern == _ANY
        if flat_shape(header) is None or matched is None or (bare and is_other_plane(header)):
            continue
        count += 1
        row = _row_of(cells.values, headers, index, matched[1])
        yield row | _planes_of_files(cells, headers, index)
    if not count:
        names = ", ".join(
            f"{index} {hdu_name(header, index)}".strip() for index, header in enumerate(headers)
        )
        raise MissingPartError(
            path,
            where=cells.where("image_hdu"),
            found=f"no image of the name {pattern} (HDUs {names})",
            expected="one at least",
        )


def hdu_spelling(headers: Sequence[Header], index: int) -> str:
    """Return a text for an HDU that no other HDU of the file has: its name, name and EXTVER, or index."""
    name = hdu_name(headers[index], index)
    same = [other for other, header in enumerate(headers) if hdu_name(header, other) == name]
    # Digits alone, or a comma, would be read as something else.
    if not name or name.isdecimal() or "," in name or " " in name:
        return str(index)
    if len(same) == 1:
        return name
    versions = [headers[other].get("EXTVER", 1) for other in same]
    version = headers[index].get("EXTVER", 1)
    return f"{name},{version}" if versions.count(version) == 1 else str(index)


def _row_of(values: Mapping[str, str], headers: Sequence[Header], index: int, star: str) -> dict[str, str]:
    """Return the row of one image: what ``*`` stands for, and the EXTVER of the image, in the other HDUs."""
    row = dict(values)
    version = headers[index].get("EXTVER", 1)
    for column in row:
        if column == "image_hdu":
            row[column] = hdu_spelling(headers, index)
        elif _HDU_COLUMN.fullmatch(column) and _ANY in row[column]:
            row[column] = row[column].replace(_ANY, star or str(index))
        elif _HDU_COLUMN.fullmatch(column) and column.replace("_hdu", "_file") not in row:
            row[column] = _with_version(row[column], headers, version)
    return row


def _planes_of_files(cells: RowCells, headers: Sequence[Header], index: int) -> dict[str, str]:
    """Return the HDUs of planes of which a row names the file only: that of the image's name, or index."""
    planes = {}
    for column in cells.values:
        hdu = column.replace("_file", "_hdu")
        if not column.endswith("_file") or hdu in cells or hdu not in COLUMNS:
            continue
        path = cells.file(column, cells.table)
        others = read_headers(path)
        spelling = hdu_spelling(headers, index)
        try:
            hdu_index(others, hdu_of(spelling), path)
        except MissingPartError:
            spelling = str(index if len(others) == len(headers) else 0)
        planes[hdu] = spelling
    return planes


def _with_version(name: str, headers: Sequence[Header], version: object) -> str:
    """Return NAME,EXTVER where there are several HDUs of this name, and one with this EXTVER."""
    same = [header for index, header in enumerate(headers) if hdu_name(header, index) == name.upper()]
    fits = [header for header in same if header.get("EXTVER", 1) == version]
    return f"{name},{version}" if len(same) > 1 and len(fits) == 1 else name
