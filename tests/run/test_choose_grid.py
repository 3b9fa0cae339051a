"""Pixel grids as a person asks for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from lsst.images import Box

from lamella.data.exposure import ExposureId, ExposureInfo
from lamella.errors import ConfigError
from lamella.run.choose_grid import GridOptions, choose_skymap

from ..projections import turned_tan

BOX = Box.from_shape((300, 400))


def info(visit: int, angle: float) -> ExposureInfo:
    projection = turned_tan(150.0 + 0.01 * visit, 62.0, x=199.5, y=149.5, angle=angle)
    return ExposureInfo(
        id=ExposureId("Cam", visit, 1), path=f"{visit}.fits", band="r", bbox=BOX, projection=projection
    )


def turn_at_centre(grid: GridOptions, infos: list[ExposureInfo]) -> float:
    """Return the position angle of the y axis of a grid at its centre."""
    tract = choose_skymap(grid, infos)[0]
    x, y = tract.bbox.x.center, tract.bbox.y.center
    below, above = (tract.projection.pixel_to_sky(x=x, y=y + step) for step in (-1.0, 1.0))
    return float(below.position_angle(above).wrap_at("180d").deg)


@pytest.mark.parametrize("angle", [0.0, 33.0, -120.0, 180.0])
def test_north_is_up_or_the_pixels_are_turned_as_those_of_the_first(angle: float) -> None:
    infos = [info(4, 77.0), info(2, angle), info(3, 5.0)]
    assert turn_at_centre(GridOptions(), infos) == pytest.approx(0.0, abs=1e-3)
    like = turn_at_centre(GridOptions(like_first=True), infos)
    # North at the centre of all is not quite north at that of the first.
    assert (like - angle + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=0.03)
    assert choose_skymap(GridOptions(like_first=True), infos) == choose_skymap(
        GridOptions(like_first=True), infos[::-1]
    )


def test_a_centre_and_a_size_turned_as_the_first() -> None:
    grid = GridOptions(center=(150.02, 62.0), size=(0.01, 0.02), like_first=True)
    tract = choose_skymap(grid, [info(2, 33.0)])[0]
    assert tract.bbox.shape == (360, 180)
    assert turn_at_centre(grid, [info(2, 33.0)]) == pytest.approx(33.0, abs=1e-3)
    x, y = tract.projection.sky_to_pixel(SkyCoord(150.02, 62.0, unit="deg"))
    assert (float(x), float(y)) == pytest.approx((90.0, 180.0), abs=1.0)


def test_the_grid_of_an_image(tmp_path: Path) -> None:
    first = info(2, 33.0)
    header = first.projection.as_fits_wcs(BOX).to_header()
    fits.ImageHDU(np.zeros(BOX.shape, np.float32), header, name="SCI").writeto(tmp_path / "a.fits")
    for text in (f"{tmp_path}/a.fits", f"{tmp_path}/a.fits,SCI", f"{tmp_path}/a.fits,1"):
        skymap = choose_skymap(GridOptions(grid=text), [])
        assert skymap[0].bbox == BOX
        centre = skymap[0].projection.pixel_to_sky(x=7.0, y=9.0)
        assert centre.separation(first.projection.pixel_to_sky(x=7.0, y=9.0)).mas < 1e-5
    cut = choose_skymap(GridOptions(grid=f"{tmp_path}/a.fits"), [], name="mine", patch_size=200)
    assert (cut.name, tuple(cut[0].n_patches)) == ("mine", (2, 2))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skymap": "a.json"}, "--grid beside it|--skymap beside it"),
        ({"center": (1.0, 2.0)}, "--grid fixes the pixel grid; found --center beside it"),
        ({"scale": 0.2}, "found --scale beside it"),
        ({"like_first": True}, "found --like-first beside it"),
    ],
)
def test_options_that_contradict_are_refused(changes: dict, words: str) -> None:
    grid = dataclasses.replace(GridOptions(grid="a.fits"), **changes)
    with pytest.raises(ConfigError, match=words):
        choose_skymap(grid, [info(1, 0.0)])


def test_options_without_what_they_need_are_refused() -> None:
    with pytest.raises(ConfigError, match="--like-first needs exposures"):
        choose_skymap(GridOptions(like_first=True, center=(1.0, 2.0), size=(0.1, 0.1), scale=1.0), [])
    with pytest.raises(ConfigError, match="patch_size and patch_border to set, not rotation"):
        choose_skymap(GridOptions(grid="a.fits"), [], rotation=3.0)
