"""Finding exposures and their companions among files and folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import UnreadableFileError

__all__ = ("FITS_SUFFIXES", "FileIndex", "bare_name", "distance", "is_fits_name", "split_name", "walk")

_COMPRESSIONS = (".gz", ".fz", ".bz2")
FITS_SUFFIXES = (".fits", ".fit", ".fts")


def bare_name(path: Path | str) -> str:
    """Return the name of a file without the suffix of a compression."""
    name = os.path.basename(path)
    for suffix in _COMPRESSIONS:
        name = name.removesuffix(suffix)
    return name


def is_fits_name(path: Path) -> bool:
    """Return whether a name is that of a FITS file, compressed or not."""
    return bare_name(path).lower().endswith(FITS_SUFFIXES)


def split_name(name: str) -> tuple[str, str]:
    """Return the name of a file without the suffix of FITS files, and that suffix; without, an empty one."""
    suffix = next((end for end in FITS_SUFFIXES if name.lower().endswith(end)), "")
    return name[: len(name) - len(suffix)], name[len(name) - len(suffix) :]


def walk(folder: Path, on_unreadable: Callable[[UnreadableFileError], None] | None = None) -> list[Path]:
    """Return the files below a folder, sorted by path; hidden ones are left out.

    Parameters
    ----------
    folder
        Where they are; links to folders below it are not followed.
    on_unreadable
        Called for each folder that cannot be listed; by default it is raised.

    Raises
    ------
    UnreadableFileError
        Raised when a folder cannot be listed.
    """

    def fail(err: OSError) -> None:
        reason = err.strerror or str(err)
        told = UnreadableFileError(err.filename or folder, found=reason, expected="a readable folder")
        if on_unreadable is None:
            raise told from err
        on_unreadable(told)

    files: list[Path] = []
    for here, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(here, name) for name in names if not name.startswith(".")]
    return sorted(files)


class FileIndex:
    """Files by name, for finding the companions of an exposure.

    Parameters
    ----------
    paths
        Files that were given or lie in folders that were given.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._by_name: dict[str, set[Path]] = {}
        self._matching: dict[str, tuple[Path, ...]] = {}
        self._groups: dict[object, dict[Hashable, list[Path]]] = {}
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        """Add a file."""
        self._by_name.setdefault(bare_name(path), set()).add(path)
        self._matching.clear()
        self._groups.clear()

    def add_folder(self, folder: Path) -> None:
        """Add the files of a folder, without its subfolders; a folder that is absent adds none."""
        if folder.is_dir():
            for path in folder.iterdir():
                if os.path.isfile(path):
                    self.add(path)

    def find(self, name: str, *, near: Path) -> Path | None:
        """Return the file of a name that lies nearest to another file, compressed or not.

        Of two that lie equally near, the first by path is taken; none that lies nearer to a file
        of the same name as the other one, as in the folder of another night.
        """
        candidates = self._by_name.get(bare_name(name))
        if candidates is None:
            return None
        nearest = min(candidates, key=lambda path: (distance(path, near), path))
        return nearest if self.belongs(nearest, near, self._by_name.get(bare_name(near), ())) else None

    @staticmethod
    def belongs(path: Path, owner: Path, rivals: Iterable[Path]) -> bool:
        """Return whether no rival of an owner lies nearer to a file."""
        apart = distance(path, owner)
        return all(distance(path, rival) >= apart for rival in rivals if rival != path)

    def group(self, keys: Callable[[Path], Iterable[Hashable]]) -> Mapping[Hashable, Sequence[Path]]:
        """Return the files, sorted by path, by keys that a function makes for each: once for all files."""
        if keys not in self._groups:
            groups: dict[Hashable, list[Path]] = {}
            for path in sorted(path for paths in self._by_name.values() for path in paths):
                for key in dict.fromkeys(keys(path)):
                    groups.setdefault(key, []).append(path)
            self._groups[keys] = groups
        return self._groups[keys]

    def matching(self, pattern: str) -> tuple[Path, ...]:
        """Return the files in whose names a pattern is found, without regard to case, sorted."""
        if pattern not in self._matching:  # many exposures share their products
            search = re.compile(pattern, re.IGNORECASE).search
            names = [paths for name, paths in self._by_name.items() if search(name)]
            self._matching[pattern] = tuple(sorted(path for paths in names for path in paths))
        return self._matching[pattern]

    def starting_with(self, prefix: str, *, near: Path) -> list[Path]:
        """Return the files whose names start with a text, the nearest first."""
        files = [path for name, paths in self._by_name.items() if name.startswith(prefix) for path in paths]
        return sorted(files, key=lambda path: (distance(path, near), path))


def distance(path: Path, near: Path) -> int:
    """Return how many folders are left and entered on the way from one file to another."""
    ours, theirs = path.absolute().parent, near.absolute().parent
    shared = Path(os.path.commonpath([ours, theirs]))
    return len(ours.parts) + len(theirs.parts) - 2 * len(shared.parts)
