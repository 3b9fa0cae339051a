"""The folder that a run writes to: one run at a time, and nothing of a dead one is left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from ..errors import OutputError
from ..files import TEMPORARY_PREFIX, make_folder

__all__ = ("SCRATCH_NAME", "hold_folder", "remove_leftovers")

SCRATCH_NAME = "scratch"
"""Name of folders for warps that wait on disk."""

_LOCK_NAME = f"{TEMPORARY_PREFIX}lock"


@contextlib.contextmanager
def hold_folder(path: str | PathLike[str], products: re.Pattern[str]) -> Iterator[Path]:
    """Make a folder, keep other runs out of it, and clear it of what killed runs left.

    The lock is one of the operating system's (``flock``): it ends with the
    process, however that ends.  On a file system without such locks two runs
    are not kept apart, and leftovers stay, because they could be another's.

    Parameters
    ----------
    path
        The folder; made if it is absent.
    products
        Names of the files that runs write into it (see `remove_leftovers`).

    Yields
    ------
    `pathlib.Path`
        The folder.

    Raises
    ------
    OutputError
        Raised when the folder cannot be written to, or another run holds it.
    """
    folder = make_folder(path)
    with _lock(folder) as alone:
        if alone:
            remove_leftovers(folder, products)
        try:
            yield folder
        finally:
            if alone:  # workers that were stopped could not tidy up
                remove_leftovers(folder, products)


def remove_leftovers(folder: Path, products: re.Pattern[str]) -> None:
    """Remove temporary folders that a killed run left in a folder, and in the folders directly below.

    Only folders that lamella named are removed: those for scratch files, and
    those in which a file was being written whose name matches ``products``.
    """
    for parent in (folder, *(entry for entry in folder.iterdir() if _is_folder(entry))):
        for entry in parent.glob(f"{TEMPORARY_PREFIX}*-*"):
            name = entry.name.removeprefix(TEMPORARY_PREFIX).rpartition("-")[0]
            if _is_folder(entry) and (name == SCRATCH_NAME or products.fullmatch(name)):
                shutil.rmtree(entry, ignore_errors=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder; give `False` where the file system has no locks."""
    path = folder / _LOCK_NAME
    descriptor = _take(path)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)  # while it is held, so that it is nobody else's
        os.close(descriptor)


def _take(path: Path) -> int | None:
    """Return the descriptor of a locked file; `None` where there are no locks."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:  # its last holder removed it between two calls
            pass
        except BlockingIOError:
            os.close(descriptor)
            raise OutputError(path.parent, reason="another run of lamella is writing to it") from None
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            return None
        os.close(descriptor)
