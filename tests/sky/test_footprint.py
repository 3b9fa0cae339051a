import dataclasses

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from lsst.images import Box, GeneralFrame, Polygon, SkyProjection

from lamella.errors import GeometryError
from lamella.sky.footprint import (
    box_polygon,
    corner_vectors,
    footprint_polygon,
    pixel_scale,
    to_pixels,
    to_sky,
)
from lamella.sky.geometry import SkyPolygon
from lamella.sky.layout import tract_wcs
from lamella.sky.vectors import to_skycoord

FRAME = GeneralFrame(unit=u.pix)


def projection(code="TAN", crval=(10.0, 20.0), scale=1.0, crpix=(50.0, 50.0)):
    return SkyProjection.from_fits_wcs(tract_wcs(code, scale, crval, crpix=crpix), FRAME)


@dataclasses.dataclass
class Exposure:
    bbox: Box
    projection: SkyProjection
    polygon: Polygon | None = None


def test_corners_are_half_a_pixel_beyond_the_outermost_centres():
    box = Box.factory[0:100, 0:200]
    corners = to_skycoord(corner_vectors(projection(), box))
    x, y = to_pixels(projection(), corners)
    assert np.allclose(x, [-0.5, 199.5, 199.5, -0.5], atol=1e-6)
    assert np.allclose(y, [-0.5, -0.5, 99.5, 99.5], atol=1e-6)


def test_sides_of_a_gnomonic_box_are_great_circles():
    box = Box.factory[0:20000, 0:20000]
    assert len(box_polygon(projection(), box).vertices) == 4


def test_bent_sides_are_not_cut_off():
    wide = projection("CEA", crval=(10.0, 0.0), scale=3600.0, crpix=(30.0, 0.0))
    box = Box.factory[40:50, 0:61]
    polygon = box_polygon(wide, box)
    x, y = np.meshgrid(np.linspace(-0.5, 60.5, 30), np.linspace(39.8, 49.4, 20))
    inside = polygon.contains(to_sky(wide, x, y))
    # Parallels bend towards the equator, so that straight sides between the corners miss some.
    corners_only = SkyPolygon.hull(corner_vectors(wide, box))
    assert not corners_only.contains(to_sky(wide, x, y)).all()
    assert inside.all()


def test_valid_region_replaces_the_box():
    box = Box.factory[0:100, 0:100]
    valid = Polygon(x_vertices=[0.0, 50.0, 0.0], y_vertices=[0.0, 0.0, 50.0])
    whole, part = (
        footprint_polygon(Exposure(box, projection())),
        footprint_polygon(Exposure(box, projection(), valid)),
    )
    assert part.area.value == pytest.approx(whole.area.value / 8, rel=1e-6)
    assert whole.area.to_value(u.arcsec**2) == pytest.approx(1e4, rel=1e-6)


def test_projection_that_is_not_finite_is_an_error():
    # Pixels far beyond the sphere in an orthographic projection.
    with pytest.raises(GeometryError, match="not finite"):
        box_polygon(projection("SIN", scale=3600.0), Box.factory[0:100, 0:400])


def test_positions_behind_the_projection_are_nan():
    x, y = to_pixels(projection(), SkyCoord([190.0, 10.0], [-20.0, 20.0], unit="deg"))
    assert np.isnan([x[0], y[0]]).all()
    assert (x[1], y[1]) == pytest.approx((50.0, 50.0), abs=1e-6)


def test_pixel_scale_of_pixels_that_are_not_square():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10.0, 89.0]
    wcs.wcs.cd = np.array([[-0.2, 0.0], [0.0, 0.8]]) / 3600
    exposure = Exposure(Box.factory[0:11, 0:11], SkyProjection.from_fits_wcs(wcs, FRAME))
    assert pixel_scale(exposure.projection, exposure.bbox) == pytest.approx(0.4, rel=1e-6)
