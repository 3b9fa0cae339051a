"""The documented options: names, defaults, translation, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pex.config import FieldValidationError

from lamella.coadd.assemble_control import AssembleConfig
from lamella.data.options import WeightControl
from lamella.image.options import GapControl
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask
from lamella.tasks.manual.assembleCoaddConfig import AssembleCoaddConfig
from lamella.tasks.manual.interpImage import InterpImageTask
from lamella.tasks.manual.scaleZeroPoint import SpatialScaleZeroPointTask

DEFAULTS = {
    "coaddName": "deep",
    "badMaskPlanes": ["NO_DATA", "BAD", "SAT", "EDGE"],
    "doPsfMatch": False,
    "doApplyUberCal": False,
    "matchingKernelSize": 21,
    "warpType": "direct",
    "subregionSize": [2000, 2000],
    "statistic": "MEANCLIP",
    "doOnlineForMean": False,
    "doSigmaClip": False,
    "sigmaClip": 3.0,
    "clipIter": 2,
    "calcErrorFromInputVariance": True,
    "doInterp": True,
    "doWrite": True,
    "doNImage": False,
    "doUsePsfMatchedPolygons": False,
    "maskPropagationThresholds": {"SAT": 0.1},
    "removeMaskPlanes": ["NOT_DEBLENDED"],
    "doMaskBrightObjects": False,
    "brightObjectMaskName": "BRIGHT_OBJECT",
    "coaddPsf": {"warpingKernelName": None, "cacheSize": 10000},
    "doAttachTransmissionCurve": False,
    "hasFakes": False,
    "doSelectVisits": False,
    "doInputMap": False,
}


def config_with(**options: Any) -> AssembleCoaddConfig:
    config = AssembleCoaddConfig()
    config.update(**options)
    return config


def test_defaults_are_the_documented_ones() -> None:
    found = AssembleCoaddConfig().toDict()
    assert {name: found[name] for name in DEFAULTS} == DEFAULTS
    assert found["scaleZeroPoint"]["zeroPoint"] == 27.0
    AssembleCoaddConfig().validate()


def test_options_reach_the_core() -> None:
    config = config_with(
        statistic="MEDIAN",
        sigmaClip=4.5,
        clipIter=5,
        calcErrorFromInputVariance=False,
        badMaskPlanes=["CR", "SUSPECT"],
        removeMaskPlanes=["INTRP"],
        maskPropagationThresholds={"CR": 0.5},
        doInterp=False,
        brightObjectMaskName="HALO",
    )
    config.interpImage.fallbackValueType = "MEAN"
    config.interpImage.transpose = True
    config.validate()
    assert config.toCore() == AssembleConfig(
        statistic="MEDIAN",
        sigma_clip=4.5,
        clip_iter=5,
        error_from_input_variance=False,
        bad_mask_planes=("COSMIC_RAY", "SUSPECT"),
        remove_mask_planes=("INTERPOLATED",),
        mask_propagation_thresholds={"COSMIC_RAY": 0.5},
        weights=WeightControl(rule="variance", sigma_clip=4.5, clip_iter=5),
        fill_gaps=False,
        gaps=GapControl(fallback="MEAN", transpose=True),
        bright_object_plane="HALO",
    )


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"statistic": "STDEV"}, "doInterp"),
        ({"doAttachTransmissionCurve": True}, "doAttachTransmissionCurve"),
        ({"hasFakes": True}, "hasFakes"),
        ({"doInputMap": True}, "doInputMap"),
        ({"doWriteArtifactMasks": True}, "doWriteArtifactMasks"),
        ({"doSelectVisits": True}, "doSelectVisits"),
        ({"autoReference": False}, "autoReference"),
        ({"makeDirect": False}, "makeDirect"),
        ({"makeDirect": False, "makePsfMatched": False, "warpType": "psfMatched"}, "makeDirect"),
    ],
)
def test_what_cannot_be_done_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldValidationError, match=f"Field '{field}'"):
        config_with(**options).validate()


@pytest.mark.parametrize(
    ("name", "value"),
    [("sigmaClip", 0.0), ("clipIter", 0), ("statistic", "ERRORS"), ("warpType", "other")],
)
def test_values_have_the_limits_of_the_core(name: str, value: Any) -> None:
    with pytest.raises(FieldValidationError, match=name):
        config_with(**{name: value}).validate()


def test_older_options_are_translated_with_a_warning() -> None:
    config = config_with(doPsfMatch=True)
    with pytest.warns(FutureWarning, match="doPsfMatch"):
        config.validate()
    assert config.warpType == "psfMatched"
    config = config_with(doSigmaClip=True, statistic="MEAN")
    with pytest.warns(FutureWarning, match="doSigmaClip"):
        config.validate()
    assert config.statistic == "MEANCLIP"


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({}, ("direct",)),
        ({"warpType": "psfMatched"}, ("psfMatched",)),
        ({"makePsfMatched": True}, ("direct", "psfMatched")),
        ({"makeDirect": True, "makePsfMatched": True}, ("direct", "psfMatched")),
        ({"makeDirect": False, "makePsfMatched": True}, ("psfMatched",)),
        ({"makeDirect": True, "makePsfMatched": False, "warpType": "psfMatched"}, ("direct",)),
        ({"makeDirect": True, "warpType": "psfMatched"}, ("direct", "psfMatched")),
    ],
)
def test_which_warps_are_coadded(options: dict[str, Any], kinds: tuple[str, ...]) -> None:
    config = config_with(**options)
    config.validate()
    assert config.warpTypes() == kinds
    assert config.warpType in kinds
    config.validate()
    assert config.warpTypes() == kinds


def test_a_scale_without_effect_is_refused() -> None:
    config = AssembleCoaddConfig()
    config.scaleZeroPoint.zeroPoint = 25.0
    with pytest.raises(FieldValidationError, match="doScaleZeroPoint"):
        config.validate()
    config.doScaleZeroPoint = True
    config.validate()


class OwnInterpTask(InterpImageTask):
    """A task of a user."""


def test_subtasks_can_be_retargeted() -> None:
    config = AssembleCoaddConfig()
    config.interpImage.retarget(OwnInterpTask)
    config.scaleZeroPoint.retarget(SpatialScaleZeroPointTask)
    config.doScaleZeroPoint = True
    task = AssembleCoaddTask(config=config)
    assert type(task.interpImage) is OwnInterpTask
    assert type(task.scaleZeroPoint) is SpatialScaleZeroPointTask
    assert task.interpImage.getFullName() == "assembleCoadd.interpImage"


def test_a_saved_configuration_reads_back(tmp_path) -> None:
    config = config_with(sigmaClip=2.5, statistic="MEAN")
    config.interpImage.retarget(InterpImageTask)
    config.save(str(tmp_path / "assembleCoadd.py"))
    other = AssembleCoaddConfig()
    other.load(str(tmp_path / "assembleCoadd.py"))
    assert other.compare(config)
