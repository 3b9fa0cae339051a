from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import ConfigError, InvalidPsfError, ShapeError
from lamella.psf.gaussian import FWHM_PER_SIGMA, DoubleGaussianPsf, model_psf
from lamella.psf.match_control import ModelPsfConfig
from lamella.psf.measure import second_moments

BOX = Box.factory[0:100, 0:100]


@pytest.mark.parametrize(("fwhm", "side"), [(7.7, 23), (3.0, 9), (3.4, 11), (1.0, 5), (0.1, 5), (10.0, 31)])
def test_side_of_the_model_psf(fwhm: float, side: int) -> None:
    assert (
        model_psf(fwhm, BOX).kernel_bbox
        == Box.factory[-(side // 2) : side // 2 + 1, -(side // 2) : side // 2 + 1]
    )


@pytest.mark.parametrize(
    ("options", "side"),
    [({"size": 20}, 21), ({"max_size": 15}, 15), ({"max_size": 16}, 15), ({"min_size": 40}, 41)],
)
def test_side_of_the_model_psf_by_options(options: dict[str, int], side: int) -> None:
    assert ModelPsfConfig(**options).stamp_size(7.7) == side


def test_model_psf_has_a_core_and_a_wing() -> None:
    psf = model_psf(7.7, BOX)
    assert isinstance(psf, DoubleGaussianPsf)
    sigma = 7.7 / FWHM_PER_SIGMA
    r2 = np.square(np.arange(-11, 12))
    core = np.exp(-0.5 * r2 / sigma**2) + 0.1 * np.exp(-0.5 * r2 / (2.5 * sigma) ** 2)
    kernel = psf.compute_kernel_image(x=3.0, y=90.0).array
    np.testing.assert_allclose(kernel[11] / kernel[11, 11], core / 1.1, rtol=1e-12)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(kernel, kernel.T, rtol=1e-13)


def test_model_psf_without_a_wing_is_a_gaussian() -> None:
    psf = model_psf(4.0, BOX, ModelPsfConfig(add_wing=False))
    assert psf == GaussianPointSpreadFunction(4.0 / FWHM_PER_SIGMA, BOX, 13)


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_star_is_where_it_should_be(x: float, y: float) -> None:
    star = DoubleGaussianPsf(1.5, 2.5, 0.1, BOX, 31).compute_stellar_image(x=x, y=y)
    moments = second_moments(star)
    assert moments.x == pytest.approx(x, abs=1e-5)
    assert moments.y == pytest.approx(y, abs=1e-5)
    assert star.array.sum() == pytest.approx(1.0, abs=1e-13)
    assert star.bbox.contains(x=x, y=y)
    assert star.bbox == DoubleGaussianPsf(1.5, 2.5, 0.1, BOX, 31).compute_stellar_bbox(x=x, y=y)


def test_star_on_a_pixel_is_the_kernel() -> None:
    psf = DoubleGaussianPsf(2.0, 5.0, 0.2, BOX, 21)
    star = psf.compute_stellar_image(x=7.0, y=-3.0)
    np.testing.assert_array_equal(star.array, psf.compute_kernel_image(x=7.0, y=-3.0).array)
    assert star.bbox == Box.factory[-13:8, -3:18]


@pytest.mark.parametrize("values", [(0.0, 1.0, 0.1), (1.0, -1.0, 0.1), (1.0, 2.0, -0.1), (np.nan, 2.0, 0.1)])
def test_impossible_widths_are_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidPsfError, match="positive widths"):
        DoubleGaussianPsf(*values, BOX, 21)


@pytest.mark.parametrize("side", [0, -3, 20])
def test_stamps_need_a_centre_pixel(side: int) -> None:
    with pytest.raises(ShapeError, match="odd"):
        DoubleGaussianPsf(1.0, 2.0, 0.1, BOX, side)


@pytest.mark.parametrize("fwhm", [0.0, -1.0, np.nan, np.inf])
def test_model_psf_needs_a_width(fwhm: float) -> None:
    with pytest.raises(InvalidPsfError, match="must be positive"):
        model_psf(fwhm, BOX)


def test_config_refuses_a_size_of_nothing() -> None:
    with pytest.raises(ConfigError, match=r"ModelPsfConfig\.size"):
        ModelPsfConfig(size=0)


def test_position_must_be_finite() -> None:
    psf = model_psf(4.0, BOX)
    for method in (psf.compute_kernel_image, psf.compute_stellar_image, psf.compute_stellar_bbox):
        with pytest.raises(InvalidPsfError, match="not a position") as caught:
            method(x=np.nan, y=2.0)
        assert caught.value.y == 2.0


def test_equality() -> None:
    psf = DoubleGaussianPsf(1.0, 2.0, 0.1, BOX, 21)
    assert psf == DoubleGaussianPsf(1.0, 2.0, 0.1, BOX, 21)
    assert psf != DoubleGaussianPsf(1.0, 2.0, 0.2, BOX, 21)
    assert psf != DoubleGaussianPsf(1.0, 2.0, 0.1, Box.factory[0:1, 0:1], 21)
    assert psf != GaussianPointSpreadFunction(1.0, BOX, 21)
