"""The PipelineTasks on values in memory: what they give, say and refuse."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.pipe.base", reason="needs the extra [lsst]")

import astropy.units as u
from lsst.pipe.base import InMemoryDatasetHandle, NoWorkFound, Struct
from lsst.pipe.base.testUtils import assertValidInitOutput, lintConnections

from lamella.coadd.archive import PatchCoadd, Rejection, Warp
from lamella.coadd.assemble import AssembleConfig, Resources, assemble
from lamella.coadd.brightmask import BrightObject, BrightObjectCatalog
from lamella.coadd.inputs import CoaddTarget, Exposure, ExposureInfo
from lamella.coadd.summary import covered_pixels
from lamella.coadd.warp import make_warp
from lamella.errors import CalibrationError, UnreadableFileError
from lamella.run.jobs import patch_target
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.sky.tract import Patch
from lamella.tasks.pipeline import (
    AssembleCoaddPipelineTask,
    AssembleWarpsTask,
    CoaddInputSummaryTask,
    MakeWarpTask,
    SelectDeepCoaddVisitsTask,
    SelectExposuresTask,
)
from lamella.tasks.pipeline.base import resources_of
from lamella.tasks.pipeline.input_summary import CoaddInputs
from lamella.tasks.pipeline.make_warp import warp_rejections
from lamella.tasks.pipeline.select import selected_visits, selection_rejections
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.survey import Survey

TINY = SurveyConfig(
    bands=("r",), visits_per_band=3, detector_grid=(1, 2), detector_shape=(90, 80), dither=3.0,
    stars=6, galaxies=4, bright_stars=0, cosmic_rays=2,
)  # fmt: skip
TASKS = [MakeWarpTask, SelectDeepCoaddVisitsTask, AssembleCoaddPipelineTask, CoaddInputSummaryTask]


@pytest.fixture(scope="module")
def sources() -> list[SimulatedExposure]:
    return Survey(TINY).exposures()


@pytest.fixture(scope="module")
def skymap(sources: Sequence[SimulatedExposure]) -> SkyMap[Any]:
    return skymap_from_exposures([one.info for one in sources], patch_size=110, patch_border=10)


@pytest.fixture(scope="module")
def patch(skymap: SkyMap[Any]) -> Patch:
    return skymap[0].patch((0, 0))


@pytest.fixture(scope="module")
def target(skymap: SkyMap[Any], patch: Patch) -> CoaddTarget:
    return patch_target(skymap, patch)


@pytest.fixture(scope="module")
def warps(sources: Sequence[SimulatedExposure], target: CoaddTarget) -> list[Warp]:
    exposures = [one.read() for one in sources]
    visits = sorted({one.info.id.visit for one in exposures})
    found = [
        make_warp([e for e in exposures if e.info.id.visit == visit], target.projection, target.outer_bbox)
        for visit in visits
    ]
    return [warp for warp in found if warp is not None]


def handles(warps: Sequence[Warp]) -> list[Any]:
    return [InMemoryDatasetHandle(warp, instrument=warp.instrument, visit=warp.visit) for warp in warps]


@dataclasses.dataclass
class BrokenSource:
    """An exposure that cannot be read."""

    info: ExposureInfo

    def read(self) -> Exposure:
        raise UnreadableFileError(self.info.path, found="10 bytes", expected="a FITS file")


@dataclasses.dataclass
class UncalibratedSource:
    """An exposure without a photometric scale."""

    source: SimulatedExposure

    @property
    def info(self) -> ExposureInfo:
        return self.source.info

    def read(self) -> Exposure:
        return dataclasses.replace(self.source.read(), to_njy=float("nan"))


def of_visit(sources: Sequence[SimulatedExposure], visit: int) -> list[Any]:
    return [one for one in sources if one.info.id.visit == visit]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_connections_are_consistent(task: Any) -> None:
    lintConnections(task.ConfigClass.ConnectionsClass if hasattr(task.ConfigClass, "ConnectionsClass")
                    else task.ConfigClass().connections.ConnectionsClass)  # fmt: skip
    assertValidInitOutput(task(config=task.ConfigClass()))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_messages_are_below_the_logger_that_the_middleware_turns_on(task: Any) -> None:
    made = task(name="label")
    assert made.log.name == "lsst.lamella.label"
    assert task(log=logging.getLogger("mine")).log.name == f"mine.{task._DefaultName}"


def test_a_warp_is_that_of_the_core(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget, warps: Sequence[Warp]
) -> None:
    result = MakeWarpTask().run(of_visit(sources, 101), patch, target)
    expected = next(warp for warp in warps if warp.visit == 101)
    assert result.warp.image == expected.image
    assert result.warp.mask == expected.mask
    assert result.warp.variance == expected.variance
    assert [one.id for one in result.warp.detectors] == [one.id for one in expected.detectors]


def test_exposures_beside_the_patch_are_passed_over(
    sources: Sequence[SimulatedExposure], skymap: SkyMap[Any]
) -> None:
    task = MakeWarpTask()
    numbers = []
    for patch in skymap[0]:
        result = task.run(of_visit(sources, 100), patch, patch_target(skymap, patch))
        numbers.append(len(result.warp.detectors))
        assert all(one.stage != "select" for one in result.rejected)
    assert min(numbers) < max(numbers) <= 2


def test_options_reach_the_resampling(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget, warps: Sequence[Warp]
) -> None:
    config = MakeWarpTask.ConfigClass()
    config.warp.kernel = "bilinear"
    config.warp.maskKernel = ""
    result = MakeWarpTask(config=config).run(of_visit(sources, 101), patch, target)
    assert result.warp.image != next(warp for warp in warps if warp.visit == 101).image


def test_what_cannot_be_read_or_scaled_is_recorded(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget, caplog: pytest.LogCaptureFixture
) -> None:
    good, other = of_visit(sources, 100)
    result = MakeWarpTask().run([good, BrokenSource(other.info)], patch, target)
    assert [one.id for one in result.warp.detectors] == [good.info.id]
    assert [(one.id, one.stage) for one in result.rejected] == [(other.info.id, "read")]
    assert warp_rejections(result.warp) == list(result.rejected)
    assert "10 bytes" in caplog.text
    result = MakeWarpTask().run([good, UncalibratedSource(other)], patch, target)
    assert [(one.id, one.stage) for one in warp_rejections(result.warp)] == [(other.info.id, "warp")]


def test_nothing_to_warp_and_nothing_to_read_are_different(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget
) -> None:
    visit = of_visit(sources, 100)
    config = MakeWarpTask.ConfigClass()
    config.select.excludeVisits = [100]
    with pytest.raises(NoWorkFound, match="visit 100 is excluded"):
        MakeWarpTask(config=config).run(visit, patch, target)
    with pytest.raises(UnreadableFileError, match="10 bytes"):
        MakeWarpTask().run([BrokenSource(one.info) for one in visit], patch, target)


def test_selected_visits_are_written_with_reasons(
    sources: Sequence[SimulatedExposure], patch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    config = SelectDeepCoaddVisitsTask.ConfigClass()
    config.select.maxVisits = 2
    infos = [one.info for one in sources]
    with caplog.at_level(logging.INFO, logger="lsst"):
        content = SelectDeepCoaddVisitsTask(config=config).run(infos, patch).selectedVisits
    seeing = {info.id.visit: float(np.median([i.psf_fwhm for i in infos if i.id.visit == info.id.visit]))
              for info in infos}  # fmt: skip
    worst = max(seeing, key=seeing.__getitem__)
    assert {visit for _, visit in selected_visits(content)} == set(seeing) - {worst}
    rejected = selection_rejections(content)
    assert {one.id.visit for one in rejected} == {worst}
    assert all(one.stage == "select" and "seeing" in one.reason for one in rejected)
    assert "Selected 2 visits" in caplog.text


def test_no_visit_is_no_work(sources: Sequence[SimulatedExposure], patch: Patch) -> None:
    config = SelectDeepCoaddVisitsTask.ConfigClass()
    config.select.maxPsfFwhm = 0.1
    with pytest.raises(NoWorkFound, match=r"PSF FWHM .* > 0\.1 arcsec"):
        SelectDeepCoaddVisitsTask(config=config).run([one.info for one in sources], patch)


class PickFirst(SelectExposuresTask):
    """Take the first exposure, whatever it is."""

    def run(self, infos: Sequence[ExposureInfo], patch: Patch) -> Struct:
        ids = sorted(info.id for info in infos)
        return Struct(
            kept=tuple(ids[:1]), rejected=tuple(Rejection(id, "", "select", "late") for id in ids[1:])
        )


def test_the_selection_can_be_retargeted(sources: Sequence[SimulatedExposure], patch: Patch) -> None:
    config = SelectDeepCoaddVisitsTask.ConfigClass()
    config.select.retarget(PickFirst)
    content = (
        SelectDeepCoaddVisitsTask(config=config).run([one.info for one in sources], patch).selectedVisits
    )
    assert content["selected"] == [{"instrument": "LamellaSim", "visit": 100, "detectors": [0]}]
    assert len(content["rejected"]) == len(sources) - 1


def same_pixels(found: PatchCoadd, expected: PatchCoadd) -> bool:
    names = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")
    return all(getattr(found, name) == getattr(expected, name) for name in names)


@pytest.mark.parametrize("statistic", ["NOISECLIP", "MEAN", "MEDIAN"])
@pytest.mark.parametrize("memory", [1024.0, 0.05])
def test_a_coadd_is_that_of_the_core_in_memory_and_from_scratch_files(
    warps: Sequence[Warp], target: CoaddTarget, statistic: Any, memory: float
) -> None:
    config = AssembleCoaddPipelineTask.ConfigClass()
    config.assemble.statistic = statistic
    task = AssembleCoaddPipelineTask(config=config)
    result = task.run(handles(warps[::-1]), target, resources=Resources(threads=2, memory=memory))
    expected = assemble(warps, AssembleConfig(statistic=statistic), target=target)
    assert same_pixels(result.coaddExposure, expected)
    assert result.nImage == expected.exposure_count_unmasked
    assert covered_pixels(expected).sum() > 1000
    assert task.metadata["visits"] == 3


def test_bright_objects_and_records_reach_the_coadd(warps: Sequence[Warp], target: CoaddTarget) -> None:
    box = target.outer_bbox
    sky = target.projection.pixel_to_sky(x=box.x.center, y=box.y.center)
    star = BrightObject(
        id=1, ra=sky.ra.deg, dec=sky.dec.deg, shape="circle", radius=(2 * u.arcsec).to_value(u.deg)
    )
    left_out = Rejection(warps[0].detectors[0].id, "a.fits", "select", "too late")
    coadd = AssembleCoaddPipelineTask().run(
        handles(warps[1:]), target, brightObjects=BrightObjectCatalog(objects=(star,)), rejected=[left_out]
    ).coaddExposure  # fmt: skip
    assert coadd.mask.get("BRIGHT_OBJECT").sum() == pytest.approx(np.pi * 10**2, rel=0.1)
    assert coadd.rejections == (left_out,)


def test_warps_without_weight_are_left_out_and_none_is_no_work(
    warps: Sequence[Warp], target: CoaddTarget
) -> None:
    empty = warps[0].copy()
    empty.variance.array[...] = np.inf
    coadd = AssembleCoaddPipelineTask().run(handles([empty, *warps[1:]]), target).coaddExposure
    assert {one.id.visit for one in coadd.detectors} == {101, 102}
    assert {(one.id.visit, one.stage) for one in coadd.rejections} == {(100, "weight")}
    with pytest.raises(NoWorkFound, match="no good pixel"):
        AssembleCoaddPipelineTask().run(handles([empty]), target)


class OnlyOne(AssembleWarpsTask):
    """Coadd the first warp alone."""

    def run(self, inputs: Sequence[Any], target: CoaddTarget, **others: Any) -> Struct:
        return super().run(inputs[:1], target, **others)


def test_the_combination_can_be_retargeted(warps: Sequence[Warp], target: CoaddTarget) -> None:
    config = AssembleCoaddPipelineTask.ConfigClass()
    config.assemble.retarget(OnlyOne)
    coadd = AssembleCoaddPipelineTask(config=config).run(handles(warps), target).coaddExposure
    assert {one.id.visit for one in coadd.detectors} == {100}
    assert same_pixels(coadd, assemble(warps[:1], target=target))


def test_the_summary_has_a_row_for_each_exposure_of_each_patch(
    warps: Sequence[Warp], target: CoaddTarget
) -> None:
    left_out = Rejection(warps[0].detectors[0].id, "a.fits", "select", "too late")
    coadd = assemble(warps[1:], target=target, rejected=[left_out])
    inputs = [CoaddInputs(0, patch, "r", coadd.detectors, coadd.rejections) for patch in (4, 1)]
    table = CoaddInputSummaryTask().run(inputs).summary
    assert list(table["patch"]) == sorted(table["patch"])
    one = table[table["patch"] == 4]
    assert len(one) == len(coadd.detectors) + 1
    assert list(one["visit"]) == sorted(one["visit"])
    assert one["reason"][0] == "too late"
    assert one["weight"][0] == 0.0
    used = one[1:]
    assert list(used["weight"]) == [detector.weight for detector in coadd.detectors]
    assert list(used["good_pixels"]) == [detector.good_pixels for detector in coadd.detectors]
    assert table["weight"].unit == "nJy-2"


def test_the_summary_of_nothing_is_an_empty_table() -> None:
    table = CoaddInputSummaryTask().run([]).summary
    assert len(table) == 0
    assert table["visit"].dtype == np.int64


@pytest.mark.parametrize(("limit", "memory"), [(None, 1024.0), ("100 MiB", 50.0), ("8 GiB", 1024.0)])
def test_resources_are_those_of_the_quantum(limit: str | None, memory: float) -> None:
    from lsst.pipe.base import ExecutionResources

    context: Any = Struct(resources=ExecutionResources(num_cores=3, max_mem=limit))
    assert resources_of(context, 1024.0) == Resources(threads=3, memory=memory)


def test_a_bad_calibration_is_no_reason_to_stop(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget
) -> None:
    bad = [UncalibratedSource(one) for one in of_visit(sources, 100)]
    with pytest.raises(NoWorkFound) as caught:
        MakeWarpTask().run(bad, patch, target)
    assert not isinstance(caught.value, CalibrationError)
