"""Jobs on any executor; a worker that dies takes nobody along."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from lamella.errors import NoInputsError, WorkerError
from lamella.run.execute import Outcome, run_in_processes, run_jobs


def square(number: int) -> int:
    if number < 0:
        raise NoInputsError(f"{number} is negative.")
    return number * number


def die_at_three(number: int) -> int:
    if number == 3:
        os._exit(9)
    time.sleep(0.05)
    return number * number


def process_number(_: int) -> int:
    return os.getpid()


def values(outcomes: list[Outcome[int, int]]) -> dict[int, int | None]:
    return {outcome.job: outcome.result for outcome in outcomes}


def test_jobs_are_done_here_in_order_and_a_failure_does_not_stop_the_others() -> None:
    outcomes = list(run_jobs([3, -1, 2], square))
    assert [(o.job, o.result) for o in outcomes] == [(3, 9), (-1, None), (2, 4)]
    assert isinstance(outcomes[1].error, NoInputsError)
    assert outcomes[0].unwrap() == 9
    with pytest.raises(NoInputsError, match="-1 is negative"):
        outcomes[1].unwrap()


def test_jobs_begin_only_when_they_are_asked_for() -> None:
    done: list[int] = []
    outcomes = run_jobs([1, 2], done.append)
    next(outcomes)
    assert done == [1]


def test_a_pool_of_threads_gives_the_same() -> None:
    with ThreadPoolExecutor(3) as pool:
        assert values(list(run_jobs([1, 2, 3, -4], square, pool))) == {1: 1, 2: 4, 3: 9, -4: None}


class SlowExecutor(Executor):
    """What the executor of a cluster may be like: it keeps the jobs, and loses some."""

    def __init__(self) -> None:
        self.futures: list[Future[object]] = []

    def submit(self, function, /, *arguments, **options):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        self.futures.append(future)
        if arguments[1] == 2:
            future.set_exception(ConnectionError("the scheduler went away"))
        elif arguments[1] == 3:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_result(function(*arguments, **options))
        return future


def test_any_executor_works_and_lost_jobs_are_reported() -> None:
    outcomes = {outcome.job: outcome for outcome in run_jobs([1, 2, 3], square, SlowExecutor())}
    assert outcomes[1].result == 1
    assert isinstance(outcomes[2].error, ConnectionError)
    assert isinstance(outcomes[3].error, WorkerError)


def test_one_worker_or_one_job_needs_no_process() -> None:
    assert {o.result for o in run_in_processes([1, 2], process_number, 1)} == {os.getpid()}
    assert {o.result for o in run_in_processes([1], process_number, 8)} == {os.getpid()}


def test_a_process_that_dies_costs_its_own_job_only() -> None:
    before = set(multiprocessing.active_children())
    outcomes = list(run_in_processes([1, 2, 3, 4, 5], die_at_three, 2))
    assert sorted(outcome.job for outcome in outcomes) == [1, 2, 3, 4, 5]
    assert values(outcomes) == {1: 1, 2: 4, 3: None, 4: 16, 5: 25}
    (failed,) = (outcome for outcome in outcomes if outcome.error is not None)
    assert isinstance(failed.error, WorkerError)
    assert "died" in str(failed.error)
    assert set(multiprocessing.active_children()) <= before


_PARENT = """
import signal, sys, time
from pathlib import Path
from lamella.run.execute import run_in_processes
sys.path.insert(0, {folder!r})
from sleeper import sleep
if __name__ == "__main__":
    # A job in the background of a shell without job control ignores interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        list(run_in_processes([1, 2], sleep, 2))
    except KeyboardInterrupt:
        sys.exit(130)
"""
_SLEEPER = """
import os, time
from pathlib import Path
def sleep(number):
    Path(__file__).with_name(f"{number}.pid").write_text(str(os.getpid()))
    time.sleep(3600)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(("blow", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_workers_end_with_their_parent(tmp_path: Path, blow: signal.Signals, status: int) -> None:
    (tmp_path / "sleeper.py").write_text(_SLEEPER)
    script = tmp_path / "parent.py"
    script.write_text(_PARENT.format(folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE)
    numbers = [tmp_path / "1.pid", tmp_path / "2.pid"]
    _wait(lambda: all(path.exists() and path.read_text() for path in numbers))
    parent.send_signal(blow)
    _, errors = parent.communicate(timeout=300)
    assert parent.returncode == status
    if blow == signal.SIGINT:  # after the other one, Python's own tracker of semaphores may complain
        assert errors == b""
    pids = [int(path.read_text()) for path in numbers]
    _wait(lambda: not any(is_alive(pid) for pid in pids))


def _wait(condition, seconds: float = 300) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
