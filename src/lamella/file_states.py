"""What files are like, so that it is noticed when they are no longer what they were.

A file whose size, times and inode are those that were noted is not read.  Where one
of these differs, as in a folder that was copied or restored, its content decides:
by XXH3 with 128 bits, which is as fast as the file comes from memory.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import xxhash

__all__ = ("FileState", "States", "changes_of", "note_states", "read_states", "see_files", "settle")

_STEP = 1 << 20
_UNSETTLED = "changed meanwhile"
"""Instead of the content of a file that changed while it was used: it is like no other."""


@dataclasses.dataclass(frozen=True)
class FileState:
    """State of a file.

    Attributes
    ----------
    size
        Bytes.
    stamps
        When it was last written to, and when the system last changed its entry, both in nanoseconds, and its
        inode.
    content
        Hexadecimal digits of the hash of its bytes; empty where it was not read.
    """

    size: int
    stamps: tuple[int, int, int]
    content: str = ""

    @classmethod
    def of(cls, path: str | Path) -> Self | None:
        """Look at a file; `None` when it is absent."""
        try:
            stat = Path(path).stat()
        except OSError:  # reading it says why
            return None
        return cls(stat.st_size, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))

    def has_stamps_of(self, other: FileState | None) -> bool:
        """Return whether a file looks as another state says, without being read."""
        return other is not None and (self.size, self.stamps) == (other.size, other.stamps)


type States = Mapping[str, FileState | None]
"""States of files by name; `None` of one that is absent."""


def see_files(folder: Path, names: Iterable[str]) -> dict[str, FileState | None]:
    """Look at files of a folder, without reading them."""
    return {name: FileState.of(folder / name) for name in names}


def settle(
    states: States, known: States | None = None, *, folder: Path | None = None
) -> dict[str, FileState | None]:
    """Return states with the content of the files.

    Parameters
    ----------
    states
        What was seen of the files, before they were used.
    known
        States with content that are known from before: a file that looks the same is not read.
    folder
        Folder that the names are relative to; by default the current one.
    """
    return {
        name: None
        if state is None
        else _settled(folder / name if folder else name, state, (known or {}).get(name))
        for name, state in states.items()
    }


def _settled(path: str | Path, state: FileState, known: FileState | None) -> FileState:
    if known is not None and known.content and state.has_stamps_of(known):
        return known
    return dataclasses.replace(state, content=_content_of(str(path), state))


@functools.lru_cache(maxsize=65536)
def _content_of(path: str, state: FileState) -> str:
    hashed, buffer = xxhash.xxh3_128(), memoryview(bytearray(_STEP))
    try:
        with Path(path).open("rb", buffering=0) as stream:
            while count := stream.readinto(buffer):
                hashed.update(buffer[:count])
    except OSError:
        return _UNSETTLED
    return hashed.hexdigest() if state.has_stamps_of(FileState.of(path)) else _UNSETTLED


def changes_of(folder: Path, known: States) -> list[str]:
    """Return in words what differs of files of a folder from what is known of them, one text each."""
    told = []
    for name, then in known.items():
        now = FileState.of(folder / name)
        if then is None or now is None:
            told += [f"{name} is no longer there"] if then is not None else []
        elif now.size != then.size:
            told.append(f"{name} has {now.size} bytes and had {then.size}")
        elif not now.has_stamps_of(then) and _settled(folder / name, now, None).content != then.content:
            told.append(f"{name} has another content")
    return told


def note_states(states: States) -> dict[str, Any]:
    """Return states as plain values."""
    return {
        path: None if state is None else [state.size, *state.stamps, state.content]
        for path, state in states.items()
    }


def read_states(values: object) -> dict[str, FileState | None]:
    """Return states that `note_states` noted; what is no state is left out, as if nothing was known."""
    states: dict[str, FileState | None] = {}
    for path, value in values.items() if isinstance(values, Mapping) else ():
        if value is None:
            states[str(path)] = None
        elif isinstance(value, Sequence) and [type(item) for item in value] == [int, int, int, int, str]:
            size, written, changed, inode, content = value
            states[str(path)] = FileState(size, (written, changed, inode), content)
    return states
