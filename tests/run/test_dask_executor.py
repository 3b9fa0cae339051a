"""`run_jobs` on the executor of a real Dask cluster, and what cannot be sent to a process or back."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("distributed", reason="needs the extra [dask]")

import distributed

from lamella.errors import InputError, WorkerError
from lamella.run.execute import run_jobs
from lamella.run.jobs import plan_jobs
from lamella.run.patch import make_patch
from lamella.run.patch_config import PatchConfig
from lamella.sky.discrete import FieldSkyMap
from lamella.testing.survey import Survey

from ..same import COUNTS, assert_same_planes
from .dask_cluster import in_time, local_cluster

pytestmark = pytest.mark.slow


class PickyError(Exception):
    """It can be pickled and not be made again."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"{name} {number}")


def act(what: str) -> object:
    match what:
        case "lock":
            return threading.Lock()
        case "typed":
            raise InputError("a.fits", where="HDU 1", found="nothing", expected="an image")
        case "picky":
            raise PickyError("exposure", 3)
        case "die":
            os._exit(9)
    return what.upper()


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with local_cluster() as cluster, distributed.Client(cluster) as client:
        yield client


def test_errors_and_results_come_back_or_say_why_not(
    client: distributed.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = ["plain", "lock", "typed", "picky", threading.Lock()]
    executor = client.get_executor(pure=False)
    outcomes = {o.job: o for o in in_time(lambda: list(run_jobs(jobs, act, executor)))}
    assert set(outcomes) == set(jobs)
    assert outcomes["plain"].result == "PLAIN"
    errors = {job: outcome.error for job, outcome in outcomes.items() if job != "plain"}
    assert isinstance(errors["lock"], WorkerError)
    assert "lock" in str(errors["lock"])
    typed = errors["typed"]
    assert isinstance(typed, InputError)
    assert (typed.path, typed.where) == ("a.fits", "HDU 1")
    assert isinstance(errors["picky"], WorkerError)
    assert str(errors["picky"]) == "PickyError: exposure 3"
    assert isinstance(errors[jobs[-1]], TypeError)  # it was not sent
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)  # each death costs a start
    (outcome,) = in_time(lambda: list(run_jobs(["die"], act, executor)))
    assert isinstance(outcome.error, distributed.scheduler.KilledWorker)


def test_coadds_have_the_bits_of_one_process(
    client: distributed.Client, survey: Survey, skymap: FieldSkyMap
) -> None:
    config = PatchConfig(assemble={"statistic": "MEAN"})
    jobs = plan_jobs(survey.exposures(), skymap, config.select)
    work = functools.partial(make_patch, config=config)
    here = {outcome.job.name: outcome.unwrap() for outcome in run_jobs(jobs, work)}
    there = in_time(lambda: list(run_jobs(jobs, work, client.get_executor(pure=False))))
    assert {outcome.job.name for outcome in there} == set(here)
    assert len(here) > 2
    for outcome in there:
        assert_same_planes(outcome.unwrap(), here[outcome.job.name], *COUNTS)
        assert outcome.unwrap().provenance == here[outcome.job.name].provenance
