"""Files that one command writes: nobody else's meanwhile, and its own again after it was killed."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError
from ..files import TEMPORARY_PREFIX
from ..texts import read_json

__all__ = ("claim_files", "keep_claims_until_exit")

_PREFIX = f"{TEMPORARY_PREFIX}claim-"
_RANDOM = re.compile("[a-z0-9_]{8}")
"""What `tempfile` ends names with."""


@contextlib.contextmanager
def claim_files(paths: Iterable[Path], *, overwrite: bool) -> Iterator[None]:
    """Keep other commands from some files while they are written.

    A claim is a small file beside them, locked as long as the process lives (``flock``), with the names of
    those that were not there when the command began. When it is killed or fails, the claim stays: what it
    had written so far belongs to whoever claims the same names next, who replaces it, and removes the
    temporary folders of these names. When the block ends well, nothing of it is left. On a file system
    without locks nobody is kept away, and a file that is there is never taken for one's own.

    Parameters
    ----------
    paths
        Files to be written, in folders that exist.
    overwrite
        Whether files of others are replaced.

    Raises
    ------
    OutputError
        Raised when a file is there that is not what a command left unfinished, when a living command is
        writing it, or when the folder cannot be written to.
    """
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        folders[path.parent].append(path)
    with contextlib.ExitStack() as claims:
        for folder, members in sorted(folders.items()):
            names = sorted({path.name for path in members})
            claims.enter_context(_claim_in(folder, names, overwrite=overwrite))
        yield


@dataclasses.dataclass(frozen=True)
class _Claim:
    """A claim that this process holds."""

    path: Path
    descriptor: int
    own: frozenset[str]
    """Names of the files that were not there, or that a dead command had left unfinished."""

    def end(self, *, finished: bool) -> None:
        """Give the claim up; it stays for the next command where something was written and not finished."""
        if finished and _until_exit is not None:
            _until_exit.append(self)
            return
        if finished or not any(os.path.lexists(self.path.with_name(name)) for name in self.own):
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


_until_exit: list[_Claim] | None = None
"""Claims of which all is written; `None` where they end with their block."""


def keep_claims_until_exit() -> None:
    """Have claims of which all is written last until the process ends: for a program that makes one thing.

    To whoever gave the command, one that is killed on its way out was killed, and they give it again.
    """
    global _until_exit
    if _until_exit is None:
        _until_exit = []
        atexit.register(_end_claims)


def _end_claims() -> None:
    global _until_exit
    claims, _until_exit = _until_exit or [], None
    for claim in claims:
        claim.end(finished=True)


@contextlib.contextmanager
def _claim_in(folder: Path, names: Sequence[str], *, overwrite: bool) -> Iterator[None]:
    try:
        claim = _take(folder, names, overwrite=overwrite)
    except OSError as err:
        if isinstance(err, OutputError):
            raise
        raise OutputError(folder / names[0], reason=err.strerror or str(err)) from err
    finished = False
    try:
        yield
        finished = True
    finally:
        if claim is not None:
            claim.end(finished=finished)


def _take(folder: Path, names: Sequence[str], *, overwrite: bool) -> _Claim | None:
    """Claim some files of a folder; `None` where there are no locks."""
    with _alone_in(folder) as locks:
        abandoned = _look_at_others(folder, names) if locks else {}
        left = {name for files in abandoned.values() for name in files}
        foreign = {name for name in names if os.path.lexists(folder / name)} - left
        if foreign and not overwrite:
            raise OutputError(folder / min(foreign), reason="it exists (use --overwrite)")
        if not locks:
            return None
        claim = _write_claim(folder, set(names) - foreign, foreign)
        for other in abandoned:
            other.unlink(missing_ok=True)
        _remove_temporary(folder, names)
    return claim


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder for the moment in which claims are compared; `False` without locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _look_at_others(folder: Path, names: Sequence[str]) -> dict[Path, list[str]]:
    """Return the abandoned claims that have one of some names, each with all of its names.

    Raises
    ------
    OutputError
        Raised when the command that has one is alive.
    """
    abandoned = {}
    for path in sorted(folder.glob(f"{_PREFIX}*")):
        claim = _read_claim(path)
        shared = sorted(set(names) & {*claim["files"], *claim["replaced"]})
        if shared and _is_held(path):
            who = f"process {claim['pid']} on {claim['host']}, since {claim['since']}"
            raise OutputError(folder / shared[0], reason=f"another command is writing it ({who})")
        if set(names) & set(claim["files"]):
            abandoned[path] = claim["files"]
    return abandoned


def _read_claim(path: Path) -> Mapping[str, Any]:
    nothing = {"files": [], "replaced": [], "pid": "unknown", "host": "unknown", "since": "unknown"}
    try:
        content = read_json(path, "a claim of files")
    except InputError:  # it is gone meanwhile, or its writer was killed while it wrote
        return nothing
    return nothing | content if isinstance(content, dict) else nothing


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _write_claim(folder: Path, own: set[str], replaced: set[str]) -> _Claim:
    """Write and lock a claim."""
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    content = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "files": sorted(own),
        "replaced": sorted(replaced),
    }
    os.write(descriptor, json.dumps(content).encode())
    return _Claim(Path(name), descriptor, frozenset(own))


def _remove_temporary(folder: Path, names: Iterable[str]) -> None:
    """Remove the folders in which a killed command was writing some files."""
    for name in names:
        prefix = f"{TEMPORARY_PREFIX}{name}-"
        for entry in os.scandir(folder):
            rest = entry.name.removeprefix(prefix)
            if rest != entry.name and _RANDOM.fullmatch(rest) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
