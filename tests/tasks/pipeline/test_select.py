"""Best seeing and quantiles of seeing, as options of the task that selects visits."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box, GeneralFrame, SkyProjection

from lamella.data.exposure import ExposureId, ExposureInfo
from lamella.data.times import ExposureTimes
from lamella.sky.layout import tract_wcs
from lamella.sky.registry import make_skymap
from lamella.sky.tract import Patch
from lamella.tasks.pipeline.select import SelectDeepCoaddVisitsTask, selected_exposures, selection_rejections

SIZE = 100
COUNT = 12


@pytest.fixture(scope="module")
def patch() -> Patch:
    options = {"ra": 30.0, "dec": -5.0, "width": SIZE, "height": SIZE, "pixel_scale": 0.5}
    return make_skymap("field", options | {"patches": {"inner": (SIZE, SIZE)}})[0].patch(0)


def visit_info(visit: int) -> ExposureInfo:
    """Return an exposure whose seeing gets worse, and whose time gets longer, with its number."""
    middle = 0.5 * (SIZE - 1)
    wcs = tract_wcs("TAN", 0.5, (30.0, -5.0), crpix=(middle, middle))
    return ExposureInfo(
        id=ExposureId("Cam", visit, 1),
        path="",
        band="r",
        bbox=Box.factory[0:SIZE, 0:SIZE],
        projection=SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix)),
        psf_fwhm=0.6 + 0.05 * visit,
        times=ExposureTimes.of(middle=60000.0 + visit),
        quality={"effTime": 10.0 * visit, "nPsfStar": 20.0 - visit},
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"maxVisits": 3}, range(3)),
        ({"maxVisits": 3, "maxPsfFwhm": 0.67}, range(2)),
        ({"maxVisits": 3, "minPsfFwhm": 0.73}, range(3, 6)),
        ({"maxVisits": 2, "minMjd": 60004.0}, (4, 5)),
        ({"maxVisits": 2, "minVisitQuality": {"effTime": 65.0}}, (7, 8)),
        ({"maxVisits": 99, "minPsfStars": {"fallback": 11}}, range(10)),
        ({"seeingQuantiles": [0.0, 0.33], "minVisits": 2}, range(4)),
        ({"seeingQuantiles": [0.0, 0.33]}, range(6)),
        ({"seeingQuantiles": [0.75, 1.0], "minVisits": 1, "seeingStatistic": "mean"}, range(9, 12)),
    ],
)
def test_options_of_the_task(patch: Patch, options: dict[str, Any], expected: Any) -> None:
    config = SelectDeepCoaddVisitsTask.ConfigClass()
    config.select.update(**options)
    config.validate()
    infos = [visit_info(visit) for visit in reversed(range(COUNT))]
    content = SelectDeepCoaddVisitsTask(config=config).run(infos, patch).selectedVisits
    assert set(selected_exposures(content)) == {("Cam", visit) for visit in expected}
    rejected = selection_rejections(content)
    assert {one.id.visit for one in rejected} == set(range(COUNT)) - set(expected)
    assert all(one.reason for one in rejected)
