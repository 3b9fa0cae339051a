"""Laws that hold for sky maps of all kinds."""

import functools
import hashlib
import pickle
import struct

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import ConfigError, SkyMapError
from lamella.sky.discrete import DiscreteConfig
from lamella.sky.geometry import SkyPolygon
from lamella.sky.registry import make_skymap
from lamella.sky.rings import RingsSkyMap
from lamella.sky.vectors import angular_separation, offset_by, to_lonlat, to_skycoord, to_vectors

COARSE = {"pixel_scale": 30.0, "patches": {"inner": (500, 400), "border": 10}}
MAPS = {
    "discrete": (
        "discrete",
        {"ra": (0.0, 40.0, 200.0), "dec": (10.0, -20.0, 89.5), "radius": (1.0, 2.0, 3.0)},
    ),
    "dodeca": ("dodeca", {}),
    "dodeca-poles": ("dodeca", {"with_tracts_on_poles": True}),
    "equatorial": ("equatorial", {}),
    "field": ("field", {"ra": 359.99, "dec": 45.0, "width": 700, "height": 333}),
    "healpix": ("healpix", {"log2_nside": 1}),
    "healpix-nest": ("healpix", {"log2_nside": 2, "nest": True}),
    "rings": ("rings", {"num_rings": 6}),
    "rings-start": ("rings", {"num_rings": 5, "ra_start": 123.0, "projection": "TAN"}),
    "rings-cells": ("rings", {"num_rings": 4, "patches": {"builder": "cells", "cell_inner": 30}}),
}
WHOLE_SKY = [name for name in MAPS if name.startswith(("dodeca", "healpix", "rings"))]


def build(name, **changes):
    kind, options = MAPS[name]
    return make_skymap(kind, COARSE | options | changes, name="test")


@functools.cache
def regions(name):
    return [tract.polygon for tract in build(name)]


@pytest.fixture(scope="module", params=MAPS)
def skymap(request):
    return build(request.param)


def random_coords(n, seed=1):
    return to_skycoord(np.random.default_rng(seed).normal(size=(n, 3)))


def test_numbers_are_indices(skymap):
    assert [tract.id for tract in skymap] == list(range(len(skymap)))
    assert skymap[len(skymap) - 1].id == len(skymap) - 1
    for beyond in (-1, len(skymap)):
        with pytest.raises(SkyMapError, match=f"no tract {beyond} .* 0 to {len(skymap) - 1}"):
            skymap[beyond]


def test_every_tract_is_found_from_its_center_and_centers_are_unique(skymap):
    assert skymap.find_tracts(skymap.centers).tolist() == list(range(len(skymap)))
    for tract in skymap:
        assert skymap.find_tract(tract.center) == tract
        assert tract.inner_contains(tract.center)
    vectors = to_vectors(skymap.centers)
    apart = angular_separation(vectors[:, None], vectors[None]) + 10.0 * np.eye(len(vectors))
    assert apart.min() > np.radians(1.0)


def test_tracts_do_not_contain_the_antipodes_of_their_centers(skymap):
    for tract in list(skymap)[:20]:
        assert not tract.contains(to_skycoord(-to_vectors(tract.center)))


def test_one_position_is_found_like_many(skymap):
    coords = random_coords(1000)
    many = skymap.find_tracts(coords)
    assert many.shape == (1000,)
    vectors = to_vectors(coords)
    assert [int(skymap._find(v[None])[0]) for v in vectors] == many.tolist()
    assert skymap.find_tract(coords[17]).id == many[17]
    assert np.array_equal(skymap.find_tracts(coords.reshape(10, 100)), many.reshape(10, 100))


@pytest.mark.parametrize("name", WHOLE_SKY)
def test_every_position_lies_in_the_tract_that_is_found(name):
    skymap, coords = build(name), random_coords(4000)
    found = skymap.find_tracts(coords)
    for tract in np.unique(found):
        assert skymap[int(tract)].contains(coords[found == tract]).all()


def test_round_trips_give_equal_sky_maps(skymap):
    copy = pickle.loads(pickle.dumps(skymap))
    assert copy == skymap
    assert hash(copy) == hash(skymap)
    assert copy.identity == skymap.identity
    assert copy[0].bbox == skymap[0].bbox
    assert copy[0].fits_wcs.to_header(relax=True) == skymap[0].fits_wcs.to_header(relax=True)
    assert skymap.__eq__("test") is NotImplemented
    assert repr(skymap) == f"{type(skymap).__name__}('test', {len(skymap)} tracts)"


CHANGES = [
    {"tract_overlap": 0.25},
    {"pixel_scale": 20.0},
    {"projection": "ZEA"},
    {"rotation": 0.5},
    {"patches": {"inner": (400, 500), "border": 10}},
    {"patches": {"inner": (500, 400), "border": 11}},
    {"patches": {"builder": "cells"}},
    {"patches": {"builder": "cells", "cell_border": 40}},
]


