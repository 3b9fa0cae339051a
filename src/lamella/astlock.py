"""AST through `lsst.images`, for several threads and for other processes.

AST keeps the state of a text that it reads or writes in static variables, and
pyast hands each line to Python, where the interpreter may go on with another
thread.  Two threads in there at once mix their texts, or end the process.
`lsst.images` reads and writes projections in this way and has no lock, so it
gets one here.

Objects of AST cannot be pickled as they are; their text can.
"""

from __future__ import annotations

import copyreg
import functools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from lsst.images._transforms import _ast as astshim

__all__ = ("guard_ast",)

# Whatever calls back into Python for lines of text.
_METHODS = {
    "Object": ("show", "fromString"),
    "Channel": ("__init__", "write"),
    "FitsChan": ("__init__", "read", "write"),
}

_lock = threading.RLock()
# A process that is forked while another thread is inside would wait forever.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def guard_ast() -> None:
    """Let one thread at a time read or write text of AST through `lsst.images`, and let it be pickled.

    All threads of this process are covered, those of other packages as well.  Calling it again
    changes nothing.  With astshim, which never calls Python, nothing is done.
    """
    with _lock:
        if not astshim.USING_STARLINK_PYAST or getattr(astshim, "_lamella_lock", None) is _lock:
            return
        for name, methods in _METHODS.items():
            owner = getattr(astshim, name)
            for method in methods:
                _guard(owner, method)
        for kind in _kinds(astshim.Object):
            copyreg.pickle(kind, _to_text)
        astshim._lamella_lock = _lock  # type: ignore[attr-defined]


def _kinds(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from _kinds(derived)


def _to_text(value: Any) -> tuple[Callable[[str], Any], tuple[str]]:
    return _from_text, (value.show(False),)


def _from_text(text: str) -> Any:
    guard_ast()  # in a process that begins with this value
    return astshim.Object.fromString(text)


def _guard(owner: type, name: str) -> None:
    method = owner.__dict__[name]
    if isinstance(method, classmethod):
        setattr(owner, name, classmethod(_one_at_a_time(method.__func__)))
    else:
        setattr(owner, name, _one_at_a_time(method))


def _one_at_a_time(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with _lock:
            return function(*args, **kwargs)

    return locked
