import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from lsst.images import Box

from lamella.errors import ConfigError, SkyMapError
from lamella.sky.registry import make_skymap
from lamella.sky.vectors import offset_by, to_skycoord


def discrete(**options):
    values = {"ra": (10.0,), "dec": (89.9,), "radius": (0.5,), "tract_overlap": 0.0, "pixel_scale": 1.0}
    return make_skymap("discrete", values | options)


@pytest.mark.parametrize("code", ["TAN", "STG", "ZEA"])
def test_tract_holds_its_circle(code):
    tract = discrete(projection=code, patches={"inner": (100, 100)})[0]
    rim = offset_by(*np.radians([10.0, 89.9]), np.linspace(0, 2 * np.pi, 60), np.radians(0.5))
    assert tract.contains(to_skycoord(rim)).all()
    assert not tract.contains(
        to_skycoord(offset_by(*np.radians([10.0, 89.9]), np.linspace(0, 2 * np.pi, 60), np.radians(0.75)))
    ).any()


def test_a_radius_of_nothing_leaves_the_overlap():
    """As sky maps of CFHT have it."""
    point, circle = discrete(radius=(0.0,), tract_overlap=0.5)[0], discrete(radius=(0.5,))[0]
    assert point.bbox == circle.bbox


def test_all_of_the_overlap_is_added_to_the_radius():
    wide, narrow = discrete(radius=(0.3,), tract_overlap=0.2)[0], discrete(radius=(0.5,))[0]
    assert wide.bbox == narrow.bbox


def test_tracts_may_have_different_sizes_and_the_nearest_is_found():
    skymap = discrete(ra=(0.0, 2.0, 2.0), dec=(0.0, 0.0, 0.0), radius=(1.0, 5.0, 1.0))
    assert skymap[1].bbox.x.size > skymap[0].bbox.x.size
    coords = SkyCoord([359.0, 0.9, 1.1, 1.0, 90.0], [0, 0, 0, 0, 0], unit="deg")
    # Of tracts that are as near as each other, the first.
    assert skymap.find_tracts(coords).tolist() == [0, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ra": (1.0, 2.0)}, "lengths 2, 1 and 1"),
        ({"ra": (), "dec": (), "radius": ()}, "at least one tract"),
        ({"dec": (90.5,)}, "-90 and 90"),
        ({"ra": (np.nan,)}, "finite"),
        ({"radius": (0.0,)}, "radii"),
    ],
)
def test_options_that_cannot_be_are_refused(options, reason):
    with pytest.raises(ConfigError, match=reason):
        discrete(**options)


def test_tract_beyond_its_projection_is_an_error():
    with pytest.raises(SkyMapError, match="choose another projection"):
        discrete(projection="TAN", radius=(85.0,), tract_overlap=6.0)[0]


@pytest.mark.parametrize(("width", "height"), [(7, 4), (1, 1), (300, 301)])
def test_field_has_the_size_that_was_asked_for(width, height):
    options = {"ra": 10.0, "dec": 5.0, "width": width, "height": height, "pixel_scale": 1.0}
    tract = make_skymap("field", options | {"patches": {"inner": (width, height)}})[0]
    assert tract.bbox == Box.factory[0:height, 0:width]
    assert tract.n_patches == (1, 1)
    x, y = tract.projection.sky_to_pixel(tract.center)
    assert (x, y) == pytest.approx((width // 2, height // 2), abs=1e-6)
    assert tract.patch(0).outer_bbox == tract.bbox


def test_field_margin_is_the_overlap():
    options = {"ra": 10.0, "dec": 5.0, "width": 100, "height": 50, "pixel_scale": 1.0, "tract_overlap": 0.01}
    tract = make_skymap("field", options | {"patches": {"inner": (1, 1)}})[0]
    assert tract.bbox == Box.factory[0 : 50 + 72, 0 : 100 + 72]
