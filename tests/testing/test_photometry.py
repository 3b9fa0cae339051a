import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, Image
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.testing.photometry import aperture_flux, measure_stars, psf_moments
from lamella.testing.render import Gaussians, draw_gaussians

BOX = Box.factory[100:160, -20:50]


def star(x, y, flux=1000.0, sigma=1.8):
    one = np.ones(1)
    return Image(
        draw_gaussians(Gaussians(x * one, y * one, flux * one, sigma**2 * one, 0 * one, sigma**2 * one), BOX),
        bbox=BOX,
    )


def test_aperture_over_a_constant_is_its_area():
    flat = Image(np.full(BOX.shape, 2.0), bbox=BOX)
    found = aperture_flux(flat, np.array([10.0, 10.37]), np.array([130.0, 129.81]), 5.5)
    assert found == pytest.approx(2 * np.pi * 5.5**2, rel=1e-9)


def test_aperture_holds_the_fraction_of_a_gaussian():
    """1 - exp(-r^2 / 2 s^2), up to the blur of pixels that an exact aperture makes."""
    found = aperture_flux(star(12.3, 131.4), [12.3], [131.4], 5.0)
    assert found[0] == pytest.approx(1000 * (1 - np.exp(-0.5 * 25 / (1.8**2 + 1 / 12))), rel=1e-3)
    assert aperture_flux(star(12.3, 131.4), [12.3], [131.4], 12.0)[0] == pytest.approx(1000, rel=1e-6)


def test_aperture_that_leaves_the_image_or_holds_a_nan_has_no_flux():
    image = star(12.3, 131.4)
    image.array[30, 30] = np.nan
    assert np.isnan(aperture_flux(image, [-17.0, 12.0, 49.0], [130.0, 103.0, 130.0], 4.0)).all()
    assert np.isnan(aperture_flux(image, [11.0], [129.0], 4.0))
    assert np.isfinite(aperture_flux(image, [30.0], [129.0], 4.0))


@given(st.floats(0, 30), st.floats(120, 140), st.floats(1.2, 2.5))
def test_star_is_measured_exactly_without_noise(x, y, sigma):
    psf = GaussianPointSpreadFunction(sigma, BOX, stamp_size=2 * int(6 * sigma) + 1)
    found = measure_stars(star(x, y, 500.0, sigma), np.array([x]), np.array([y]), psf)
    assert found.flux[0] == pytest.approx(500.0, rel=1e-5)
    assert found.x[0] == pytest.approx(x, abs=1e-3)
    assert found.y[0] == pytest.approx(y, abs=1e-3)
    # The window ends at 4 sigma.
    assert found.sigma[0] == pytest.approx(sigma, rel=1e-3)
    assert np.isnan(found.flux_error[0])


def test_centroid_does_not_need_a_good_start():
    psf = GaussianPointSpreadFunction(1.8, BOX, stamp_size=31)
    found = measure_stars(star(10.0, 130.0), np.array([11.2]), np.array([129.1]), psf)
    assert (found.x[0], found.y[0]) == (pytest.approx(10.0, abs=1e-3), pytest.approx(130.0, abs=1e-3))


def test_error_is_that_of_least_squares():
    """For uniform variance v: sqrt(v / sum(p^2)) = sqrt(4 pi s^2 v)."""
    psf = GaussianPointSpreadFunction(2.0, BOX, stamp_size=31)
    variance = Image(np.full(BOX.shape, 9.0), bbox=BOX)
    found = measure_stars(
        star(10, 130, sigma=2.0), np.array([10.0]), np.array([130.0]), psf, variance=variance
    )
    assert found.flux_error[0] == pytest.approx(3 * np.sqrt(4 * np.pi * 4), rel=1e-4)


def test_star_beyond_the_edge_or_on_a_nan_is_not_measured():
    psf = GaussianPointSpreadFunction(1.8, BOX, stamp_size=31)
    image = star(10.0, 130.0)
    image.array[32, 32] = np.nan
    found = measure_stars(image, np.array([-19.0, 10.0]), np.array([130.0, 130.0]), psf)
    assert np.isnan(found.flux).all()
    assert measure_stars(image, np.array([]), np.array([]), psf).flux.shape == (0,)


def test_nothing_there_has_no_moments():
    psf = GaussianPointSpreadFunction(1.8, BOX, stamp_size=31)
    found = measure_stars(Image(np.zeros(BOX.shape), bbox=BOX), np.array([10.0]), np.array([130.0]), psf)
    assert found.flux[0] == 0.0
    assert np.isnan(found.x[0])


def test_moments_of_a_psf():
    psf = GaussianPointSpreadFunction(1.6, BOX, stamp_size=25)
    assert psf_moments(psf, 10.3, 129.6) == pytest.approx((10.3, 129.6, 1.6), rel=1e-3)
