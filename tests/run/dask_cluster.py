"""A Dask cluster on this machine: a scheduler, and workers that are processes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dask
import distributed

from ..processes import PRELOADED

__all__ = ("in_time", "local_cluster")

_PATIENCE = 600.0


@contextmanager
def local_cluster(**options: object) -> Iterator[distributed.LocalCluster]:
    """Give a cluster of two workers, each of which is started anew when it dies."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"} | options
    # Forked from a process that has imported everything.
    method = {"distributed.worker.multiprocessing-method": PRELOADED.get_start_method()}
    with (
        dask.config.set(method),
        distributed.LocalCluster(
            processes=True, host="127.0.0.1", silence_logs=logging.CRITICAL, memory_limit="2GiB", **settings
        ) as cluster,
    ):
        yield cluster


def in_time[R](call: Callable[[], R], seconds: float = _PATIENCE) -> R:
    """Return what a call gives, and fail when it takes so long that it may well take for ever."""
    results: list[R] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"it has not ended after {seconds} seconds"
    (result,) = results
    return result
