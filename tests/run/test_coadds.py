"""Exposures to coadds in one call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lamella.errors import NoInputsError
from lamella.resources import Resources
from lamella.run.coadds import coadd_exposures
from lamella.run.execute import run_jobs
from lamella.run.jobs import plan_jobs
from lamella.run.patch import make_patch
from lamella.run.patch_config import PatchConfig
from lamella.sky.discrete import FieldSkyMap
from lamella.testing.survey import Survey

from .test_patch import same_bits


def test_one_coadd_per_band_and_patch(survey: Survey, skymap: FieldSkyMap) -> None:
    coadds = list(coadd_exposures(survey.exposures()[::-1], skymap, resources=Resources(threads=2)))
    assert [(coadd.band, coadd.patch) for coadd in coadds] == [("r", (x, y)) for y in (0, 1) for x in (0, 1)]
    jobs = plan_jobs(survey.exposures(), skymap, PatchConfig().select)
    with ThreadPoolExecutor(2) as pool:
        pooled = {o.job.patch: o.unwrap() for o in run_jobs(jobs, _Make(), pool)}
    assert all(same_bits(coadd, pooled[coadd.patch]) for coadd in coadds)


class _Make:
    def __call__(self, job):  # type: ignore[no-untyped-def]
        return make_patch(job, PatchConfig())


def test_by_default_one_tract_around_the_exposures(survey: Survey) -> None:
    (coadd,) = coadd_exposures(survey.exposures(), bands=["r"])
    assert coadd.patch == (0, 0)
    assert {(d.id.visit, d.id.detector) for d in coadd.detectors} == {
        (v, d) for v in (100, 101, 102) for d in (0, 1)
    }


def test_without_exposures_there_is_nothing_to_do() -> None:
    with pytest.raises(NoInputsError):
        list(coadd_exposures([]))
