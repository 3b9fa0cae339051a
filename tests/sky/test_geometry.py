import pickle

import astropy.units as u
import numpy as np
import pytest
import shapely
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box

from lamella.errors import GeometryError
from lamella.sky.footprint import box_polygon, corner_vectors
from lamella.sky.geometry import SkyPolygon
from lamella.sky.vectors import from_lonlat, offset_by, to_lonlat

from ..projections import tan_projection

seeds = st.integers(0, 2**32 - 1)


def directions(*degrees):
    ra, dec = np.array(degrees).T
    return SkyCoord(ra, dec, unit="deg")


def square(ra, dec, half, turn=0.0):
    """A square with its corners at a distance (degrees) of a centre."""
    angles = np.radians(45.0 + turn + 90.0 * np.arange(4))
    return SkyPolygon.hull(offset_by(np.radians(ra), np.radians(dec), angles, np.radians(half)))


def random_polygon(rng, axis, size):
    lon, lat = (float(v) for v in to_lonlat(axis))
    n = rng.integers(3, 12)
    return SkyPolygon.hull(offset_by(lon, lat, rng.uniform(0, 2 * np.pi, n), size * rng.uniform(0.2, 1, n)))


def plane(vectors, axis):
    """Gnomonic projection about an axis, written down independently."""
    lon, _ = to_lonlat(axis)
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.cross(axis, east)
    return np.stack([vectors @ east, vectors @ north], axis=1) / (vectors @ axis)[:, None]


def random_axis(rng):
    axis = rng.normal(size=3)
    return axis / np.linalg.norm(axis)


@given(seed=seeds, size=st.sampled_from([1e-6, 1e-3, 0.3]), reach=st.floats(0.0, 2.5))
def test_overlap_agrees_with_planar_intersection(seed, size, reach):
    rng = np.random.default_rng(seed)
    axis = random_axis(rng)
    lon, lat = (float(v) for v in to_lonlat(axis))
    other = offset_by(lon, lat, rng.uniform(0, 2 * np.pi), reach * size)
    a, b = random_polygon(rng, axis, size), random_polygon(rng, other, size)
    flat = [shapely.Polygon(plane(p.vertices, axis) / size) for p in (a, b)]
    gap = flat[0].distance(flat[1])
    if gap > 1e-6:
        assert not a.overlaps(b)
        assert not b.overlaps(a)
    elif flat[0].intersection(flat[1]).area > 1e-9:
        assert a.overlaps(b)
        assert b.overlaps(a)


@given(seed=seeds, size=st.sampled_from([1e-3, 0.3, 1.2]))
def test_a_common_point_means_overlap(seed, size):
    rng = np.random.default_rng(seed)
    axis = random_axis(rng)
    a, b = random_polygon(rng, axis, size), random_polygon(rng, axis, size)
    lon, lat = (float(v) for v in to_lonlat(axis))
    points = offset_by(lon, lat, rng.uniform(0, 2 * np.pi, 4000), size * np.sqrt(rng.uniform(0, 1, 4000)))
    if (a.contains(points) & b.contains(points)).any():
        assert a.overlaps(b)


@given(seed=seeds)
def test_containment_agrees_with_the_plane_and_area_with_counting(seed):
    rng = np.random.default_rng(seed)
    axis = random_axis(rng)
    polygon = random_polygon(rng, axis, 0.4)
    lon, lat = (float(v) for v in to_lonlat(axis))
    # Uniform on the cap of radius 0.4.
    distance = np.arccos(1 - (1 - np.cos(0.4)) * rng.uniform(0, 1, 20000))
    points = offset_by(lon, lat, rng.uniform(0, 2 * np.pi, 20000), distance)
    inside = polygon.contains(points)
    flat = shapely.Polygon(plane(polygon.vertices, axis))
    xy = plane(points, axis)
    clear = shapely.distance(shapely.boundary(flat), shapely.points(xy)) > 1e-12
    assert np.array_equal(inside[clear], shapely.contains_xy(flat, xy)[clear])
    expected = inside.mean() * 2 * np.pi * (1 - np.cos(0.4))
    error = 5 * np.sqrt(inside.mean() * (1 - inside.mean()) / 20000 + 1e-9) * 2 * np.pi * (1 - np.cos(0.4))
    assert polygon.area.to_value(u.sr) == pytest.approx(expected, abs=error)


