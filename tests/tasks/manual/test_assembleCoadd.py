"""Each step of the task that assembles coadds, and its whole against the core."""

from __future__ import annotations

import dataclasses
import logging
from datetime import datetime
from typing import Any

import astropy.units as u
import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box, Mask, MaskPlane, MaskSchema
from lsst.pipe.base import Struct

from lamella.coadd.assemble import assemble
from lamella.coadd.brightmask import BrightObject, BrightObjectCatalog
from lamella.coadd.stack.prepare import input_of
from lamella.data.coadd import Rejection
from lamella.data.flux_unit import FluxUnit
from lamella.data.inputs import CoaddTarget
from lamella.errors import (
    ConfigError,
    DuplicateInputError,
    MaskPlaneError,
    MixedBandsError,
    MixedUnitsError,
    NoInputsError,
    ShapeError,
)
from lamella.image.spans import SpanMask
from lamella.planes import Layout, make_schema
from lamella.tasks.manual import compareWarpAssembleCoadd, references, safeClipAssembleCoadd
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig, CoaddPsfConfig
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpTask
from lamella.tasks.manual.scaleZeroPoint import ImageScaler
from lamella.tasks.manual.spans import SpanSet
from lamella.tasks.manual.statistics import Property, StatisticsControl

from ...makers import varied_warps
from .conftest import PATCH, MemoryButler, MemoryRef, assert_same_coadd, plane, planes_of

SCHEMA = make_schema()


def task_with(**options: Any) -> AssembleCoaddTask:
    config = AssembleCoaddConfig()
    config.update(**options)
    return AssembleCoaddTask(config=config)


def coadd_of(task: AssembleCoaddTask, sky_info: Struct, warps: list[Any], **rest: Any) -> Any:
    found = task.prepareInputs(warps)
    return task.run(sky_info, found.tempExpRefList, found.imageScalerList, found.weightList, **rest)


def expected(task: AssembleCoaddTask, warps: list[Any], maker: Any, **changes: Any) -> Any:
    target = CoaddTarget(outer_bbox=maker.bbox, projection=maker.projection)
    return assemble(warps, task.config.toCore().replace(**changes), target=target)


@pytest.mark.parametrize("statistic", ["MEANCLIP", "MEAN", "MEDIAN", "NOISECLIP"])
def test_run_and_process_results_give_the_bits_of_the_core(maker, sky_info, statistic: str) -> None:
    task = task_with(statistic=statistic)
    coadd = coadd_of(task, sky_info, varied_warps(maker)).coaddExposure
    unfilled = expected(task, varied_warps(maker), maker, fill_gaps=False)
    for name, pixels in planes_of(coadd).items():
        np.testing.assert_array_equal(pixels, planes_of(unfilled)[name], err_msg=name)
    task.processResults(coadd)
    assert_same_coadd(coadd, expected(task, varied_warps(maker), maker))


SIDE = 160


def starry_warps(maker: Any) -> list[Any]:
    """Return visits of a field of stars: one is displaced, one has half the flux, one twice the noise."""
    box = Box.from_shape((SIDE, SIDE), start=(100, 200))
    rng = np.random.default_rng(4)
    stars = np.column_stack([*rng.uniform(12, SIDE - 12, (2, 25)), rng.uniform(4e3, 4e4, 25)])
    warps = []
    for visit in range(8):
        warp = maker.warp(visit, bbox=box, value=0.0)
        rows = np.arange(SIDE) - (2.0 if visit == 3 else 0.0)
        for y, x, flux in stars:
            profile = np.exp(-0.125 * np.add.outer((rows - y) ** 2, (np.arange(SIDE) - x) ** 2))
            warp.image.array[...] += profile * flux / 25.0 * (0.5 if visit == 5 else 1.0)
        warp.variance.array[...] /= 4.0 if visit == 6 else 1.0
        warps.append(warp)
    return warps


@pytest.mark.parametrize("statistic", ["MEANCLIP", "MEAN", "NOISECLIP"])
def test_visits_that_do_not_go_with_the_others_are_told_as_the_core_tells_them(
    maker, statistic: str, caplog: pytest.LogCaptureFixture
) -> None:
    warps = starry_warps(maker)
    sky_info = Struct(wcs=maker.projection, bbox=warps[0].bbox)
    target = CoaddTarget(outer_bbox=warps[0].bbox, projection=maker.projection)
    task = task_with(statistic=statistic, doInterp=False, doOnlineForMean=statistic == "MEAN")
    coadd = coadd_of(task, sky_info, warps).coaddExposure
    core = assemble(starry_warps(maker), task.config.toCore(), target=target)
    assert coadd.visit_checks == core.visit_checks
    np.testing.assert_array_equal(coadd.exposure_count_unmasked.array, core.exposure_count_unmasked.array)
    for text in (
        "Cam visit 3: Its sources are",
        "Cam visit 5: Its sources are 50 % fainter",
        "Cam visit 6: Its noise is 2 times what its variance says",
    ):
        assert caplog.text.count(text) == 1
    assert coadd.visit_checks[3].dy == pytest.approx(2.0, abs=0.02)
    assert {one.visit for one in coadd.visit_checks if one.warning} == {3, 5, 6}


def test_good_visits_are_not_told_and_other_statistics_are_not_compared(maker, sky_info, caplog) -> None:
    coadd = coadd_of(task_with(), sky_info, [maker.warp(visit) for visit in range(4)]).coaddExposure
    assert [one.visit for one in coadd.visit_checks] == [0, 1, 2, 3]
    assert "visit" not in caplog.text
    other = coadd_of(
        task_with(statistic="MIN", doInterp=False), sky_info, [maker.warp(1), maker.warp(2)]
    ).coaddExposure
    assert other.visit_checks == ()


