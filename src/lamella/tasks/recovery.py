"""SQLite databases of killed processes."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from lsst.resources import ResourcePath

__all__ = ("roll_back",)


def roll_back(root: str) -> None:
    """Undo what a killed process had begun in a repository; a connection for reading cannot.

    Parameters
    ----------
    root
        Folder or address of the repository; nothing is done where it has no SQLite
        database with an unfinished transaction.
    """
    folder = ResourcePath(root, forceDirectory=True)
    if not folder.isLocal:
        return
    database = Path(folder.ospath).resolve() / "gen3.sqlite3"
    if not database.with_name(f"{database.name}-journal").is_file():
        return
    # In this mode a database that is absent is not made; one that is locked belongs to a living process.
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(
            sqlite3.connect(f"{database.as_uri()}?mode=rw", timeout=0, uri=True)
        ) as connection,
    ):
        connection.execute("select count(*) from sqlite_master")
