import dataclasses

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, GeneralFrame, Polygon, SkyProjection

from lamella.errors import ConfigError, GeometryError, NoInputsError
from lamella.sky.field import skymap_for_area, skymap_from_exposures
from lamella.sky.footprint import footprint_polygon, to_pixels
from lamella.sky.layout import tract_wcs
from lamella.sky.vectors import to_skycoord

FRAME = GeneralFrame(unit=u.pix)


@dataclasses.dataclass
class Exposure:
    bbox: Box
    projection: SkyProjection
    polygon: Polygon | None = None


def exposure(ra, dec, size=(250, 200), scale=0.262, turn=0.0):
    wcs = tract_wcs("TAN", scale, (ra, dec), rotation=turn, crpix=(0.5 * size[0], 0.5 * size[1]))
    return Exposure(Box.factory[0 : size[1], 0 : size[0]], SkyProjection.from_fits_wcs(wcs, FRAME))


def dithered(ra=10.0, dec=20.0, spread=0.003, n=5, **options):
    rng = np.random.default_rng(4)
    shifts = rng.uniform(-spread, spread, (n, 2))
    return [
        exposure((ra + dx / np.cos(np.radians(min(dec, 89)))) % 360, dec + dy, turn=90.0 * i, **options)
        for i, (dx, dy) in enumerate(shifts)
    ]


def assert_all_inside(skymap, exposures):
    box = skymap[0].bbox
    for item in exposures:
        corners = to_skycoord(footprint_polygon(item).vertices)
        x, y = to_pixels(skymap[0].projection, corners)
        assert x.min() > box.x.start - 0.5 - 1e-6
        assert x.max() < box.x.stop - 0.5 + 1e-6
        assert y.min() > box.y.start - 0.5 - 1e-6
        assert y.max() < box.y.stop - 0.5 + 1e-6


@pytest.mark.parametrize("ra", [0.0, 10.0, 359.999])
@pytest.mark.parametrize("dec", [-60.0, 0.0, 89.999])
def test_a_small_field_is_one_tight_patch(ra, dec):
    exposures = dithered(ra, dec)
    skymap = skymap_from_exposures(exposures)
    tract = skymap[0]
    assert tract.n_patches == (1, 1)
    assert tract.patch(0).inner_bbox == tract.patch(0).outer_bbox == tract.bbox
    assert_all_inside(skymap, exposures)
    x, y = np.concatenate(
        [to_pixels(tract.projection, to_skycoord(footprint_polygon(e).vertices)) for e in exposures], axis=1
    )
    # Not more than the rounding of the centre and of the sizes.
    assert tract.bbox.x.size - (x.max() - x.min()) < 4
    assert tract.bbox.y.size - (y.max() - y.min()) < 4
    assert skymap.config.pixel_scale == 0.262
    assert skymap.config.projection == "TAN"


@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_exposures_does_not_matter(seed):
    exposures = dithered()
    shuffled = [exposures[i] for i in np.random.default_rng(seed).permutation(len(exposures))]
    for shape in ("rectangle", "circle"):
        first, second = (skymap_from_exposures(e, shape=shape) for e in (exposures, shuffled))
        assert first == second
        assert first.identity == second.identity


def test_a_large_field_has_equal_patches_with_borders():
    exposures = dithered(spread=0.3)
    skymap = skymap_from_exposures(exposures, patch_size=1000, patch_border=50, name="field")
    tract = skymap[0]
    assert skymap.name == "field"
    assert tract.n_patches.x > 3
    inner = skymap.config.patches.inner
    assert max(inner) <= 1000
    assert tract.bbox.x.size - skymap.config.width < tract.n_patches.x
    assert tract.patch((1, 1)).outer_bbox == tract.patch((1, 1)).inner_bbox.dilated_by(50)
    assert_all_inside(skymap, exposures)


def test_options_reach_the_sky_map():
    exposures = dithered()
    skymap = skymap_from_exposures(exposures, pixel_scale=0.5, projection="STG", rotation=30.0, border=10.0)
    config = skymap.config
    assert (config.pixel_scale, config.projection, config.rotation) == (0.5, "STG", 30.0)
    without = skymap_from_exposures(exposures, pixel_scale=0.5, projection="STG", rotation=30.0)
    # 20 pixels on each side.
    assert abs(config.width - without.config.width - 40) <= 1
    assert_all_inside(skymap, exposures)
    with pytest.raises(ConfigError, match="pixel_size"):
        skymap_from_exposures(exposures, pixel_size=0.5)