@pytest.mark.parametrize("size", [[7, 3], [50, 1], [13, 40]])
def test_subregions_change_no_bit(maker, sky_info, size: list[int]) -> None:
    whole = coadd_of(task_with(), sky_info, varied_warps(maker)).coaddExposure
    parts = coadd_of(task_with(subregionSize=size), sky_info, varied_warps(maker)).coaddExposure
    assert_same_coadd(parts, whole)


def test_one_warp_in_memory_changes_no_bit(maker, sky_info) -> None:
    whole = coadd_of(task_with(statistic="MEAN"), sky_info, varied_warps(maker)).coaddExposure
    online = coadd_of(
        task_with(statistic="MEAN", doOnlineForMean=True), sky_info, varied_warps(maker)
    ).coaddExposure
    assert_same_coadd(online, whole)


def test_run_takes_warps_in_any_order(maker, sky_info) -> None:
    first = coadd_of(task_with(), sky_info, varied_warps(maker)).coaddExposure
    assert_same_coadd(coadd_of(task_with(), sky_info, varied_warps(maker)[::-1]).coaddExposure, first)


def test_run_returns_the_count_if_asked(maker, sky_info) -> None:
    warps = varied_warps(maker)
    result = coadd_of(task_with(doNImage=True), sky_info, warps)
    np.testing.assert_array_equal(result.nImage.array, result.coaddExposure.exposure_count.array)
    assert result.nImage.array[5, 20] == 5  # one is BAD there
    assert result.warpRefList == warps
    assert len(result.weightList) == len(result.imageScalerList) == len(warps)
    assert coadd_of(task_with(), sky_info, warps).nImage is None


def test_run_refuses_lists_that_do_not_belong_together(maker, sky_info) -> None:
    task, warps = task_with(), [maker.warp(1), maker.warp(2)]
    scalers = [ImageScaler()] * 2
    with pytest.raises(ConfigError, match="weightList has 1 elements for 2 warps"):
        task.run(sky_info, warps, scalers, [1.0])
    with pytest.raises(NoInputsError, match="no warps were given"):
        task.run(sky_info, [], [], [])
    with pytest.raises(DuplicateInputError, match="two warps of this visit"):
        task.run(sky_info, [warps[0], warps[0]], scalers, [1.0, 1.0])


def test_run_with_a_mask_of_bits_names_or_pixels(maker, sky_info) -> None:
    warps = [maker.warp(visit) for visit in range(4)]
    maker.flag(warps[0], "SUSPECT", (slice(0, 5), slice(0, 5)))
    task = task_with(statistic="MEAN", doInterp=False)
    bits = task.getBadPixelMask() | Layout(SCHEMA).bits(("SUSPECT",))
    names = [*task.config.badMaskPlanes, "SUSPECT"]
    for mask in (bits, names):
        coadd = coadd_of(task, sky_info, warps, mask=mask).coaddExposure
        assert (coadd.exposure_count.array[:5, :5] == 3).all()
        assert (coadd.exposure_count.array[5:, 5:] == 4).all()
    pixels = Mask(0, schema=SCHEMA, bbox=Box.factory[100:102, 200:250])
    pixels.set("BAD")
    coadd = coadd_of(task, sky_info, warps, mask=pixels).coaddExposure
    assert (coadd.exposure_count.array[:2] == 0).all()
    assert (coadd.exposure_count.array[2:] == 4).all()


def test_run_with_alternative_masks(maker, sky_info) -> None:
    """Regions of CLIPPED in one warp are as an alternative mask of the core."""
    task = task_with(statistic="MEAN", badMaskPlanes=["NO_DATA", "BAD", "CLIPPED"])
    spans = SpanSet([(110, 210, 214), (111, 212, 212)])
    alternate = Mask(0, schema=SCHEMA, bbox=maker.bbox)
    spans.setMask(alternate, "CLIPPED")
    warps = [maker.warp(visit) for visit in range(3)]
    coadd = coadd_of(task, sky_info, warps, altMaskList=[None, {"CLIPPED": [spans]}, None]).coaddExposure
    task.processResults(coadd)
    inputs = [input_of(warp) for warp in warps]
    inputs[1] = dataclasses.replace(inputs[1], alternate=SpanMask.from_mask(alternate))
    target = CoaddTarget(outer_bbox=maker.bbox, projection=maker.projection)
    assert_same_coadd(coadd, assemble(inputs, task.config.toCore(), target=target))
    assert plane(coadd, "CLIPPED").sum() == 6
    same = coadd_of(task, sky_info, warps, altMaskList=[None, alternate, None]).coaddExposure
    np.testing.assert_array_equal(plane(same, "CLIPPED"), plane(coadd, "CLIPPED"))


def test_an_alternative_mask_is_used_rather_than_that_of_the_warp(maker, sky_info) -> None:
    task = task_with(statistic="MEAN", doInterp=False)
    warps = [maker.warp(visit) for visit in range(3)]
    for warp in warps:
        maker.flag(warp, "BAD", (slice(0, 9), slice(None)))
    alternate = Mask(0, schema=SCHEMA, bbox=Box.factory[100:130, 200:250])
    alternate.set("SATURATED", np.arange(30)[:, None].repeat(50, 1) >= 20)
    coadd = coadd_of(
        task, sky_info, warps, altMaskList=[None, alternate, {"SAT": [maker.bbox]}]
    ).coaddExposure
    # BAD of the second warp is gone, SAT is there instead; the third has both.
    assert coadd.exposure_count.array[:, 0].tolist() == [1] * 9 + [2] * 11 + [1] * 10 + [2] * 10


