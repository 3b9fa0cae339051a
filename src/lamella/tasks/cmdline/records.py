"""Files about a run that are no datasets: its configuration, schemas and software versions."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from ...errors import UnreadableFileError
from ...files import make_folder, write_text
from ...texts import read_text

__all__ = ("Records",)


class Records:
    """A folder of small text files, each written whole or not at all.

    Parameters
    ----------
    folder
        The folder; it is made with the first file.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)

    def path(self, name: str) -> Path:
        """Return the path of a file, e.g. of ``config/assembleCoadd.py``."""
        return self.folder / name

    def read(self, name: str) -> str | None:
        """Return the text of a file, or `None` where there is none.

        Raises
        ------
        UnreadableFileError
            Raised when the file is there and cannot be read.
        """
        path = self.path(name)
        try:
            return read_text(path, "a text file")
        except UnreadableFileError as err:
            if isinstance(err.__cause__, FileNotFoundError):
                return None
            raise

    def write(self, name: str, text: str, *, backup: bool = False) -> Path:
        """Write a file.

        Parameters
        ----------
        name
            Name within the folder.
        text
            Content.
        backup
            Keep what was there before as ``name~1``; older ones become ``name~2``
            and so on.

        Returns
        -------
        path : `pathlib.Path`
            The file.

        Raises
        ------
        OutputError
            Raised when the file cannot be written.
        """
        path = self.path(name)
        make_folder(path.parent)
        if backup and path.exists():
            # A second name, path~1: the file also keeps its own until it is replaced.
            count = 1
            while _numbered(path, count).exists():
                count += 1
            for number in range(count, 1, -1):
                _numbered(path, number - 1).rename(_numbered(path, number))
            os.link(path, _numbered(path, 1))
        write_text(path, text)
        return path


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}~{number}")
