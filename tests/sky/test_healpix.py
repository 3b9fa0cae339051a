import itertools

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lamella.errors import ConfigError
from lamella.sky.geometry import SkyPolygon
from lamella.sky.registry import make_skymap
from lamella.sky.vectors import angular_separation, to_skycoord

ARCSIN_2_3 = np.degrees(np.arcsin(2 / 3))


def build(order, nest=False):
    return make_skymap("healpix", {"log2_nside": order, "nest": nest, "pixel_scale": 20.0})


@pytest.mark.parametrize("nest", [False, True])
def test_base_pixels_go_from_north_to_south(nest):
    centers = build(0, nest).centers
    assert centers.ra.deg == pytest.approx([45, 135, 225, 315, 0, 90, 180, 270, 45, 135, 225, 315], abs=1e-12)
    assert centers.dec.deg == pytest.approx([ARCSIN_2_3] * 4 + [0] * 4 + [-ARCSIN_2_3] * 4, abs=1e-12)


def test_known_pixels():
    # Made with astropy-healpix 2.0: positions (ra, dec) in degrees and the pixels at nside 8.
    ra = [0.1, 0.1, 123.4, 123.4, 200.0, 359.9, 45.0, 300.0]
    dec = [89.5, -89.5, 10.0, -10.0, 60.0, -41.0, 41.0, -75.0]
    coords = SkyCoord(ra, dec, unit="deg")
    assert build(3).find_tracts(coords).tolist() == [0, 764, 283, 475, 51, 592, 148, 762]
    assert build(3, nest=True).find_tracts(coords).tolist() == [63, 512, 72, 635, 184, 256, 15, 706]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_rings_follow_their_formulas(order):
    # Heights and counts of the rings (Gorski et al. 2005, equations 4 to 9).
    nside, skymap = 2**order, build(order)
    heights, longitudes = [], []
    for i in range(1, 4 * nside):
        width = min(i, nside, 4 * nside - i)
        if i < nside:
            z, shift = 1 - i**2 / (3 * nside**2), 0.5
        elif i <= 3 * nside:
            z, shift = 4 / 3 - 2 * i / (3 * nside), 0.5 * ((i - nside + 1) % 2)
        else:
            z, shift = -(1 - (4 * nside - i) ** 2 / (3 * nside**2)), 0.5
        heights += [z] * (4 * width)
        longitudes += [90 / width * (j + shift) for j in range(4 * width)]
    assert skymap._center_vectors[:, 2] == pytest.approx(np.array(heights), abs=1e-14)
    assert skymap.centers.ra.deg == pytest.approx(np.array(longitudes), abs=1e-10)


@pytest.mark.parametrize("order", [1, 3])
def test_nested_pixels_divide_their_parents(order):
    fine, coarse = build(order, nest=True), build(order - 1, nest=True)
    assert np.array_equal(coarse.find_tracts(fine.centers), np.arange(len(fine)) // 4)


@pytest.mark.parametrize(("order", "nest"), [*itertools.product([0, 1, 4], [False, True])])
def test_pixels_have_equal_shares_of_the_sky(order, nest):
    skymap = build(order, nest)
    coords = to_skycoord(np.random.default_rng(2).normal(size=(100_000, 3)))
    counts = np.bincount(skymap.find_tracts(coords), minlength=len(skymap))
    expected = 100_000 / len(skymap)
    assert np.abs(counts - expected).max() < 5.5 * np.sqrt(expected)


@pytest.mark.parametrize("nest", [False, True])
def test_corners_go_round_their_pixel(nest):
    skymap = build(3, nest)
    for tract in range(0, len(skymap), 7):
        south, east, north, west = skymap.pixel_corners(tract)
        assert south[2] < min(east[2], west[2])
        assert max(east[2], west[2]) < north[2]
        polygon = SkyPolygon.from_vertices(np.array([south, east, north, west]))
        assert polygon.contains(skymap._center_vectors[tract])
        # Pixels have equal areas; their sides are not quite great circles.
        assert polygon.area.value == pytest.approx(41252.96125 / 768, rel=0.12)
        nearest = angular_separation(skymap._center_vectors, skymap._center_vectors[tract])
        inside = 0.98 * polygon.vertices + 0.02 * skymap._center_vectors[tract]
        assert np.sort(nearest)[1] > np.radians(4)
        assert (skymap._find(inside / np.linalg.norm(inside, axis=1)[:, None]) == tract).mean() >= 0.75


def test_a_tract_is_turned_so_that_its_pixel_fills_it():
    options = {"log2_nside": 2, "pixel_scale": 20.0, "patches": {"inner": (100, 100)}}
    skymap = make_skymap("healpix", options)
    tract = skymap.find_tract(SkyCoord(45, 0, unit="deg"))
    assert tract.fits_wcs.wcs.cd[0, 0] == pytest.approx(-tract.fits_wcs.wcs.cd[0, 1], rel=1e-12)
    assert tract.contains(to_skycoord(skymap.pixel_corners(tract.id))).all()
    pixel = 41252.96125 / 192
    assert tract.polygon.area.value < 1.6 * pixel


def test_resolution_that_cannot_be_is_refused():
    for order in (-1, 10):
        with pytest.raises(ConfigError):
            build(order)