def test_prepare_inputs_gives_weights_and_names_the_rejected(maker, caplog) -> None:
    good, bad = maker.warp(1, variance=4.0), maker.warp(2)
    maker.flag(bad, "BAD", (slice(None), slice(None)))
    missing = MemoryRef(MemoryButler(), "deepCoadd_directWarp", {**PATCH, "visit": 3})
    with caplog.at_level(logging.WARNING):
        found = task_with().prepareInputs([good, bad, missing])
    assert found.tempExpRefList == [good]
    assert found.tempExprefList is found.tempExpRefList
    assert found.warpRefList is found.tempExpRefList
    assert found.weightList == [0.25]
    assert [scaler.scale for scaler in found.imageScalerList] == [1.0]
    assert [(one.id.visit, one.stage) for one in found.rejected] == [(2, "weight"), (3, "warp")]
    assert found.rejected[1].reason == "there is no deepCoadd_directWarp of this visit"
    assert "no good pixel" in caplog.text
    assert "Could not find" in caplog.text


def test_a_warp_without_a_value_is_left_out_and_on_record(maker, caplog) -> None:
    """Finite variances say nothing where all pixels are NaN."""
    empty, good = maker.warp(1, variance=2.0), maker.warp(2, variance=4.0)
    empty.image.array[...] = np.nan
    found = task_with().prepareInputs([empty, good])
    assert (found.tempExpRefList, found.weightList, len(found.imageScalerList)) == ([good], [0.25], 1)
    (one,) = found.rejected
    assert (one.id.visit, one.stage) == (1, "weight")
    assert one.reason == "no good pixel with a finite value and variance"
    assert "Leaving out deepCoadd_directWarp" in caplog.text


class BareRef:
    """A data reference of a user, with what the manual's methods need and no more."""

    def __init__(self, ref: MemoryRef) -> None:
        self.dataId, self.get, self.put, self.datasetExists = ref.dataId, ref.get, ref.put, ref.datasetExists


def test_any_data_reference_will_do(butler, maker, sky_map) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    absent = MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "visit": 99})
    expected = task_with().runDataRef(ref, [*refs, absent])
    found = task_with().runDataRef(BareRef(ref), [BareRef(one) for one in (*refs, absent)])
    assert_same_coadd(found.coaddExposure, expected.coaddExposure)
    assert [one.id.visit for one in found.coaddExposure.rejections] == [99]


def test_a_visit_without_a_warp_is_on_record_with_its_instrument(
    butler: MemoryButler, maker, sky_map, monkeypatch: pytest.MonkeyPatch
) -> None:
    def translate(name: str, dataId: dict[str, Any]) -> dict[str, Any]:
        return {"instrument": "Cam", "visit": dataId["visit"]}

    monkeypatch.setattr(MemoryButler, "dataCoordinate", staticmethod(translate), raising=False)
    ref, refs = fill_patch(butler, maker, sky_map)
    absent = MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "visit": 99})
    monkeypatch.setattr(AssembleCoaddTask, "getBand", lambda *_: "r")
    result = task_with().runDataRef(ref, warpRefList=[*refs, absent])
    (one,) = result.coaddExposure.rejections
    assert (one.id.instrument, one.id.visit, one.stage) == ("Cam", 99, "warp")
    assert [row["visit"] for row in result.coaddExposure.rejected] == [99]


def test_prepare_inputs_scales_to_the_zero_point(maker, sky_info) -> None:
    task = task_with(doScaleZeroPoint=True, statistic="MEAN")
    result = coadd_of(task, sky_info, [maker.warp(1, value=1000.0, noise=False, variance=100.0)])
    # One count of zero point 27 is 10^(-0.4 (27 - 8.9)) Jy.
    njy = 10 ** (-0.4 * (27.0 - 8.9)) * 1e9
    scale = result.imageScalerList[0].scale
    np.testing.assert_allclose(1 / scale, njy, rtol=1e-4)
    np.testing.assert_allclose(result.coaddExposure.image.array, 1000 * scale, rtol=1e-6)
    np.testing.assert_allclose(result.coaddExposure.variance.array, 100 * scale**2, rtol=1e-6)
    np.testing.assert_allclose(result.weightList[0], 0.01 / scale**2, rtol=1e-6)
    assert result.coaddExposure.unit == u.ct
    np.testing.assert_allclose(result.coaddExposure.metadata["fluxMag0"], 10**10.8, rtol=1e-9)


def test_prepare_stats_translates_the_configuration() -> None:
    task = task_with(sigmaClip=2.5, clipIter=4, statistic="MEAN", calcErrorFromInputVariance=False)
    stats = task.prepareStats()
    assert stats.ctrl is stats.statsCtrl
    assert stats.flags is stats.statsFlags
    assert stats.statsFlags == Property.MEAN == 4
    control = stats.statsCtrl
    assert (control.getNumSigmaClip(), control.getNumIter()) == (2.5, 4)
    assert control.getAndMask() == task.getBadPixelMask()
    assert control.getNanSafe()
    assert control.getWeighted()
    assert not control.getCalcErrorFromInputVariance()
    assert control.getMaskPropagationThreshold(1) == 0.1  # SAT
    assert control.getMaskPropagationThreshold(0) == 1.0
    assert task.prepareStats(mask=5).statsCtrl.getAndMask() == 5
    assert task.prepareStats(mask=0).statsCtrl.getAndMask() == 0


def test_planes_of_a_mask_in_all_forms(maker, sky_info) -> None:
    task, bits = task_with(statistic="MEAN", doInterp=False), Layout(SCHEMA).bits(("SAT", "CR"))
    warps = [maker.warp(visit) for visit in range(3)]
    maker.flag(warps[0], "SAT", (slice(0, 5), slice(None)))
    maker.flag(warps[1], "CR", (slice(0, 2), slice(None)))
    for mask in (
        bits,
        np.int64(bits),
        np.int32(bits),
        np.uint16(bits),
        "SAT,CR",
        "SAT, COSMIC_RAY",
        ["SAT", "CR"],
    ):
        assert task.prepareStats(mask).statsCtrl.getAndMask() == bits
        coadd = coadd_of(task, sky_info, warps, mask=mask).coaddExposure
        assert coadd.exposure_count.array[:, 0].tolist() == [1] * 2 + [2] * 3 + [3] * 35
    assert task.prepareStats("SAT").statsCtrl.getAndMask() == Layout(SCHEMA).bits(("SAT",))
    with pytest.raises(MaskPlaneError, match="bits 0x10000000 of 0x10000001 belong to no mask plane"):
        task.run(sky_info, warps, [ImageScaler()] * 3, [1.0] * 3, mask=1 << 28 | 1)


