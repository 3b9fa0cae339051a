"""Processes that would compile the same kernel at the same time do so one after the other."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without such locks: each process compiles
    fcntl = None  # type: ignore[assignment]

__all__ = ("take_turn",)

_LONGEST = 120.0
"""Seconds after which it is not worth waiting: a process that was stopped keeps its locks."""
_STEP = 0.05
_NAME = ".lamella-kernels.lock"


@contextlib.contextmanager
def take_turn(folder: Path, name: str) -> Iterator[bool]:
    """Hold a lock for a name while the context lasts, where the file system has locks.

    One file of a folder holds the locks of all names, each on a byte of its own; they end with the process.
    The caller sees to it that threads of one process do not use it at the same time.

    Yields
    ------
    bool
        Whether another process had the lock before, so that the work may be done.
    """
    lock = _open(folder)
    byte = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest())
    if lock is None:
        yield False
        return
    try:
        yield _wait(lock, byte)
    finally:
        with contextlib.suppress(OSError):
            fcntl.lockf(lock, fcntl.LOCK_UN, 1, byte)


@functools.cache
def _open(folder: Path) -> int | None:
    """Open the file of the locks, and keep it open: to close it would end all locks of this process."""
    if fcntl is None:
        return None
    try:
        return os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None


def _wait(lock: int, byte: int) -> bool:
    begin, waited = time.monotonic(), False
    while time.monotonic() - begin < _LONGEST:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            waited = True
            time.sleep(_STEP)
        except OSError:  # a file system without locks
            return False
        else:
            break
    return waited
