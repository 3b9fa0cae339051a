"""Warps of the documented task against those of the core."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pex.config import FieldValidationError

from lamella.coadd.warp.psfmatch import match_warp, patch_target_psf
from lamella.coadd.warp.warp import make_warp
from lamella.coadd.warp.warp_control import WarpControl
from lamella.errors import MissingPartError
from lamella.tasks.history import unmatched_reason, warp_rejections, warp_settings
from lamella.tasks.manual.makeCoaddTempExp import MakeCoaddTempExpConfig, MakeCoaddTempExpTask
from lamella.tasks.manual.warpAndPsfMatch import WarperConfig

from .conftest import PATCH, MemoryRef

AS_DOCUMENTED = WarpControl(kernel="lanczos3", bad_mask_planes=(), yielding_mask_planes=())


def config_with(**options: Any) -> MakeCoaddTempExpConfig:
    config = MakeCoaddTempExpConfig()
    for name, value in options.items():
        place, _, field = name.rpartition(".")
        setattr(getattr(config, place) if place else config, field, value)
    return config


def task_with(reuse: tuple[str, ...] = (), **options: Any) -> MakeCoaddTempExpTask:
    config = config_with(**options)
    return MakeCoaddTempExpTask(config=config, reuse=reuse)


def test_warps_are_those_of_the_core(patch_ref, exposures, sky_map) -> None:
    refs = task_with().runDataRef(patch_ref, exposures)
    assert refs is not None
    assert [ref.dataId["visit"] for ref in refs] == [4, 7]
    patch = sky_map[0].patch("1,1")
    read = [ref.get("calexp") for ref in exposures]
    for ref in refs:
        visit = ref.dataId["visit"]
        mine = [one for one in read if one.info.id.visit == visit]
        expected = make_warp(mine, patch.projection, patch.outer_bbox, AS_DOCUMENTED)
        found = ref.get("deepCoadd_directWarp")
        assert expected is not None
        assert found.bbox == expected.bbox
        for name in ("image", "mask", "variance"):
            np.testing.assert_array_equal(getattr(found, name).array, getattr(expected, name).array)
        assert found.detectors == expected.detectors


def test_matched_warps_are_those_of_the_core(patch_ref, exposures, sky_map) -> None:
    options = {"makePsfMatched": True, "modelPsf.defaultFwhm": 5.5, "matchingKernelSize": 15}
    refs = task_with(**options).runDataRef(patch_ref, exposures)
    assert refs is not None
    assert [ref.dataId["visit"] for ref in refs] == [4, 7]
    box = sky_map[0].patch("1,1").outer_bbox
    control = config_with(**options).matchControl()
    assert (control.fwhm, control.kernel_size, control.model.wing_amplitude) == (5.5, 15, 0.1)
    for ref in refs:
        direct, found = ref.get("deepCoadd_directWarp"), ref.get("deepCoadd_psfMatchedWarp")
        expected = match_warp(direct, patch_target_psf(5.5, box, control), control)
        for name in ("image", "mask", "variance"):
            np.testing.assert_array_equal(getattr(found, name).array, getattr(expected, name).array)
        assert found.match_records == expected.match_records
        assert found.detectors == direct.detectors
        assert warp_settings(found) == {**warp_settings(direct), "match": control.to_dict()}


def test_matched_warps_alone(patch_ref, exposures) -> None:
    config = config_with(**{"doPsfMatch": True, "modelPsf.defaultFwhm": 5.5})
    with pytest.warns(FutureWarning, match="doPsfMatch"):
        config.validate()
    assert (config.makeDirect, config.makePsfMatched) == (False, True)
    config.doPsfMatch = False
    refs = MakeCoaddTempExpTask(config=config).runDataRef(patch_ref, exposures)
    assert refs is not None
    assert [ref.datasetExists("deepCoadd_directWarp") for ref in refs] == [False, False]
    assert all(ref.get().matched_psf is not None for ref in refs)


def test_a_visit_that_is_wider_than_the_model_is_not_matched(patch_ref, exposures, caplog) -> None:
    refs = task_with(**{"makePsfMatched": True, "modelPsf.defaultFwhm": 3.0}).runDataRef(patch_ref, exposures)
    assert refs is not None
    for ref in refs:
        assert not ref.datasetExists("deepCoadd_psfMatchedWarp")
        assert "too narrow" in unmatched_reason(ref.get("deepCoadd_directWarp"))
    assert "is not matched" in caplog.text
    config = MakeCoaddTempExpConfig()
    config.makePsfMatched, config.modelPsf.defaultFwhm = True, 3.0
    config.warpAndPsfMatch.psfMatch.narrower = "regularize"
    refs = MakeCoaddTempExpTask(config=config).runDataRef(patch_ref, exposures)
    assert refs is not None
    assert all(ref.datasetExists("deepCoadd_psfMatchedWarp") for ref in refs)


def test_reuse_asks_for_all_kinds(butler, patch_ref, exposures) -> None:
    options = {"makePsfMatched": True, "modelPsf.defaultFwhm": 5.5}
    task_with().runDataRef(patch_ref, exposures)
    marker = object()
    first, second = (
        MemoryRef(butler, "deepCoadd_psfMatchedWarp", {**PATCH, "visit": visit}) for visit in (4, 7)
    )
    first.put(marker)
    task_with(("makeCoaddTempExp",), **options).runDataRef(patch_ref, exposures)
    assert first.get() is marker
    assert second.datasetExists()


def test_nothing_overlaps(patch_ref, exposures, caplog) -> None:
    assert task_with().runDataRef(patch_ref, exposures[3:]) is None
    assert "No exposures to coadd" in caplog.text


def test_warps_that_exist_can_be_taken_over(butler, patch_ref, exposures) -> None:
    task_with().runDataRef(patch_ref, exposures)
    marker = object()
    MemoryRef(butler, "deepCoadd_directWarp", {**PATCH, "visit": 4}).put(marker)
    refs = task_with(("makeCoaddTempExp",)).runDataRef(patch_ref, exposures)
    assert refs is not None
    assert len(refs) == 2
    assert refs[0].get() is marker
    task_with().runDataRef(patch_ref, exposures)
    assert refs[0].get() is not marker


def test_warps_are_written_if_configured(butler, patch_ref, exposures) -> None:
    refs = task_with(doWrite=False).runDataRef(patch_ref, exposures)
    assert refs is not None
    assert not any(ref.datasetExists() for ref in refs)


def test_an_exposure_that_cannot_be_warped_is_on_record(patch_ref, exposures) -> None:
    broken = exposures[0].get("calexp")
    exposures[0].put(dataclasses.replace(broken, to_njy=-1.0))
    refs = task_with().runDataRef(patch_ref, exposures)
    assert refs is not None
    warp = refs[1].get()
    assert [d.id.detector for d in warp.detectors] == [1]
    (one,) = warp_rejections(warp)
    assert (one.id.detector, one.stage) == (2, "warp")


def test_sky_and_corrections(patch_ref, exposures) -> None:
    sky, correction = np.full((30, 30), 5.0), np.full((30, 30), 2.0)
    plain = task_with().readExposure(exposures[0])
    with pytest.raises(MissingPartError, match="skyCorr"):
        task_with(doApplySkyCorr=True).readExposure(SkyRef(exposures[0], {}))
    ref = SkyRef(exposures[0], {"calexpBackground": sky, "skyCorr": correction})
    for options, change in (
        ({"bgSubtracted": False}, 5.0),
        ({"doApplySkyCorr": True}, -2.0),
        ({"bgSubtracted": False, "doApplySkyCorr": True}, 3.0),
    ):
        found = task_with(**options).readExposure(ref)
        np.testing.assert_allclose(found.pixels.image.array, plain.pixels.image.array + change, rtol=1e-5)


class SkyRef:
    """A reference to an exposure with further datasets."""

    def __init__(self, ref: MemoryRef, more: dict[str, Any]) -> None:
        self.ref, self.more, self.dataId = ref, more, ref.dataId

    def get(self, name: str, immediate: bool = True) -> Any:
        return self.more[name] if name in self.more else self.ref.get(name)

    def datasetExists(self, name: str) -> bool:
        return name in self.more


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"matchingKernelSize": 2}, "matchingKernelSize"),
        ({"modelPsf.wingFwhmFactor": -1.0, "makePsfMatched": True}, "modelPsf"),
        ({"makeDirect": False}, "makeDirect"),
        ({"doWriteEmptyWarps": True}, "doWriteEmptyWarps"),
    ],
)
def test_what_cannot_be_made_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldValidationError, match=f"Field '{field}'"):
        task_with(**options)


def test_options_of_resampling_reach_the_core() -> None:
    assert WarperConfig().toCore() == AS_DOCUMENTED
    config = WarperConfig()
    config.update(
        warpingKernelName="lanczos5", maskWarpingKernelName="lanczos3", growFullMask=["EDGE", "SAT"]
    )
    config.update(badMaskPlanes=["SAT", "CR"], maxLostWeight=0.02, yieldingMaskPlanes=["EDGE"])
    config.repairWidth = 3
    config.validate()
    expected = WarpControl(
        kernel="lanczos5",
        mask_kernel="lanczos3",
        grow_full_mask=("DETECTION_EDGE", "SATURATED"),
        bad_mask_planes=("SATURATED", "COSMIC_RAY"),
        max_lost_weight=0.02,
        yielding_mask_planes=("DETECTION_EDGE",),
        repair_width=3,
    )
    assert config.toCore() == expected
    config.warpingKernelName = "bilinear"
    with pytest.raises(FieldValidationError, match="wider than kernel"):
        config.validate()
