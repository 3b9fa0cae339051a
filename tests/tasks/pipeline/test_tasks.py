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
from astropy.table import Table
from lsst.pex.config import Config, Field, FieldValidationError
from lsst.pipe.base import InMemoryDatasetHandle, NoWorkFound, Struct
from lsst.pipe.base.testUtils import assertValidInitOutput, lintConnections

from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.brightmask import BrightObject, BrightObjectCatalog
from lamella.coadd.reject.reject import Findings
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.select.select_control import SelectControl
from lamella.coadd.skynoise import covered_pixels
from lamella.coadd.stack.prepare import input_of
from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf
from lamella.coadd.warp.warp import make_warp
from lamella.coadd.warp.warp_control import WarpControl
from lamella.data.coadd import PatchCoadd, Rejection
from lamella.data.exposure import Exposure, ExposureInfo
from lamella.data.inputs import CoaddTarget
from lamella.data.warp import Warp
from lamella.errors import (
    CalibrationError,
    InputError,
    NoMatchedWarpsError,
    PsfMatchError,
    UnreadableFileError,
)
from lamella.psf.match_control import MatchControl
from lamella.resources import Resources
from lamella.run.jobs import patch_target
from lamella.run.patch import warp_visit
from lamella.run.patch_config import PatchConfig
from lamella.sky.field import skymap_from_exposures
from lamella.sky.skymap import SkyMap
from lamella.sky.tract import Patch
from lamella.tasks.history import (
    noted_rejections,
    record_unmatched,
    unmatched_reason,
    warp_rejections,
    warp_settings,
)
from lamella.tasks.pipeline import (
    AssembleCoaddPipelineTask,
    AssembleWarpsTask,
    CoaddInputSummaryTask,
    ConsolidateCoaddInputSummaryTask,
    MakeWarpTask,
    SelectDeepCoaddVisitsTask,
    SelectExposuresTask,
    WarpVisitTask,
)
from lamella.tasks.pipeline.base import resources_of
from lamella.tasks.pipeline.input_summary import CoaddInputs
from lamella.tasks.pipeline.select import selected_exposures, selection_rejections
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.survey import Survey

from ...surveys import TINY

SURVEY = TINY.replace(visits_per_band=3, stars=6, galaxies=4, bright_stars=0, cosmic_rays=2, asteroids=1)
TASKS = [
    MakeWarpTask, SelectDeepCoaddVisitsTask, AssembleCoaddPipelineTask,
    CoaddInputSummaryTask, ConsolidateCoaddInputSummaryTask,
]  # fmt: skip


@pytest.fixture(scope="module")
def sources() -> list[SimulatedExposure]:
    return Survey(SURVEY).exposures()


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


def match_config(**options: Any) -> Any:
    config = MakeWarpTask.ConfigClass()
    config.makePsfMatched = True
    config.match.update(**options)
    config.validate()
    return config


def test_a_matched_warp_is_that_of_the_core(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget
) -> None:
    task = MakeWarpTask(config=match_config(fwhm=6.5))
    result = task.run(of_visit(sources, 101), patch, target)
    control = MatchControl(fwhm=6.5)
    expected = match_warp(result.warp, patch_target_psf(6.5, target.outer_bbox, control), control)
    for name in ("image", "mask", "variance"):
        assert getattr(result.psfMatched, name) == getattr(expected, name), name
    assert result.psfMatched.match_records == expected.match_records
    assert warp_settings(result.psfMatched) == {**warp_settings(result.warp), "match": control.to_dict()}
    assert task.metadata["psfMatched"]
    assert MakeWarpTask().run(of_visit(sources, 101), patch, target).psfMatched is None


def test_a_visit_wider_than_the_target_is_refused_or_regularised(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget, caplog: pytest.LogCaptureFixture
) -> None:
    visit = of_visit(sources, 101)
    narrow = match_config(fwhm=1.5)
    result = MakeWarpTask(config=narrow).run(visit, patch, target)
    assert result.psfMatched is None
    assert "too narrow" in unmatched_reason(result.warp)
    assert "Visit 101 is not matched" in caplog.text
    narrow.makeDirect = False
    with pytest.raises(NoWorkFound, match="too narrow"):
        MakeWarpTask(config=narrow).run(visit, patch, target)
    result = MakeWarpTask(config=match_config(fwhm=1.5, narrower="regularize")).run(visit, patch, target)
    assert max(one.noise_gain for one in result.psfMatched.match_records) > 1.2