def test_planes_that_only_the_warps_have(maker, sky_info, caplog) -> None:
    """A plane of one's own rejects pixels by its name and by its bit."""
    task = task_with(statistic="MEAN", doInterp=False, badMaskPlanes=["NO_DATA", "ZEBRA"])
    bits = task.getBadPixelMask()
    assert bits == Layout(SCHEMA).no_data | 1 << len(SCHEMA.names)
    warps = [maker.warp(1), maker.warp(2, extra=("ANT", "ZEBRA"))]
    maker.flag(warps[1], "ZEBRA", (slice(0, 5), slice(None)))
    maker.flag(warps[1], "ANT", (slice(5, 9), slice(None)))
    for mask in (None, bits, "NO_DATA,ZEBRA"):
        coadd = coadd_of(task, sky_info, warps, mask=mask).coaddExposure
        assert coadd.exposure_count.array[:, 0].tolist() == [1] * 5 + [2] * 35
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    task_with(badMaskPlanes=["SATURATD"]).getBadPixelMask()
    assert "SATURATD, which is no standard plane; did you mean SATURATED?" in caplog.text


def test_assemble_subregion_changes_its_box_only(maker, sky_info) -> None:
    task = task_with(statistic="MEAN", doInterp=False)
    warps = [maker.warp(1), maker.warp(2)]
    coadd = coadd_of(task, sky_info, warps).coaddExposure
    before = {name: pixels.copy() for name, pixels in planes_of(coadd).items()}
    box = Box.factory[105:110, 210:220]
    stats = task.prepareStats()
    task.assembleSubregion(
        coadd,
        box,
        warps[:1],
        [ImageScaler(2.0)],
        [1.0],
        [None],
        stats.statsFlags,
        stats.statsCtrl,
        nImage=coadd.exposure_count,
    )
    inside = np.zeros(before["used"].shape, bool)
    inside[5:10, 10:20] = True
    np.testing.assert_array_equal(coadd.image.array[inside], 2 * warps[0].image.array[inside])
    np.testing.assert_array_equal(coadd.exposure_count.array[inside], 1)
    np.testing.assert_array_equal(coadd.exposure_count_unmasked.array[inside], 1)
    for name, pixels in planes_of(coadd).items():
        np.testing.assert_array_equal(pixels[~inside], before[name][~inside])


def test_assemble_subregion_refuses_a_box_outside(maker, sky_info) -> None:
    task = task_with(doInterp=False)
    coadd = coadd_of(task, sky_info, [maker.warp(1)]).coaddExposure
    stats = task.prepareStats()
    lists = ([maker.warp(1)], [ImageScaler()], [1.0], [None])
    for box in (Box.factory[135:145, 210:220], Box.factory[0:5, 0:5]):
        with pytest.raises(ShapeError, match="expected a box within"):
            task.assembleSubregion(coadd, box, *lists, stats.statsFlags, stats.statsCtrl)


def test_assemble_subregion_obeys_flags_and_control(maker, sky_info) -> None:
    task = task_with(doInterp=False)
    warps = [maker.warp(visit, value=value, noise=False) for visit, value in ((1, 1.0), (2, 5.0), (3, 6.0))]
    maker.flag(warps[2], "SUSPECT", (slice(0, 40), slice(0, 50)))
    coadd = coadd_of(task, sky_info, warps).coaddExposure
    control = StatisticsControl(andMask=Layout(SCHEMA).bits(("SUSPECT",)))
    lists = (warps, [ImageScaler()] * 3, [1.0] * 3, [None] * 3)
    task.assembleSubregion(coadd, maker.bbox, *lists, Property.MAX, control)
    assert (coadd.image.array == 5.0).all()
    assert plane(coadd, "REJECTED").all()
    task.assembleSubregion(coadd, maker.bbox, *lists, Property.MEDIAN, StatisticsControl())
    assert (coadd.image.array == 5.0).all()
    assert not plane(coadd, "REJECTED").any()


def test_a_subclass_may_override_a_step(maker, sky_info) -> None:
    class Keeping(AssembleCoaddTask):
        def removeMaskPlanes(self, maskedImage: Any) -> None:
            """Keep all planes."""

    warps = [maker.warp(1), maker.warp(2)]
    maker.flag(warps[0], "NOT_DEBLENDED", (slice(3, 4), slice(None)))
    assert not plane(coadd_of(task_with(), sky_info, warps).coaddExposure, "NOT_DEBLENDED").any()
    keeping = Keeping(config=AssembleCoaddConfig())
    assert plane(coadd_of(keeping, sky_info, warps).coaddExposure, "NOT_DEBLENDED")[3].all()


def test_assemble_metadata_sets_band_inputs_and_psf(maker, sky_info) -> None:
    task = task_with()
    warps = [maker.warp(1), maker.warp(2)]
    coadd = coadd_of(task, sky_info, warps).coaddExposure
    coadd = coadd.replace(detectors=(), band="")
    task.assembleMetadata(coadd, warps[::-1], [3.0, 1.0])
    assert coadd.band == "r"
    warps[1].band = "i"
    task.assembleMetadata(coadd, warps[::-1], [3.0, 1.0])
    assert coadd.band == "i"  # the filter of the first input, whatever the visit
    assert list(zip(coadd.inputs["visit"], coadd.inputs["weight"], strict=True)) == [(1, 1.0), (2, 3.0)]
    assert [part.weight for part in coadd.psf.components] == [1.0, 3.0]
    with pytest.raises(ConfigError, match="weightList"):
        task.assembleMetadata(coadd, warps, [1.0])


