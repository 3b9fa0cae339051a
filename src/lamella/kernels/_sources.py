"""The state of the sources of a kernel: of its own file, and of all of this room that it is compiled from."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

__all__ = ("source_stamp",)

_ROOM = Path(__file__).parent
_POLICY = (_ROOM / "_jit.py", _ROOM / "_parts.py")
"""How kernels are compiled; what keeps them on disk changes nothing in them."""
_IMPORT = re.compile(rb"^[ \t]*from[ \t]+(\.+)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)", re.MULTILINE)


@functools.cache
def source_stamp(source: Path) -> str:
    """Return a text that differs when a file, or one of this room that it imports, has another content.

    A kernel holds the code and the constants of what it calls.

    Raises
    ------
    OSError
        Raised when a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(_closure(source)):
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def _closure(source: Path) -> set[Path]:
    """Return a file, and those of this room from which it imports, directly or not."""
    waiting, closure = [source], {source}
    while waiting:
        path = waiting.pop()
        new = (set(_POLICY) if path in _POLICY else _imported(path)) - closure
        closure |= new
        waiting += new
    return closure


@functools.cache
def _imported(source: Path) -> frozenset[Path]:
    modules = set()
    for dots, name, members in _IMPORT.findall(source.read_bytes()):
        base = source.parents[len(dots) - 1].joinpath(*name.decode().split("."))
        names = [base, *(base / member for member in re.findall(r"\w+", members.decode()))]
        modules |= {file for path in names for file in (path.with_suffix(".py"), path / "__init__.py")}
    return frozenset(path for path in modules if path.is_relative_to(_ROOM) and path.is_file())
