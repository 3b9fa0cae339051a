import re

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lamella.errors import ConfigError
from lamella.sky.registry import make_skymap

HSC = {"num_rings": 120, "projection": "TAN", "tract_overlap": 1 / 60, "pixel_scale": 0.168}


@pytest.fixture(scope="module")
def hsc():
    return make_skymap("rings", HSC, name="hsc_rings_v1")


def assert_center(tract, ra, dec):
    assert tract.center.ra.deg == pytest.approx(ra, abs=1e-9)
    assert tract.center.dec.deg == pytest.approx(dec, abs=1e-9)


def test_known_tracts_of_the_survey(hsc):
    hsc_0 = make_skymap("rings", HSC | {"version": 0}, name="hsc_rings_v0")
    assert_center(hsc[9813], 150.2479338843, 2.2314049587)
    assert_center(hsc_0[9813], 150.2479338843, 2.2314049587)
    # The first tract of a ring: the old numbering calls by this number the one of the ring before.
    assert_center(hsc_0[9712], 0.0, 0.7438016529)
    assert_center(hsc[9712], 0.0, 2.2314049587)
    assert_center(hsc[9469], 0.0, 0.7438016529)


def test_known_size_of_the_tracts_of_the_survey(hsc):
    tract = hsc[9813]
    assert tract.n_patches == (9, 9)
    assert tract.bbox.shape == (36000, 36000)
    assert tract.patch("4,4").outer_bbox.shape == (4200, 4200)
    assert tract.patch("0,8").outer_bbox.shape == (4100, 4100)


@pytest.mark.parametrize("number", [28, 40])
def test_real_bright_star_masks_lie_on_their_patches(hsc, shared, number):
    path = shared / "data" / "psf_and_regions" / f"brightObjectMask_9813_{number}_i.reg"
    text = path.read_text()
    tract = int(re.search(r"# TRACT: (\d+)", text)[1])
    label = re.search(r"# PATCH: (\S+)", text)[1]
    circles = np.array(re.findall(r"circle\(([\d.+-]+),([\d.+-]+),([\d.]+)d\)", text), dtype=float)
    assert len(circles) > 1500
    patch = hsc[tract].patch(number)
    # The files are named by the number and state the index.
    assert patch.label == label
    ra, dec, radius = circles.T
    x, y = patch.projection.sky_to_pixel(SkyCoord(ra, dec, unit="deg"))
    # Stars from two patches around are listed as well, so that the crowd has its middle in this patch.
    assert patch.inner_bbox.contains(x=np.median(x), y=np.median(y))
    inside = patch.outer_bbox.contains(x=x, y=y)
    assert inside.sum() > 30
    assert np.ptp(x[inside]) > 3500
    assert np.ptp(y[inside]) > 3500
    assert radius.min() > 0.002


def test_number_of_tracts():
    skymap = make_skymap("rings", {"num_rings": 3})
    assert len(skymap) == 26
    assert skymap.ring_counts == (8, 8, 8)
    assert len(make_skymap("rings", HSC)) == 18938


def test_poles_are_unique_and_belong_to_the_caps(hsc):
    poles = SkyCoord([0, 77, 0, 200], [-90, -90, 90, 90], unit="deg")
    assert hsc.find_tracts(poles).tolist() == [0, 0, len(hsc) - 1, len(hsc) - 1]
    assert np.count_nonzero(np.abs(hsc.centers.dec.deg) == 90.0) == 2
    assert hsc[0].contains(poles[:2]).all()


@pytest.mark.parametrize("offset", [-10, 0, 10])
def test_right_ascension_0_is_inside_of_a_tract(hsc, offset):
    for dec in (-40.0, 2.0, 60.0):
        ring_start = hsc.find_tract(SkyCoord(0, dec, unit="deg"))
        coord = SkyCoord((offset / 3600) % 360, dec, unit="deg")
        assert hsc.find_tract(coord) == ring_start
        assert ring_start.contains(coord)


