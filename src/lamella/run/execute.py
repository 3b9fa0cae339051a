"""Run jobs: one after the other, in processes, or on any `concurrent.futures` executor."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from typing import Any, cast

from ..errors import WorkerError
from .events import Post, Relay, open_post
from .semaphores import named_semaphores, remove_dead_semaphores

__all__ = ("Outcome", "Parcel", "attempt_apart", "interruptible_threads", "run_in_processes", "run_jobs")

_CONTEXT = multiprocessing.get_context("spawn")
"""Fresh interpreters: a forked child would inherit the locks of its parent's threads."""

_DIED = "The process that did the work died: it was killed, or there was no memory left."


@dataclasses.dataclass(frozen=True)
class Outcome[J, R]:
    """What became of a job: a result, or the error that ended it."""

    job: J
    result: R | None = None
    error: Exception | None = None
    seconds: float = 0.0

    def unwrap(self) -> R:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast("R", self.result)


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
        Function of one job; with an executor of processes it must be picklable.
    executor
        Where to do it: any `concurrent.futures.Executor`, e.g. a pool of
        threads, Parsl's, or Dask's ``client.get_executor(pure=False)``; `None` means
        here, one after the other.

    Yields
    ------
    Outcome
        In order of completion.  What cannot be sent to another process or back
        is the error of its job.
    """
    if executor is None:
        for job in jobs:
            yield _attempt(work, job)
        return
    futures: dict[Future[Parcel], J] = {}
    unsent = []
    try:
        for job in jobs:
            try:
                futures[executor.submit(attempt_apart, work, job)] = job
            except Exception as err:
                unsent.append(Outcome[J, R](job, error=err))
        yield from unsent
        for future in as_completed(futures):
            yield _outcome_of(future, futures[future])
    finally:
        for future in futures:
            future.cancel()


def _outcome_of(future: Future[Parcel], job: Any) -> Outcome[Any, Any]:
    try:
        outcome = future.result().content
    except BrokenExecutor:
        return Outcome(job, error=WorkerError(_DIED))
    except CancelledError:
        return Outcome(job, error=WorkerError("The executor gave the job up."))
    except Exception as err:  # the job could not be sent
        return Outcome(job, error=err)
    return dataclasses.replace(outcome, job=job)


@contextlib.contextmanager
def interruptible_threads(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads; after an error or an interrupt, what has not begun is not waited for."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_in_processes[J, R](
    jobs: Sequence[J], work: Callable[[J], R], workers: int, relay: Relay | None = None
) -> Iterator[Outcome[J, R]]:
    """Do the work of each job in a pool of processes of this machine.

    When a process dies, the pool is lost, and with it what the others were
    doing.  The jobs that have no outcome then get a process each, so that the
    one that kills its process takes no other along.

    Parameters
    ----------
    jobs
        What to do.
    work
        Picklable function of one job.
    workers
        Number of processes at a time.  With one worker, or one job, the work
        is done here.
    relay
        A function of which ``work`` has a copy: where it is called in another
        process, it is called here.

    Yields
    ------
    Outcome
        In order of completion.  The error of a job whose process died is a
        `WorkerError`.
    """
    remove_dead_semaphores()
    if min(workers, len(jobs)) <= 1:
        yield from run_jobs(jobs, work)
        return
    lost: list[J] = []
    with open_post(relay) as post:
        with _process_pool(min(workers, len(jobs)), post) as pool:
            for outcome in run_jobs(jobs, work, pool):
                if isinstance(outcome.error, WorkerError):
                    lost.append(outcome.job)
                else:
                    yield outcome
        if lost:
            with ThreadPoolExecutor(workers) as starters:
                yield from run_jobs(lost, _InOwnProcess(work, post), starters)


@dataclasses.dataclass(frozen=True)
class _InOwnProcess[J, R]:
    """Do the work of a job in a process that is started for it."""

    work: Callable[[J], R]
    post: Post

    def __call__(self, job: J) -> R:
        with _process_pool(1, self.post) as pool:
            (outcome,) = run_jobs([job], self.work, pool)
        return outcome.unwrap()


@contextlib.contextmanager
def _process_pool(workers: int, post: Post) -> Iterator[ProcessPoolExecutor]:
    """Give a pool whose processes end when this one ends, or is interrupted."""
    before = multiprocessing.active_children()
    prepare = functools.partial(_prepare_worker, post)
    with named_semaphores():
        executor = ProcessPoolExecutor(workers, mp_context=_CONTEXT, initializer=prepare)
    with executor as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - set(before):
                child.terminate()
            raise


def _prepare_worker(post: Post) -> None:
    post.open()
    # The parent is told of the interrupt, too, and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the parent has ended, however it ended; then nobody waits for this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


@dataclasses.dataclass(frozen=True)
class Parcel:
    """An outcome on its way from another process.

    It can be pickled whatever it holds: some executors wait for ever for a
    result that cannot.  In the process that made it, it is never pickled.
    """

    content: Outcome[Any, Any]

    def __reduce__(self) -> tuple[Callable[[bytes], Parcel], tuple[bytes]]:
        outcome = self.content
        try:
            content = _pickle(outcome)
            if outcome.error is not None:
                pickle.loads(content)  # some errors can be pickled and not be made again
        except Exception as err:
            content = pickle.dumps(Outcome(None, error=WorkerError(_unsendable(outcome, err))))
        return _open_parcel, (content,)


def _pickle(value: object) -> bytes:
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:
        # What an interactive session defines has come here by its content, and goes back so.
        cloudpickle = sys.modules.get("cloudpickle")
        if cloudpickle is None:
            raise
        return cast("bytes", cloudpickle.dumps(value))


def _unsendable(outcome: Outcome[Any, Any], err: Exception) -> str:
    if outcome.error is None:
        return f"The result ({type(outcome.result).__name__}) cannot be sent from its process: {err}."
    return f"{type(outcome.error).__name__}: {outcome.error}"


def _open_parcel(content: bytes) -> Parcel:
    try:
        return Parcel(pickle.loads(content))
    except Exception as err:
        told = WorkerError(f"The result cannot be taken over from its process: {type(err).__name__}: {err}.")
        return Parcel(Outcome(None, error=told))


def attempt_apart(work: Callable[[Any], Any], job: Any) -> Parcel:
    """Do the work of a job for an executor; the job itself need not come back."""
    return Parcel(dataclasses.replace(_attempt(work, job), job=None))


def _attempt(work: Callable[[Any], Any], job: Any) -> Outcome[Any, Any]:
    start = time.perf_counter()
    try:
        return Outcome(job, result=work(job), seconds=time.perf_counter() - start)
    except Exception as err:
        return Outcome(job, error=err, seconds=time.perf_counter() - start)
