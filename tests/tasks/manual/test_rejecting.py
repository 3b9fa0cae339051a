"""The tasks that reject artifacts: bits of the core, methods, options."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box, Image, Mask
from lsst.pex.config import FieldValidationError

from lamella.coadd.assemble import assemble
from lamella.coadd.reject.compare_control import CompareWarpControl
from lamella.coadd.reject.reject_control import RejectControl, SafeClipControl
from lamella.coadd.stack.prepare import input_of
from lamella.errors import NoMatchedWarpsError, PsfMatchError
from lamella.formats.archive.products import read_product
from lamella.formats.archive.write import write_archive
from lamella.image.spans import SpanMask
from lamella.planes import Layout, make_schema
from lamella.run.stack_run import StackConfig
from lamella.tasks.history import record_unmatched
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask
from lamella.tasks.manual.compareWarpAssembleCoadd import (
    CompareWarpAssembleCoaddConfig,
    CompareWarpAssembleCoaddTask,
)
from lamella.tasks.manual.rejectArtifacts import AltMaskSpans
from lamella.tasks.manual.safeClipAssembleCoadd import (
    SafeClipAssembleCoaddConfig,
    SafeClipAssembleCoaddTask,
)
from lamella.tasks.manual.spans import SpanSet, as_spans

from ...cli.conftest import lamella
from ...same import COUNTS, assert_same_planes
from .conftest import PATCH, MemoryRef, WarpMaker, plane, planes_of
from .rejecting import Field, make_field

COMPARE, SAFE = CompareWarpAssembleCoaddTask, SafeClipAssembleCoaddTask
SCHEMA = make_schema()


@pytest.fixture(scope="module")
def field() -> Field:
    return make_field(WarpMaker())


def task_with(kind: Any, **options: Any) -> Any:
    config = kind.ConfigClass()
    config.update(**options)
    config.validate()
    return kind(config=config)


def run(task: Any, field: Field, **rest: Any) -> Any:
    found = task.prepareInputs(field.warps)
    if isinstance(task, COMPARE) and "supplementaryData" not in rest:
        rest["supplementaryData"] = task.makeStaticSkyModel(field.sky_info, field.matched[::-1])
    return task.run(field.sky_info, found.tempExpRefList, found.imageScalerList, found.weightList, **rest)


def expected(task: Any, field: Field, **changes: Any) -> Any:
    inputs = [
        dataclasses.replace(input_of(warp), matched=input_of(matched).source)
        for warp, matched in zip(field.warps, field.matched, strict=True)
    ]
    config = task.config.toCore().replace(fill_gaps=False, **changes)
    return assemble(inputs, config, target=field.target)


def assert_same(found: Any, other: Any) -> None:
    assert_same_planes(found, other, *COUNTS)
    assert found.detectors == other.detectors
    assert found.removals == other.removals
    assert found.visit_checks == other.visit_checks
    assert found.notes == other.notes


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (COMPARE, {}),
        (COMPARE, {"doOnlineForMean": True}),
        (COMPARE, {"subregionSize": [30, 17], "spatialThreshold": 0.3, "doScaleWarpVariance": False}),
        (COMPARE, {"badMaskPlanes": ["NO_DATA", "BAD", "EDGE"], "removeMaskPlanes": []}),
        (SAFE, {}),
        (SAFE, {"doOnlineForMean": True, "minBigOverlap": 5, "sigmaClip": 2.0}),
    ],
)
def test_the_bits_are_those_of_the_core(kind: Any, options: dict[str, Any], field: Field) -> None:
    task = task_with(kind, **options)
    coadd = run(task, field).coaddExposure
    core = expected(task, field)
    assert_same(coadd, core)
    assert coadd.settings["assemble"] == task.config.toCore().to_dict()
    assert sum(one.removed for one in coadd.removals) > 10
    steps = [name for name in task.getFullMetadata().names() if "assembleStaticSkyModel:" not in name]
    times = {name: task.getFullMetadata().exists(f"{name}.runEndCpuTime") for name in steps}
    runs = {task.getName(), f"{task.getName()}:assembleStaticSkyModel"} & set(steps)
    assert {name for name, has in times.items() if has} == runs


@pytest.mark.parametrize("kind", [COMPARE, SAFE])
def test_a_visit_whose_variance_is_wrong_is_told_once(kind: Any, field: Field, caplog: Any) -> None:
    warps, matched = ([one.copy() for one in warps] for warps in (field.warps, field.matched))
    for warp in (warps[0], matched[0]):
        warp.variance.array[...] /= 4.0
    wrong = dataclasses.replace(field, warps=warps, matched=matched)
    coadd = run(task_with(kind), wrong).coaddExposure
    assert coadd.visit_checks == expected(task_with(kind), wrong).visit_checks
    texts = [one for one in caplog.messages if "Its noise is 2 times what its variance says" in one]
    assert [one.split(":")[0] for one in texts] == ["Cam visit 0"]


@pytest.mark.parametrize("kind", [COMPARE, SAFE])
def test_artifacts_are_left_out_and_stars_are_not(kind: Any, field: Field) -> None:
    result = run(task_with(kind), field)
    clipped = [as_spans(one["CLIPPED"][0]) if one.get("CLIPPED") else SpanSet() for one in result.altMaskList]
    for truth, spans in zip(field.truth, clipped, strict=True):
        flags = spans.to_array(field.sky_info.bbox)
        assert (flags[truth].mean() if truth.any() else 1.0) > 0.9
        assert flags[~truth].mean() < (0.03 if kind is COMPARE else 0.12)  # safe-clip takes wide footprints
    clean = run(task_with(AssembleCoaddTask, statistic="MEAN"), make_field(WarpMaker(), artifacts=False))
    difference = (result.coaddExposure.image.array - clean.coaddExposure.image.array)[40:42, 50:60]
    assert np.abs(difference).max() < 2.0  # a sixth of the cosmic ray would be 10


def test_the_matched_warps_are_found_by_the_references(
    butler: Any, patch_ref: Any, field: Field, sky_map: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_with(COMPARE)
    monkeypatch.setattr(task, "getSkyInfo", lambda patchRef: field.sky_info)
    refs = [MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "visit": warp.visit}) for warp in field.warps]
    for ref, warp in zip(refs, field.warps, strict=True):
        ref.put(warp)
    with pytest.raises(RuntimeError, match="makePsfMatched=True") as caught:
        task.runDataRef(patch_ref, warpRefList=refs)
    assert isinstance(caught.value, NoMatchedWarpsError)
    for ref, matched in zip(refs, field.matched, strict=True):
        ref.put(matched, "deepCoadd_psfMatchedWarp")
    found = task.runDataRef(patch_ref, warpRefList=refs[::-1])
    core = expected(task, field)
    assert found.coaddExposure.removals == core.removals
    for name in ("used", "unmasked"):
        np.testing.assert_array_equal(planes_of(found.coaddExposure)[name], planes_of(core)[name])
    assert patch_ref.datasetExists("deepCoadd")
    sky = task.makeSupplementaryData(patch_ref, warpRefList=refs)
    scalers = task.prepareInputs(refs).imageScalerList
    spans = task.findArtifacts(sky.templateCoadd, refs, scalers)
    assert [set(one) for one in spans] == [set(one) for one in found.altMaskList]
    for one, other in zip(spans, found.altMaskList, strict=True):
        assert one == other


def test_a_visit_without_a_matched_warp_is_told_of(field: Field, caplog: Any) -> None:
    part = dataclasses.replace(field, matched=field.matched[:5], warps=[one.copy() for one in field.warps])
    record_unmatched(part.warps[5], "too wide")
    coadd = run(task_with(COMPARE), part).coaddExposure
    assert "visit 5" in caplog.text.lower()
    assert "too wide" in caplog.text
    assert [one["visit"] for one in coadd.settings["matching"]["unmatched"]] == [5]
    assert any("too wide" in note for note in coadd.detectors[5].notes)
    assert coadd.notes == tuple(sorted({note for one in coadd.detectors for note in one.notes}))
    assert "no matched warp" in coadd.removals[5].warning


def test_warps_that_are_not_matched_to_one_psf_are_refused(field: Field) -> None:
    mixed = [*field.matched[:5], field.warps[5]]
    with pytest.raises(PsfMatchError, match="visit 5"):
        run(task_with(COMPARE), dataclasses.replace(field, matched=mixed))
    with pytest.raises(NoMatchedWarpsError, match="makeStaticSkyModel"):
        run(task_with(COMPARE), field, supplementaryData=None)


def test_masks_given_to_run_count_in_the_search(field: Field) -> None:
    task = task_with(COMPARE)
    region = SpanSet.from_array(field.truth[1], field.sky_info.bbox)
    coadd = run(task, field, altMaskList=[None, {"BAD": [region]}, *[None] * 4]).coaddExposure
    inputs = [
        dataclasses.replace(input_of(warp), matched=input_of(matched).source)
        for warp, matched in zip(field.warps, field.matched, strict=True)
    ]
    inputs[1] = dataclasses.replace(inputs[1], alternate=SpanMask({"BAD": region.runs}))
    assert_same(coadd, assemble(inputs, task.config.toCore().replace(fill_gaps=False), target=field.target))
    names = [*task.config.badMaskPlanes, "SUSPECT"]
    bits = Layout(SCHEMA).bits(names)
    for mask in (names, bits):
        found = run(task, field, mask=mask).coaddExposure
        core = expected(task, field, bad_mask_planes=("NO_DATA", "BAD", "SATURATED", "SUSPECT"))
        np.testing.assert_array_equal(found.mask.array, core.mask.array)
    pixels = Mask(0, schema=SCHEMA, bbox=field.sky_info.bbox)
    pixels.set("BAD", np.arange(90)[:, None].repeat(100, 1) < 2)
    assert (run(task, field, mask=pixels).coaddExposure.exposure_count.array[:2] == 0).all()


def test_a_subclass_may_change_what_is_found(field: Field) -> None:
    class Own(COMPARE):
        def findArtifacts(self, *args: Any, **rest: Any) -> list[AltMaskSpans]:
            found = super().findArtifacts(*args, **rest)
            found[0].setdefault("CLIPPED", []).append(Box.factory[100:102, 200:210])
            return found

    coadd = run(Own(config=COMPARE.ConfigClass()), field).coaddExposure
    assert (coadd.exposure_count.array[:2, :10] <= 5).all()
    assert plane(coadd, "CLIPPED")[:2, :10].all()


def test_untested_pixels_can_be_discarded_as_in_the_original(field: Field) -> None:
    part = dataclasses.replace(field, matched=[one.copy() for one in field.matched])
    lost = part.matched[0]
    lost.image.array[:10] = np.nan
    lost.variance.array[:10] = np.inf
    lost.mask.set("NO_DATA", np.arange(90)[:, None].repeat(100, 1) < 10)
    lost.mask.set("DETECTION_EDGE", np.arange(90)[:, None].repeat(100, 1) == 10)
    kept = run(task_with(COMPARE), part).coaddExposure
    result = run(task_with(COMPARE, doUsePsfMatchedPolygons=True), part)
    discarded = result.coaddExposure
    assert (kept.exposure_count.array[:10, 10:40] == 6).mean() > 0.9
    assert (discarded.exposure_count.array[:10, 10:40] <= 5).all()
    assert plane(discarded, "SENSOR_EDGE")[10].all()
    assert plane(discarded, "INEXACT_PSF")[10].all()
    assert not plane(kept, "SENSOR_EDGE")[10, 10:].any()
    assert {"NO_DATA", "EDGE"} <= set(result.altMaskList[0])


def test_alt_edge_mask() -> None:
    mask = Mask(0, schema=SCHEMA, bbox=Box.factory[100:140, 200:250])
    regions = [None, {"EDGE": [SpanSet([(101, 200, 203)])], "CLIPPED": [SpanSet([(105, 200, 203)])]}]
    task_with(COMPARE).applyAltEdgeMask(mask, regions)
    for name in ("SENSOR_EDGE", "INEXACT_PSF"):
        assert mask.get(name).sum() == 4
        assert mask.get(name)[1, :4].all()
    assert not mask.get("DETECTION_EDGE").any()


@pytest.mark.parametrize(
    ("epochs", "seen", "kept"), [(2, 1, True), (2, 2, False), (5, 2, True), (5, 3, False), (30, 2, True)]
)
def test_filter_artifacts_by_the_number_of_epochs(epochs: int, seen: int, kept: bool) -> None:
    bbox = Box.factory[0:20, 0:30]
    counts = Image(np.zeros((20, 30), np.int32), bbox=bbox)
    counts.array[5:8, 5:9] = seen
    region = SpanSet.from_box(Box.factory[5:8, 5:10])  # four fifths are seen
    n_image = Image(np.full((20, 30), epochs, np.int32), bbox=bbox)
    task = task_with(COMPARE)
    assert task.filterArtifacts([region], counts, n_image) == ([region] if kept else [])
    around = SpanSet.from_box(Box.factory[4:9, 4:12])
    assert task.filterArtifacts([region], counts, n_image, [around]) == []
    assert task_with(COMPARE, spatialThreshold=0.9).filterArtifacts([region], counts, n_image) == []


def test_the_steps_of_safe_clip(field: Field) -> None:
    task = task_with(SAFE)
    found = task.prepareInputs(field.warps)
    exp = task.buildDifferenceImage(
        field.sky_info, found.tempExpRefList, found.imageScalerList, found.weightList
    )
    means = [
        assemble(field.warps, task.config.toCore().replace(fill_gaps=False, reject=RejectControl(), **how),
                 target=field.target)
        for how in ({"statistic": "MEAN"}, {"statistic": "MEANCLIP"})
    ]  # fmt: skip
    np.testing.assert_array_equal(exp.image.array, means[0].image.array - means[1].image.array)
    np.testing.assert_array_equal(exp.variance.array, means[0].variance.array + means[1].variance.array)
    assert exp.detectors == means[0].detectors
    result = task.detectClip(exp, field.warps)
    assert result.clipFootprints.count == len(result.clipIndices) >= 3
    assert {index for indices in result.clipIndices for index in indices} >= {1, 2, 3}
    assert len(result.detectionFootprints) == len(field.warps)
    big = task.detectClipBig(
        result.clipList, result.clipFootprints, result.clipIndices, result.detectionFootprints, exp.bbox
    )
    removed = [one.getArea() for one in big]
    assert all(after >= before.getArea() for after, before in zip(removed, result.clipList, strict=True))
    spans = run(task, field).altMaskList
    assert [as_spans(one["CLIPPED"][0]).getArea() if one else 0 for one in spans] == removed


SAFE_DEFAULTS = {
    "statistic": "MEAN", "sigmaClip": 1.5, "clipIter": 3, "minClipFootOverlap": 0.6,
    "minClipFootOverlapSingle": 0.5, "minClipFootOverlapDouble": 0.45, "maxClipFootOverlapDouble": 0.15,
    "minBigOverlap": 100,
}  # fmt: skip
COMPARE_DEFAULTS = {
    "statistic": "MEAN", "maxNumEpochs": 2, "maxFractionEpochsLow": 0.4, "maxFractionEpochsHigh": 0.03,
    "spatialThreshold": 0.5, "doScaleWarpVariance": True, "doPreserveContainedBySource": True,
    "doPrefilterArtifacts": True, "prefilterArtifactsMaskPlanes": ["NO_DATA", "BAD", "SAT", "SUSPECT"],
    "prefilterArtifactsRatio": 0.05, "streakMaskName": "STREAK", "growStreakFp": 5,
    "badMaskPlanes": ["NO_DATA", "BAD", "SAT"], "removeMaskPlanes": ["NOT_DEBLENDED", "EDGE"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "defaults"), [(SAFE, SAFE_DEFAULTS), (COMPARE, COMPARE_DEFAULTS)])
def test_defaults_are_the_documented_ones(kind: Any, defaults: dict[str, Any]) -> None:
    config = kind.ConfigClass()
    config.validate()
    found = config.toDict()
    assert {name: found[name] for name in defaults} == defaults


def test_defaults_are_those_of_the_core() -> None:
    safe, compare = SafeClipAssembleCoaddConfig().toCore(), CompareWarpAssembleCoaddConfig().toCore()
    assert safe.reject == RejectControl(method="safe_clip", safe_clip=SafeClipControl())
    assert compare.reject == RejectControl(method="compare_warp", compare_warp=CompareWarpControl())


def test_options_reach_the_core() -> None:
    config = SafeClipAssembleCoaddConfig()
    config.update(sigmaClip=1.25, clipIter=2, minClipFootOverlap=0.7, warnFraction=0.5)
    config.clipDetection.thresholdValue, config.clipDetection.nSigmaToGrow = 2.5, 1.0
    control = config.rejectControl()
    assert (control.safe_clip.sigma_clip, control.safe_clip.clip_iter, control.safe_clip.overlap) == (
        1.25,
        2,
        0.7,
    )
    assert (control.safe_clip.threshold, control.safe_clip.grow, control.warn_fraction) == (2.5, 1.0, 0.5)
    other = CompareWarpAssembleCoaddConfig()
    other.update(maxNumEpochs=3.0, doFilterMorphological=False, doPreserveContainedBySource=False)
    other.detect.thresholdValue, other.detect.minPixels = 7.5, 4
    other.comparison.grow, other.comparison.ghosts.enabled = 1.0, False
    other.comparison.template.fluxTolerance = 0.05
    other.maskStreaks.threshold, other.scaleWarpVariance.limit = 8.0, 5.0
    other.assembleStaticSkyModel.sigmaClip = 2.5
    other.validate()
    compare = other.rejectControl().compare_warp
    assert (compare.max_epochs, compare.mask_streaks, compare.variables.enabled) == (3.0, False, False)
    assert (compare.threshold, compare.min_pixels, compare.grow) == (7.5, 4, 1.0)
    assert (compare.ghosts.enabled, compare.template.flux_tolerance) == (False, 0.05)
    assert (compare.streaks.threshold, compare.noise.limit, compare.template.sigma_clip) == (8.0, 5.0, 2.5)


@pytest.mark.parametrize(
    ("kind", "field_name", "value", "match"),
    [
        (SAFE, "statistic", "MEANCLIP", "statistic"),
        (COMPARE, "statistic", "MEDIAN", "statistic"),
        (SAFE, "clipDetection.thresholdPolarity", "positive", "thresholdPolarity"),
        (COMPARE, "detect.doTempLocalBackground", True, "doTempLocalBackground"),
        (COMPARE, "detectTemplate.thresholdValue", 300.0, "comparison.variables"),
        (COMPARE, "growStreakFp", 3.0, "maskStreaks.floor"),
        (COMPARE, "streakMaskName", "TRAIL", "STREAK"),
        (COMPARE, "comparison.threshold", 4.0, "detect.thresholdValue"),
        (COMPARE, "comparison.template.sigmaClip", 4.0, "assembleStaticSkyModel.sigmaClip"),
        (COMPARE, "assembleStaticSkyModel.doNImage", True, "nImage"),
        (COMPARE, "doWriteArtifactMasks", True, "pipeline task"),
    ],
)
def test_what_has_no_effect_is_refused(kind: Any, field_name: str, value: Any, match: str) -> None:
    config = kind.ConfigClass()
    target: Any = config
    *path, name = field_name.split(".")
    for part in path:
        target = getattr(target, part)
    setattr(target, name, value)
    with pytest.raises(FieldValidationError, match=match):
        config.validate()


def test_older_switches_are_warned_of() -> None:
    config = SafeClipAssembleCoaddConfig()
    config.doSigmaClip = True
    with pytest.warns(FutureWarning, match="doSigmaClip"):
        config.validate()
    assert config.statistic == "MEAN"


@pytest.mark.parametrize("kind", [SAFE, COMPARE])
def test_a_saved_configuration_reads_back(kind: Any, tmp_path: Any) -> None:
    config = kind.ConfigClass()
    config.warnFraction = 0.2
    config.save(str(tmp_path / "config.py"))
    other = kind.ConfigClass()
    other.load(str(tmp_path / "config.py"))
    assert other.compare(config)
    assert other.toCore() == config.toCore()


def test_coadds_of_matched_warps(field: Field) -> None:
    task = task_with(AssembleCoaddTask, warpType="psfMatched", statistic="MEAN", doInterp=False)
    found = task.prepareInputs(field.matched)
    coadd = task.run(
        field.sky_info, found.tempExpRefList, found.imageScalerList, found.weightList
    ).coaddExposure
    core = assemble(field.matched, task.config.toCore(), target=field.target)
    assert_same(coadd, core)
    stamps = [one.psf.compute_kernel_image(x=240.0, y=140.0).array for one in (coadd, field.matched[0])]
    np.testing.assert_array_equal(*stamps)
    mixed = [*field.matched[:3], field.warps[3]]
    found = task.prepareInputs(mixed)
    with pytest.raises(PsfMatchError, match="all"):
        task.run(field.sky_info, mixed, found.imageScalerList, found.weightList)


class TestAcceptance:
    """The cases of the original's tests that concern the comparison of warps, on our own data."""

    def test_all_kinds_of_coadds_are_made(self, field: Field) -> None:
        for task in (task_with(COMPARE), task_with(SAFE), task_with(AssembleCoaddTask)):
            coadd = run(task, field).coaddExposure
            assert str(coadd.unit) == "nJy"
            assert np.isfinite(coadd.image.array[coadd.exposure_count.array > 0]).all()

    def test_online_is_offline(self, field: Field) -> None:
        offline, online = (run(task_with(COMPARE, doOnlineForMean=on), field) for on in (False, True))
        assert_same(online.coaddExposure, offline.coaddExposure)

    @pytest.mark.parametrize("online", [False, True])
    def test_masking_the_artifacts_beforehand_gives_the_same(self, field: Field, online: bool) -> None:
        result = run(task_with(COMPARE, doOnlineForMean=online), field)
        masked = [warp.copy() for warp in field.warps]
        helper = task_with(COMPARE)
        for warp, planes in zip(masked, result.altMaskList, strict=True):
            helper.applyAltMaskPlanes(warp.mask, {k: v for k, v in planes.items() if k != "EDGE"})
        plain = task_with(
            AssembleCoaddTask,
            statistic="MEAN",
            doOnlineForMean=online,
            badMaskPlanes=["NO_DATA", "BAD", "SAT", "CLIPPED", "REJECTED"],
        )
        weights = task_with(COMPARE).prepareInputs(field.warps)
        coadd = plain.run(field.sky_info, masked, weights.imageScalerList, weights.weightList).coaddExposure
        for name in ("image", "variance"):
            np.testing.assert_array_equal(
                getattr(coadd, name).array, getattr(result.coaddExposure, name).array
            )


