"""Names of the semaphores of pools of processes, by which those of dead runs are known and removed.

Processes that do not fork share semaphores by name, which the system keeps until somebody removes them.
Python has a process for that, which dies with the others when a whole group is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from multiprocessing import process
from pathlib import Path

__all__ = ("named_semaphores", "remove_dead_semaphores")

_FOLDER = Path("/dev/shm")
"""Where Linux keeps semaphores that have a name."""
_NAME = re.compile(r"sem\.lamella-(?P<space>\d+)-(?P<pid>\d+)-(?P<start>\d+)-.+")


@contextlib.contextmanager
def named_semaphores() -> Iterator[None]:
    """Give semaphores that are made meanwhile the number of this process, its start and its namespace."""
    config = process.current_process()._config  # type: ignore[attr-defined]
    before = config.get("semprefix")
    start = _start_of(os.getpid())
    if before is not None and start is not None:
        config["semprefix"] = f"/lamella-{_space()}-{os.getpid()}-{start}"
    try:
        yield
    finally:
        if before is not None:
            config["semprefix"] = before


def remove_dead_semaphores() -> None:
    """Remove what dead processes of this user have left; what cannot be told for sure stays."""
    with contextlib.suppress(OSError):
        for path in _FOLDER.iterdir():
            name = _NAME.fullmatch(path.name)
            if name is None or int(name["space"]) != _space() or path.stat().st_uid != os.getuid():
                continue
            if _start_of(int(name["pid"])) != int(name["start"]):
                path.unlink(missing_ok=True)


def _space() -> int:
    """Return the number of the namespace in which this process has its own: those of containers differ."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _start_of(pid: int) -> int | None:
    """Return when a process started, in ticks since the machine did; `None` when it is not there."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The second of the fields is the command in brackets, which may hold anything; this is the 22nd.
    return int(status.rpartition(b")")[2].split()[19])