def test_what_is_made_can_be_chosen() -> None:
    def outputs(**options: bool) -> set[str]:
        config = MakeWarpTask.ConfigClass()
        config.update(**options)
        connections = config.connections.ConnectionsClass(config=config)
        return {getattr(connections, name).name for name in connections.outputs}

    direct, matched = "deepCoadd_directWarp", "deepCoadd_psfMatchedWarp"
    assert outputs() == {direct}
    assert outputs(makePsfMatched=True) == {direct, matched}
    assert outputs(makePsfMatched=True, makeDirect=False) == {matched}
    config = MakeWarpTask.ConfigClass()
    config.makeDirect = False
    with pytest.raises(FieldValidationError, match="at least one of makeDirect and makePsfMatched"):
        config.validate()
    config = match_config()
    assert config.match.fwhm == 7.7
    config.match.fwhm = None
    with pytest.raises(FieldValidationError, match="width of the target must be given"):
        config.validate()


def test_nothing_to_warp_and_nothing_to_read_are_different(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget
) -> None:
    visit = of_visit(sources, 100)
    config = MakeWarpTask.ConfigClass()
    config.select.excludeVisits = [100]
    with pytest.raises(NoWorkFound, match="visit 100 is excluded"):
        MakeWarpTask(config=config).run(visit, patch, target)
    unreadable = [BrokenSource(one.info) for one in visit]
    task = MakeWarpTask()
    with pytest.raises(NoWorkFound, match="10 bytes"):
        task.run(unreadable, patch, target)
    noted = noted_rejections(task.getFullMetadata())
    assert [(item.id, item.stage) for item in noted] == [(one.info.id, "read") for one in visit]
    config = MakeWarpTask.ConfigClass()
    config.strict = True
    with pytest.raises(InputError, match="10 bytes"):
        MakeWarpTask(config=config).run([visit[0], unreadable[1]], patch, target)


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
    assert {visit for _, visit in selected_exposures(content)} == set(seeing) - {worst}
    rejected = selection_rejections(content)
    assert {one.id.visit for one in rejected} == {worst}
    assert all(one.stage == "select" and "seeing" in one.reason for one in rejected)
    assert content["settings"] == {"select": SelectControl(max_visits=2).to_dict()}
    assert "Selected 2 visits" in caplog.text


def test_no_visit_is_no_work(sources: Sequence[SimulatedExposure], patch: Patch) -> None:
    config = SelectDeepCoaddVisitsTask.ConfigClass()
    config.select.maxPsfFwhm = 0.1
    with pytest.raises(NoWorkFound, match=r"PSF FWHM .* > 0\.1 arcsec"):
        SelectDeepCoaddVisitsTask(config=config).run([one.info for one in sources], patch)


def test_exposures_that_cannot_be_read_are_written_down(
    sources: Sequence[SimulatedExposure], patch: Patch
) -> None:
    first, *others = [one.info for one in sources]
    unread = [Rejection(first.id, first.path, "read", "10 bytes")]
    content = SelectDeepCoaddVisitsTask().run(others, patch, unread=unread).selectedVisits
    assert selection_rejections(content) == unread
    with pytest.raises(InputError, match="10 bytes"):
        SelectDeepCoaddVisitsTask().run([], patch, unread=unread)
    config = SelectDeepCoaddVisitsTask.ConfigClass()
    config.strict = True
    with pytest.raises(InputError, match="10 bytes"):
        SelectDeepCoaddVisitsTask(config=config).run(others, patch, unread=unread)


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
    assert covered_pixels(expected).count > 1000
    assert task.metadata["visits"] == 3


def compare_config(**options: Any) -> Any:
    config = AssembleCoaddPipelineTask.ConfigClass()
    config.assemble.reject.method = "compare_warp"
    config.update(**options)
    config.validate()
    return config


@pytest.fixture(scope="module")
def matched(warps: Sequence[Warp], target: CoaddTarget) -> list[Warp]:
    control = MatchControl(fwhm=6.0)
    psf = patch_target_psf(6.0, target.outer_bbox, control)
    return [match_warp(warp, psf, control) for warp in warps]


COMPARE = AssembleConfig(reject=RejectControl(method="compare_warp"))


