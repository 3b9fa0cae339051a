"""Linear algebra whose last bits do not depend on the number of threads that its library would use."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterator
from typing import Any

import threadpoolctl  # type: ignore[import-untyped]

__all__ = ("one_blas_thread",)


class _Limit:
    """The limit of this process, and how many are inside of it."""

    lock = threading.Lock()
    users = 0
    limits: Any = None


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS and LAPACK work with one thread; may also decorate a function.

    They add up in another order with another number of threads, and what they
    return then differs in the last bits.  Several threads of ours may be inside at a time;
    the last to leave takes the limit away.
    """
    with _Limit.lock:
        if _Limit.users == 0:
            # A limit holds for the libraries that are loaded when it is set.  scipy brings one of its own
            # with this module, which else the first call inside would load, and work with all threads.
            importlib.import_module("scipy.linalg")
            _take_control()
            _Limit.limits = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
        _Limit.users += 1
    try:
        yield
    finally:
        with _Limit.lock:
            _Limit.users -= 1
            if _Limit.users == 0 and _Limit.limits is not None:
                _take_control()
                _Limit.limits.restore_original_limits()
                _Limit.limits = None


def _take_control() -> None:
    """Let the present thread set limits: later versions obey only the one that did so first."""
    controller = getattr(threadpoolctl, "OpenBLASController", None)
    clear = getattr(controller, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
