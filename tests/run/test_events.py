"""What processes tell the one that started them."""

from __future__ import annotations

import functools
import logging
import pickle

import pytest

from lamella.run.events import Relay
from lamella.run.execute import run_in_processes


def do(relay: Relay, job: str) -> str:
    for done in range(1, 4):
        relay(job, "warping", done, 3)
    logging.getLogger("lamella.test").warning("%s: %s", job, "é" * 2000)
    return job


@pytest.mark.usefixtures("quick_workers")
def test_steps_and_log_of_processes_arrive_whole(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[tuple[str | int, ...]] = []
    relay = Relay(lambda *step: steps.append(step))
    jobs = ["a", "b", "c"]
    outcomes = list(run_in_processes(jobs, functools.partial(do, relay), 2, relay))
    assert sorted(outcome.unwrap() for outcome in outcomes) == jobs
    for job in jobs:
        assert [step for step in steps if step[0] == job] == [(job, "warping", done, 3) for done in (1, 2, 3)]
    messages = sorted(record.getMessage()[:5] for record in caplog.records if record.name == "lamella.test")
    assert messages == ["a: éé", "b: éé", "c: éé"]


def test_here_a_relay_is_the_function() -> None:
    steps: list[tuple[str | int, ...]] = []
    relay = Relay(lambda *step: steps.append(step))
    list(run_in_processes(["a"], functools.partial(do, relay), 4, relay))
    assert len(steps) == 3


def test_among_processes_of_others_a_relay_is_silent() -> None:
    pickle.loads(pickle.dumps(Relay(print)))("a", "warping", 1, 1)