def test_the_psf_of_a_coadd_is_resampled_with_the_kernel_that_is_asked_for(maker, sky_info) -> None:
    """Of a warp that knows another kernel, as HSC's configuration files ask for lanczos5."""
    stamps = {}
    for name in (None, "lanczos3", "lanczos5", "bilinear"):
        task = task_with(coaddPsf=CoaddPsfConfig(warpingKernelName=name))
        psf = coadd_of(task, sky_info, [maker.warp(1)]).coaddExposure.psf
        assert [part.kernel.name for part in psf.components] == [name or "lanczos3"]
        stamps[name] = psf.compute_kernel_image(x=210.0, y=110.0).array
    np.testing.assert_array_equal(stamps[None], stamps["lanczos3"])
    assert not np.array_equal(stamps["lanczos3"], stamps["lanczos5"])
    assert np.square(stamps["bilinear"]).sum() < np.square(stamps["lanczos3"]).sum()


def test_apply_alt_mask_planes_sets_regions_in_place(maker) -> None:
    mask = Mask(0, schema=SCHEMA, bbox=maker.bbox)
    regions = [SpanSet([(101, 190, 202)]), Box.factory[130:200, 240:260]]
    found = task_with().applyAltMaskPlanes(mask, {"CLIPPED": regions, "EDGE": []})
    assert found is mask
    expected_plane = np.zeros((40, 50), bool)
    expected_plane[1, :3] = True
    expected_plane[30:, 40:] = True
    np.testing.assert_array_equal(mask.get("CLIPPED"), expected_plane)
    assert not mask.get("DETECTION_EDGE").any()
    # One SpanSet instead of a list, and a plane that the mask does not have.
    assert task_with().applyAltMaskPlanes(mask, {"FLARE": SpanSet([(100, 200, 200)])}) is mask
    assert mask.get("FLARE").sum() == 1
    np.testing.assert_array_equal(mask.get("CLIPPED"), expected_plane)


def test_alternative_no_data_is_not_a_rejection(maker) -> None:
    """With the polygons of matched warps, bad planes under NO_DATA regions are cleared."""
    region = {"NO_DATA": [Box.factory[100:105, 200:250]]}
    for polygons, left in ((True, 5 * 50), (False, 10 * 50)):
        mask = Mask(0, schema=SCHEMA, bbox=maker.bbox)
        mask.set("BAD", np.arange(40)[:, None].repeat(50, 1) < 10)
        task_with(doUsePsfMatchedPolygons=polygons).applyAltMaskPlanes(mask, region)
        assert mask.get("BAD").sum() == left
        assert mask.get("NO_DATA").sum() == 5 * 50


def test_remove_mask_planes_clears_what_is_there(maker) -> None:
    warp = maker.warp(1)
    for name in ("NOT_DEBLENDED", "CROSSTALK", "BAD"):
        maker.flag(warp, name, (slice(0, 2), slice(None)))
    task_with(removeMaskPlanes=["NOT_DEBLENDED", "CROSSTALK", "NEVER_HEARD_OF"]).removeMaskPlanes(warp)
    assert warp.mask.array[..., 0].max() == Layout(SCHEMA).bits(("BAD",))


def test_rejected_mask_mapping() -> None:
    control = StatisticsControl()
    control.setAndMask(Layout(SCHEMA).bits(("NO_DATA", "BAD", "SAT", "EDGE", "CLIPPED")))
    assert AssembleCoaddTask.setRejectedMaskMapping(control) == [
        (Layout(SCHEMA).bits(("BAD", "SAT")), Layout(SCHEMA).bits(("REJECTED",))),
        (Layout(SCHEMA).bits(("EDGE",)), Layout(SCHEMA).bits(("SENSOR_EDGE",))),
        (Layout(SCHEMA).bits(("CLIPPED",)), Layout(SCHEMA).bits(("CLIPPED",))),
    ]


def test_set_inexact_psf(maker) -> None:
    mask = Mask(0, schema=SCHEMA, bbox=maker.bbox)
    for row, name in enumerate(("SENSOR_EDGE", "CLIPPED", "REJECTED", "BAD", "NO_DATA")):
        mask.set(name, np.arange(40)[:, None].repeat(50, 1) == row)
    task_with().setInexactPsf(mask)
    assert set(np.flatnonzero(mask.get("INEXACT_PSF").any(axis=1))) == {0, 1, 2}


def test_planes_that_a_mask_lacks_are_added(maker, sky_info) -> None:
    planes = [MaskPlane(name, "") for name in ("BAD", "CLIPPED")]
    mask = Mask(0, schema=MaskSchema(planes, dtype=np.int32), bbox=maker.bbox)
    mask.set("CLIPPED", np.arange(40)[:, None].repeat(50, 1) < 3)
    task = task_with(doMaskBrightObjects=True, brightObjectMaskName="HALO")
    task.setInexactPsf(mask)
    np.testing.assert_array_equal(mask.get("INEXACT_PSF"), mask.get("CLIPPED"))
    coadd = coadd_of(task_with(), sky_info, [maker.warp(1)]).coaddExposure
    assert "HALO" not in coadd.mask.schema.names
    task.setBrightObjectMasks(coadd, PATCH, star(maker))
    assert coadd.mask.get("HALO").sum() == 49


def star(maker: Any, **metadata: Any) -> BrightObjectCatalog:
    sky = maker.projection.pixel_to_sky(x=225.0, y=120.0)
    one = BrightObject(id=1, ra=sky.ra.deg, dec=sky.dec.deg, shape="circle", radius=4.2 * 0.2 / 3600)
    return BrightObjectCatalog(objects=(one,), metadata=metadata)


