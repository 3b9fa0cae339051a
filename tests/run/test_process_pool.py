"""The documented way to many patches: real processes give the bits of one."""

from __future__ import annotations

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import lamella
from lamella.run.execute import run_jobs
from lamella.run.jobs import PatchJob, plan_jobs
from lamella.run.patch import make_patch
from lamella.testing.survey import simulate_survey

from ..same import COUNTS, assert_same_planes
from ..surveys import TINY

CONFIG = lamella.PatchConfig(assemble={"statistic": "MEAN"})
MAKE = functools.partial(make_patch, config=CONFIG)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[PatchJob, ...]:
    """Of a survey on disk: two bands, two patches each."""
    folder = tmp_path_factory.mktemp("pool")
    survey = simulate_survey(folder / "survey", TINY.replace(bands=("g", "r"), visits_per_band=2))
    inputs = lamella.open_exposures([Path(survey.table)])
    skymap = lamella.skymap_from_exposures([source.info for source in inputs], patch_size=150)
    return plan_jobs(inputs.sources, skymap, CONFIG.select, bands=["g", "r"])


@pytest.mark.parametrize("start", ["forkserver", "spawn"])
def test_processes_give_the_bits_of_one(jobs: tuple[PatchJob, ...], start: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        expected = {outcome.job.name: outcome.unwrap() for outcome in run_jobs(jobs, MAKE, pool)}
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        outcomes = list(run_jobs(jobs, MAKE, pool))
    assert [outcome.error for outcome in outcomes] == [None] * len(jobs)
    assert len(jobs) > 2
    for outcome in outcomes:
        found = outcome.unwrap()
        assert_same_planes(found, expected[outcome.job.name], *COUNTS)
        assert repr(found) == repr(expected[outcome.job.name])
        assert found.notes == expected[outcome.job.name].notes
