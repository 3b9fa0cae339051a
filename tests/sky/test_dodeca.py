import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lamella.sky.geometry import SkyPolygon
from lamella.sky.registry import make_skymap
from lamella.sky.vectors import angular_separation, to_skycoord, to_vectors


@pytest.fixture(scope="module", params=[False, True])
def skymap(request):
    return make_skymap("dodeca", {"with_tracts_on_poles": request.param, "pixel_scale": 10.0})


def test_order_of_the_tracts(skymap):
    ra, dec = skymap.centers.ra.deg, skymap.centers.dec.deg
    assert np.all(np.diff(np.round(dec, 6)) <= 0)
    for level in np.unique(np.round(dec, 6)):
        assert np.all(np.diff(ra[np.isclose(dec, level)]) > 0)


def test_known_centers():
    corners = make_skymap("dodeca").centers
    assert np.allclose(corners.ra.deg, [60, 180, 300, 0, 120, 240, 60, 180, 300, 0, 120, 240], atol=1e-9)
    assert np.allclose(corners.dec.deg[:6], [52.6226318594] * 3 + [10.8123169636] * 3, atol=1e-9)
    faces = make_skymap("dodeca", {"with_tracts_on_poles": True}).centers
    expected = [0, 0, 72, 144, 216, 288, 36, 108, 180, 252, 324, 0]
    assert np.allclose(faces.ra.deg, expected, atol=1e-9)
    assert np.allclose(faces.dec.deg[:2], [90.0, 26.5650511771], atol=1e-9)


def test_poles_are_corners_or_centers(skymap):
    pole = np.array([0.0, 0.0, 1.0])
    nearest = angular_separation(skymap._center_vectors, pole).min()
    at_corner = 37.3773681406
    expected = 0.0 if skymap.config.with_tracts_on_poles else at_corner
    assert np.degrees(nearest) == pytest.approx(expected, abs=1e-9)


def test_faces_are_regular_pentagons(skymap):
    for tract in range(12):
        corners, center = skymap.face_corners(tract), skymap._center_vectors[tract]
        assert np.degrees(angular_separation(corners, center)) == pytest.approx([37.3773681406] * 5, abs=1e-9)
        polygon = SkyPolygon.hull(corners)
        assert polygon.area.value == pytest.approx(41252.96124941927 / 12, rel=1e-9)


def test_a_tract_owns_its_face(skymap):
    coords = to_skycoord(np.random.default_rng(5).normal(size=(5000, 3)))
    found = skymap.find_tracts(coords)
    for tract in range(12):
        face = SkyPolygon.hull(skymap.face_corners(tract))
        assert np.array_equal(face.contains(coords), found == tract)
        assert np.array_equal(skymap[tract].inner_contains(coords), found == tract)


def test_tracts_reach_half_of_the_overlap_beyond_their_corners(skymap):
    tract = skymap[5]
    for corner in to_skycoord(skymap.face_corners(5)):
        angle = tract.center.position_angle(corner)
        assert tract.contains(corner.directional_offset_by(angle, SkyCoord(0, 1.7, unit="deg").dec))


def test_defaults():
    config = make_skymap("dodeca").config
    assert (config.tract_overlap, config.pixel_scale, config.projection) == (3.5, 0.2, "STG")
    assert config.patches.border == 250
    assert len(to_vectors(make_skymap("dodeca").centers)) == 12


def test_patches_of_a_very_large_tract_are_found_exactly():
    tract = make_skymap("dodeca")[3]
    assert len(tract) > 100_000
    patch = tract.patch("100,100")
    near = {(100 + i, 100 + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert {p.index for p in tract.overlapping_patches(patch.polygon)} == near