def test_set_bright_object_masks_in_both_orders(maker, sky_info, caplog) -> None:
    task = task_with(doMaskBrightObjects=True)
    first, second = (coadd_of(task, sky_info, [maker.warp(1)]).coaddExposure for _ in range(2))
    task.setBrightObjectMasks(first, PATCH, star(maker, tract=0, patch="1,1", filter="r"))
    assert plane(first, "BRIGHT_OBJECT").sum() == 49  # dx^2 + dy^2 <= 16
    task.setBrightObjectMasks(second, star(maker), PATCH)
    np.testing.assert_array_equal(plane(second, "BRIGHT_OBJECT"), plane(first, "BRIGHT_OBJECT"))
    assert "Expected to see tract in metadata" in caplog.text
    caplog.clear()
    task.setBrightObjectMasks(second, PATCH, star(maker, tract=7, patch="1,1", filter="r"))
    assert "Expected to see tract == 0" in caplog.text
    assert "saw 7" in caplog.text
    task.setBrightObjectMasks(second, PATCH, None)
    assert "none supplied" in caplog.text


def test_read_bright_object_masks(maker, butler, caplog) -> None:
    task, ref = task_with(), MemoryRef(butler, "deepCoadd", PATCH)
    assert task.readBrightObjectMasks(ref) is None
    assert "Unable to read brightObjectMask" in caplog.text
    catalog = star(maker)
    ref.put(catalog, "brightObjectMask")
    assert task.readBrightObjectMasks(ref) is catalog


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("x"), TypeError("x"), EOFError("x"), AttributeError("x"), ImportError("x"), KeyError("x")],
)
def test_bright_object_masks_are_none_on_any_failure(
    failure: Exception, butler, maker, caplog, monkeypatch
) -> None:
    ref = MemoryRef(butler, "deepCoadd", PATCH)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise failure

    monkeypatch.setattr(ref, "get", fail)
    assert task_with().readBrightObjectMasks(ref) is None
    assert f"Unable to read brightObjectMask for {PATCH}: {failure}" in caplog.text
    # And of another type than regions.
    other = MemoryRef(butler, "deepCoadd", PATCH)
    other.put("no regions", "brightObjectMask")
    assert task_with().readBrightObjectMasks(other) is None
    assert "it is a str; expected a BrightObjectCatalog" in caplog.text


def test_process_results_interpolates_and_paints(maker, sky_info, butler) -> None:
    warp = maker.warp(1, noise=False)
    warp.image.array[5, 10:12] = np.nan
    MemoryRef(butler, "deepCoadd", PATCH).put(star(maker), "brightObjectMask")
    task = task_with(doMaskBrightObjects=True, brightObjectMaskName="HALO")
    coadd = coadd_of(task, sky_info, [warp]).coaddExposure
    assert np.isnan(coadd.image.array[5, 10:12]).all()
    task.processResults(coadd, MemoryRef(butler, "deepCoadd", PATCH))
    np.testing.assert_allclose(coadd.image.array[5, 10:12], 10.0, rtol=1e-5)
    assert plane(coadd, "NO_DATA")[5, 10:12].all()
    assert plane(coadd, "INTRP").sum() == 2
    assert plane(coadd, "HALO").sum() == 49
    neither = task_with(doInterp=False)
    coadd = coadd_of(neither, sky_info, [warp]).coaddExposure
    neither.processResults(coadd, None)
    assert np.isnan(coadd.image.array[5, 10:12]).all()


def test_make_supplementary_data_is_a_hook(butler, maker, sky_map) -> None:
    seen = []

    class Asking(AssembleCoaddTask):
        def makeSupplementaryData(self, dataRef: Any, selectDataList: Any = ()) -> Struct:
            seen.append(dataRef.dataId)
            return Struct(answer=42)

        def run(self, *args: Any, **kwargs: Any) -> Struct:
            seen.append(kwargs["supplementaryData"].answer)
            return super().run(*args, **kwargs)

    ref, warps = fill_patch(butler, maker, sky_map)
    assert task_with().makeSupplementaryData(ref, []) is None
    Asking(config=AssembleCoaddConfig()).runDataRef(ref, warpRefList=warps)
    assert seen == [PATCH, 42]


def fill_patch(butler: MemoryButler, maker: Any, sky_map: Any) -> tuple[MemoryRef, list[MemoryRef]]:
    """Fill a repository with a sky map and warps of patch 1,1."""
    ref = MemoryRef(butler, "deepCoadd", PATCH)
    ref.put(sky_map, "skyMap")
    bbox = sky_map[0].patch("1,1").outer_bbox
    y, x = bbox.y.start, bbox.x.start
    warps = []
    for visit in range(3):
        warp_ref = MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "visit": visit})
        warp_ref.put(maker.warp(visit, bbox=Box.factory[y : y + 30, x + visit : x + 40]))
        warps.append(warp_ref)
    return ref, warps


def test_run_data_ref_assembles_fills_and_writes(butler, maker, sky_map) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    task = task_with(doNImage=True, subregionSize=[17, 17])
    result = task.runDataRef(ref, warpRefList=refs)
    assert result is not None
    assert ref.get("deepCoadd") is result.coaddExposure
    assert ref.get("deepCoadd_nImage") is result.nImage
    patch = sky_map[0].patch("1,1")
    target = CoaddTarget(
        outer_bbox=patch.outer_bbox,
        projection=patch.projection,
        inner_bbox=patch.inner_bbox,
        skymap="test",
        tract=0,
        patch=(1, 1),
    )
    warps = [one.get() for one in refs]
    assert_same_coadd(result.coaddExposure, assemble(warps, task.config.toCore(), target=target))
    butler.datasets.pop(butler.key("deepCoadd", PATCH))
    task_with(doWrite=False).runDataRef(ref, warpRefList=refs)
    assert not ref.datasetExists("deepCoadd")


