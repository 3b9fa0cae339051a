"""Selection by geometry and by quality."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from astropy.coordinates import SkyCoord

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box, SkyProjection
from lsst.pex.config import FieldValidationError
from lsst.pipe.base import Struct

from lamella.data.exposure import ExposureId, ExposureInfo
from lamella.sky.footprint import pixel_scale
from lamella.tasks.manual.selectImages import (
    BaseSelectImagesTask,
    BestSeeingWcsSelectImagesTask,
    PsfWcsSelectImagesTask,
    SelectStruct,
    WcsSelectImagesTask,
)

from ...projections import turned_tan


def at_pole(
    size: int = 3600, *, south: bool = False, rotation: float = 0.0
) -> tuple[SkyProjection[Any], Box]:
    """Return a square of half arcseconds around a pole."""
    box, middle = Box.factory[0:size, 0:size], size / 2 - 0.5
    pole = -90.0 if south else 90.0
    return turned_tan(0.0, pole, x=middle, y=middle, scale=0.5, angle=rotation, tract=box), box


def corners(wcs: SkyProjection[Any], box: Box) -> list[SkyCoord]:
    y0, y1, x0, x1 = box.y.start - 0.5, box.y.stop - 0.5, box.x.start - 0.5, box.x.stop - 0.5
    return [wcs.pixel_to_sky(x=x, y=y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]


def test_geometry_decides() -> None:
    patch = corners(*at_pole())
    images = [at_pole(), at_pole(7200), at_pole(1800), at_pole(rotation=45.0), at_pole(south=True)]
    wcs_list, box_list = zip(*images, strict=True)
    task = WcsSelectImagesTask(config=WcsSelectImagesTask.ConfigClass())
    assert task.run(wcs_list, box_list, patch) == [0, 1, 2, 3]


def records(maker: Any, **values: list[Any]) -> list[SelectStruct]:
    found = []
    for index in range(4):
        info = ExposureInfo(
            id=ExposureId("Cam", 10 - index, index),
            path="",
            band="r",
            bbox=maker.bbox,
            projection=maker.projection,
        )
        quality = {n: v[index] for n, v in values.items() if n != "psf_fwhm" and v[index] is not None}
        fwhm = values.get("psf_fwhm", [None] * 4)[index]
        found.append(SelectStruct(f"ref{index}", dataclasses.replace(info, psf_fwhm=fwhm, quality=quality)))
    return found


def choose(task_class: Any, maker: Any, items: list[SelectStruct], **options: Any) -> Struct:
    config = task_class.ConfigClass()
    config.update(**options)
    config.validate()
    task = task_class(config=config)
    return task.runDataRef(None, corners(maker.projection, maker.bbox), selectDataList=items)


def test_references_come_in_the_order_of_their_identities(maker) -> None:
    found = choose(WcsSelectImagesTask, maker, records(maker))
    assert found.dataRefList == ["ref3", "ref2", "ref1", "ref0"]
    assert [item.info.id.visit for item in found.exposureInfoList] == [7, 8, 9, 10]
    found = choose(WcsSelectImagesTask, maker, records(maker), excludeDetectors=[1, 3])
    assert found.dataRefList == ["ref2", "ref0"]
    assert {one.code for one in found.deselected} == {"detector"}


def test_the_quality_of_the_psf_decides(maker) -> None:
    items = records(
        maker,
        psf_ellipticity_residual=[0.006, 0.008, 0.001, None],
        psf_scaled_size_scatter=[0.001, 0.001, 0.02, 0.001],
    )
    found = choose(PsfWcsSelectImagesTask, maker, items)
    assert found.dataRefList == ["ref0"]
    codes = {one.info.id.detector: one.code for one in found.deselected}
    assert codes == {
        1: "psf_ellipticity_residual",
        2: "psf_scaled_size_scatter",
        3: "psf_ellipticity_residual",
    }
    lenient = {"requireKnown": False, "maxEllipResidual": 0.01, "maxScaledSizeScatter": None}
    assert len(choose(PsfWcsSelectImagesTask, maker, items, **lenient).dataRefList) == 4


def test_the_best_seeing_is_kept(maker) -> None:
    items = records(maker, psf_fwhm=[0.9, 0.6, 0.7, 0.8])
    assert choose(BestSeeingWcsSelectImagesTask, maker, items, nImagesMax=2).dataRefList == ["ref2", "ref1"]
    # The limits are in pixels of the exposure, as they always were.
    scale = pixel_scale(maker.projection, maker.bbox)
    limits = {"maxPsfFwhm": 0.85 / scale, "minPsfFwhm": 0.65 / scale}
    assert choose(BestSeeingWcsSelectImagesTask, maker, items, **limits).dataRefList == ["ref3", "ref2"]


def test_the_limits_that_came_later_are_off_and_can_be_set(maker) -> None:
    items = records(
        maker,
        psf_ellipticity_residual=[0.001] * 4,
        psf_scaled_size_scatter=[0.001] * 4,
        psfTraceRadiusDelta=[0.1, 0.9, 0.1, 0.1],
        nPsfStar=[9.0, 9.0, 5.0, 9.0],
        starEMedian=[0.1, 0.1, 0.1, 0.9],
    )
    assert len(choose(PsfWcsSelectImagesTask, maker, items).dataRefList) == 4
    modern = {
        "maxPsfTraceRadiusDelta": 0.7,
        "minNPsfStarPerBand": {"u": 1, "fallback": 6},
        "maxStarEPerBand": {"fallback": 0.4},
    }
    found = choose(PsfWcsSelectImagesTask, maker, items, **modern)
    assert found.dataRefList == ["ref0"]
    codes = {one.info.id.detector: one.code for one in found.deselected}
    assert codes == {1: "psf_trace_radius_delta", 2: "psf_stars", 3: "star_ellipticity"}
    with pytest.raises(FieldValidationError, match="minNPsfStarPerBand"):
        choose(PsfWcsSelectImagesTask, maker, items, minNPsfStarPerBand={"u": 1})


def test_the_base_selects_nothing() -> None:
    with pytest.raises(NotImplementedError):
        BaseSelectImagesTask(config=BaseSelectImagesTask.ConfigClass()).run()