@pytest.mark.parametrize("memory", [1024.0, 0.05])
def test_artifacts_are_rejected_as_in_the_core(
    warps: Sequence[Warp], matched: Sequence[Warp], target: CoaddTarget, memory: float
) -> None:
    task = AssembleCoaddPipelineTask(config=compare_config())
    result = task.run(
        handles(warps),
        target,
        psfMatchedWarps=handles(matched[::-1]),
        resources=Resources(threads=2, memory=memory),
    )
    inputs = [
        dataclasses.replace(input_of(warp), matched=input_of(other).source)
        for warp, other in zip(warps, matched, strict=True)
    ]
    found: list[Findings] = []
    expected = assemble(inputs, COMPARE, target=target, on_findings=found.append)
    assert same_pixels(result.coaddExposure, expected)
    assert result.coaddExposure.removals == expected.removals
    assert sum(one.removed for one in expected.removals) == task.metadata["rejectedPixels"] > 5
    assert list(result.artifacts) == [(one.instrument, one.visit) for one in warps]
    for warp, planes in zip(warps, found[0].artifacts, strict=True):
        box, mine = result.artifacts[warp.instrument, warp.visit]
        assert box == warp.bbox
        assert set(mine.planes) == set(planes.planes)
        for name, runs in planes.planes.items():
            assert (mine.planes[name].to_array(box) == runs.to_array(box)).all()
    matching = result.coaddExposure.settings["matching"]
    assert len(matching["detectors"]) == sum(len(one.match_records) for one in matched)
    assert matching["fwhm"] == pytest.approx(6.0, rel=0.2)  # the warps do not tell; the wing widens it


def test_visits_without_a_matched_warp_are_told_of(
    warps: Sequence[Warp], matched: Sequence[Warp], target: CoaddTarget, caplog: pytest.LogCaptureFixture
) -> None:
    first = warps[0].copy()
    record_unmatched(first, "it is too wide")
    task = AssembleCoaddPipelineTask(config=compare_config())
    result = task.run(handles([first, *warps[1:]]), target, psfMatchedWarps=handles(matched[1:]))
    coadd = result.coaddExposure
    assert "it is too wide" in caplog.text
    assert [one["visit"] for one in coadd.settings["matching"]["unmatched"]] == [first.visit]
    assert any("it is too wide" in note for note in coadd.notes)
    with pytest.raises(NoMatchedWarpsError, match="safe_clip"):
        task.run(handles(warps), target)
    with pytest.raises(PsfMatchError, match="is not"):
        task.run(handles(warps), target, psfMatchedWarps=handles(warps))
    control = MatchControl(fwhm=7.0)
    other = match_warp(warps[0], patch_target_psf(7.0, target.outer_bbox, control), control)
    with pytest.raises(PsfMatchError, match="different PSFs"):
        task.run(handles(warps), target, psfMatchedWarps=handles([other, *matched[1:]]))


def test_coadds_of_matched_warps(matched: Sequence[Warp], target: CoaddTarget) -> None:
    config = AssembleCoaddPipelineTask.ConfigClass()
    config.warpType = "psfMatched"
    coadd = AssembleCoaddPipelineTask(config=config).run(handles(matched), target).coaddExposure
    assert same_pixels(coadd, assemble(matched, target=target))
    assert coadd.matched_psf is not None
    config = compare_config(warpType="psfMatched")
    coadd = AssembleCoaddPipelineTask(config=config).run(handles(matched), target).coaddExposure
    inputs = [dataclasses.replace(input_of(one), matched=input_of(one).source) for one in matched]
    assert same_pixels(coadd, assemble(inputs, COMPARE, target=target))


def names_of(config: Any) -> dict[str, str]:
    connections = config.connections.ConnectionsClass(config=config)
    every = connections.inputs | connections.outputs
    return {name: getattr(connections, name).name for name in every}


def test_connections_follow_the_options() -> None:
    plain = names_of(AssembleCoaddPipelineTask.ConfigClass())
    assert not {"psfMatchedWarps", "artifactMasks", "nImage"} & set(plain)
    compared = names_of(compare_config(doWriteArtifactMasks=True))
    assert compared["psfMatchedWarps"] == "deepCoadd_psfMatchedWarp"
    assert compared["artifactMasks"] == "deepCoadd_artifactMask"
    config = compare_config(warpType="psfMatched", doNImage=True)
    config.connections.outputCoaddName = "best"
    found = names_of(config)
    assert "psfMatchedWarps" not in found
    assert found["inputWarps"] == "deepCoadd_psfMatchedWarp"
    assert found["coaddExposure"] == "bestCoaddPsfMatched"
    assert found["nImage"] == "bestCoaddPsfMatched_nImage"
    config.connections.coaddExposure = "mine"
    assert names_of(config)["coaddExposure"] == "mine"
    config = AssembleCoaddPipelineTask.ConfigClass()
    config.doWriteArtifactMasks = True
    with pytest.raises(FieldValidationError, match="no artifacts are looked for"):
        config.validate()


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