def test_circle_is_the_square_of_the_original_pipelines():
    exposures = dithered(spread=0.02, n=4)
    skymap = skymap_from_exposures(exposures, shape="circle", pixel_scale=0.5, patch_size=120, border=5.0)
    assert skymap.kind == "discrete"
    assert len(skymap) == 1
    tract = skymap[0]
    assert tract.n_patches.x == tract.n_patches.y
    assert skymap.config.patches.inner == (120, 120)
    assert skymap.config.tract_overlap == 0.0
    assert_all_inside(skymap, exposures)
    vertices = to_skycoord(np.concatenate([footprint_polygon(e).vertices for e in exposures]))
    assert vertices.separation(tract.center).max().deg == pytest.approx(
        skymap.config.radius[0] - 5 / 3600, abs=1e-9
    )


def test_mock_survey_has_nine_patches():
    # One exposure of 1000 pixels of 0.5 arcseconds; patches of 500 of them.
    skymap = skymap_from_exposures([exposure(0, 0, (1000, 1000), 0.5)], shape="circle", patch_size=500)
    assert skymap[0].n_patches == (3, 3)


def test_regions_need_a_pixel_scale():
    polygons = [footprint_polygon(e) for e in dithered()]
    with pytest.raises(ConfigError, match="give a pixel_scale"):
        skymap_from_exposures(polygons)
    assert skymap_from_exposures(polygons, pixel_scale=0.262) == skymap_from_exposures(
        dithered(), pixel_scale=0.262
    )


def test_median_pixel_scale_is_taken():
    scales = (0.4, 0.2, 0.7)
    skymap = skymap_from_exposures([exposure(10, 20, scale=scale) for scale in scales])
    assert skymap.config.pixel_scale == 0.4


def test_exposures_of_several_fields_need_another_sky_map():
    far = [exposure(10.0, 20.0), exposure(10.0, 60.0)]
    with pytest.raises(GeometryError, match=r"40 degrees apart.*--kind rings"):
        skymap_from_exposures(far)


def test_exposures_that_cannot_be_mapped():
    with pytest.raises(NoInputsError):
        skymap_from_exposures([])
    around = [exposure(ra, 0.0) for ra in (0.0, 120.0, 240.0)]
    with pytest.raises(GeometryError, match="up to 120 degrees apart"):
        skymap_from_exposures(around)
    flat = exposure(10, 20)
    flat.polygon = Polygon(x_vertices=[0.0, 5.0, 9.0], y_vertices=[0.0, 5.0, 9.0])
    with pytest.raises(GeometryError, match=r"An exposure: .* great circle"):
        skymap_from_exposures([flat])


def test_area_has_the_size_that_was_asked_for():
    center = SkyCoord(150.1, 2.2, unit="deg")
    skymap = skymap_for_area(center, [10, 5] * u.arcmin, 0.2 * u.arcsec, name="cosmos")
    assert (skymap.config.width, skymap.config.height) == (3000, 1500)
    assert skymap[0].bbox == Box.factory[0:1500, 0:3000]
    assert skymap[0].center.separation(center) < 1e-6 * u.arcsec
    square = skymap_for_area(center.galactic, 0.5 * u.deg, 0.2 * u.arcsec, patch_size=4000, border=1.0)
    assert square.config.width == square.config.height == 9010
    assert square[0].n_patches == (3, 3)
    assert square.config.patches.inner == (3004, 3004)


@pytest.mark.parametrize("size", [0 * u.deg, -1 * u.deg, [1, 2, 3] * u.deg, np.nan * u.deg])
def test_area_without_a_size_is_refused(size):
    with pytest.raises(ConfigError, match="one or two positive angles"):
        skymap_for_area(SkyCoord(1, 2, unit="deg"), size, 0.2 * u.arcsec)


def test_exposures_too_far_apart_are_named() -> None:
    exposures = [exposure(ra, 0.0) for ra in (0.0, 1.0, 100.0, 250.0)]
    for number, item in enumerate(exposures):
        item.path = f"e{number}.fits"
    with pytest.raises(GeometryError, match=r"up to 150 degrees apart \(e2.fits and e3.fits\)"):
        skymap_from_exposures(exposures)
