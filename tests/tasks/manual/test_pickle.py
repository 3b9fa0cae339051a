"""Values of the manual's methods can be sent to another process, as results of ``-j`` are."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.pipe.base import Struct

from lamella.tasks.manual.assembleCoadd import AssembleCoaddConfig, AssembleCoaddTask
from lamella.tasks.manual.coaddInputRecorder import CoaddInputs
from lamella.tasks.manual.maskPlanes import AltMask
from lamella.tasks.manual.scaleZeroPoint import PhotoCalib
from lamella.tasks.manual.selectImages import SelectStruct
from lamella.tasks.manual.spans import SpanSet
from lamella.tasks.manual.statistics import Property, StatisticsControl

from ...makers import WarpMaker, varied_warps
from ...same import COUNTS, assert_same_planes
from .conftest import make_exposure

MAKER = WarpMaker()

VALUES: dict[str, Callable[[], Any]] = {
    "SpanSet": lambda: SpanSet([(1, 2, 3)]),
    "Property": lambda: Property.MEANCLIP,
    "CoaddInputs": lambda: CoaddInputs.of(MAKER.warp(1)),
    "PhotoCalib": lambda: PhotoCalib(2.0),
    "SelectStruct": lambda: SelectStruct({"visit": 1}, make_exposure(MAKER, 1, 2, MAKER.bbox).info),
    "AltMask": lambda: AltMask.of({"SAT": [SpanSet([(1, 2, 3)])]}),
}


@pytest.mark.parametrize("name", VALUES)
def test_equal_values_come_back(name: str) -> None:
    value = VALUES[name]()
    assert pickle.loads(pickle.dumps(value)) == value


def test_controls_and_configurations_come_back() -> None:
    control = StatisticsControl(2.5, 4, 3)
    control.setMaskPropagationThreshold(1, 0.2)
    again = pickle.loads(pickle.dumps(control))
    assert again.to_core(Property.MEAN) == control.to_core(Property.MEAN)
    assert again.schema == control.schema
    config = AssembleCoaddConfig()
    config.sigmaClip = 2.5
    assert pickle.loads(pickle.dumps(config)).compare(config)


def test_what_run_returns_comes_back(sky_info: Struct) -> None:
    task = AssembleCoaddTask(config=AssembleCoaddConfig())
    inputs = task.prepareInputs(varied_warps(MAKER))
    result = task.run(sky_info, inputs.tempExpRefList, inputs.imageScalerList, inputs.weightList)
    again = pickle.loads(pickle.dumps(Struct(inputs=inputs, result=result)))
    assert_same_planes(again.result.coaddExposure, result.coaddExposure, *COUNTS)
    assert again.result.coaddExposure.detectors == result.coaddExposure.detectors
    assert again.inputs.weightList == inputs.weightList
    assert [one.scale for one in again.inputs.imageScalerList] == [1.0] * len(inputs.weightList)
    for mine, theirs in zip(again.inputs.tempExpRefList, inputs.tempExpRefList, strict=True):
        assert_same_planes(mine, theirs)
