import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.testing.camera import detector_box, detector_projection
from lamella.testing.config import SurveyConfig
from lamella.testing.render import Gaussians, SkySources, draw_gaussians, project, render

CONFIG = SurveyConfig(detector_shape=(120, 140), distortion=2.0)
BOX = detector_box(CONFIG)
PROJECTION = detector_projection(CONFIG, 100, 0)


def at_pixels(x, y, flux, radius=0.0, index=1.0, axis_ratio=1.0, angle=0.0):
    """Sources at positions in pixels."""
    sky = PROJECTION.pixel_to_sky(
        x=np.atleast_1d(np.asarray(x, float)), y=np.atleast_1d(np.asarray(y, float))
    )
    n = len(sky)
    values = (
        np.broadcast_to(np.asarray(v, float), n).copy() for v in (flux, radius, index, axis_ratio, angle)
    )
    return SkySources(sky.ra.deg, sky.dec.deg, *values)


@given(st.floats(40, 90), st.floats(40, 80), st.floats(1.2, 3.0), st.floats(2.0, 6.0))
def test_star_keeps_its_flux(x, y, sigma, log_flux):
    flux = 10**log_flux
    image = render(at_pixels(x, y, flux), PROJECTION, BOX, sigma)
    assert image.sum() == pytest.approx(flux, rel=1e-5)


def test_star_is_the_psf_of_lsst_images_at_its_position():
    psf = GaussianPointSpreadFunction(1.7, BOX, stamp_size=31)
    image = render(at_pixels(60.3, 55.8, 1e6), PROJECTION, BOX, 1.7)
    stamp = psf.compute_stellar_image(x=60.3, y=55.8)
    assert image[stamp.bbox.slice_within(BOX)] == pytest.approx(1e6 * stamp.array, abs=0.05)


@pytest.mark.parametrize(("index", "tolerance"), [(1.0, 1e-4), (2.5, 1e-3)])
def test_galaxy_keeps_its_flux_wherever_pixels_are_larger(index, tolerance):
    sources = at_pixels([70.0], [60.0], 1e4, radius=0.6, index=index, axis_ratio=0.5, angle=30.0)
    assert render(sources, PROJECTION, BOX, 1.5).sum() == pytest.approx(1e4, rel=tolerance)


def test_galaxy_has_the_orientation_and_size_of_the_catalogue():
    """A thin galaxy at position angle 40 deg: its major axis points there on the sky."""
    source = at_pixels(70.0, 60.0, 1e4, radius=2.0, index=0.5, axis_ratio=0.2, angle=40.0)
    parts = project(source, PROJECTION, 0.01)
    widest = int(np.argmax(parts.xx + parts.yy))
    cov = [[parts.xx[widest], parts.xy[widest]], [parts.xy[widest], parts.yy[widest]]]
    values, vectors = np.linalg.eigh(cov)
    step = 3 * vectors[:, 1]
    sky = PROJECTION.pixel_to_sky(x=np.array([70.0, 70 + step[0]]), y=np.array([60.0, 60 + step[1]]))
    angle = sky[0].position_angle(sky[1]).deg % 180
    assert angle == pytest.approx(40.0, abs=0.3)
    assert np.sqrt(values[0] / values[1]) == pytest.approx(0.2, abs=0.005)


def test_blur_adds_the_psf_to_the_covariance():
    source = at_pixels(70.0, 60.0, 1e4, radius=0.5, axis_ratio=0.6, angle=10.0)
    sharp, blurred = project(source, PROJECTION, 0.1), project(source, PROJECTION, 2.0)
    assert blurred.xx - sharp.xx == pytest.approx(np.full(len(sharp.x), 3.99))
    assert blurred.xy == pytest.approx(sharp.xy)


def test_sources_far_away_are_left_out():
    far = at_pixels(70.0, 60.0, 1e9)
    far.ra[0] += 1.0
    assert not render(far, PROJECTION, BOX, 1.5).any()
    assert render(far.select(np.zeros(1, bool)), PROJECTION, BOX, 1.5).shape == (120, 140)


def test_box_cuts_a_part_out_of_the_whole():
    sources = at_pixels(np.linspace(5, 135, 9), np.linspace(115, 5, 9), 1e5, radius=0.4)
    part = Box.factory[30:70, 20:90]
    whole = render(sources, PROJECTION, BOX, 1.5)
    assert render(sources, PROJECTION, part, 1.5) == pytest.approx(whole[30:70, 20:90], abs=1e-9)


def test_brute_force():
    one = np.ones(1)
    found = draw_gaussians(
        Gaussians(3.2 * one, 4.7 * one, 50 * one, 2 * one, 0.5 * one, one), Box.factory[2:8, 1:7]
    )
    y, x = np.mgrid[2:8, 1:7]
    d = np.stack([x - 3.2, y - 4.7], axis=-1)
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    chi = np.einsum("...i,ij,...j", d, np.linalg.inv(cov), d)
    expected = 50 * np.exp(-chi / 2) / (2 * np.pi * np.sqrt(np.linalg.det(cov)))
    assert found == pytest.approx(expected, abs=1e-12)