@pytest.mark.parametrize("name", ["discrete", "dodeca", "equatorial", "field", "healpix", "rings"])
def test_different_options_give_different_identities(name):
    own = {
        "discrete": [{"ra": (0.0, 41.0, 200.0)}, {"dec": (9.0, -20.0, 89.5)}, {"radius": (1.0, 2.0, 2.5)}],
        "dodeca": [{"with_tracts_on_poles": True}],
        "equatorial": [{"num_tracts": 5}, {"dec_range": (-1.0, 1.25)}],
        "field": [{"ra": 0.0}, {"dec": 44.0}, {"width": 701}, {"height": 334}],
        "healpix": [{"log2_nside": 2}, {"nest": True}],
        "rings": [{"num_rings": 7}, {"ra_start": 1.0}, {"version": 0}],
    }
    maps = [build(name), *(build(name, **change) for change in CHANGES + own[name])]
    assert len({m.identity for m in maps}) == len(maps)
    assert all(m != maps[0] for m in maps[1:])


def test_the_name_does_not_enter_the_identity():
    kind, options = MAPS["rings"]
    named, other = make_skymap(kind, options, name="a"), make_skymap(kind, options)
    assert named.identity == other.identity
    assert named != other
    assert other.name == f"rings-{other.identity[:8]}"


def test_identities_of_all_kinds_differ():
    assert len({build(name).identity for name in MAPS}) == len(MAPS)


def test_identity_is_made_as_documented():
    skymap = make_skymap("rings", {"num_rings": 120, "projection": "TAN", "tract_overlap": 0.5})
    packed = b"RingsSkyMap" + struct.pack("<iiidd3sd", 4000, 4000, 100, 0.5, 0.333, b"TAN", 0.0)
    assert skymap.identity == hashlib.sha1(packed + struct.pack("<id", 120, 0.0)).hexdigest()


@pytest.mark.parametrize("name", ["dodeca", "equatorial", "healpix", "rings", "rings-cells", "discrete"])
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.01, 1.0, 15.0]))
def test_overlapping_tracts_are_those_of_brute_force(name, seed, size):
    skymap, rng = build(name), np.random.default_rng(seed)
    # Near a centre, so that sky maps of a part of the sky are met.
    lon, lat = np.radians([c[rng.integers(len(skymap))] for c in skymap._centers])
    near = offset_by(lon, lat, rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(0, 30)))
    lon, lat = (float(v) for v in to_lonlat(near))
    reach = np.radians(size) * rng.uniform(0.2, 1, 5)
    polygon = SkyPolygon.hull(offset_by(lon, lat, rng.uniform(0, 2 * np.pi, 5), reach))
    expected = [i for i, region in enumerate(regions(name)) if region.overlaps(polygon)]
    assert [tract.id for tract in skymap.overlapping(polygon)] == expected


def test_tracts_and_patches_of_a_region(skymap):
    tract = skymap[0]
    x, y = np.array([10.0, 60.0, 60.0, 10.0]), np.array([10.0, 10.0, 60.0, 60.0])
    corners = tract.projection.pixel_to_sky(x=x, y=y)
    polygon = SkyPolygon.hull(corners)
    found = skymap.find_tract_patches(polygon)
    assert found[0][0] == tract
    assert [p.label for p in found[0][1]] == ["0,0"]
    assert all(patch.polygon.overlaps(polygon) for _, patches in found for patch in patches)
    legacy = skymap.find_tract_patches(corners)
    assert {t.id for t, _ in found} <= {t.id for t, _ in legacy}
    assert [p.label for p in legacy[0][1]] == ["0,0"]


def test_regions_away_from_all_tracts_have_none():
    skymap = build("discrete")
    away = SkyPolygon.hull(SkyCoord([100, 101, 101], [0, 0, 1], unit="deg"))
    assert skymap.overlapping(away) == ()
    assert skymap.find_tract_patches(away) == ()
    assert skymap.find_tract_patches(away.coords) == ()


def test_neighbours_overlap_by_the_overlap():
    skymap = build("rings", tract_overlap=2.0, patches={"inner": (10, 10), "border": 0})
    tract = skymap.find_tract(SkyCoord(10, 10, unit="deg"))
    # Straight north of the centre the tract ends 2 degrees beyond half a ring.
    edge = tract.center.directional_offset_by(0 * u.deg, np.degrees(skymap.ring_size / 2) * u.deg)
    inside = edge.directional_offset_by(0 * u.deg, 1.99 * u.deg)
    outside = edge.directional_offset_by(0 * u.deg, 2.2 * u.deg)
    assert tract.contains(inside)
    assert not tract.contains(outside)


def test_few_tracts_are_kept():
    skymap = build("healpix-nest")
    first = skymap[0]
    assert skymap[0] is first
    list(skymap)
    assert len(skymap._tracts) <= 64
    assert skymap[0] == first


def test_options_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match="'rings' needs a RingsConfig; found a DiscreteConfig"):
        RingsSkyMap(DiscreteConfig(ra=(1,), dec=(1,), radius=(1,)))


@pytest.mark.parametrize(
    "options",
    [
        {"projection": "TPV"},
        {"projection": "CAR"},
        {"pixel_scale": 0.0},
        {"tract_overlap": -1.0},
        {"rotation": np.nan},
    ],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        make_skymap("rings", {"num_rings": 3} | options)


def test_units_of_options():
    units = DiscreteConfig.units()
    assert units["pixel_scale"] == "arcsec"
    assert units["tract_overlap"] == units["rotation"] == units["ra"] == "deg"
