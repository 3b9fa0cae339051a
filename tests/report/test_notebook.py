"""What notebooks show."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from typing import Any

import numpy as np
import pytest
from lsst.images import Image
from PIL import Image as PillowImage

import lamella
from lamella.data.inputs import CoaddTarget

from ..makers import WarpMaker, make_exposure, varied_warps

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)


def coadd() -> lamella.PatchCoadd:
    return lamella.assemble(varied_warps(MAKER), lamella.AssembleConfig(statistic="MEAN"), target=TARGET)


VALUES: dict[str, Any] = {
    "coadd": coadd,
    "warp": lambda: MAKER.warp(1),
    "exposure": lambda: make_exposure(MAKER.warp(1)),
}


def picture_of(html: str) -> PillowImage.Image:
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    return PillowImage.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_shows_its_picture_and_numbers(name: str) -> None:
    value = VALUES[name]()
    html = value._repr_html_()
    shape = (value.pixels if name == "exposure" else value).bbox.shape
    assert picture_of(html).size == shape[::-1]
    rows = dict(re.findall(r"<tr><th[^>]*>([^<]*)</th><td[^>]*>([^<]*)</td>", html))
    assert rows["Band"] == "r"
    if name == "coadd":
        assert rows["Visits"].startswith(f"{len({item.id.visit for item in value.detectors})} (")


def test_the_depth_is_told() -> None:
    html = coadd()._repr_html_()
    summary = lamella.summarize(coadd())
    assert summary.depth is None or f"{summary.depth:.2f} mag" in html


def test_names_cannot_be_markup() -> None:
    name = "<script>alert(1)</script>"
    made = coadd().replace(skymap=name)
    exposure = make_exposure(MAKER.warp(1))
    shown = dataclasses.replace(exposure, info=dataclasses.replace(exposure.info, path=name, band='"><b>'))
    for html in (made._repr_html_(), shown._repr_html_()):
        assert "<script>" not in html
        assert '"><b>' not in html
        assert "&lt;script&gt;" in html


def test_a_large_image_of_noise_stays_small() -> None:
    from lamella.report.notebook import _Drawn, _page

    noise = Image(np.random.default_rng(1).normal(size=(900, 1200)).astype(np.float32))
    html = _page("x", _Drawn(noise, "r"), [("name", "y" * 10_000)] * 20)
    assert len(html) < 200_000
    assert max(picture_of(html).size) == 400


def test_an_image_without_a_value_is_shown() -> None:
    empty = make_exposure(MAKER.warp(1))
    empty.pixels.image.array[...] = np.nan
    assert "Band" in empty._repr_html_()