@given(seed=seeds)
def test_hull_holds_its_points_and_ignores_their_order(seed):
    rng = np.random.default_rng(seed)
    vectors = random_axis(rng) + 0.3 * rng.normal(size=(50, 3)) * 0.2
    hull = SkyPolygon.hull(vectors)
    assert hull.contains(vectors).all()
    assert hull == SkyPolygon.hull(rng.permutation(vectors))
    assert hash(hull) == hash(SkyPolygon.hull(np.concatenate([vectors, vectors])))


@pytest.mark.parametrize("ra", [10.0, 150.0, 200.3])
@pytest.mark.parametrize("dec", [0.0, 2.0, 30.0, 90.0])
def test_hull_keeps_the_corners_of_sides_that_are_straight_but_for_rounding(ra, dec):
    centre, scale = SkyCoord(ra, dec, unit="deg"), 0.5 * u.arcsec
    projection = tan_projection(centre, scale, (1799.5, 1799.5))
    box = Box.factory[0:3600, 0:3600]
    polygon = box_polygon(projection, box)
    assert len(polygon.vertices) == 4
    assert polygon.contains(corner_vectors(projection, box)).all()


def test_octant_has_an_eighth_of_the_sphere():
    octant = SkyPolygon.hull(np.eye(3))
    assert octant.area.to_value(u.sr) == pytest.approx(np.pi / 2, rel=1e-14)
    assert octant.bounding_circle.angle == pytest.approx(np.arccos(1 / np.sqrt(3)), rel=1e-14)


def test_area_of_a_tiny_polygon_keeps_its_digits():
    side = np.radians(0.2 / 3600)
    corners = from_lonlat(np.array([0, side, side, 0]), np.array([0, 0, side, side]))
    assert SkyPolygon.hull(corners).area.to_value(u.sr) == pytest.approx(side**2, rel=1e-8)


@pytest.mark.parametrize(("ra", "dec"), [(0, 90), (0, -90), (0, 0), (359.9999, 45), (180, 0)])
def test_poles_and_right_ascension_0_are_like_other_places(ra, dec):
    polygon = square(ra, dec, 1.0)
    assert polygon.contains(SkyCoord(ra, dec, unit="deg"))
    assert not polygon.contains(SkyCoord((ra + 180) % 360, -dec, unit="deg"))
    assert polygon.area.value == pytest.approx(square(77, 10, 1.0).area.value, rel=1e-10)
    assert polygon.overlaps(square(ra, dec, 0.01))
    assert square(ra, dec, 0.01).overlaps(polygon)
    assert not polygon.overlaps(square((ra + 180) % 360, -dec, 1.0))


def test_edges_are_great_circles_not_parallels():
    band = SkyPolygon.hull(directions((0, 40), (60, 40), (60, 50), (0, 50)))
    assert not band.contains(SkyCoord(30, 41, unit="deg"))
    assert band.contains(SkyCoord(30, 52, unit="deg"))


def test_crossing_bars_overlap_without_a_corner_inside():
    along = SkyPolygon.hull(directions((350, -1), (10, -1), (10, 1), (350, 1)))
    across = SkyPolygon.hull(directions((359, -10), (1, -10), (1, 10), (359, 10)))
    assert not along.contains(across.vertices).any()
    assert not across.contains(along.vertices).any()
    assert along.overlaps(across)


def test_crossing_bars_on_opposite_sides_do_not_overlap():
    along = SkyPolygon.hull(directions((320, -1), (40, -1), (40, 1), (320, 1)))
    across = SkyPolygon.hull(-SkyPolygon.hull(directions((359, -40), (1, -40), (1, 40), (359, 40))).vertices)
    assert not along.overlaps(across)


def test_touching_counts_as_overlap():
    left = SkyPolygon.hull(directions((0, 0), (1, 0), (1, 1), (0, 1)))
    assert left.overlaps(SkyPolygon.hull(directions((1, 0), (2, 0), (2, 1), (1, 1))))
    assert left.overlaps(SkyPolygon.hull(directions((1, 0), (2, -1), (2, 0))))
    assert left.overlaps(left)
    gap = 1e-9
    assert not left.overlaps(SkyPolygon.hull(directions((1 + gap, 0), (2, 0), (2, 1), (1 + gap, 1))))