def test_the_coadd_tells_the_options_of_all_steps(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget, caplog: pytest.LogCaptureFixture
) -> None:
    def warp(visit: int, kernel: str) -> Warp:
        config = MakeWarpTask.ConfigClass()
        config.warp.kernel = kernel
        return MakeWarpTask(config=config).run(of_visit(sources, visit), patch, target).warp

    def settings_of(*made: Warp, **options: Any) -> dict[str, Any]:
        return AssembleCoaddPipelineTask().run(handles(made), target, **options).coaddExposure.settings

    select = {"select": SelectControl(max_visits=7).to_dict()}
    first, second, other = warp(100, "lanczos4"), warp(101, "lanczos4"), warp(102, "lanczos3")
    assert warp_settings(first)["warp"]["kernel"] == "lanczos4"
    found = settings_of(first, second)
    core = PatchConfig(warp=WarpControl(kernel="lanczos4"), assemble={"reject": {"method": "none"}}).to_dict()
    planes = [{"planes": list(WarpControl().bad_mask_planes), "warps": 2}]
    warps = {"bad_mask_planes": planes, "notices": []}
    assert found == {"warps": warps} | {step: core[step] for step in ("select", "warp", "assemble")}
    assert settings_of(first, second, settings=select) == found | select
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    mixed = settings_of(first, other)
    assert mixed == {name: value for name, value in found.items() if name != "warp"}
    assert "different options, which is not on record: ['warp']" in caplog.text


class OwnWarpConfig(Config):
    """Options that the core does not have."""

    lanes = Field[int]("A number", default=3)


class OwnWarp(WarpVisitTask):
    """A task of somebody else."""

    ConfigClass = OwnWarpConfig

    def run(self, sources: Sequence[Any], target: CoaddTarget) -> Struct:
        made = warp_visit(sources, target, PatchConfig())
        return Struct(warp=made.warp, rejected=made.rejected)


def test_options_of_other_tasks_are_told_as_they_are(
    sources: Sequence[SimulatedExposure], patch: Patch, target: CoaddTarget
) -> None:
    config = MakeWarpTask.ConfigClass()
    config.warp.retarget(OwnWarp)
    warp = MakeWarpTask(config=config).run(of_visit(sources, 100), patch, target).warp
    assert warp_settings(warp) == {"select": SelectControl().to_dict(), "warp": {"lanes": 3}}


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
    assert "arcsec2 / nJy2" in table["weight"].description


def test_the_summary_of_nothing_is_an_empty_table() -> None:
    table = CoaddInputSummaryTask().run([]).summary
    assert len(table) == 0
    assert table["visit"].dtype == np.int64


def test_the_summaries_of_tracts_become_one(warps: Sequence[Warp], target: CoaddTarget) -> None:
    left_out = Rejection(warps[0].detectors[0].id, "a.fits", "select", "too late")
    coadd = assemble(warps[1:], target=target, rejected=[left_out])

    def table_of(tract: int, band: str, patches: Sequence[int]) -> Table:
        inputs = [CoaddInputs(tract, patch, band, coadd.detectors, coadd.rejections) for patch in patches]
        return CoaddInputSummaryTask().run(inputs).summary

    tables = [table_of(1, "i", [3]), table_of(0, "r2", [0, 2]), table_of(0, "i", [0]), table_of(2, "i", [])]
    for number, table in enumerate(tables):
        table.meta["number"] = number
    whole = ConsolidateCoaddInputSummaryTask().run(tables).summary
    places = [(row["tract"], row["patch"], row["band"]) for row in whole]
    rows = len(coadd.detectors) + 1
    expected = [(0, 0, "i"), (0, 0, "r2"), (0, 2, "r2"), (1, 3, "i")]
    assert places == [place for place in expected for _ in range(rows)]
    assert whole.colnames == tables[0].colnames
    assert whole["weight"].description == tables[0]["weight"].description
    for start in range(0, len(whole), rows):
        for name in ("instrument", "visit", "detector", "weight", "good_pixels", "reason"):
            assert list(whole[name][start : start + rows]) == list(tables[0][name]), name


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
