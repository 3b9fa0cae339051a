"""What a task runner does to the process that it works in."""

from __future__ import annotations

import contextlib
import cProfile
import functools
import importlib
import logging
import signal
import threading
from collections.abc import Iterator

from lsst.utils.threads import disable_implicit_threading

from .log_setup import LogSettings, set_up_log

__all__ = ("import_debug", "prepare_process", "profiled", "time_limit")

_LOG = logging.getLogger("lamella.cmdline")


@functools.cache
def prepare_process(settings: LogSettings, debug: bool, threads: bool) -> None:
    """Set up log and threads of a process that works for another; done once.

    Parameters
    ----------
    settings
        The log.
    debug
        Whether to import the user's module ``debug``.
    threads
        Whether libraries may start threads as they like.
    """
    set_up_log(settings)
    if not threads:
        disable_implicit_threading()
    if debug:
        import_debug()


def import_debug() -> None:
    """Import the user's module ``debug``, which may set what it likes; without one, warn."""
    try:
        importlib.import_module("debug")
    except ImportError:
        _LOG.warning("No 'debug' module found")


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in a block that takes longer; only a main thread can be limited."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def expire(*_: object) -> None:
        raise TimeoutError(f"the target took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def profiled(path: str | None) -> Iterator[None]:
    """Write a profile of a block, of this process, to a file."""
    if path is None:
        yield
        return
    profile = cProfile.Profile()
    try:
        with profile:
            yield
    finally:
        profile.dump_stats(path)
