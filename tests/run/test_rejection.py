"""What is chosen for a band is done in each of its patches, told, and part of what a rerun looks at."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest

from lamella.coadd.reject.choice import RejectionChoice
from lamella.coadd.select.select_control import SelectControl
from lamella.data.coadd import PatchCoadd
from lamella.errors import ConfigError, PsfMatchError
from lamella.psf.match_control import MatchControl
from lamella.run.coadds import coadd_exposures
from lamella.run.fingerprint import fingerprint
from lamella.run.jobs import PatchJob, plan_jobs
from lamella.run.patch import make_patch
from lamella.run.patch_config import CoaddConfig, PatchConfig
from lamella.run.rejection import rejections_of, told_rejections
from lamella.sky.discrete import FieldSkyMap
from lamella.testing.survey import Survey

from .test_patch import same_bits

AUTO = PatchConfig()
NONE = PatchConfig(assemble={"reject": {"method": "none"}})
COMPARE = PatchConfig(assemble={"reject": {"method": "compare_warp"}})
TOO_NARROW = MatchControl(fwhm=1.2)


def jobs_of(survey: Survey, skymap: FieldSkyMap, visits: int = 3, **options: Any) -> tuple[PatchJob, ...]:
    """Return the jobs of the first visits."""
    first = survey.config.first_visit
    sources = [s for s in survey.exposures() if s.info.id.visit < first + visits]
    return plan_jobs(sources, skymap, SelectControl(), **options)


@pytest.fixture(scope="module")
def job(survey: Survey, skymap: FieldSkyMap) -> PatchJob:
    return jobs_of(survey, skymap)[0]


@pytest.fixture(scope="module")
def chosen(job: PatchJob) -> PatchCoadd:
    return make_patch(job, AUTO)


def method_of(coadd: PatchCoadd) -> tuple[str, str]:
    options = coadd.settings["assemble"]
    return options["reject"]["method"], options["statistic"]


# What options mean.


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "auto"),
        ({"fill_gaps": False}, "auto"),
        ({"reject": {"warn_fraction": 0.2}}, "auto"),
        ({"statistic": "MEDIAN"}, "none"),
        ({"statistic": "NOISECLIP"}, "none"),
        ({"statistic": "NOISECLIP", "reject": {"method": "auto"}}, "auto"),
        ({"reject": {"method": "none"}}, "none"),
        ({"reject": {"method": "safe_clip"}}, "safe_clip"),
    ],
)
def test_a_statistic_that_is_given_means_no_rejection(options: dict[str, Any], method: str) -> None:
    config = PatchConfig(assemble=options)
    assert config.assemble.reject.method == method
    assert PatchConfig(**config.to_dict()) == config


def test_a_statistic_that_is_given_later_means_no_rejection_either() -> None:
    config = CoaddConfig()
    median = config.replace(assemble=config.assemble.replace(statistic="MEDIAN"))
    assert median.assemble.reject.method == "none"
    gaps = config.replace(assemble=config.assemble.replace(fill_gaps=False))
    assert gaps.assemble.reject.method == "auto"


def test_another_statistic_beside_auto_is_refused() -> None:
    with pytest.raises(ConfigError, match="the statistic is chosen, too"):
        PatchConfig(assemble={"statistic": "MEDIAN", "reject": {"method": "auto"}})


# What is chosen.


def test_the_choice_is_that_of_the_band_whatever_is_asked_for(survey: Survey, skymap: FieldSkyMap) -> None:
    """With three visits some patches have one or two alone, and are compared all the same."""
    everything = jobs_of(survey, skymap)
    choices = {job.rejection for job in everything}
    assert len(choices) == 1
    assert len(everything) > 1
    assert rejections_of(everything, AUTO)["r"].method == "compare_warp"
    for label in ("0,0", "1,1"):
        (job,) = jobs_of(survey, skymap, patches=[label])
        assert {job.rejection} == choices
    backwards = plan_jobs(survey.exposures()[::-1], skymap, SelectControl())
    assert {job.rejection for job in backwards} == choices


def test_what_is_not_selected_does_not_count(survey: Survey, skymap: FieldSkyMap) -> None:
    jobs = plan_jobs(survey.exposures(), skymap, SelectControl(max_visits=2))
    assert {job.rejection.method for job in jobs if job.rejection} == {"none"}


def test_there_is_no_choice_where_somebody_chose(job: PatchJob) -> None:
    assert rejections_of([job], NONE) == {}
    assert rejections_of([job], COMPARE) == {}


def test_bands_of_one_choice_share_a_line() -> None:
    few = RejectionChoice(method="none", reason="of this", visits=2, shared=0.0)
    more = RejectionChoice(method="compare_warp", reason="of that", visits=5, shared=0.987)
    lines = told_rejections({"i": more, "r": dataclasses.replace(few, visits=1), "g": few}, AUTO.assemble)
    assert lines == (
        "Rejection of artifacts (auto), bands g, r: none, statistic NOISECLIP, because of this "
        "(1 to 2 visits; such three on 0 % of the area).",
        "Rejection of artifacts (auto), band i: compare-warp, because of that "
        "(5 visits; such three on 98 % of the area).",
    )


# What is done.


def test_three_visits_are_compared(job: PatchJob, chosen: PatchCoadd) -> None:
    assert method_of(chosen) == ("compare_warp", "MEAN")
    assert same_bits(chosen, make_patch(job, COMPARE))
    assert chosen.settings["rejection"]["asked"] == "auto"
    (note,) = [note for note in chosen.notes if "(auto)" in note]
    assert "compare-warp, because three or more visits" in note


def test_two_visits_are_left_to_the_statistic(survey: Survey, skymap: FieldSkyMap) -> None:
    job = jobs_of(survey, skymap, visits=2)[0]
    coadd = make_patch(job, AUTO)
    assert method_of(coadd) == ("none", "NOISECLIP")
    assert coadd.removals == ()
    assert same_bits(coadd, make_patch(job, NONE))
    (note,) = [note for note in coadd.notes if "(auto)" in note]
    assert "none, statistic NOISECLIP, because fewer than three visits" in note


def test_it_is_the_default_in_python(job: PatchJob, chosen: PatchCoadd, survey: Survey) -> None:
    coadd = next(coadd_exposures(survey.exposures(), job.skymap))
    assert same_bits(coadd, chosen)
    assert coadd.notes == chosen.notes


def test_where_no_visit_can_be_matched_the_statistic_is_left_and_it_is_told(job: PatchJob) -> None:
    coadd = make_patch(job, AUTO.replace(match=TOO_NARROW))
    assert method_of(coadd) == ("none", "NOISECLIP")
    assert same_bits(coadd, make_patch(job, NONE))
    assert coadd.settings["rejection"]["method"] == "none"
    assert any(
        "here the visits cannot be compared (No visit could be matched" in note for note in coadd.notes
    )
    with pytest.raises(PsfMatchError):
        make_patch(job, COMPARE.replace(match=TOO_NARROW))
    with pytest.raises(PsfMatchError):
        make_patch(job, AUTO.replace(match=TOO_NARROW, warp_type="psf_matched"))


def test_a_job_without_a_choice_is_refused(job: PatchJob) -> None:
    undecided = dataclasses.replace(job, rejection=None)
    for do in (make_patch, fingerprint):
        with pytest.raises(ConfigError, match="chosen from all exposures of a band"):
            do(undecided, AUTO)


# What a rerun looks at.


def test_fingerprints_tell_choices_apart_and_nothing_that_may_change_without_them(job: PatchJob) -> None:
    assert job.rejection is not None
    few = dataclasses.replace(job.rejection, method="none", reason="fewer")
    texts = [
        fingerprint(job, AUTO),
        fingerprint(dataclasses.replace(job, rejection=few), AUTO),
        fingerprint(job, COMPARE),
        fingerprint(job, NONE),
    ]
    assert all(first != second for first, second in itertools.combinations(texts, 2))
    deeper = dataclasses.replace(job.rejection, visits=17, shared=0.99)
    assert fingerprint(dataclasses.replace(job, rejection=deeper), AUTO) == texts[0]
    assert fingerprint(dataclasses.replace(job, rejection=few), NONE) == texts[3]
