"""Painting of bright objects on a mask."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import XY, Box, Mask

from lamella.coadd.brightmask import BrightObject, BrightObjectCatalog, paint_bright_objects
from lamella.errors import ConfigError, MaskPlaneError
from lamella.formats.regions import read_bright_objects
from lamella.planes import make_schema

from ..projections import turned_tan

SCALE = 0.2 / 3600
BOX = Box.factory[500:600, 1000:1120]


def make_projection(ra=150.0, dec=2.0, scale=SCALE, x=1060.0, y=550.0):
    """Return a tangent-plane projection, north up, that puts a position on a pixel."""
    return turned_tan(ra, dec, x=x, y=y, scale=3600 * scale)


PROJECTION = make_projection()


def sky(x, y, projection=PROJECTION):
    position = projection.pixel_to_sky(XY(x=float(x), y=float(y)))
    return {"ra": position.ra.deg, "dec": position.dec.deg}


def paint(*objects, box=BOX, projection=PROJECTION):
    """Return the pixels painted, and the number of regions that touch the mask."""
    mask = Mask(schema=make_schema(), bbox=box)
    mask.set("DETECTED", np.ones(box.shape, dtype=bool))
    touched = paint_bright_objects(mask, projection, BrightObjectCatalog(objects=objects))
    assert mask.get("DETECTED").all()
    return mask.get("BRIGHT_OBJECT"), touched


def circle(x, y, radius):
    return BrightObject(id=1, shape="circle", radius=radius * SCALE, **sky(x, y))


def box(x, y, width, height):
    return BrightObject(id=2, shape="box", width=width * SCALE, height=height * SCALE, **sky(x, y))


def expected_circle(x, y, radius, where=BOX):
    columns, rows = np.meshgrid(where.x.arange, where.y.arange)
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


@given(st.floats(980, 1140), st.floats(480, 620), st.floats(0, 60))
def test_circle_is_a_disc_around_the_nearest_pixel(x, y, radius):
    x, y = round(x, 1) + 0.03, round(y, 1) + 0.03
    radius = int(radius) + 0.5
    found, touched = paint(circle(x, y, radius))
    expected = expected_circle(np.floor(x + 0.5), np.floor(y + 0.5), int(radius))
    np.testing.assert_array_equal(found, expected)
    assert touched == expected.any()


def test_tiny_circle_is_one_pixel():
    found, _ = paint(circle(1010.4, 520.6, 0.3))
    assert np.argwhere(found).tolist() == [[21, 10]]


@pytest.mark.parametrize(
    ("width", "height", "columns", "rows"),
    [
        (4.5, 8.5, (1057, 1062), (545, 554)),
        (5.5, 0.5, (1057, 1062), (549, 550)),
        (1e4, 3.5, (1000, 1119), (548, 551)),
        (3.5, 1e4, (1058, 1061), (500, 599)),
    ],
)
def test_box_reaches_from_end_to_end_rounded_down(width, height, columns, rows):
    found, touched = paint(box(1060, 550, width, height))
    expected = np.zeros(BOX.shape, dtype=bool)
    expected[rows[0] - 500 : rows[1] - 499, columns[0] - 1000 : columns[1] - 999] = True
    np.testing.assert_array_equal(found, expected)
    assert touched == 1


@pytest.mark.parametrize("x", [930, 1190])
def test_regions_beside_the_mask_are_passed_over(x):
    found, touched = paint(circle(x, 550, 60), box(x, 550, 100, 5), circle(1060, 400, 99))
    assert not found.any()
    assert touched == 0


def test_regions_reach_in_from_outside():
    found, touched = paint(circle(990, 550, 12.5), box(1122, 550, 8.5, 2.5))
    assert touched == 2
    assert found[:, :3].any()
    assert found[:, -2:].sum() == 2 * 4


def test_painting_does_not_depend_on_the_origin_of_the_grid():
    shifted = Box.factory[-50:50, -60:60]
    projection = make_projection(x=0.0, y=0.0)
    one, _ = paint(circle(1050, 530, 17.5), box(1041, 570, 9.5, 31.5))
    two, _ = paint(circle(1050, 530, 17.5), box(1041, 570, 9.5, 31.5), box=shifted, projection=projection)
    np.testing.assert_array_equal(one, two)


def test_a_part_of_a_mask_is_painted_like_the_whole():
    objects = [circle(1050, 530, 17.5), box(1041, 570, 9.5, 31.5)]
    whole, _ = paint(*objects)
    part = Box.factory[520:580, 1030:1060]
    mask = Mask(schema=make_schema(), bbox=BOX)
    paint_bright_objects(mask[part], PROJECTION, BrightObjectCatalog(objects=tuple(objects)))
    np.testing.assert_array_equal(mask.get("BRIGHT_OBJECT")[20:80, 30:60], whole[20:80, 30:60])
    assert mask.get("BRIGHT_OBJECT").sum() == whole[20:80, 30:60].sum()


def test_position_on_the_other_side_of_the_sky_paints_nothing():
    antipode = BrightObject(id=1, ra=330.0, dec=-2.0, shape="circle", radius=1.0)
    quarter = BrightObject(id=1, ra=240.0, dec=0.0, shape="circle", radius=1.0)
    found, touched = paint(antipode, quarter)
    assert not found.any()
    assert touched == 0


def test_scale_is_that_of_the_grid_also_at_the_pole():
    box_ = Box.factory[-100:101, -100:101]
    projection = make_projection(ra=0.0, dec=90.0, x=0.0, y=0.0)
    one = BrightObject(id=1, ra=77.0, dec=90.0, shape="circle", radius=40.5 * SCALE)
    found, _ = paint(one, box=box_, projection=projection)
    np.testing.assert_array_equal(found, expected_circle(0, 0, 40, box_))


def test_empty_catalogue_paints_nothing():
    found, touched = paint()
    assert not found.any()
    assert touched == 0


def test_plane_must_exist():
    mask = Mask(schema=make_schema(), bbox=BOX)
    with pytest.raises(MaskPlaneError, match="STARLIGHT"):
        paint_bright_objects(mask, PROJECTION, BrightObjectCatalog(objects=()), "STARLIGHT")


def test_other_plane_can_be_painted():
    mask = Mask(schema=make_schema(["STARLIGHT"]), bbox=BOX)
    catalog = BrightObjectCatalog(objects=(circle(1060, 550, 3),))
    paint_bright_objects(mask, PROJECTION, catalog, "STARLIGHT")
    assert mask.get("STARLIGHT").any()
    assert not mask.get("BRIGHT_OBJECT").any()


@pytest.mark.parametrize(
    "change",
    [
        {"radius": -1.0},
        {"radius": float("nan")},
        {"dec": 91.0},
        {"ra": float("inf")},
        {"width": 181.0},
        {"shape": "ellipse"},
    ],
)
def test_impossible_objects_are_errors(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        BrightObject(**{"id": 1, "ra": 1.0, "dec": 2.0, "shape": "circle"} | change)


def test_catalogue_can_be_sent_to_a_worker():
    catalog = BrightObjectCatalog(objects=(circle(1, 2, 3),), metadata={"tract": 3})
    again = pickle.loads(pickle.dumps(catalog))
    assert again.objects[0].radius == catalog.objects[0].radius
    assert again.metadata == {"tract": 3}
    with pytest.raises(TypeError):
        again.metadata["tract"] = 4


def test_real_catalogue_covers_the_area_of_its_regions(shared):
    """Part of a patch around a star of the file, against plain numpy."""
    catalog = read_bright_objects(shared / "data" / "psf_and_regions" / "brightObjectMask_9813_40_i.reg")
    middle = catalog.objects[len(catalog) // 2]
    scale = 0.168 / 3600
    where = Box.factory[8000:9200, 12000:13200]
    projection = make_projection(middle.ra, middle.dec, scale, x=12600.0, y=8600.0)
    found, touched = paint(*catalog, box=where, projection=projection)
    columns, rows = np.meshgrid(where.x.arange, where.y.arange)
    expected = np.zeros(where.shape, dtype=bool)
    count = 0
    for one in catalog:
        if abs(one.ra - middle.ra) > 0.3 or abs(one.dec - middle.dec) > 0.3:
            continue
        place = projection.sky_to_pixel(SkyCoord(one.ra, one.dec, unit="deg"))
        x, y = np.floor(place.x + 0.5), np.floor(place.y + 0.5)
        if one.shape == "circle":
            region = (columns - x) ** 2 + (rows - y) ** 2 <= int(one.radius / scale) ** 2
        else:
            half_width, half_height = one.width / scale / 2, one.height / scale / 2
            region = (columns >= int(x - half_width)) & (columns <= int(x + half_width))
            region &= (rows >= int(y - half_height)) & (rows <= int(y + half_height))
        expected |= region
        count += region.any()
    assert touched == count > 3
    np.testing.assert_array_equal(found, expected)
    assert 0.005 < found.mean() < 0.5
