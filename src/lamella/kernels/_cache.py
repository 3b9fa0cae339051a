"""Compiled kernels on disk: one file per kernel and types of its arguments.

The name of a file says all on which the code in it depends: the kernel, its
sources, the types, the processor, and the versions of Python and the compiler.
So two processes that write at once write the same, and what belongs to another
version or machine is not even opened.  A file holds a sum of its content: one
that was cut off or changed is compiled again.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import inspect
import logging
import pickle
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, NullCache
from numba.core.compiler import CompileResult
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

from ._folders import folder_to_write, folders_to_read
from ._sources import source_stamp
from ._turns import take_turn
from .watch import watch

__all__ = ("KernelCache",)

_LOG = logging.getLogger(__name__)
_MAGIC = b"lamella kernel 1\n"
_SUM = 16
"""Bytes of the sum of the content."""


class KernelCache(NullCache):
    """Finds the compiled code of a kernel on disk, and keeps it there.

    Parameters
    ----------
    function
        The kernel, in Python.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._py_func = function
        self._source = Path(inspect.getfile(function)).absolute()
        self._begun = contextlib.ExitStack()
        self._damage: list[str] = []

    @property
    def cache_path(self) -> str | None:
        """Folder to which compiled code is written, if there is one."""
        folder = folder_to_write(self._source)
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel for some types of arguments; `None` when it must be compiled.

        Before it looks on disk, numba imports all that it can compile, which takes a fifth of a second in
        each process.  Here the compiler imports it, when it is needed.
        """
        rtsys.initialize(target_context)
        name = self._name(sig, target_context.codegen())
        self._damage.clear()
        for folder in folders_to_read(self._source) if name else ():
            if (compiled := self._read(folder / name, target_context)) is not None:
                return compiled
        watch.begin(self._py_func.__name__)
        self._begun.callback(watch.end)
        own = folder_to_write(self._source) if name else None
        # What another process compiled meanwhile need not be compiled here.
        if own is not None and self._begun.enter_context(take_turn(own, name)):
            return self._read(own / name, target_context)
        for text in self._damage:
            _LOG.warning("%s, and is compiled again.", text)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel on disk, where that is possible."""
        name, folder = self._name(sig, data.codegen), folder_to_write(self._source)
        if name and folder is not None and not _is_bound_to_process(data):
            content = dumps(data._reduce())  # type: ignore[no-untyped-call]
            with contextlib.suppress(OSError):  # the disk is full: it is in memory, and that will do
                _write(folder / name, _MAGIC + _sum_of(content) + content)
                _remove_older(folder, name)

    def close(self) -> None:
        """End what `load_overload` began where it did not find the kernel: it is compiled, or cannot be."""
        self._begun.close()

    def _name(self, sig: Any, codegen: Any) -> str:
        """Return the name of the file for some types; an empty one where there can be none."""
        key = FunctionCache._index_key(self, sig, codegen)  # type: ignore[no-untyped-call, arg-type]
        text = repr((numba.__version__, *key))
        if " at 0x" in text:  # an argument that is known by its place in memory
            return ""
        try:
            stamp = source_stamp(self._source)
        except OSError:  # e.g. within an archive
            return ""
        kernel = f"{self._source.stem}.{self._py_func.__qualname__}".replace("<", "").replace(">", "")
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return f"{kernel}.{stamp}.{digest}.{sys.implementation.cache_tag}.nbc"

    def _read(self, path: Path, target_context: Any) -> Any:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        start = len(_MAGIC) + _SUM
        if content[:start] != _MAGIC + _sum_of(content[start:]):
            self._damage.append(f"{path}: the compiled kernel was cut off or changed")
            return None
        try:
            parts = pickle.loads(content[start:])
            return CompileResult._rebuild(target_context, *parts)  # type: ignore[no-untyped-call]
        except Exception as err:  # whole, but of surroundings that are gone, e.g. a module
            self._damage.append(f"{path}: the compiled kernel cannot be used ({type(err).__name__}: {err})")
            return None


def _sum_of(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_SUM).digest()


def _is_bound_to_process(data: Any) -> bool:
    """Return whether compiled code holds places in memory."""
    return data.library.has_dynamic_globals or any(not lifted.can_cache for lifted in data.lifted)


def _write(path: Path, content: bytes) -> None:
    """Write a file all or nothing, whoever else writes it."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.nbc")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _remove_older(folder: Path, name: str) -> None:
    """Remove what was compiled from other sources of the same kernel, with the same Python."""
    kernel, stamp, _, tag, _ = name.rsplit(".", 4)
    for path in folder.glob(f"{glob.escape(kernel)}.*.*.{tag}.nbc"):
        name_of_other, stamp_of_other, *_ = path.name.rsplit(".", 4)
        if name_of_other == kernel and stamp_of_other != stamp:
            path.unlink(missing_ok=True)
