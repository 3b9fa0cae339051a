import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box
from lsst.images.cells import CellIJ

from lamella.errors import SkyMapError
from lamella.sky.footprint import to_sky
from lamella.sky.geometry import SkyPolygon
from lamella.sky.layout import CellPatches, LegacyPatches
from lamella.sky.registry import make_skymap
from lamella.sky.vectors import offset_by, to_skycoord


def one_tract(patches=None, **options):
    values = {"ra": (30.0,), "dec": (-10.0,), "radius": (0.05,), "tract_overlap": 0.0, "pixel_scale": 0.5}
    values["patches"] = patches or LegacyPatches(inner=(200, 150), border=20)
    return make_skymap("discrete", values | options, name="test")[0]


@pytest.fixture(scope="module")
def tract():
    return one_tract()


@pytest.fixture(scope="module")
def cells():
    return one_tract(CellPatches(cell_inner=30, cell_border=10, cells=6, border_cells=1))


def sky(tract, x, y):
    return to_skycoord(to_sky(tract.projection, np.asarray(x, float), np.asarray(y, float)))


def test_sizes(tract):
    # 0.05 degrees are 360 pixels: 721 of them, in 4 columns and 5 rows.
    assert tract.n_patches == (4, 5)
    assert tract.bbox == Box.factory[0:750, 0:800]
    assert len(tract) == 20
    assert tract.pixel_scale == 0.5 * u.arcsec


def test_center_lies_at_the_reference_pixel(tract):
    wcs = tract.fits_wcs
    assert wcs.wcs.crval.tolist() == [30.0, -10.0]
    assert wcs.wcs.crpix.tolist() == [400.0, 375.0]
    x, y = tract.projection.sky_to_pixel(tract.center)
    assert (x, y) == pytest.approx((399, 374), abs=1e-6)


def test_projection_agrees_with_the_fits_projection(tract):
    x, y = np.array([-0.5, 400.0, 799.5]), np.array([-0.5, 10.0, 749.5])
    expected = SkyCoord(*tract.fits_wcs.wcs_pix2world(x, y, 0), unit="deg")
    assert sky(tract, x, y).separation(expected).max() < 1e-8 * u.arcsec
    assert tract.projection.pixel_frame.skymap == "test"
    assert tract.projection.pixel_frame.tract == 0
    assert tract.projection.pixel_frame.bbox == tract.bbox


def test_patches_come_row_by_row_with_their_numbers(tract):
    patches = list(tract)
    assert [p.sequential for p in patches] == list(range(20))
    assert [p.label for p in patches[:5]] == ["0,0", "1,0", "2,0", "3,0", "0,1"]
    assert all(tract.patch(p.label) == tract.patch(p.sequential) == tract[p.index] == p for p in patches)
    assert (patches[7].tract, patches[7].skymap) == (0, "test")
    assert repr(patches[7]) == "Patch('test', tract=0, '3,1')"


def test_inner_boxes_tile_the_tract_and_outer_ones_are_clipped(tract):
    count = np.zeros(tract.bbox.shape, dtype=int)
    for patch in tract:
        count[patch.inner_bbox.slice_within(tract.bbox)] += 1
        assert tract.bbox.contains(patch.outer_bbox)
        assert patch.outer_bbox == patch.inner_bbox.dilated_by(20).intersection(tract.bbox)
    assert (count == 1).all()
    assert tract.patch("0,0").outer_bbox == Box.factory[0:170, 0:220]
    assert tract.patch("1,1").outer_bbox == Box.factory[130:320, 180:420]


@pytest.mark.parametrize("border", [0, 101])
@pytest.mark.parametrize("inner", [(1005, 5062), (2032, 5431)])
def test_patch_sizes_come_from_the_options(inner, border):
    tract = one_tract(LegacyPatches(inner=inner, border=border), radius=(1.0,))
    patch = tract.patch((1, 1))
    assert (patch.inner_bbox.x.size, patch.inner_bbox.y.size) == inner
    clipped_x = border if tract.n_patches.x > 2 else 0
    assert patch.outer_bbox.x.size == inner[0] + border + clipped_x
    assert tract.patch((0, 0)).outer_bbox.min == (0, 0)


