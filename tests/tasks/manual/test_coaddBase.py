"""Names, places, selection and records that tasks of warps and coadds share."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box, Image, MaskedImage, Polygon
from lsst.images.fields import ChebyshevField
from lsst.pex.config import FieldValidationError

from lamella.coadd.select.select import select_exposures
from lamella.errors import GeometryError, MissingPartError, PixelTypeError, ShapeError, SkyMapError
from lamella.formats.afw.background import Background, BackgroundLayer
from lamella.formats.afw.background_splines import Style
from lamella.planes import Layout, make_schema
from lamella.tasks.manual.assembleCoadd import AssembleCoaddConfig, AssembleCoaddTask
from lamella.tasks.manual.coaddBase import (
    CoaddBaseConfig,
    CoaddBaseTask,
    CoaddTaskRunner,
    SelectDataIdContainer,
    makeSkyInfo,
)
from lamella.tasks.manual.coaddInputRecorder import CoaddInputs
from lamella.tasks.manual.selectImages import make_select_struct

from .conftest import PATCH, MemoryRef


def base(**options: Any) -> CoaddBaseTask:
    config = CoaddBaseConfig()
    config.update(**options)
    return CoaddBaseTask(config=config)


def test_names_of_datasets() -> None:
    task = base()
    assert task.getCoaddDatasetName() == "deepCoadd"
    assert task.getCoaddDatasetName("psfMatched") == "deepCoaddPsfMatched"
    assert task.getTempExpDatasetName() == "deepCoadd_directWarp"
    assert task.getTempExpDatasetName("psfMatched") == "deepCoadd_psfMatchedWarp"
    assert base(coaddName="goodSeeing").getCoaddDatasetName(warpType="direct") == "goodSeeingCoadd"
    assert base(coaddName="goodSeeing").getTempExpDatasetName() == "goodSeeingCoadd_directWarp"
    assert task._getConfigName() == "deep_coaddBase_config"
    assert AssembleCoaddTask(config=AssembleCoaddConfig())._getMetadataName() == "deep_assembleCoadd_metadata"


def test_bad_pixel_mask_is_of_the_planes_of_the_configuration() -> None:
    schema = make_schema()
    assert base().getBadPixelMask() == Layout(schema).bits(("NO_DATA",)) == 256
    task = AssembleCoaddTask(config=AssembleCoaddConfig())
    assert task.getBadPixelMask() == Layout(schema).bits(("NO_DATA", "BAD", "SATURATED", "DETECTION_EDGE"))


@pytest.mark.parametrize("patch", ["1,2", (1, 2), 7])
def test_sky_info_tells_where_a_patch_lies(butler, sky_map, patch_ref, patch) -> None:
    found = base().getSkyInfo(MemoryRef(butler, "deepCoadd", {**PATCH, "patch": patch}))
    expected = sky_map[0].patch("1,2")
    assert found.skyMap == sky_map
    assert found.tractInfo == sky_map[0]
    assert found.patchInfo == expected
    assert found.bbox == expected.outer_bbox
    assert found.wcs is found.tractInfo.projection
    with pytest.raises(SkyMapError):
        makeSkyInfo(sky_map, 0, "9,9")


def test_select_exposures_keeps_what_overlaps(patch_ref, exposures, sky_map, caplog) -> None:
    task = base()
    with caplog.at_level(logging.INFO):
        found = task.selectExposures(patch_ref, selectDataList=exposures)
    assert [tuple(ref.dataId.values()) for ref in found] == [(4, 3), (7, 1), (7, 2)]
    assert "Leaving out Cam visit 5 detector 1: does not overlap" in caplog.text
    records = [make_select_struct(ref) for ref in exposures]
    assert task.selectExposures(patch_ref, task.getSkyInfo(patch_ref), selectDataList=records) == found
    core = select_exposures([record.info for record in records], sky_map[0].patch("1,1"))
    assert [info.id.detector for info in core.kept] == [3, 1, 2]
    assert task.selectExposures(patch_ref) == []


def test_what_overlaps_and_is_not_selected_is_remembered(patch_ref, exposures) -> None:
    config = CoaddBaseConfig()
    config.select.excludeDetectors = [3]
    task = CoaddBaseTask(config=config)
    task.selectExposures(patch_ref, selectDataList=exposures)
    assert [(one.id.visit, one.stage, one.reason) for one in task.deselected] == [
        (4, "select", "detector 3 is excluded")
    ]


def test_warp_references_are_one_per_visit(patch_ref, exposures) -> None:
    refs = base().getTempExpRefList(patch_ref, exposures)
    assert [ref.dataId for ref in refs] == [{**PATCH, "visit": visit} for visit in (4, 5, 7)]
    assert {ref.name for ref in refs} == {"deepCoadd_directWarp"}


def flat_background(bbox: Box) -> Background:
    """Return two layers of 7.5 in all, as afw's files hold them and lamella reads them."""
    cells, variance = np.full((3, 3), 5.0, np.float32), np.ones((3, 3), np.float32)
    layers = (
        BackgroundLayer(cells, variance, bbox, style=Style.LINEAR),
        BackgroundLayer(cells / 2, variance, bbox, order=1),
    )
    return Background(layers)