def test_vertices_either_way_round_make_the_same_polygon():
    corners = directions((0, 0), (2, 0), (2, 1), (0, 1))
    polygon = SkyPolygon.from_vertices(corners)
    assert polygon == SkyPolygon.from_vertices(corners[::-1])
    assert polygon == SkyPolygon.from_vertices(corners[[2, 3, 0, 1]])
    assert polygon != SkyPolygon.from_vertices(corners[:3])
    assert polygon.__eq__(1) is NotImplemented


def test_vertices_on_a_side_are_dropped():
    middle = from_lonlat(np.radians([0.0, 1.0, 2.0, 2.0, 0.0]), np.radians([0.0, 0.0, 0.0, 1.0, 1.0]))
    assert len(SkyPolygon.from_vertices(middle).vertices) == 4


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (2, 0), (1, 0.2), (1, 2)],  # a dent
        [(0, 0), (1, 1), (1, 0), (0, 1)],  # a bow tie
        [(10, 0), (1, 6), (6, -8), (6, 8), (1, -6)],  # a star
    ],
)
def test_vertices_of_another_shape_are_refused(corners):
    with pytest.raises(GeometryError, match="convex"):
        SkyPolygon.from_vertices(directions(*corners))


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ([(0, 0), (1, 0)], "at least 3"),
        ([(0, 0), (1, 0), (2, 0)], "great circle"),
        ([(5, 5), (5, 5), (5, 5), (5, 5)], "great circle"),
        ([(0, 0), (120, 0), (240, 0)], "hemisphere"),
        ([(0, 0), (90, 0), (180, 0), (270, 0), (0, 90), (0, -90)], "hemisphere"),
        ([(0, 0), (1, np.nan), (1, 1)], "finite"),
    ],
)
def test_degenerate_input_is_refused(corners, reason):
    ra, dec = np.radians(np.array(corners, dtype=float)).T
    with pytest.raises(GeometryError, match=reason):
        SkyPolygon.hull(from_lonlat(ra, dec))


def test_hemisphere_is_found_where_the_mean_direction_fails():
    crowd = np.tile(from_lonlat(0.0, 0.0), (1000, 1)) + 1e-3 * np.random.default_rng(1).normal(size=(1000, 3))
    hull = SkyPolygon.hull(np.vstack([crowd, from_lonlat(np.radians(120.0), 0.0)]))
    assert hull.contains(from_lonlat(np.radians(119.0), 0.0))
    assert hull.bounding_circle.radius.deg == pytest.approx(60.0, abs=0.2)


@given(seed=seeds, size=st.sampled_from([1e-6, 1e-3, 0.3, 1.4]))
def test_outer_circle_holds_the_polygon_and_is_hardly_larger_than_it(seed, size):
    rng = np.random.default_rng(seed)
    polygon = random_polygon(rng, random_axis(rng), size)
    found, smallest = polygon.outer_circle, polygon.bounding_circle
    assert found.contains(polygon.vertices).all()
    assert smallest.angle * (1.0 - 1e-9) <= found.angle <= min(2.0 * smallest.angle, np.pi / 2)


def test_outer_circle_does_not_go_beyond_a_hemisphere():
    # The mean of these corners is 105 degrees from the last one.
    lon = np.radians([0.0, 5.0, 10.0, 15.0, 5.0, 10.0, 170.0])
    lat = np.radians([0.0, 1.0, 1.0, 0.0, -1.0, -1.0, 0.0])
    polygon = SkyPolygon.hull(from_lonlat(lon, lat))
    assert polygon.outer_circle == polygon.bounding_circle


def test_positions_that_are_not_finite_are_outside():
    polygon = square(10, 10, 5)
    assert polygon.contains(np.array([[np.nan, 0.0, 1.0], polygon.vertices.mean(axis=0)])).tolist() == [
        False,
        True,
    ]


def test_vertices_cannot_be_changed_and_pickling_keeps_them():
    polygon = square(10, 10, 5)
    with pytest.raises(ValueError, match="read-only"):
        polygon.vertices[0, 0] = 1.0
    assert pickle.loads(pickle.dumps(polygon)) == polygon
    assert "SkyPolygon((" in repr(polygon)
    assert polygon.center.separation(SkyCoord(10, 10, unit="deg")) < 1e-6 * u.arcsec
    assert polygon.coords.shape == (4,)
