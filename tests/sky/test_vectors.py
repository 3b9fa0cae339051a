import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import GeometryError
from lamella.sky.vectors import (
    angular_separation,
    bounding_circle,
    from_lonlat,
    offset_by,
    to_lonlat,
    to_skycoord,
    to_vectors,
)

seeds = st.integers(0, 2**32 - 1)


def cap(seed, radius, n):
    """Directions within an angle of a random one."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    lon, lat = (float(v) for v in to_lonlat(axis))
    return offset_by(lon, lat, rng.uniform(0, 2 * np.pi, n), radius * np.sqrt(rng.uniform(0, 1, n)))


def test_right_ascension_is_never_a_full_circle():
    lon, lat = to_lonlat(np.array([[1.0, -1e-20, 0.0], [1.0, 0.0, 0.0]]))
    assert lon.tolist() == [0.0, 0.0]
    assert lat.tolist() == [0.0, 0.0]


def test_poles_come_back_exactly():
    assert np.degrees(to_lonlat(from_lonlat(1.0, np.pi / 2))[1]) == 90.0
    assert np.degrees(to_lonlat(from_lonlat(1.0, -np.pi / 2))[1]) == -90.0


def test_other_frames_are_converted():
    galactic_pole = SkyCoord(l=0 * u.deg, b=90 * u.deg, frame="galactic")
    lon, lat = np.degrees(to_lonlat(to_vectors(galactic_pole)))
    assert lon == pytest.approx(192.859, abs=1e-3)
    assert lat == pytest.approx(27.128, abs=1e-3)


def test_skycoord_round_trip():
    coords = SkyCoord([0.0, 123.4, 359.9], [-89.9, 0.0, 45.0], unit="deg")
    assert to_skycoord(to_vectors(coords)).separation(coords).max() < 1e-9 * u.arcsec


@pytest.mark.parametrize("bad", [np.zeros(3), np.ones(2), np.array(1.0), np.array([[1.0, 0, 0], [0, 0, 0]])])
def test_what_is_not_a_direction_is_refused(bad):
    with pytest.raises(GeometryError):
        to_vectors(bad)


@pytest.mark.parametrize("angle", [1e-9, 1e-4, 1.0, np.pi / 2, np.pi - 1e-9])
def test_separation_is_accurate_at_all_angles(angle):
    found = angular_separation(from_lonlat(1.0, 0.0), from_lonlat(1.0 + angle, 0.0))
    assert found == pytest.approx(angle, abs=3e-16, rel=1e-9)


@pytest.mark.parametrize(("lon", "lat"), [(0.3, 0.0), (2.0, 1.2), (0.0, np.pi / 2), (0.0, -np.pi / 2)])
def test_offset_agrees_with_astropy(lon, lat):
    start = SkyCoord(lon, lat, unit="rad")
    for angle, distance in [(0.0, 0.1), (1.0, 0.5), (4.0, 2.0)]:
        expected = start.directional_offset_by(angle * u.rad, distance * u.rad)
        found = to_skycoord(offset_by(lon, lat, angle, distance))
        assert found.separation(expected) < 1e-8 * u.arcsec


@given(seed=seeds, n=st.integers(1, 30), radius=st.sampled_from([1e-6, 1e-2, 0.5, 1.4]))
def test_bounding_circle_contains_all_and_is_the_smallest(seed, n, radius):
    vectors = cap(seed, radius, n)
    circle = bounding_circle(vectors)
    assert circle.contains(vectors).all()
    assert circle.angle <= radius * (1 + 1e-9)
    # A circle is the smallest when the rim points are not all on one side of it: no step of
    # the centre brings all of them closer.
    rim = vectors[angular_separation(vectors, np.array(circle.axis)) > circle.angle - 1e-8 * radius]
    lon, lat = (float(v) for v in to_lonlat(np.array(circle.axis)))
    for angle in np.linspace(0, 2 * np.pi, 24):
        moved = offset_by(lon, lat, angle, 1e-3 * radius)
        assert angular_separation(rim, moved).max() >= circle.angle - 1e-8 * radius


@given(seed=seeds)
def test_bounding_circle_does_not_depend_on_the_order(seed):
    vectors = cap(seed, 0.3, 20)
    first, second = bounding_circle(vectors), bounding_circle(vectors[::-1])
    assert np.allclose(first.axis, second.axis, atol=1e-13)
    assert first.angle == pytest.approx(second.angle, abs=1e-13)


def test_bounding_circle_of_points_on_one_arc():
    circle = bounding_circle(from_lonlat(np.radians([0.0, 5.0, 10.0]), np.zeros(3)))
    assert circle.radius.deg == pytest.approx(5.0, abs=1e-12)
    assert circle.center.ra.deg == pytest.approx(5.0, abs=1e-12)


def test_bounding_circle_of_one_point():
    circle = bounding_circle(from_lonlat(np.zeros(3), np.zeros(3)))
    assert circle.angle == 0.0
    assert circle.contains(SkyCoord(0, 0, unit="deg"))
    assert not circle.contains(SkyCoord(1e-6, 0, unit="deg"))
