"""Writing files so that nothing half-written stays under a final name."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from .errors import LamellaError, OutputError

__all__ = ("TEMPORARY_PREFIX", "atomic_path", "make_folder", "sync", "write_bytes", "write_text")

TEMPORARY_PREFIX = ".lamella-"
"""Prefix of temporary folders."""
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_TOLD: set[tuple[int, str]] = set()
_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def atomic_path(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside ``path``; when the block ends well, rename it to ``path``.

    The file is on disk (fsync) before it gets its name, and the folder after.
    When the block raises, the temporary file is removed and an older file
    under ``path`` stays as it was.

    Parameters
    ----------
    path
        Final name.  An existing file is replaced.

    Yields
    ------
    `pathlib.Path`
        A name that does not exist yet, with the same suffixes.

    Raises
    ------
    OutputError
        Raised when the folder cannot be written to or the disk is full.
    """
    path = Path(path)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{path.name}-", dir=path.parent))
    except OSError as err:
        raise OutputError(path, reason=_reason(err)) from err
    temporary = folder / path.name
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except LamellaError:  # also one that is an OSError, about a file that was read
        raise
    except OSError as err:
        raise OutputError(path, reason=_reason(err)) from err
    finally:
        temporary.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _reason(err: OSError) -> str:
    # Libraries that raise an error anew put its number into the text.
    return err.strerror or re.sub(r"^\[Errno \d+\] ", "", str(err)) or type(err).__name__


def sync(path: str | PathLike[str]) -> None:
    """Wait until a file, or the names in a folder, are on disk.

    Where the file system does not offer that, as some that are shared over a network do not for folders, a
    warning is logged, once, and nothing is waited for. Other errors, such as of a full disk, are raised.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as err:
        if err.errno not in _NO_SYNC:
            raise
        _tell_no_sync(os.fstat(descriptor).st_dev, _reason(err), path)
    finally:
        os.close(descriptor)


def _tell_no_sync(device: int, reason: str, path: str | PathLike[str]) -> None:
    # Once for each file system: a run writes many files.
    if (device, reason) not in _TOLD:
        _TOLD.add((device, reason))
        _LOG.warning("%s: the file system cannot confirm that this is on disk (%s)", path, reason)


def write_text(path: str | PathLike[str], text: str) -> None:
    """Write a text file (UTF-8), all or nothing."""
    write_bytes(path, text.encode())


def write_bytes(path: str | PathLike[str], content: bytes) -> None:
    """Write a file, all or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def make_folder(path: str | PathLike[str]) -> Path:
    """Make a folder that can be written to, with its parents.

    Raises
    ------
    OutputError
        Raised when that is not possible.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as err:
        raise OutputError(path, reason=_reason(err)) from err
    return path
