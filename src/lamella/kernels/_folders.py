"""Where compiled kernels are looked for, and where they are kept.

An administrator who warms an installation does so for all its users: what lies
beside the package is found even where nobody may write.
"""

from __future__ import annotations

import functools
import logging
import multiprocessing
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from numba.core import config
from numba.core.caching import InTreeCacheLocator
from numba.misc.appdirs import AppDirs

__all__ = ("folder_to_write", "folders_to_read")

_LOG = logging.getLogger(__name__)


def folders_to_read(source: Path) -> Iterator[Path]:
    """Yield the folders in which compiled kernels of a source file may be, in the order of looking.

    Where ``NUMBA_CACHE_DIR`` names a folder that can be written, it is the only one.
    """
    chosen = _chosen(source)
    if chosen is not None:
        yield chosen
        if _is_writable(chosen):
            return
    yield _beside(source)
    user = _of_user(source)
    if user is not None:
        yield user
    temporary = _temporary()
    if temporary is not None:
        yield temporary / _name_of(source)


@functools.cache
def folder_to_write(source: Path) -> Path | None:
    """Return the first of these folders that can be written; `None` where there is none.

    The last resort is a folder of this user among the temporary files, which is told once.
    """
    for folder in (_chosen(source), _beside(source), _of_user(source)):
        if folder is not None and _is_writable(folder):
            return folder
    temporary = _make_temporary()
    _tell_of_last_resort(temporary)
    return None if temporary is None else _make(temporary / _name_of(source))


def _chosen(source: Path) -> Path | None:
    chosen: str = config.CACHE_DIR  # type: ignore[attr-defined]
    return Path(chosen).absolute() / _name_of(source) if chosen else None


def _beside(source: Path) -> Path:
    return source.parent / "__pycache__"


def _of_user(source: Path) -> Path | None:
    folder = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)  # type: ignore[no-untyped-call]
    # A user without a home has a path with a tilde, below the current folder.
    return folder / _name_of(source) if folder.is_absolute() else None


def _name_of(source: Path) -> str:
    """Return the name that the folder of a source file has beside those of other installations."""
    name: str = InTreeCacheLocator.get_suitable_cache_subpath(str(source))  # type: ignore[no-untyped-call]
    return name


def _temporary_path() -> Path | None:
    try:
        return Path(tempfile.gettempdir()).absolute() / f"lamella-kernels-{os.getuid()}"
    except (OSError, AttributeError):  # no such folder; a system without numbers of users
        return None


def _temporary() -> Path | None:
    """Return the folder among the temporary files, if it is there and nobody else can have written to it."""
    path = _temporary_path()
    return path if path is not None and _is_mine(path) else None


def _make_temporary() -> Path | None:
    path = _temporary_path()
    if path is None:
        return None
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return path if _is_mine(path) and _is_writable(path) else None


def _is_mine(path: Path) -> bool:
    """Return whether a folder is this user's alone: compiled code of others is not run."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


@functools.cache
def _is_writable(folder: Path) -> bool:
    if _make(folder) is None:
        return False
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _make(folder: Path) -> Path | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


@functools.cache
def _tell_of_last_resort(folder: Path | None) -> None:
    """Say where compiled kernels go when they cannot be kept, once for all processes of a command."""
    if multiprocessing.parent_process() is not None:
        return
    where = f"in {folder}" if folder is not None else "in memory, by each process again"
    _LOG.warning(
        "Compiled kernels can be kept neither beside the package nor in a folder of this user: they are "
        "compiled %s. 'lamella warm' by whoever may write the package, or NUMBA_CACHE_DIR, spares that.",
        where,
    )
