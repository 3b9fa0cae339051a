"""One patch from its exposures: the same bits however it is made; nobody takes others along."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsst.images import Box

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject import Findings
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.select.select_control import SelectControl
from lamella.data.coadd import PatchCoadd, Rejection
from lamella.data.exposure import Exposure, ExposureId, ExposureInfo
from lamella.data.warp import Warp
from lamella.errors import (
    InputError,
    LamellaError,
    NoInputsError,
    OutputError,
    PsfMatchError,
    UnreadableFileError,
)
from lamella.psf.match_control import MatchControl
from lamella.resources import Resources
from lamella.run import patch as module
from lamella.run.jobs import PatchJob, plan_jobs
from lamella.run.memory import room_for_warps
from lamella.run.patch import PatchWork, make_patch, require_all, visits_of, warp_area, warp_visit
from lamella.run.patch_config import PatchConfig
from lamella.sky.discrete import FieldSkyMap
from lamella.testing.survey import Survey

from ..makers import Held


@dataclasses.dataclass(frozen=True)
class Spoiled:
    """An exposure that is changed, or breaks, when it is read."""

    inner: Any
    change: Callable[[Exposure], Exposure]

    @property
    def info(self) -> ExposureInfo:
        info: ExposureInfo = self.inner.info
        return info

    def read(self) -> Exposure:
        return self.change(self.inner.read())


def raising(error: Exception) -> Callable[[Exposure], Exposure]:
    def change(exposure: Exposure) -> Exposure:
        raise error

    return change


PLAIN = PatchConfig(assemble={"reject": {"method": "none"}})
"""What is tested here does not hang on how artifacts are found."""


@pytest.fixture(scope="session")
def job(survey: Survey, skymap: FieldSkyMap) -> PatchJob:
    planned = plan_jobs(survey.exposures(), skymap, SelectControl(), patches=["0,0"])[0]
    empty = {one.id for one in make_patch(planned, PLAIN).rejections}
    return dataclasses.replace(planned, sources=tuple(s for s in planned.sources if s.info.id not in empty))


@pytest.fixture(scope="session")
def coadd(job: PatchJob) -> PatchCoadd:
    return make_patch(job, PLAIN)


def same_bits(first: PatchCoadd, second: PatchCoadd) -> bool:
    return (
        first.bbox == second.bbox
        and all(
            getattr(first, name).array.tobytes() == getattr(second, name).array.tobytes()
            for name in ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")
        )
        and [(d.id, d.weight, d.good_pixels) for d in first.detectors]
        == [(d.id, d.weight, d.good_pixels) for d in second.detectors]
        and first.rejections == second.rejections
    )


def spoil(job: PatchJob, index: int, change: Callable[[Exposure], Exposure]) -> PatchJob:
    sources = list(job.sources)
    sources[index] = Spoiled(sources[index], change)
    return dataclasses.replace(job, sources=tuple(sources))


def test_the_coadd_is_that_of_assemble(job: PatchJob, coadd: PatchCoadd) -> None:
    warps = [warp_visit(visit, job.target(), PLAIN).warp for visit in visits_of(job)]
    direct = assemble([warp for warp in warps if warp is not None], target=job.target())
    assert same_bits(coadd, direct)
    assert int(coadd.exposure_count.array.max()) == 3
    assert coadd.settings["warp"] == PLAIN.warp.to_dict()


@pytest.mark.parametrize(
    "work",
    [
        PatchWork(resources=Resources(threads=3)),
        PatchWork(resources=Resources(threads=2, memory=0.05)),
    ],
    ids=["threads", "on disk"],
)
def test_threads_and_memory_do_not_change_a_bit(
    job: PatchJob, coadd: PatchCoadd, work: PatchWork, tmp_path: Path
) -> None:
    other = make_patch(job, PLAIN, dataclasses.replace(work, scratch=tmp_path))
    assert same_bits(other, coadd)
    assert list(tmp_path.iterdir()) == []


def test_little_memory_puts_warps_on_disk(
    job: PatchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write = module.write_scratch
    monkeypatch.setattr(module, "write_scratch", lambda s, p: written.append(p) or write(s, p))
    make_patch(job, PLAIN, PatchWork(scratch=tmp_path))
    assert written == []
    make_patch(job, PLAIN, PatchWork(scratch=tmp_path, resources=Resources(memory=0.1)))
    assert len(written) == 3
    assert all(path.parent.parent == tmp_path for path in written)


def test_as_many_warps_stay_in_memory_as_their_boxes_allow(
    job: PatchJob, coadd: PatchCoadd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [warp_visit(visit, job.target(), PLAIN).warp for visit in visits_of(job)]
    areas = [warp.bbox.area for warp in made if warp is not None]
    target = job.target()
    assert [warp_area([s.info for s in visit], target) for visit in visits_of(job)] == areas
    assert sum(areas) < len(areas) * target.outer_bbox.area
    written: list[str] = []
    write = module.write_scratch
    monkeypatch.setattr(module, "write_scratch", lambda s, p: written.append(p.name) or write(s, p))
    largest = max(source.info.bbox.area for source in job.sources)
    least = -room_for_warps(Resources(memory=1e-9), target.outer_bbox.area, largest)
    # Image, mask and variance are 12 bytes per pixel.
    for pixels, expected in ((sum(areas), 0), (sum(areas) - 1, 1), (sum(areas[:1]), 2)):
        resources = Resources(memory=(12 * pixels + least) / 2**20)
        written.clear()
        other = make_patch(job, PLAIN, PatchWork(scratch=tmp_path, resources=resources))
        assert len(written) == expected
        assert same_bits(other, coadd)


def test_an_exposure_without_a_place_counts_as_a_whole_patch(
    job: PatchJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise LamellaError("no place")

    monkeypatch.setattr(module, "covered_box", fail)
    assert warp_area([job.sources[0].info], job.target()) == job.target().outer_bbox.area


def test_an_exposure_beside_the_patch_needs_no_memory(job: PatchJob) -> None:
    target = job.target()
    aside = dataclasses.replace(target, outer_bbox=Box.factory[100_000:100_100, 0:100])
    assert warp_area([job.sources[0].info], aside) == 0


def test_callbacks_see_each_visit_and_each_warp(job: PatchJob) -> None:
    warps: list[Warp] = []
    visits: list[int] = []
    make_patch(job, PLAIN, PatchWork(keep_warp=warps.append, on_visit=lambda: visits.append(len(warps))))
    assert sorted(warp.visit for warp in warps) == [100, 101, 102]
    assert len(visits) == 3


@pytest.mark.parametrize(
    "error", [UnreadableFileError("a.fits", found="17 bytes", expected="a FITS file"), OSError("gone")]
)
def test_an_exposure_that_cannot_be_read_is_left_out_with_its_reason(job: PatchJob, error: OSError) -> None:
    found = make_patch(spoil(job, 1, raising(error)), PLAIN)
    assert [(r.id, r.stage, r.reason) for r in found.rejections] == [
        (job.sources[1].info.id, "read", str(error))
    ]
    assert [d.id for d in found.detectors] == [s.info.id for s in job.sources if s is not job.sources[1]]


@pytest.mark.parametrize("memory", [1.0, 4000.0])
def test_the_coadd_of_a_damaged_exposure_and_others_is_that_of_the_others(
    job: PatchJob, memory: float
) -> None:
    error = UnreadableFileError("a.fits", found="17 bytes", expected="a FITS file")
    work = PatchWork(resources=Resources(threads=2, memory=memory))
    found = make_patch(spoil(job, 1, raising(error)), PLAIN, work)
    others = tuple(source for number, source in enumerate(job.sources) if number != 1)
    without = make_patch(dataclasses.replace(job, sources=others), PLAIN)
    assert same_bits(found.replace(rejections=()), without.replace(rejections=()))


def test_a_file_that_is_required_is_named_once() -> None:
    reason = "a.fits: found no pixel; expected at least one."
    with pytest.raises(InputError) as caught:
        require_all([Rejection(ExposureId("Cam", 1, 2), "a.fits", "read", reason)])
    told = "found an exposure that cannot be used (found no pixel; expected at least one)"
    assert str(caught.value) == f"a.fits, Cam visit 1 detector 2: {told}; expected all to be used (strict)."


def test_an_exposure_that_cannot_be_scaled_does_not_take_its_visit_along(job: PatchJob) -> None:
    bad = spoil(job, 0, lambda exposure: dataclasses.replace(exposure, to_njy=-1.0))
    found = make_patch(bad, PLAIN)
    ((identity, stage, reason),) = [(r.id, r.stage, r.reason) for r in found.rejections]
    assert (identity, stage) == (job.sources[0].info.id, "warp")
    assert "-1" in reason
    without = make_patch(dataclasses.replace(job, sources=job.sources[1:]), PLAIN)
    assert np.array_equal(found.image.array, without.image.array, equal_nan=True)


def test_an_exposure_without_valid_pixels_is_on_record(job: PatchJob) -> None:
    def blank(exposure: Exposure) -> Exposure:
        exposure.pixels.image.array[...] = np.nan
        exposure.pixels.variance.array[...] = np.inf
        no_data = exposure.pixels.mask.schema.bit("NO_DATA")
        exposure.pixels.mask.array[..., no_data.index] = no_data.mask
        return exposure

    found = make_patch(spoil(job, 2, blank), PLAIN)
    assert [(r.id, r.stage) for r in found.rejections] == [(job.sources[2].info.id, "warp")]


def test_nothing_left_is_an_error_that_says_why(job: PatchJob) -> None:
    error = LamellaError("It fell off the shelf.")
    sources = tuple(Spoiled(source, raising(error)) for source in job.sources)
    with pytest.raises(NoInputsError, match="visit 100 detector 0: It fell off the shelf"):
        make_patch(dataclasses.replace(job, sources=sources), PLAIN)
    rejection = Rejection(job.sources[0].info.id, "", "select", "too wide")
    with pytest.raises(NoInputsError, match="too wide"):
        make_patch(dataclasses.replace(job, sources=(), rejected=(rejection,)), PLAIN)


def test_an_error_of_the_program_is_not_taken_for_bad_input(job: PatchJob) -> None:
    with pytest.raises(ZeroDivisionError):
        make_patch(spoil(job, 0, lambda exposure: 1 // 0), PLAIN)  # type: ignore[arg-type,return-value]


def test_a_callback_that_fails_ends_the_work(job: PatchJob) -> None:
    begun: list[Any] = []

    def stop() -> None:
        raise KeyboardInterrupt

    watched = tuple(Spoiled(s, lambda e: begun.append(e.info.id) or e) for s in job.sources)
    with pytest.raises(KeyboardInterrupt):
        make_patch(dataclasses.replace(job, sources=watched), PLAIN, PatchWork(on_visit=stop))
    assert len({identity.visit for identity in begun}) <= 2


def test_a_scratch_folder_that_cannot_be_made_is_an_output_error(job: PatchJob, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        make_patch(job, PLAIN, PatchWork(scratch=tmp_path / "file"))


def test_options_of_reading_are_among_the_settings(job: PatchJob) -> None:
    found = make_patch(dataclasses.replace(job, reading={"edge_width": 5}), PLAIN)
    assert found.settings["read"] == {"edge_width": 5}


# Rejection of artifacts.

COMPARE = PatchConfig(assemble=AssembleConfig(reject=RejectControl(method="compare_warp")))


def test_findings_are_given_to_those_who_ask(job: PatchJob) -> None:
    found: list[Findings] = []
    coadd = make_patch(job, COMPARE, PatchWork(on_findings=found.append))
    assert found[0].removals == coadd.removals
    assert len(found) == 1
    assert len(found[0].removed) == len({source.info.id.visit for source in job.sources})


def test_a_single_visit_is_coadded_with_a_note(job: PatchJob) -> None:
    visit = job.sources[0].info.id.visit
    single = dataclasses.replace(job, sources=tuple(s for s in job.sources if s.info.id.visit == visit))
    for method in ("compare_warp", "safe_clip"):
        config = PatchConfig(assemble=AssembleConfig(reject=RejectControl(method=method)))
        coadd = make_patch(single, config)
        plain = make_patch(single, PatchConfig(assemble=AssembleConfig(statistic="MEAN")))
        assert any(f"visit {visit} is the only visit" in note for note in coadd.notes)
        assert coadd.image.array.tobytes() == plain.image.array.tobytes()
        assert sum(one.removed for one in coadd.removals) == 0


def test_when_no_visit_can_be_matched_nothing_is_compared(job: PatchJob) -> None:
    narrow = COMPARE.replace(match=MatchControl(fwhm=1.2))
    with pytest.raises(PsfMatchError, match=r"No visit could be matched to a common PSF.*too narrow"):
        make_patch(job, narrow)


def test_pixels_are_changed_only_where_nobody_else_has_them(job: PatchJob) -> None:
    exposure = job.sources[0].read()
    planes = [getattr(exposure.pixels, name).array for name in ("image", "mask", "variance")]
    before = [plane.copy() for plane in planes]
    kept = warp_visit([Held(exposure, False)], job.target(), PLAIN).warp
    for plane, old in zip(planes, before, strict=True):
        np.testing.assert_array_equal(plane, old)
    found = warp_visit([Held(exposure, True)], job.target(), PLAIN).warp
    # The simulated detectors have a dead column, which is repaired.
    assert not np.array_equal(planes[1], before[1])
    assert kept is not None
    assert found is not None
    assert found.mask == kept.mask
    for name in ("image", "variance"):
        np.testing.assert_array_equal(getattr(found, name).array, getattr(kept, name).array)
