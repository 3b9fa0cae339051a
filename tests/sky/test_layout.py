import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box

from lamella.errors import ConfigError, SkyMapError
from lamella.sky.layout import (
    CellPatches,
    GridShape,
    LegacyPatches,
    PixelBounds,
    cut_tract,
    enclose,
    resolve_key,
    tract_wcs,
)
from lamella.sky.vectors import from_lonlat

SHAPE = GridShape(9, 7)


@pytest.mark.parametrize("key", ["5,4", " 5 , 4 ", (5, 4), [5, 4], 41, "41", np.int64(41), (np.int32(5), 4)])
def test_all_ways_to_name_a_patch_agree(key):
    assert resolve_key(key, SHAPE, "patch") == (5, 4)


@pytest.mark.parametrize(
    "key", ["9,0", "0,7", "-1,0", "0,-1", 63, -1, "63", (9, 0), (0, 7), (-1, 2), "0,100"]
)
def test_keys_beyond_the_grid_say_what_there_is(key):
    with pytest.raises(SkyMapError, match="9 x 7, from '0,0' to '8,6'"):
        resolve_key(key, SHAPE, "patch")


@pytest.mark.parametrize(
    "key", ["", "a,b", "1,2,3", "1;2", "1.5", 1.5, (1.0, 2), None, True, (1, True), (1, 2, 3)]
)
def test_malformed_keys_are_refused(key):
    with pytest.raises(SkyMapError, match="does not name a patch"):
        resolve_key(key, SHAPE, "patch")


@given(x=st.integers(0, 8), y=st.integers(0, 6))
def test_labels_numbers_and_indices_count_alike(x, y):
    assert resolve_key(f"{x},{y}", SHAPE, "patch") == resolve_key(9 * y + x, SHAPE, "patch") == (x, y)


@given(
    low=st.floats(-1e5, 1e5),
    width=st.floats(0.0, 1e5),
    height=st.floats(0.0, 1e3),
    inner=st.integers(1, 5000),
)
def test_a_tract_is_the_smallest_number_of_patches_around_its_region(low, width, height, inner):
    bounds = PixelBounds(low, low + width, -height, height)
    grid = cut_tract(bounds, (inner, 4000))
    x0, nx = -grid.crpix[0], grid.bbox.x.size
    # The box reaches half a pixel beyond the centres of its first and last pixel.
    assert x0 - 0.5 <= bounds.x_min
    assert x0 + nx - 0.5 >= bounds.x_max
    assert nx == grid.shape.x * inner
    assert grid.bbox.x.start == grid.bbox.y.start == 0
    needed = np.floor(bounds.x_max + 0.5) - np.ceil(bounds.x_min - 0.5) + 1
    assert nx - needed < inner
    # What is added is on both sides, the odd pixel on the far one.
    below = np.ceil(bounds.x_min - 0.5) - x0
    assert 0 <= (nx - needed) - 2 * below <= 1


def test_known_cut():
    grid = cut_tract(PixelBounds(-10.2, 10.2, -0.4, 7.0), (8, 5))
    assert grid.bbox == Box.factory[0:10, 0:24]
    assert grid.shape == (3, 2)
    # 21 pixels -10..10 become 24, one of three before; 8 pixels 0..7 become 10, one of two before.
    assert grid.crpix == (11, 1)


def test_pixel_grid_is_north_up_and_east_left_and_turns():
    east = from_lonlat(np.radians([10.1]), np.radians([0.0]))
    straight = enclose(tract_wcs("TAN", 3600.0, (10.0, 0.0)), east)
    assert straight.x_min == pytest.approx(-0.1, rel=1e-5)
    assert straight.y_min == pytest.approx(0.0, abs=1e-12)
    turned = enclose(tract_wcs("TAN", 3600.0, (10.0, 0.0), rotation=90.0), east)
    assert turned.x_min == pytest.approx(0.0, abs=1e-12)
    assert turned.y_min == pytest.approx(0.1, rel=1e-5)
    matrix = tract_wcs("TAN", 3600.0, (10.0, 0.0), rotation=30.0).wcs.cd
    assert np.allclose(matrix, [[-np.cos(np.pi / 6), 0.5], [0.5, np.cos(np.pi / 6)]], atol=1e-15)


def test_reference_values_keep_all_digits():
    wcs = tract_wcs("TAN", 0.168, (150.2479338842975, 2.231404958677686), crpix=(17999, 17999))
    assert wcs.wcs.crval.tolist() == [150.2479338842975, 2.231404958677686]
    assert wcs.wcs.crpix.tolist() == [18000.0, 18000.0]
    assert wcs.wcs.radesys == "ICRS"


def test_directions_beyond_a_projection_are_an_error():
    with pytest.raises(SkyMapError, match=r"projection TAN .* does not reach"):
        enclose(tract_wcs("TAN", 1.0, (10.0, 0.0)), from_lonlat(np.radians([120.0]), np.zeros(1)))


def test_sizes_of_cell_patches():
    cells = CellPatches()
    assert (cells.inner_size, cells.border_size, cells.clipped) == ((3000, 3000), 200, False)
    legacy = LegacyPatches()
    assert (legacy.inner_size, legacy.border_size, legacy.clipped) == ((4000, 4000), 100, True)


@pytest.mark.parametrize("options", [{"inner": (0, 10)}, {"border": -1}, {"inner": (10,)}])
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError):
        LegacyPatches(**options)
