"""Run jobs: one after the other, or on any `concurrent.futures` executor."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

__all__ = ("Outcome", "process_pool", "run_jobs")


@dataclasses.dataclass(frozen=True)
class Outcome[J, R]:
    """What became of a job: a result, or the error that ended it."""

    job: J
    result: R | None = None
    error: Exception | None = None
    seconds: float = 0.0


def run_jobs[J, R](
    jobs: Sequence[J], work: Callable[[J], R], executor: Executor | None = None
) -> Iterator[Outcome[J, R]]:
    """Do the work of each job and yield what became of it, as soon as it is known.

    A job that fails does not stop the others.

    Parameters
    ----------
    jobs
        What to do.
    work
        Function of one job; with a pool of processes it must be picklable.
    executor
        Where to do it: a pool of processes or threads, or that of Dask or
        Parsl; `None` means here, one after the other.

    Yields
    ------
    Outcome
        In order of completion.
    """
    if executor is None:
        for job in jobs:
            yield _attempt(work, job)
        return
    futures = {executor.submit(_attempt, work, job): job for job in jobs}
    for future in as_completed(futures):
        try:
            yield future.result()
        except Exception as err:  # a worker died, or the job could not be sent
            yield Outcome(futures[future], error=err)


@contextlib.contextmanager
def process_pool(workers: int, n_jobs: int) -> Iterator[Executor | None]:
    """Give a pool of fresh interpreters, or `None` when one process is enough."""
    if min(workers, n_jobs) <= 1:
        yield None
        return
    # A forked child would inherit the threads' locks of its parent.
    with ProcessPoolExecutor(min(workers, n_jobs), mp_context=get_context("spawn")) as pool:
        yield pool


def _attempt(work: Callable[[Any], Any], job: Any) -> Outcome[Any, Any]:
    start = time.perf_counter()
    try:
        return Outcome(job, result=work(job), seconds=time.perf_counter() - start)
    except Exception as err:
        return Outcome(job, error=err, seconds=time.perf_counter() - start)