@given(data=st.data())
def test_a_position_is_in_the_inner_box_of_its_patch(data):
    tract = one_tract()
    x = data.draw(st.floats(-0.49, tract.bbox.x.stop - 0.51))
    y = data.draw(st.floats(-0.49, tract.bbox.y.stop - 0.51))
    coord = sky(tract, x, y)
    patch = tract.find_patch(coord)
    assert patch.inner_bbox.dilated_by(1).contains(x=x, y=y)
    if min(abs((x + 0.5) % 200), abs((y + 0.5) % 150)) > 1e-5:
        assert patch.inner_bbox.contains(x=x, y=y)
    assert tract.contains(coord)
    assert patch in tract.find_patches(coord)


def test_positions_outside_have_no_patch(tract):
    outside = sky(tract, 800.0, 100.0)
    with pytest.raises(SkyMapError, match="is not in tract 0 of the sky map 'test'"):
        tract.find_patch(outside)
    with pytest.raises(SkyMapError):
        tract.find_patch(SkyCoord(210, 10, unit="deg"))
    assert not tract.contains(outside)


def test_tract_contains_its_center_and_not_the_antipode(tract):
    antipode = tract.center.directional_offset_by(0 * u.deg, 180 * u.deg)
    assert tract.contains(SkyCoord([tract.center, antipode])).tolist() == [True, False]
    assert tract.inner_contains(SkyCoord([tract.center, antipode])).tolist() == [True, False]
    assert tract.find_patches(antipode) == ()


def box_corners(tract, box, grow):
    box = (
        box.dilated_by(grow)
        if grow >= 0
        else Box.factory[box.y.start - grow : box.y.stop + grow, box.x.start - grow : box.x.stop + grow]
    )
    x, y = [box.x.min, box.x.max, box.x.max, box.x.min], [box.y.min, box.y.min, box.y.max, box.y.max]
    return sky(tract, x, y)


@pytest.mark.parametrize("border", [0, 20])
def test_patches_of_positions_are_found_with_their_border(border):
    tract = one_tract(LegacyPatches(inner=(200, 150), border=border))
    for patch in tract:
        shrunk = tract.find_patches(box_corners(tract, patch.inner_bbox, -(border + 1)))
        assert shrunk == (patch,)
        grown = tract.find_patches(box_corners(tract, patch.inner_bbox, 2))
        (x, y), (nx, ny) = patch.index, tract.n_patches
        near = [(i, j) for j in (y - 1, y, y + 1) for i in (x - 1, x, x + 1) if 0 <= i < nx and 0 <= j < ny]
        assert [p.index for p in grown] == near


def test_the_legacy_search_takes_more_than_the_exact_one(tract):
    # A thin strip along the diagonal.
    strip = SkyPolygon.hull(sky(tract, [5, 15, 795, 785], [5, 5, 745, 745]))
    exact, legacy = tract.overlapping_patches(strip), tract.find_patches(strip.coords)
    assert len(legacy) == 20
    assert set(exact) < set(legacy)
    # The same objects each time: their regions need not be found again.
    assert all(one is other for one, other in zip(exact, tract.overlapping_patches(strip), strict=True))
    assert "3,0" not in {p.label for p in exact}


@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1.0, 60.0, 400.0, 5e3]))
def test_overlapping_patches_are_those_of_brute_force(seed, size):
    tract = one_tract()
    rng = np.random.default_rng(seed)
    lon, lat = np.radians([30.0, -10.0]) + np.radians(rng.uniform(-0.08, 0.08, 2))
    angles, distances = rng.uniform(0, 2 * np.pi, 5), np.radians(size * rng.uniform(0.1, 1, 5) / 3600)
    polygon = SkyPolygon.hull(offset_by(lon, lat, angles, distances))
    assert tract.overlapping_patches(polygon) == tuple(p for p in tract if p.polygon.overlaps(polygon))