def expected_tract(centers, half, ra, dec):
    """The definition: boxes in right ascension and declination around the centres, one after the other."""
    if dec < -90 + half:
        return 0
    if dec > 90 - half:
        return len(centers) - 1
    for tract, (center_ra, center_dec) in list(enumerate(centers))[1:-1]:
        count = np.count_nonzero(np.isclose(centers[:, 1], center_dec))
        across = abs((ra - center_ra + 180) % 360 - 180)
        if abs(dec - center_dec) <= half and across <= 180 / count:
            return tract
    raise AssertionError


@pytest.mark.parametrize("ra_start", [0.0, 17.0])
def test_tracts_own_boxes_in_right_ascension_and_declination(ra_start):
    skymap = make_skymap("rings", {"num_rings": 4, "ra_start": ra_start})
    # Off the borders of the boxes.
    ra, dec = np.meshgrid(np.linspace(0.013, 359.77, 61), np.linspace(-89.7, 89.6, 25))
    found = skymap.find_tracts(SkyCoord(ra, dec, unit="deg"))
    centers = np.stack([skymap.centers.ra.deg, skymap.centers.dec.deg], axis=1)
    half = np.degrees(skymap.ring_size) / 2
    expected = [expected_tract(centers, half, *place) for place in zip(ra.ravel(), dec.ravel(), strict=True)]
    assert found.ravel().tolist() == expected


def test_inner_region_is_what_the_sky_map_finds(hsc):
    tract = hsc[9813]
    ra, dec = np.meshgrid(np.linspace(149.3, 151.2, 100), np.linspace(1.3, 3.2, 100))
    coords = SkyCoord(ra, dec, unit="deg")
    width, height = 360 / 242, 180 / 121
    inside = (np.abs(ra - 150.24793388429752) < width / 2) & (np.abs(dec - 2.231404958677686) < height / 2)
    assert np.array_equal(tract.inner_contains(coords), inside)
    assert np.array_equal(hsc.find_tracts(coords) == 9813, inside)


def test_rings_start_where_they_are_told(hsc):
    moved = make_skymap("rings", HSC | {"ra_start": 12.5})
    assert len(moved) == len(hsc)
    assert moved.centers.ra.deg[9712] == pytest.approx(12.5, abs=1e-12)
    assert moved.find_tract(SkyCoord(12.5, 2.23, unit="deg")).id == 9712


@pytest.fixture(scope="module")
def numberings():
    return make_skymap("rings", {"num_rings": 3, "version": 0}), make_skymap("rings", {"num_rings": 3})


def test_old_numbering_first_tract_of_the_first_ring_comes_twice(numberings):
    old, new = numberings
    assert len(old) == len(new) == 26
    assert old[1].center == old[9].center == new[1].center


def test_old_numbering_first_tract_of_the_last_ring_is_missing(numberings):
    old, new = numberings
    missing = new[17].center
    assert (missing.ra.deg, missing.dec.deg) == (0.0, 45.0)
    assert old.centers.separation(missing).min() > 20 * u.deg
    assert old.find_tract(missing).id == 25
    assert not old[25].contains(missing)


def test_old_numbering_first_tract_of_a_middle_ring_comes_last(numberings):
    old, new = numberings
    assert old[17].center == new[9].center
    assert old.find_tract(new[9].center).id == 17


def test_old_numbering_all_other_tracts_keep_their_numbers(numberings):
    old, new = numberings
    same = [i for i in range(26) if i not in (9, 17)]
    assert old.centers[same].separation(new.centers[same]).max() == 0 * u.deg
    assert old.find_tracts(new.centers[same]).tolist() == same


@pytest.mark.parametrize(
    "options", [{"num_rings": 0}, {"num_rings": 3, "ra_start": 360.0}, {"num_rings": 3, "version": 2}]
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError):
        make_skymap("rings", options)
