"""The index of an archive: where it is in a file, and what its rows say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ...fits.hdus import Container, Unit
from ...fits.tables import Rows

__all__ = ("IndexEntry", "find_index")


@dataclasses.dataclass(frozen=True)
class IndexEntry:
    """One row of the index: some rows of one object in one table."""

    id: int
    archive: int
    """Number of the table; -1 for an object without state."""
    persistable: int
    """Which of the tables of the object this is."""
    row0: int
    nrows: int
    kind: tuple[str, str]

    @staticmethod
    def all(rows: Rows) -> Iterator[IndexEntry]:
        """Read all rows of the index."""
        # The first files had underscores in the names of these columns.
        separator = "." if "cat.archive" in rows else "_"
        for row in rows:
            yield IndexEntry(
                id=row.integer("id"),
                archive=row.integer(f"cat{separator}archive"),
                persistable=row.integer(f"cat{separator}persistable"),
                row0=row.integer("row0"),
                nrows=row.integer("nrows"),
                kind=(row.text("name"), row.text("module", "")),
            )


def find_index(container: Container) -> Unit | None:
    """Return the HDU of the index: the one that AR_HDU names, counting from 1, else the first by EXTTYPE.

    A file without an index has no archive, also where AR_HDU says otherwise:
    servers that cut images out of files copy the card and not the archive.

    Raises
    ------
    InputError
        Raised when there is an index, and AR_HDU names another HDU.
    """
    number, by_kind = container.units[0].cards.get("AR_HDU"), container.find("ARCHIVE_INDEX")
    if number is None or by_kind is None:
        return by_kind
    unit = container.unit(number - 1) if isinstance(number, int) else None
    if unit is None or unit.kind != "ARCHIVE_INDEX":
        raise container.problem(
            f"{number!r}, which is no archive index",
            "the number of the HDU with the archive index",
            "HDU 0, AR_HDU",
        )
    return unit