def test_polygons_of_patches_and_tract(tract):
    patch = tract.patch("1,1")
    assert patch.polygon.area.to_value(u.arcsec**2) == pytest.approx(240 * 190 * 0.25, rel=1e-5)
    assert tract.polygon.area.to_value(u.arcsec**2) == pytest.approx(800 * 750 * 0.25, rel=1e-5)
    assert tract.polygon.contains(patch.polygon.vertices).all()


def test_cells_are_counted_with_the_border(cells):
    patch = cells.patch("1,1")
    assert patch.inner_bbox == Box.factory[180:360, 180:360]
    assert patch.outer_bbox == patch.inner_bbox.dilated_by(40)
    assert patch.n_cells == (8, 8)
    found = list(patch.cells)
    assert [c.label for c in found[:9]] == ["0,0", "1,0", "2,0", "3,0", "4,0", "5,0", "6,0", "7,0", "0,1"]
    assert found[0].inner_bbox == Box.factory[150:180, 150:180]
    assert found[0].outer_bbox == Box.factory[140:190, 140:190]
    assert patch.cell("7,7") == patch.cell(63) == found[-1]
    assert found[-1].outer_bbox.stop == patch.outer_bbox.stop
    with pytest.raises(SkyMapError, match="no cell"):
        patch.cell("8,0")


def test_cell_patches_reach_beyond_the_tract(cells):
    assert cells.patch("0,0").outer_bbox.min == (-40, -40)
    assert not cells.bbox.contains(cells.patch("0,0").outer_bbox)


def test_cell_grid_is_that_of_lsst_images(cells):
    patch = cells.patch("2,1")
    grid = patch.cell_grid
    assert grid.grid_size.as_tuple() == (8, 8)
    for cell in patch.cells:
        assert grid.bbox_of(CellIJ(i=cell.index[1], j=cell.index[0])) == cell.inner_bbox


def test_default_cells_are_those_of_the_survey():
    tract = one_tract(CellPatches(), radius=(0.5,))
    patch = tract.patch((0, 0))
    assert (patch.inner_bbox.x.size, patch.outer_bbox.x.size) == (3000, 3400)
    assert len(list(patch.cells)) == 484
    assert patch.cell((0, 0)).outer_bbox.shape == (250, 250)


def test_patches_without_cells_say_so(tract):
    for ask in (lambda p: p.n_cells, lambda p: p.cells, lambda p: p.cell(0), lambda p: p.cell_grid):
        with pytest.raises(SkyMapError, match="have no cells; its builder is 'legacy'"):
            ask(tract.patch(0))


def test_tracts_and_patches_survive_pickling(tract):
    patch = tract.patch("2,3")
    assert patch.polygon.overlaps(tract.polygon)  # the projection has been made
    copy = pickle.loads(pickle.dumps(patch))
    assert copy == patch
    assert hash(copy) == hash(patch)
    assert copy.parent == tract
    assert copy.projection.pixel_frame == patch.projection.pixel_frame
    assert copy.polygon == patch.polygon
    assert tract.__eq__(0) is NotImplemented
    assert repr(tract) == "Tract('test', 0)"


@pytest.mark.parametrize(
    "code", ["TAN", "STG", "SIN", "ARC", "ZEA", "CEA", "MER", "SFL", "PAR", "MOL", "AIT"]
)
@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_every_projection_makes_a_tract_around_its_circle(code, rotation):
    tract = one_tract(projection=code, rotation=rotation, radius=(0.5,), pixel_scale=5.0)
    rim = offset_by(*np.radians([30.0, -10.0]), np.radians([0.0, 90.0, 180.0, 270.0]), np.radians(0.5))
    if rotation == 0.0:
        assert tract.contains(to_skycoord(rim)).all()
    assert tract.contains(tract.center)
    assert tract.polygon.contains(tract.center)
