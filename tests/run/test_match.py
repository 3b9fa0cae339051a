"""Matched warps beside direct ones: from one read, on disk when they are many, always with the same bits."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.select.select_control import SelectControl
from lamella.coadd.stack.prepare import input_of
from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf, target_fwhm
from lamella.data.exposure import Exposure, ExposureInfo
from lamella.data.inputs import WarpInput, WarpSource
from lamella.data.warp import Warp
from lamella.errors import NoInputsError
from lamella.psf.match_control import MatchControl
from lamella.resources import Resources
from lamella.run import patch as module
from lamella.run.jobs import PatchJob, plan_jobs
from lamella.run.match import match_inputs
from lamella.run.patch import PatchWork, make_patch, visits_of, warp_visit
from lamella.run.patch_config import PatchConfig
from lamella.run.scratch import ScratchWarp
from lamella.sky.discrete import FieldSkyMap
from lamella.testing.survey import Survey

MEAN = AssembleConfig(statistic="MEAN")


@dataclasses.dataclass(frozen=True)
class Counted:
    """An exposure that counts how often it is read."""

    inner: Any
    reads: list[str]

    @property
    def info(self) -> ExposureInfo:
        info: ExposureInfo = self.inner.info
        return info

    def read(self) -> Exposure:
        self.reads.append(str(self.info.id))
        exposure: Exposure = self.inner.read()
        return exposure


@pytest.fixture(scope="module")
def job(survey: Survey, skymap: FieldSkyMap) -> PatchJob:
    return plan_jobs(survey.exposures(), skymap, SelectControl(), patches=["0,0"])[0]


def keep_in_memory(one: WarpInput, source: WarpSource) -> WarpSource:
    return source


def test_each_visit_gets_the_warp_that_match_warp_makes(job: PatchJob) -> None:
    warps = [warp_visit(visit, job.target(), PatchConfig()).warp for visit in visits_of(job)]
    inputs = [input_of(warp) for warp in warps if warp is not None]
    kept: list[Warp] = []
    found, matching = match_inputs(
        inputs, job.target(), MatchControl(), put_away=keep_in_memory, keep=kept.append
    )
    target = job.target()
    detectors = [detector for one in inputs for detector in one.detectors]
    assert matching.fwhm == target_fwhm(detectors, target.projection, target.outer_bbox)
    psf = patch_target_psf(matching.fwhm, target.outer_bbox)
    for visit, one, warp in zip(visits_of(job), found, kept, strict=True):
        direct = warp_visit(visit, target, PatchConfig()).warp
        assert direct is not None
        expected = match_warp(direct, psf)
        planes = one.matched.read(one.matched.bbox)
        np.testing.assert_array_equal(planes.image, expected.image.array)
        np.testing.assert_array_equal(planes.mask, expected.mask.array[..., 0])
        np.testing.assert_array_equal(planes.variance, expected.variance.array)
        assert warp.matched_psf == psf
        assert one.source.bbox == one.matched.bbox
    assert {record.id for record in matching.records} == {detector.id for detector in detectors}
    assert max(record.residual for record in matching.records) < 0.015


def test_exposures_are_read_once(job: PatchJob) -> None:
    reads: list[str] = []
    counted = dataclasses.replace(job, sources=tuple(Counted(source, reads) for source in job.sources))
    kept: list[Warp] = []
    coadd = make_patch(counted, PatchConfig(assemble=MEAN), PatchWork(keep_matched=kept.append))
    assert len(reads) == len(set(reads)) == len(job.sources)
    assert len(kept) == len({(d.id.visit) for d in coadd.detectors})
    matching = coadd.settings["matching"]
    assert matching["fwhm"] > 0
    assert len(matching["detectors"]) == len(coadd.detectors)
    assert matching["unmatched"] == []


def test_direct_coadds_do_not_change_and_need_no_match(job: PatchJob) -> None:
    plain = make_patch(job, PatchConfig(assemble=MEAN))
    both = make_patch(job, PatchConfig(assemble=MEAN), PatchWork(keep_matched=lambda warp: None))
    assert plain.image.array.tobytes() == both.image.array.tobytes()
    assert "matching" not in plain.settings


@pytest.mark.parametrize(
    "config",
    [
        PatchConfig(assemble=MEAN, warp_type="psf_matched"),
        PatchConfig(assemble=AssembleConfig(statistic="MEAN", reject=RejectControl(method="compare_warp"))),
    ],
    ids=["psf_matched", "compare_warp"],
)
def test_the_same_bits_from_memory_and_from_disk(
    job: PatchJob, config: PatchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = make_patch(job, config)
    written: list[Path] = []
    write = module.write_scratch

    def watch(source: WarpSource, path: Path) -> ScratchWarp:
        written.append(path)
        return write(source, path)

    monkeypatch.setattr(module, "write_scratch", watch)
    small = PatchWork(resources=Resources(memory=0.05, threads=2), scratch=tmp_path)
    disk = make_patch(job, config, small)
    for name in ("image", "mask", "variance", "exposure_count"):
        assert getattr(memory, name).array.tobytes() == getattr(disk, name).array.tobytes()
    visits = len({d.id.visit for d in memory.detectors})
    assert len([path for path in written if path.suffix == ".matched"]) == visits
    assert len(written) == 2 * visits
    assert list(tmp_path.iterdir()) == []


def test_a_coadd_of_matched_warps_has_the_model_psf(job: PatchJob) -> None:
    coadd = make_patch(job, PatchConfig(assemble=MEAN, warp_type="psf_matched", match=MatchControl(fwhm=7.0)))
    assert coadd.psf == coadd.matched_psf == patch_target_psf(7.0, job.target().outer_bbox)
    assert coadd.settings["matching"]["fwhm"] == 7.0


def test_a_visit_that_cannot_be_matched_is_on_record(job: PatchJob) -> None:
    narrow = MatchControl(fwhm=1.5)
    coadd = make_patch(
        job, PatchConfig(assemble=MEAN, match=narrow), PatchWork(keep_matched=lambda warp: None)
    )
    assert len(coadd.settings["matching"]["unmatched"]) == len({d.id.visit for d in coadd.detectors})
    assert any("Not matched to a common PSF" in note for note in coadd.notes)
    with pytest.raises(NoInputsError, match="too narrow"):
        make_patch(job, PatchConfig(assemble=MEAN, warp_type="psf_matched", match=narrow))
