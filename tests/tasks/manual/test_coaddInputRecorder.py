"""Records of inputs."""

from __future__ import annotations

import logging
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.tasks.manual.coaddInputRecorder import CoaddInputRecorderTask, CoaddInputs

from .conftest import make_exposure


def recorder(**options: Any) -> CoaddInputRecorderTask:
    config = CoaddInputRecorderTask.ConfigClass()
    config.update(**options)
    return CoaddInputRecorderTask(config=config)


def test_visits_are_recorded_with_their_weight(maker) -> None:
    task = recorder()
    inputs = task.makeCoaddInputs()
    for visit, weight in ((2, 0.5), (1, 0.25)):
        found = task.addVisitToCoadd(inputs, maker.warp(visit), weight)
        assert found is not None
        assert (found.id, found.filter, found.weight, found.goodpix) == (visit, "r", weight, 2000)
    visits, ccds = inputs.visitTable(), inputs.ccdTable()
    assert list(visits["id"]) == [2, 1]
    assert list(ccds["visit"]) == [2, 1]
    assert list(ccds["weight"]) == [0.5, 0.25]
    assert list(ccds["ccd"]) == [3, 3]
    assert list(ccds["goodpix"]) == [2000, 2000]
    assert CoaddInputs().ccdTable().colnames == ccds.colnames


def test_options_leave_numbers_out(maker) -> None:
    inputs = CoaddInputs()
    recorder(saveVisitGoodPix=False, saveCcdWeights=False).addVisitToCoadd(inputs, maker.warp(1), 0.5)
    assert inputs.visits[0].goodpix == 0
    assert inputs.ccds[0].weight == 1.0
    assert inputs.visits[0].weight == 0.5


def test_a_warp_without_records_is_warned_of(maker, caplog) -> None:
    warp, inputs = maker.warp(1), CoaddInputs()
    warp.detectors = ()
    assert recorder().addVisitToCoadd(inputs, warp, 1.0) is None
    assert not inputs.ccds
    assert "names no detector" in caplog.text
    with caplog.at_level(logging.WARNING):
        warp.detectors = (maker.detector(99),)
        recorder().addVisitToCoadd(inputs, warp, 1.0)
    assert "visit 99 detector 3 is in the warp of visit 1" in caplog.text


@pytest.mark.parametrize(("save_empty", "expected"), [(False, [7]), (True, [7, 8])])
def test_a_warp_gets_the_records_of_its_exposures(maker, save_empty: bool, expected: list[int]) -> None:
    recording = recorder(saveEmptyCcds=save_empty).makeCoaddTempExpRecorder(5, num=2)
    for ccd, good in ((7, 100), (8, 0)):
        recording.addCalExp(make_exposure(maker, 5, ccd, maker.bbox), ccd, good)
    warp = maker.warp(5)
    recording.finish(warp, 100)
    assert [d.id.detector for d in warp.detectors] == expected
    assert [d.good_pixels for d in warp.detectors] == [100, 0][: len(expected)]
    (visit,) = recording.coaddInputs.visits
    assert (visit.id, visit.goodpix, visit.bbox) == (5, 100, warp.bbox)