def test_times_of_all_steps_are_in_the_metadata(butler, maker, sky_map) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    task = task_with()
    task.runDataRef(ref, warpRefList=refs)
    metadata = task.getFullMetadata()
    assert metadata.getAsDouble("assembleCoadd:interpImage.runStartCpuTime") > 0.0
    for name in ("assembleCoadd.runDataRef", "assembleCoadd.run", "assembleCoadd:interpImage.run"):
        times = ("CpuTime", "UserTime", "SystemTime", "MaxResidentSetSize")
        for item in times:
            start, end = (metadata.getScalar(f"{name}{event}{item}") for event in ("Start", "End"))
            assert 0 <= start <= end
        start, end = (metadata.getAsString(f"{name}{event}Utc") for event in ("Start", "End"))
        assert datetime.fromisoformat(start) <= datetime.fromisoformat(end)
    task.emptyMetadata()
    assert not task.getFullMetadata().paramNames(topLevelOnly=False)


def test_run_data_ref_reads_small_warps_once(butler, maker, sky_map) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    butler.reads.clear()
    task_with(subregionSize=[20, 20]).runDataRef(ref, warpRefList=refs)
    names = sorted(name for name, _ in butler.reads if "Warp" in name)
    assert names == 3 * ["deepCoadd_directWarp"] + 3 * ["deepCoadd_directWarp_bbox"]


def test_run_data_ref_reads_no_warp_whole_but_for_its_weight_and_to_check_it(
    butler, maker, sky_map, monkeypatch
) -> None:
    monkeypatch.setattr(references, "_SMALL", 0)
    ref, refs = fill_patch(butler, maker, sky_map)
    butler.reads.clear()
    task_with(subregionSize=[20, 20]).runDataRef(ref, warpRefList=refs)
    assert [name for name, _ in butler.reads].count("deepCoadd_directWarp") == 3
    parts = [bbox.area for name, bbox in butler.reads if name == "deepCoadd_directWarp_sub"]
    assert len([area for area in parts if area > 400]) == 3  # one after the other


def test_run_data_ref_returns_none_without_input(butler, maker, sky_map, caplog) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    assert task_with().runDataRef(ref) is None
    assert "No exposures to coadd" in caplog.text
    absent = MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "visit": 99})
    assert task_with().runDataRef(ref, warpRefList=[absent]) is None
    assert "No warps to coadd" in caplog.text
    with pytest.raises(ConfigError, match="either"):
        task_with().runDataRef(ref, selectDataList=refs, warpRefList=refs)


def test_both_kinds_of_warps_are_coadded(butler, maker, sky_map, caplog) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    for warp in refs:
        matched = warp.get().copy()
        matched.image.array += 5.0
        warp.put(matched, "deepCoadd_psfMatchedWarp")
    both = task_with(makePsfMatched=True, doNImage=True)
    result = both.runDataRef(ref, warpRefList=refs)
    assert both.warpType == "direct"
    assert ref.get("deepCoadd") is result.coaddExposure
    assert ref.get("deepCoaddPsfMatched") is result.psfMatched.coaddExposure
    assert ref.get("deepCoaddPsfMatched_nImage") is result.psfMatched.nImage
    alone = task_with().runDataRef(ref, warpRefList=refs)
    assert_same_coadd(alone.coaddExposure, result.coaddExposure)
    assert not hasattr(alone, "psfMatched")
    matched = task_with(makeDirect=False, makePsfMatched=True).runDataRef(ref, warpRefList=refs)
    assert_same_coadd(matched.coaddExposure, result.psfMatched.coaddExposure)
    difference = matched.coaddExposure.image.array - alone.coaddExposure.image.array
    np.testing.assert_allclose(difference[np.isfinite(difference)], 5.0, rtol=1e-4)
    # With one kind missing, the other one is made.
    for visit in range(3):
        butler.datasets.pop(butler.key("deepCoadd_psfMatchedWarp", {**PATCH, "visit": visit}))
    result = task_with(makePsfMatched=True).runDataRef(ref, warpRefList=refs)
    assert_same_coadd(alone.coaddExposure, result.coaddExposure)


def test_warps_are_selected_by_their_overlap(butler, maker, sky_map) -> None:
    """References of warps, as the manual calls ``selectDataList``, or warps."""
    ref, refs = fill_patch(butler, maker, sky_map)
    elsewhere = [
        MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "patch": "0,1", "visit": 1}),
        MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "tract": 1, "visit": 1}),
    ]
    absent = MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "visit": 77})
    expected = task_with().runDataRef(ref, warpRefList=[*refs, absent])
    assert expected is not None
    found = task_with().runDataRef(ref, [*elsewhere, *refs, absent])
    assert_same_coadd(found.coaddExposure, expected.coaddExposure)
    far = maker.warp(9, bbox=Box.factory[5000:5010, 5000:5010])
    found = task_with().runDataRef(ref, selectDataList=[far, *(one.get() for one in refs)])
    np.testing.assert_array_equal(found.coaddExposure.image.array, expected.coaddExposure.image.array)
    assert task_with().runDataRef(ref, selectDataList=elsewhere) is None
    with pytest.raises(ConfigError, match="selectDataList has 3 warps among 4 elements"):
        task_with().runDataRef(ref, [*refs, MemoryRef(butler, "calexp", {"visit": 1, "ccd": 1})])


def test_the_other_tasks_can_be_imported_from_the_manuals_module() -> None:
    from lamella.tasks.manual import assembleCoadd

    for name, module in (
        ("SafeClipAssembleCoadd", safeClipAssembleCoadd),
        ("CompareWarpAssembleCoadd", compareWarpAssembleCoadd),
    ):
        for kind in ("Task", "Config"):
            assert name + kind in assembleCoadd.__all__
            assert getattr(assembleCoadd, name + kind) is getattr(module, name + kind)
    with pytest.raises(ImportError, match="NoSuchTask"):
        from lamella.tasks.manual.assembleCoadd import NoSuchTask  # noqa: F401


