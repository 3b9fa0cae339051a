"""One job per band and patch."""

from __future__ import annotations

import pickle
from typing import Any

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord

from lamella.coadd.select.select_control import SelectControl
from lamella.errors import LamellaError, NoInputsError, SkyMapError
from lamella.run.jobs import PatchJob, patch_target, plan_jobs
from lamella.sky.discrete import FieldSkyMap
from lamella.sky.field import skymap_for_area
from lamella.sky.footprint import footprint_polygon
from lamella.testing.survey import Survey


def plan(survey: Survey, skymap: FieldSkyMap, **options: Any) -> tuple[PatchJob, ...]:
    return plan_jobs(survey.exposures(), skymap, options.pop("select", SelectControl()), **options)


def test_every_patch_has_the_exposures_that_overlap_it(survey: Survey, skymap: FieldSkyMap) -> None:
    jobs = plan(survey, skymap)
    assert [job.name for job in jobs] == [f"r-0-{x},{y}" for y in (0, 1) for x in (0, 1)]
    for job in jobs:
        patch = skymap[0].patch(job.patch)
        inside = [e for e in survey.exposures() if patch.polygon.overlaps(footprint_polygon(e.info))]
        assert [source.info.id for source in job.sources] == [e.info.id for e in inside]
        assert job.rejected == ()


def test_the_order_of_the_exposures_does_not_matter(survey: Survey, skymap: FieldSkyMap) -> None:
    forth = plan_jobs(survey.exposures(), skymap, SelectControl())
    back = plan_jobs(survey.exposures()[::-1], skymap, SelectControl())
    assert forth == back


def test_a_plan_can_be_restricted(survey: Survey, skymap: FieldSkyMap) -> None:
    assert [job.patch for job in plan(survey, skymap, patches=["1,0"])] == [(1, 0)]
    assert [job.patch for job in plan(survey, skymap, patches=["0"])] == [(0, 0)]
    with pytest.raises(
        SkyMapError, match=r"No exposure is on tract 7 of the sky map .*; the exposures are on 0\."
    ):
        plan(survey, skymap, tracts=[7])
    assert len(plan(survey, skymap, tracts=[0], bands=["r"])) > 1


def test_what_is_not_selected_is_on_record(survey: Survey, skymap: FieldSkyMap) -> None:
    visit = survey.config.first_visit
    for job in plan(survey, skymap, select=SelectControl(exclude_visits=(visit,))):
        assert all(source.info.id.visit != visit for source in job.sources)
        assert {one.id.visit for one in job.rejected} <= {visit}
        assert {(one.stage, one.reason) for one in job.rejected} <= {("select", f"visit {visit} is excluded")}


def test_a_patch_whose_exposures_are_all_rejected_is_still_a_job(survey: Survey, skymap: FieldSkyMap) -> None:
    jobs = plan(survey, skymap, select=SelectControl(max_psf_fwhm=0.01))
    assert len(jobs) == len(plan(survey, skymap))
    assert all(job.sources == () and job.rejected for job in jobs)


def test_a_job_can_be_sent_to_another_process(survey: Survey, skymap: FieldSkyMap) -> None:
    job = plan(survey, skymap)[0]
    copy = pickle.loads(pickle.dumps(job))
    assert copy.name == job.name
    assert copy.target() == job.target()
    assert [s.info.id for s in copy.sources] == [s.info.id for s in job.sources]


def test_the_target_is_the_outer_box_of_the_patch(survey: Survey, skymap: FieldSkyMap) -> None:
    patch = skymap[0].patch((1, 0))
    target = patch_target(skymap, patch)
    assert target == plan(survey, skymap, patches=["1,0"])[0].target()
    assert (target.outer_bbox, target.inner_bbox) == (patch.outer_bbox, patch.inner_bbox)
    assert (target.skymap, target.tract, target.patch) == (skymap.name, 0, (1, 0))


def test_an_exposure_elsewhere_makes_no_job(survey: Survey) -> None:
    elsewhere = skymap_for_area(SkyCoord(10, -30, unit="deg"), 0.01 * u.deg, 0.2 * u.arcsec)
    assert plan(survey, elsewhere) == ()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bands": ["R"]}, NoInputsError, r"No exposure is in band 'R'; there are 'r'; did you mean r\?"),
        ({"bands": ["r", "Ha"]}, NoInputsError, "No exposure is in band 'Ha'; there are 'r'"),
        (
            {"patches": ["7,7"]},
            SkyMapError,
            r"no patch '7,7' in tract 0 of the sky map '.*'; its patches are '0,0' to '",
        ),
        ({"patches": ["0,0", "99"]}, SkyMapError, "no patch '99' in tract 0"),
        ({"patches": ["middle"]}, SkyMapError, "no patch 'middle' in tract 0"),
    ],
)
def test_bands_and_patches_that_do_not_exist_are_told_from_those_without_exposures(
    survey: Survey,
    skymap: FieldSkyMap,
    options: dict[str, list[str]],
    error: type[LamellaError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        plan(survey, skymap, **options)