@pytest.mark.parametrize("kind", [COMPARE, SAFE])
def test_lamella_stack_gives_the_same_bits(kind: Any, field: Field, tmp_path: Path) -> None:
    """Of the same warps, in files, with the options of the task."""
    task = task_with(kind, minClipFootOverlap=0.5) if kind is SAFE else task_with(kind)
    coadd = run(task, field).coaddExposure
    task.processResults(coadd)
    warps = [*field.warps, *(field.matched if kind is COMPARE else ())]
    files = [tmp_path / f"warp-{number}.fits" for number in range(len(warps))]
    for warp, file in zip(warps, files, strict=True):
        write_archive(warp, file)
    settings, out = tmp_path / "options.yaml", tmp_path / "coadd.fits"
    settings.write_text(yaml.safe_dump(StackConfig(assemble=task.config.toCore()).to_dict()))
    ended = lamella("stack", *files, "-o", out, "--config", settings)
    assert ended.status == 0, ended.err
    found = read_product(out)
    assert_same_planes(found, coadd, *COUNTS)
    assert found.removals == coadd.removals
    assert sum(one.removed for one in found.removals) > 10


@pytest.mark.parametrize("kind", [COMPARE, SAFE])
def test_a_mask_to_use_instead_counts_in_the_search(kind: Any, field: Field) -> None:
    task = task_with(kind)
    expected = run(task, field)
    flagged = field.warps[1].copy()
    WarpMaker.flag(flagged, "BAD", (slice(0, 60), slice(None)))
    altMaskList = [None] * len(field.warps)
    altMaskList[1] = field.warps[1].mask
    supplement = task.makeStaticSkyModel(field.sky_info, field.matched) if kind is COMPARE else None
    found = task.run(
        field.sky_info,
        [field.warps[0], flagged, *field.warps[2:]],
        expected.imageScalerList,
        expected.weightList,
        altMaskList=altMaskList,
        supplementaryData=supplement,
    )
    assert_same_planes(found.coaddExposure, expected.coaddExposure, *COUNTS)
    assert found.coaddExposure.removals == expected.coaddExposure.removals
