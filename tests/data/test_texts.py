"""What values print of themselves."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import lamella
from lamella.data.coadd import Rejection
from lamella.data.inputs import CoaddTarget
from lamella.formats.recognise import Inputs

from ..makers import WarpMaker, make_exposure, varied_warps

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)


def values() -> dict[str, Any]:
    """Values of all kinds, with long names and many records."""
    exposure = make_exposure(MAKER.warp(1))
    info = dataclasses.replace(exposure.info, path="/x" * 400, band="r" * 300)
    coadd = lamella.assemble(varied_warps(MAKER), lamella.AssembleConfig(statistic="MEAN"), target=TARGET)
    rejections = tuple(Rejection(info.id, info.path, f"stage{n}", "reason") for n in range(300))
    coadd = coadd.replace(rejections=rejections, skymap="s" * 300, notes=("a\nb",) * 99)
    return {
        "coadd": coadd,
        "provenance": coadd.provenance,
        "warp": MAKER.warp(1),
        "exposure": dataclasses.replace(exposure, info=info, notes=("n" * 900,) * 9),
        "info": info,
        "inputs": Inputs((_Source(info),) * 500),
    }


@dataclasses.dataclass(frozen=True)
class _Source:
    info: lamella.ExposureInfo

    def read(self) -> lamella.Exposure:
        raise NotImplementedError


@pytest.mark.parametrize("name", values())
def test_what_a_value_prints_fits_into_five_lines(name: str) -> None:
    for text in (repr(values()[name]), str(values()[name])):
        assert text.count("\n") < 5
        assert max(map(len, text.splitlines())) <= 160
        assert "array(" not in text


def test_a_coadd_tells_band_place_and_visits() -> None:
    coadd = lamella.assemble(varied_warps(MAKER), lamella.AssembleConfig(statistic="MEDIAN"), target=TARGET)
    text = repr(coadd)
    visits = len({item.id.visit for item in coadd.detectors})
    assert f"band {coadd.band}, tract 0, patch 0,0" in text
    assert f"{visits} visits" in text
    assert "MEDIAN" in text
    assert f"{coadd.bbox.x.size} x {coadd.bbox.y.size} pixels" in text
