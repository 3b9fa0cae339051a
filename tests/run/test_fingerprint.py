"""A fingerprint changes exactly when the coadd would."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from lsst.images import Box

from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.brightmask import BrightObject, BrightObjectCatalog
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.select.select_control import SelectControl
from lamella.coadd.warp.psfmatch import patch_target_psf
from lamella.coadd.warp.warp_control import WarpControl
from lamella.data.coadd import Rejection
from lamella.data.exposure import Exposure, ExposureInfo
from lamella.psf.match_control import MatchControl
from lamella.run import fingerprint as module
from lamella.run.fingerprint import fingerprint, input_files, matched_fingerprint, warp_fingerprint
from lamella.run.jobs import PatchJob, plan_jobs
from lamella.run.patch_config import PatchConfig
from lamella.sky.discrete import FieldSkyMap
from lamella.testing.survey import Survey


@dataclasses.dataclass(frozen=True)
class Filed:
    """An exposure that says from which files it is read."""

    inner: Any
    files: tuple[Path, ...] = ()
    recipe: str = ""

    @property
    def info(self) -> ExposureInfo:
        info: ExposureInfo = self.inner.info
        return info

    def read(self) -> Exposure:
        raise NotImplementedError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    paths = tmp_path / "image.fits", tmp_path / "weight.fits"
    for path in paths:
        path.write_text("pixels")
    return paths


@pytest.fixture
def job(survey: Survey, skymap: FieldSkyMap, files: tuple[Path, ...]) -> PatchJob:
    sources = [Filed(exposure, files) for exposure in survey.exposures()]
    return plan_jobs(sources, skymap, SelectControl())[0]


def test_it_is_the_same_twice(job: PatchJob) -> None:
    assert fingerprint(job, PatchConfig()) == fingerprint(job, PatchConfig())


def test_it_changes_with_each_companion_file(job: PatchJob, files: tuple[Path, ...]) -> None:
    seen = {fingerprint(job, PatchConfig())}
    for path in files:
        path.write_text("other pixels")
        seen.add(fingerprint(job, PatchConfig()))
        same = fingerprint(job, PatchConfig())
        os.utime(path, ns=(1, 1))
        assert fingerprint(job, PatchConfig()) == same
        path.unlink()
        seen.add(fingerprint(job, PatchConfig()))
    assert len(seen) == 5


@pytest.mark.parametrize(
    "config",
    [
        PatchConfig(assemble=AssembleConfig(statistic="MEAN")),
        PatchConfig(warp=WarpControl(kernel="bilinear")),
        PatchConfig(select=SelectControl(max_visits=9)),
    ],
)
def test_it_changes_with_each_stage_of_the_options(job: PatchJob, config: PatchConfig) -> None:
    assert fingerprint(job, config) != fingerprint(job, PatchConfig())


def test_it_changes_with_the_job(job: PatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    first = job.sources[0]
    bright = BrightObjectCatalog(objects=(BrightObject(id=1, ra=1.0, dec=2.0, shape="circle", radius=0.1),))
    changed = [
        job,
        dataclasses.replace(job, patch=(1, 0)),
        dataclasses.replace(job, sources=job.sources[1:]),
        dataclasses.replace(job, sources=(dataclasses.replace(first, recipe="zp=30"), *job.sources[1:])),
        dataclasses.replace(job, reading={"edge_width": 3}),
        dataclasses.replace(job, bright_objects=bright),
        dataclasses.replace(job, rejected=(Rejection(first.info.id, "a.fits", "select", "no"),)),
    ]
    seen = {fingerprint(one, PatchConfig()) for one in changed}
    monkeypatch.setattr(module, "package_versions", lambda: {"lamella": "next"})
    seen.add(fingerprint(job, PatchConfig()))
    assert len(seen) == len(changed) + 1


def test_a_warp_depends_on_its_own_visit_and_on_resampling_only(job: PatchJob) -> None:
    one, other = job.sources[:1], job.sources[1:]
    plain = warp_fingerprint(job, one, PatchConfig())
    assert plain == warp_fingerprint(job, one, PatchConfig(assemble=AssembleConfig(statistic="MEAN")))
    assert plain == warp_fingerprint(dataclasses.replace(job, sources=one), one, PatchConfig())
    assert plain != warp_fingerprint(job, other, PatchConfig())
    assert plain != warp_fingerprint(job, one, PatchConfig(warp=WarpControl(kernel="nearest")))


def test_a_source_without_files_stands_for_the_one_that_it_names(survey: Survey) -> None:
    exposure = survey.exposures()[0]
    assert input_files(exposure) == (exposure.info.path,)


def test_a_matched_warp_depends_on_its_target_and_on_the_match() -> None:
    box = Box.factory[0:50, 0:60]
    psf, config = patch_target_psf(5.0, box), PatchConfig()
    plain = matched_fingerprint("warp", psf, config)
    assert plain == matched_fingerprint("warp", patch_target_psf(5.0, box), config)
    assert plain == matched_fingerprint("warp", psf, PatchConfig(warp_type="psf_matched"))
    assert plain != matched_fingerprint("other", psf, config)
    assert plain != matched_fingerprint("warp", patch_target_psf(5.000001, box), config)
    assert plain != matched_fingerprint("warp", psf, PatchConfig(match=MatchControl(ridge=1e-4)))


def test_rejection_and_matching_are_a_part_of_it(job: PatchJob) -> None:
    reject = [RejectControl(), RejectControl(method="safe_clip"), RejectControl(warn_fraction=0.1)]
    configs = [PatchConfig(assemble=AssembleConfig(reject=one)) for one in reject]
    configs += [PatchConfig(warp_type="psf_matched"), PatchConfig(match=MatchControl(fwhm=6.0))]
    assert len({fingerprint(job, config) for config in configs}) == len(configs)