SKIES = {
    "background": flat_background,
    "background of a larger exposure": lambda bbox: flat_background(bbox.dilated_by(40)),
    "image": lambda bbox: Image(7.5, bbox=bbox, dtype=np.float32),
    "larger image": lambda bbox: Image(7.5, bbox=bbox.dilated_by(3), dtype=np.float64),
    "masked image": lambda bbox: MaskedImage(
        Image(7.5, bbox=bbox, dtype=np.float32), mask_schema=make_schema()
    ),
    "array": lambda bbox: np.full(bbox.shape, 7.5),
    "number": lambda _: 7.5,
    "field": lambda bbox: ChebyshevField(bbox, np.array([[7.5]])),
}


@pytest.mark.parametrize("kind", SKIES)
def test_calibrated_exposures_with_and_without_sky(butler, exposures, kind: str) -> None:
    ref = exposures[0]
    exposure = ref.get("calexp")
    assert base().getCalExp(ref, True) is exposure
    with pytest.raises(MissingPartError, match="calexpBackground"):
        base().getCalExp(ref, False)
    ref.put(SKIES[kind](exposure.pixels.bbox), "calexpBackground")
    found = base().getCalExp(ref, False)
    np.testing.assert_allclose(found.pixels.image.array, exposure.pixels.image.array + 7.5, rtol=1e-6)
    assert found.pixels.image.array.dtype == np.float32
    assert found.pixels.variance.array is exposure.pixels.variance.array
    assert base().getCalExp(ref, True) is exposure


@pytest.mark.parametrize(
    ("sky", "error"),
    [
        (np.zeros((3, 3)), ShapeError),
        (Image(7.5, bbox=Box.factory[0:2, 0:2], dtype=np.float32), ShapeError),
        (flat_background(Box.factory[0:9, 0:9]), ShapeError),
        ("a sky", PixelTypeError),
        (None, PixelTypeError),
    ],
)
def test_a_sky_that_does_not_fit_is_refused(butler, exposures, sky: Any, error: Any) -> None:
    exposures[0].put(sky, "calexpBackground")
    with pytest.raises(error, match="expected"):
        base().getCalExp(exposures[0], False)


def test_polygons_shrink_by_half_of_the_kernel(maker) -> None:
    box = Box.factory[0:100, 0:200]
    corner = Polygon(x_vertices=[-0.5, 199.5, -0.5], y_vertices=[-0.5, -0.5, 99.5])
    whole, cut = (dataclasses.replace(maker.detector(1), bbox=box, polygon=p) for p in (None, corner))
    inputs = CoaddInputs(ccds=[whole, cut])
    base().shrinkValidPolygons(inputs)
    first, second = (ccd.polygon for ccd in inputs.ccds)
    assert (first.x_vertices.min(), first.x_vertices.max()) == (9.5, 189.5)
    assert (first.y_vertices.min(), first.y_vertices.max()) == (9.5, 89.5)
    # The hypotenuse stays, the other two sides move by 10 pixels, and the far top corner is cut off.
    assert (second.x_vertices.min(), second.y_vertices.min()) == (9.5, 9.5)
    np.testing.assert_allclose(second.area, 0.5 * 170 * 85 - 0.5 * 10 * 5)
    small = CoaddInputs(ccds=[dataclasses.replace(whole, bbox=Box.factory[0:20, 0:200])])
    with pytest.raises(GeometryError, match="shrinking its polygon by 10 pixels"):
        base().shrinkValidPolygons(small)


def test_select_ids_become_records(butler, exposures, caplog) -> None:
    class Listing(SelectDataIdContainer):
        """The references are there already."""

    container = Listing()
    broken = MemoryRef(butler, "calexp", {"visit": 1, "ccd": 1})

    class Butler:
        def subset(self, name: str, dataId: dict[str, Any]) -> list[MemoryRef]:
            return [ref for ref in (*exposures, broken) if dataId.items() <= ref.dataId.items()]

    container.datasetType = "calexp"
    container.idList = [{"visit": 7}, {"visit": 1}]
    namespace = argparse.Namespace(butler=Butler(), log=logging.getLogger("test"))
    container.makeDataRefList(namespace)
    assert [item.info.id.detector for item in container.dataList] == [2, 1]
    assert "which cannot be read" in caplog.text


def test_each_patch_gets_the_selected_exposures() -> None:
    command = argparse.Namespace(
        id=argparse.Namespace(refList=["patch"]), selectId=argparse.Namespace(dataList=["exposure"])
    )
    assert CoaddTaskRunner.getTargetList(command) == [("patch", {"selectDataList": ["exposure"]})]


@pytest.mark.parametrize(
    "name", ["doApplyUberCal", "doApplyExternalPhotoCalib", "doApplyExternalSkyWcs", "includeCalibVar"]
)
def test_options_that_need_data_that_is_not_there_are_refused(name: str) -> None:
    config = CoaddBaseConfig()
    setattr(config, name, True)
    with pytest.raises(FieldValidationError, match=name):
        config.validate()
