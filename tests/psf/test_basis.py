from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box

from lamella.errors import InvalidPsfError, ShapeError
from lamella.psf.basis import PolynomialBasisPsf
from lamella.psf.measure import adaptive_moments

BOX = Box.factory[0:2000, 0:2000]


def make(seed: int = 0, **options) -> tuple[np.ndarray, np.ndarray, PolynomialBasisPsf]:
    rng = np.random.default_rng(seed)
    images, coefficients = rng.uniform(size=(3, 9, 9)), rng.uniform(size=(3, 2, 4))
    return images, coefficients, PolynomialBasisPsf(images, coefficients, BOX, **options)


@given(st.floats(0, 2000), st.floats(0, 2000))
def test_sum_of_images_with_polynomials_of_row_and_column(x: float, y: float) -> None:
    images, c, psf = make(zero=(-0.5, -0.5), scale=(1000.0, 1000.0))
    row, column = 0.001 * (y + 0.5), 0.001 * (x + 0.5)
    expected = np.zeros((9, 9))
    for k in range(3):
        amplitude = sum(c[k, i, j] * row**i * column**j for i in range(2) for j in range(4))
        expected += amplitude * images[k]
    kernel = psf.compute_kernel_image(x=x, y=y)
    np.testing.assert_allclose(kernel.array, expected / expected.sum(), rtol=1e-12)
    assert kernel.bbox == Box.factory[-4:5, -4:5]


def test_images_of_any_total_give_the_sum_one() -> None:
    images, coefficients, psf = make()
    other = PolynomialBasisPsf(images * 7.0e5, coefficients, BOX)
    a, b = (p.compute_kernel_image(x=1.0, y=2.0).array for p in (psf, other))
    np.testing.assert_allclose(a, b, rtol=1e-12)
    assert b.sum() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize(("x", "y"), [(100.0, 200.0), (100.3, 199.6), (100.5, 200.49)])
def test_star_is_shifted_to_its_place(gaussian, x: float, y: float) -> None:
    star = gaussian(4.0, 3.0, 0.5).compute_stellar_image(x=x, y=y)
    moments = adaptive_moments(star)
    # The Lanczos-5 function moves a star by up to 2 thousandths of a pixel too little or too much.
    assert (moments.x, moments.y) == pytest.approx((x, y), abs=3e-3)
    assert (moments.xx, moments.yy, moments.xy) == pytest.approx((4.0, 3.0, 0.5), abs=0.02)


def test_images_are_not_changed_by_use() -> None:
    images, _, psf = make()
    before = images.copy()
    psf.compute_kernel_image(x=5.0, y=5.0).array[:] = 0.0
    np.testing.assert_array_equal(images, before)
    assert psf.compute_kernel_image(x=5.0, y=5.0).array.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 9, 11), (9, 9), (0, 9, 9)])
def test_stamps_must_be_square_and_odd(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="PSF basis"):
        PolynomialBasisPsf(np.ones(shape), np.ones((2, 1, 1)), BOX)


def test_coefficients_must_fit() -> None:
    with pytest.raises(ShapeError, match=r"PSF coefficients has shape \(3, 1, 1\); expected \(2, "):
        PolynomialBasisPsf(np.ones((2, 5, 5)), np.ones((3, 1, 1)), BOX)


def test_numbers_must_be_finite() -> None:
    with pytest.raises(InvalidPsfError, match="not finite"):
        PolynomialBasisPsf(np.full((1, 5, 5), np.nan), np.ones((1, 1, 1)), BOX)
    with pytest.raises(InvalidPsfError, match="scale"):
        PolynomialBasisPsf(np.ones((1, 5, 5)), np.ones((1, 1, 1)), BOX, scale=(0.0, 1.0))


def test_a_sum_that_is_not_positive_is_not_a_psf() -> None:
    psf = PolynomialBasisPsf(np.ones((1, 5, 5)), np.array([[[1.0, -1.0]]]), BOX)
    assert psf.compute_kernel_image(x=0.5, y=0.0).array.sum() == pytest.approx(1.0)
    with pytest.raises(InvalidPsfError, match="has the sum -75") as caught:
        psf.compute_kernel_image(x=4.0, y=0.0)
    assert caught.value.x == 4.0
