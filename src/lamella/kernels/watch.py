"""Who wants to know that kernels are compiled, and how long it took.

This module imports no compiler, so that whoever listens need not wait for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

__all__ = ("CompileWatch", "watch")


class CompileWatch:
    """Counts the compilations of this process and their seconds, and tells of each that begins.

    Kernels are compiled one at a time, and one that calls another may be interrupted by it: their time is
    counted once.  What is found compiled is no compilation; to wait until another process has compiled a
    kernel is one.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._count = 0
        self._spent = 0.0
        self._begin = 0.0
        self._listeners: list[Callable[[str], None]] = []

    @property
    def count(self) -> int:
        """Number of compilations."""
        return self._count

    def seconds(self) -> float:
        """Return the seconds that were spent so far, those of a compilation that is under way included."""
        return self._spent + (time.perf_counter() - self._begin if self._depth else 0.0)

    def clock(self) -> float:
        """Return the seconds of a clock that stands still while kernels are compiled."""
        return time.perf_counter() - self.seconds()

    @contextlib.contextmanager
    def heard(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Call a function with the name of each kernel that is compiled while the context lasts."""
        self.listen(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call a function with the name of each kernel that is compiled from now on."""
        self._listeners.append(listener)

    def begin(self, name: str) -> None:
        """Note that the compilation of a kernel begins."""
        if not self._depth:
            self._begin = time.perf_counter()
        self._depth += 1
        self._count += 1
        for listener in tuple(self._listeners):
            listener(name)

    def end(self) -> None:
        """Note that the last one that began has ended."""
        self._depth -= 1
        if not self._depth:
            self._spent += time.perf_counter() - self._begin


watch = CompileWatch()
"""That of this process."""