def test_what_was_left_out_is_on_record(butler, maker, sky_map) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    maker.flag(refs[1].get(), "BAD", (slice(None), slice(None)))
    result = task_with().runDataRef(ref, warpRefList=refs)
    assert result is not None
    (one,) = result.coaddExposure.rejections
    assert isinstance(one, Rejection)
    assert (one.id.visit, one.stage) == (1, "weight")
    assert sorted(result.coaddExposure.inputs["visit"]) == [0, 2]


class TranslatingButler(MemoryButler):
    """One whose identifiers name a filter, as a camera calls it."""

    def dataCoordinate(self, name: str, dataId: dict[str, Any]) -> dict[str, Any]:
        return {"band": {"HSC-R": "r", "HSC-I": "i"}[dataId["filter"]]}


def test_visits_of_another_band_are_left_out_and_on_record(maker, sky_map, caplog) -> None:
    butler = TranslatingButler()
    _, refs = fill_patch(butler, maker, sky_map)
    refs[0].get().band = "i"
    ref = MemoryRef(butler, "deepCoadd", {**PATCH, "filter": "HSC-R"})
    result = task_with().runDataRef(ref, warpRefList=refs)
    assert result is not None
    assert result.coaddExposure.band == "r"
    assert sorted(result.coaddExposure.inputs["visit"]) == [1, 2]
    (left_out,) = result.coaddExposure.rejections
    assert (left_out.id.visit, left_out.id.band, left_out.stage) == (0, "r", "select")
    assert left_out.reason == "its band is 'i'; that of the coadd is 'r'"
    assert "Leaving out deepCoadd_directWarp" in caplog.text
    # None is left: no coadd of another band under this name.
    for one in refs[1:]:
        one.get().band = "i"
    ref = MemoryRef(butler, "deepCoadd", {**PATCH, "filter": "HSC-R"})
    assert task_with().runDataRef(ref, warpRefList=refs) is None


def test_bands_are_not_mixed_by_the_single_steps(maker, sky_info, caplog) -> None:
    warps = [maker.warp(visit) for visit in (3, 1, 2)]
    warps[2].band = "i"
    prepared = task_with().prepareInputs(warps)
    assert prepared.tempExpRefList == warps[:2]
    assert [one.id.visit for one in prepared.rejected] == [2]
    with pytest.raises(MixedBandsError, match=r"Cam visit 2, band: found 'i'; expected 'r'.*Cam visit 1"):
        task_with().run(sky_info, warps, [ImageScaler()] * 3, [1.0] * 3)


def test_fluxes_without_a_zero_point_keep_their_unit_and_are_not_mixed(maker, sky_info) -> None:
    warps, unit = [maker.warp(visit) for visit in (1, 2)], FluxUnit("adu", "a.fits")
    warps[1].detectors = tuple(dataclasses.replace(one, flux_unit=unit) for one in warps[1].detectors)
    coadd = coadd_of(task_with(), sky_info, warps[1:]).coaddExposure
    assert (coadd.flux_unit, coadd.image.unit, coadd.variance.unit) == (unit, u.adu, u.adu**2)
    assert unit.note in coadd.notes
    with pytest.raises(MixedUnitsError, match="Cam visit 2, flux unit: found adu of the reference exposure"):
        task_with().run(sky_info, warps, [ImageScaler()] * 2, [1.0] * 2)
    with pytest.raises(NoInputsError):
        coadd_of(task_with(doScaleZeroPoint=True), sky_info, warps[1:])


def test_exposures_that_were_not_selected_are_on_record(patch_ref, exposures) -> None:
    for ref in task_warps(patch_ref, exposures):
        assert ref.datasetExists("deepCoadd_directWarp")
    config = AssembleCoaddConfig()
    config.select.excludeDetectors = [3]
    result = AssembleCoaddTask(config=config).runDataRef(patch_ref, exposures)
    assert result is not None
    assert [(one.id.visit, one.stage) for one in result.coaddExposure.rejections] == [(4, "select")]
    assert sorted(set(result.coaddExposure.inputs["visit"])) == [7]


def test_the_options_of_all_steps_are_on_record(patch_ref, exposures, caplog) -> None:
    caplog.set_level("INFO")
    task_warps(patch_ref, exposures)
    config = AssembleCoaddConfig()
    config.select.excludeDetectors = [8]
    result = AssembleCoaddTask(config=config).runDataRef(patch_ref, exposures)
    assert result is not None
    settings = dict(result.coaddExposure.settings)
    planes = settings.pop("warps")
    assert planes["bad_mask_planes"] == [{"planes": [], "warps": 2}]
    (notice,) = planes["notices"]
    assert "pixels under BAD, SATURATED, whose values entered their neighbours in 2 warps" in notice
    assert notice in caplog.text
    assert settings == {
        "select": config.select.value.toCore().to_dict(),
        "warp": MakeCoaddTempExpTask.ConfigClass().warpAndPsfMatch.value.toCore().to_dict(),
        "assemble": config.toCore().to_dict(),
    }
    assert result.coaddExposure.settings["select"]["exclude_detectors"] == [8]


def task_warps(patch_ref: MemoryRef, exposures: list[MemoryRef]) -> list[MemoryRef]:
    """Make the warps of some exposures."""
    task = MakeCoaddTempExpTask(config=MakeCoaddTempExpTask.ConfigClass())
    return task.runDataRef(patch_ref, exposures) or []


def test_a_failure_in_a_subregion_fails_the_coadd(butler, maker, sky_map, monkeypatch) -> None:
    ref, refs = fill_patch(butler, maker, sky_map)
    task = task_with(subregionSize=[20, 20])

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(task, "assembleSubregion", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        task.runDataRef(ref, warpRefList=refs)
    assert not ref.datasetExists("deepCoadd")


def test_weights_are_those_of_the_core(maker) -> None:
    warps = varied_warps(maker)
    task = task_with()
    found = dict(zip((w.visit for w in warps), task.prepareInputs(warps).weightList, strict=True))
    core = expected(task, warps, maker)
    assert {d.id.visit: d.weight for d in core.detectors} == found
