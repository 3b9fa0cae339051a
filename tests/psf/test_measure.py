from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, Image
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import InvalidPsfError
from lamella.psf.gaussian import FWHM_PER_SIGMA, DoubleGaussianPsf
from lamella.psf.gridded import GriddedPsf
from lamella.psf.matching import widest_fwhm
from lamella.psf.measure import Moments, adaptive_moments, effective_area, fwhm, second_moments

BOX = Box.factory[0:100, 0:100]


def draw(x: float, y: float, xx: float, yy: float, xy: float) -> Image:
    box = Box.factory[80:141, -20:41]
    dx, dy = np.meshgrid(box.x.arange - x, box.y.arange - y)
    determinant = xx * yy - xy**2
    return Image(np.exp(-0.5 * (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / determinant), bbox=box)


@given(st.floats(5, 15), st.floats(105, 115), st.floats(2, 12), st.floats(2, 12), st.floats(-0.7, 0.7))
def test_gaussian_has_the_moments_it_was_made_with(
    x: float, y: float, xx: float, yy: float, rho: float
) -> None:
    xy = rho * np.sqrt(xx * yy)
    for measure in (second_moments, adaptive_moments):
        found = measure(draw(x, y, xx, yy, xy))
        assert (found.x, found.y) == pytest.approx((x, y), abs=1e-4)
        assert (found.xx, found.yy, found.xy) == pytest.approx((xx, yy, xy), rel=2e-3, abs=2e-3)


def test_radius_and_ellipticity() -> None:
    moments = Moments(0.0, 0.0, 4.0, 1.0, 0.0)
    assert moments.radius == pytest.approx(np.sqrt(2.0))
    assert moments.ellipticity == pytest.approx(0.6)


@pytest.mark.parametrize("width", [2.5, 4.0, 8.0])
def test_width_and_area_of_a_gaussian(width: float) -> None:
    sigma = width / FWHM_PER_SIGMA
    psf = GaussianPointSpreadFunction(sigma, BOX, 61)
    assert fwhm(psf, 50.0, 50.0) == pytest.approx(width, rel=1e-3)
    assert effective_area(psf, 50.0, 50.0) == pytest.approx(4 * np.pi * sigma**2, rel=1e-3)


@pytest.mark.parametrize("width", [1.0, 1.2, 1.6, 1.9, 2.2])
def test_the_width_of_an_undersampled_gaussian_is_its_own(width: float) -> None:
    """Sums over pixels are not integrals there: at 1.9 they would be off by 6 %, below nothing converged."""
    psf = GaussianPointSpreadFunction(width / FWHM_PER_SIGMA, BOX, 31)
    assert fwhm(psf, 50.0, 50.0) == pytest.approx(width, rel=1e-6)
    assert widest_fwhm(psf, 50.0, 50.0) == pytest.approx(width, rel=1e-6)


@pytest.mark.parametrize("width", [0.1, 0.5, 0.9])
def test_a_psf_of_one_pixel_has_the_width_of_its_area(width: float) -> None:
    psf = GaussianPointSpreadFunction(width / FWHM_PER_SIGMA, BOX, 31)
    area = effective_area(psf, 50.0, 50.0)
    assert 1.0 <= area < 1.3
    for measure in (fwhm, widest_fwhm):
        assert measure(psf, 50.0, 50.0) == pytest.approx(FWHM_PER_SIGMA * np.sqrt(area / (4 * np.pi)))


def test_a_psf_whose_moments_do_not_converge_has_a_width() -> None:
    """Noise with a sum of one, pixels below zero in it, and two peaks far from each other."""
    rng = np.random.default_rng(3)
    stamps = [rng.normal(0.002, 0.1, (25, 25)), np.zeros((25, 25))]
    stamps[1][[3, 21], [4, 20]] = 0.5
    for stamp in stamps:
        psf = GriddedPsf(np.array([[stamp]]), [50.0], [50.0], BOX)
        assert 0.0 < fwhm(psf, 50.0, 50.0) < 100.0
        assert 0.0 < widest_fwhm(psf, 50.0, 50.0) < 100.0


def test_adaptive_width_follows_the_core_and_not_the_wing() -> None:
    psf = DoubleGaussianPsf(2.0, 8.0, 0.02, BOX, 81)
    whole = second_moments(psf.compute_kernel_image(x=0.0, y=0.0)).radius
    assert whole > 4.0
    assert fwhm(psf, 0.0, 0.0) == pytest.approx(2.0 * FWHM_PER_SIGMA, rel=0.1)


def test_images_without_a_core_have_no_moments() -> None:
    flat = Image(np.zeros((9, 9)), bbox=Box.factory[0:9, 0:9])
    with pytest.raises(InvalidPsfError, match="sum 0"):
        second_moments(flat)
    with pytest.raises(InvalidPsfError, match="not finite"):
        adaptive_moments(Image(np.full((9, 9), np.nan), bbox=Box.factory[0:9, 0:9]))


@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_images_without_light_have_no_adaptive_moments(value: float) -> None:
    with pytest.raises(InvalidPsfError, match="no moments"):
        adaptive_moments(Image(np.full((9, 9), value), bbox=Box.factory[0:9, 0:9]))


def test_a_single_pixel_is_not_resolved() -> None:
    single = np.zeros((9, 9))
    single[4, 4] = 1.0
    with pytest.raises(InvalidPsfError, match="do not converge"):
        adaptive_moments(Image(single, bbox=Box.factory[0:9, 0:9]))
