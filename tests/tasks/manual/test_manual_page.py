"""The methods, arguments and defaults that the manual page prints."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.tasks.cmdline.task import CmdLineTask
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask
from lamella.tasks.manual.coaddBase import CoaddBaseTask

# The page as the middleware of its time printed it; the fixture reads the real one where it is at hand.
SIGNATURES = {
    "applyAltMaskPlanes": "mask, altMaskSpans",
    "applyOverrides": "config",
    "assembleMetadata": "coaddExposure, tempExpRefList, weightList",
    "assembleSubregion": "coaddExposure, bbox, tempExpRefList, imageScalerList, weightList, altMaskList, "
    "statsFlags, statsCtrl, nImage=None",
    "emptyMetadata": "",
    "getAllSchemaCatalogs": "",
    "getBadPixelMask": "",
    "getCalExp": "dataRef, bgSubtracted",
    "getCoaddDatasetName": "warpType='direct'",
    "getFullMetadata": "",
    "getFullName": "",
    "getName": "",
    "getSchemaCatalogs": "",
    "getSkyInfo": "patchRef",
    "getTaskDict": "",
    "getTempExpDatasetName": "warpType='direct'",
    "getTempExpRefList": "patchRef, calExpRefList",
    "makeField": "doc",
    "makeSubtask": "name, **keyArgs",
    "makeSupplementaryData": "dataRef, selectDataList",
    "parseAndRun": "args=None, config=None, log=None, doReturnResults=False",
    "prepareInputs": "refList",
    "prepareStats": "mask=None",
    "processResults": "coaddExposure, dataRef",
    "readBrightObjectMasks": "dataRef",
    "removeMaskPlanes": "maskedImage",
    "run": "skyInfo, tempExpRefList, imageScalerList, weightList, altMaskList=None, mask=None, "
    "supplementaryData=None",
    "runDataRef": "dataRef, selectDataList=[]",
    "selectExposures": "patchRef, skyInfo=None, selectDataList=[]",
    "setBrightObjectMasks": "exposure, dataId, brightObjectMasks",
    "setInexactPsf": "mask",
    "setRejectedMaskMapping": "statsCtrl",
    "shrinkValidPolygons": "coaddInputs",
    "timer": "name, logLevel=10000",
    "writeConfig": "butler, clobber=False, doBackup=True",
    "writeMetadata": "dataRef",
    "writePackageVersions": "butler, clobber=False, doBackup=True, dataset='packages'",
    "writeSchemas": "butler, clobber=False, doBackup=True",
}


def test_the_list_is_that_of_the_page(shared: Path) -> None:
    page = (shared / "spec" / "manual.txt").read_text(encoding="utf-8").partition("Methods Documentation")[2]
    found = re.findall(r"^(?:classmethod |static )?(\w+)\((.*)\)$", page, re.MULTILINE)
    methods = {name: arguments for name, arguments in found if name[0].islower()}
    assert methods == SIGNATURES


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_have_their_names_order_and_defaults(name: str) -> None:
    printed = inspect.signature(eval(f"lambda {SIGNATURES[name]}: None")).parameters
    real = dict(inspect.signature(getattr(AssembleCoaddTask, name)).parameters)
    real.pop("self", None)
    assert [_shape(one) for one in real.values()][: len(printed)] == [_shape(one) for one in printed.values()]
    for one in printed.values():
        if one.default is not inspect.Parameter.empty:
            assert _plain(real[one.name].default) == _plain(one.default)
    # What is added can be left out.
    assert all(one.default is not one.empty for one in list(real.values())[len(printed) :])


def _shape(one: inspect.Parameter) -> tuple[Any, ...]:
    # Only the way of passing tells a bundle of arguments from one argument; its name does not matter.
    bundle = one.kind is inspect.Parameter.VAR_KEYWORD
    return ("**",) if bundle else (one.name,)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_class_and_its_bases() -> None:
    assert AssembleCoaddTask.canMultiprocess is True
    assert issubclass(AssembleCoaddTask, CoaddBaseTask)
    assert issubclass(CoaddBaseTask, CmdLineTask)
    assert isinstance(inspect.getattr_static(AssembleCoaddTask, "setRejectedMaskMapping"), staticmethod)
    for name in ("applyOverrides", "makeField", "parseAndRun"):
        assert inspect.ismethod(getattr(AssembleCoaddTask, name))
