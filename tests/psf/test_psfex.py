from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box

from lamella.errors import InvalidPsfError, ShapeError
from lamella.psf.measure import adaptive_moments
from lamella.psf.psfex import PsfexPolynomial, PsfexPsf

BOX = Box.factory[0:100, 0:100]


def test_terms_of_one_group() -> None:
    polynomial = PsfexPolynomial(degrees=(2,))
    assert polynomial.exponents == ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2))


def test_terms_of_two_groups_combine_freely() -> None:
    polynomial = PsfexPolynomial(groups=(1, 2), degrees=(1, 2))
    assert polynomial.exponents == ((0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2))


@pytest.mark.parametrize("degree", range(7))
def test_number_of_terms(degree: int) -> None:
    assert len(PsfexPolynomial(degrees=(degree,)).exponents) == (degree + 1) * (degree + 2) // 2


def test_first_pixel_is_one_for_psfex_and_zero_for_us() -> None:
    images = np.zeros((3, 5, 5))
    images[0] = 1.0
    images[1, 2, 3], images[2, 3, 2] = 1.0, 1.0
    psf = PsfexPsf(images, PsfexPolynomial((10.0, 20.0), (5.0, 4.0), (1, 1), (1,)), 1.0, BOX)
    np.testing.assert_array_equal(psf.samples(9.0, 19.0), images[0])
    samples = psf.samples(9.0 + 5.0, 19.0 + 2.0)
    assert samples[2, 3] == 2.0
    assert samples[3, 2] == 1.5


def sampled_gaussian(sigma: float, sampling: float, side: int = 41) -> PsfexPsf:
    reach = (np.arange(side) - side // 2) * sampling
    profile = np.exp(-0.5 * (reach / sigma) ** 2)
    return PsfexPsf(np.multiply.outer(profile, profile)[np.newaxis], PsfexPolynomial(), sampling, BOX)


@pytest.mark.parametrize("sampling", [0.5, 0.81157643, 1.0, 1.09333646])
@pytest.mark.parametrize(("x", "y"), [(50.0, 50.0), (50.31, 49.77)])
def test_sampling_does_not_change_the_psf(sampling: float, x: float, y: float) -> None:
    star = sampled_gaussian(2.2, sampling).compute_stellar_image(x=x, y=y)
    expected = np.exp(-0.5 * (star.bbox.x.arange - x) ** 2 / 2.2**2)
    expected = np.multiply.outer(np.exp(-0.5 * (star.bbox.y.arange - y) ** 2 / 2.2**2), expected)
    expected /= expected.sum()
    # Lanczos-3 interpolation of a Gaussian of two samples is good to a percent of its peak.
    np.testing.assert_allclose(star.array, expected, atol=1e-2 * expected.max())
    assert star.array.sum() == pytest.approx(1.0, abs=1e-14)
    moments = adaptive_moments(star)
    assert (moments.x, moments.y) == pytest.approx((x, y), abs=0.013)


def test_finer_sampling_converges_to_the_gaussian() -> None:
    star = sampled_gaussian(2.0, 0.25, 121).compute_stellar_image(x=10.37, y=20.81)
    expected = np.multiply.outer(
        np.exp(-0.5 * (star.bbox.y.arange - 20.81) ** 2 / 4.0),
        np.exp(-0.5 * (star.bbox.x.arange - 10.37) ** 2 / 4.0),
    )
    np.testing.assert_allclose(star.array, expected / expected.sum(), atol=6e-5)


@pytest.mark.parametrize(
    ("side", "sampling", "expected"), [(25, 0.81157643, 21), (45, 1.09333646, 49), (63, 1.0, 63)]
)
def test_side_of_the_stamps(side: int, sampling: float, expected: int) -> None:
    assert sampled_gaussian(2.0, sampling, side).kernel_bbox.shape == (expected, expected)


def test_kernel_at_sampling_one_is_the_samples() -> None:
    rng = np.random.default_rng(1)
    images = rng.uniform(size=(3, 7, 7))
    psf = PsfexPsf(images, PsfexPolynomial((1.0, 1.0), (1.0, 1.0), (1, 1), (1,)), 1.0, BOX)
    expected = images[0] + 0.2 * images[1] + 0.7 * images[2]
    np.testing.assert_allclose(
        psf.compute_kernel_image(x=0.2, y=0.7).array, expected / expected.sum(), rtol=1e-14
    )


def test_wrong_models_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"PSFEx basis has shape \(2, 5, 5\); expected \(3, "):
        PsfexPsf(np.ones((2, 5, 5)), PsfexPolynomial(degrees=(1,)), 1.0, BOX)
    with pytest.raises(ShapeError, match="odd side"):
        PsfexPsf(np.ones((1, 6, 6)), PsfexPolynomial(), 1.0, BOX)
    for sampling in (0.0, -1.0, np.nan):
        with pytest.raises(InvalidPsfError, match="sampling"):
            PsfexPsf(np.ones((1, 5, 5)), PsfexPolynomial(), sampling, BOX)
    with pytest.raises(InvalidPsfError, match="as many degrees"):
        PsfexPolynomial(groups=(1, 2), degrees=(1,))
    with pytest.raises(InvalidPsfError, match="negative"):
        PsfexPolynomial(degrees=(-1,))
    with pytest.raises(InvalidPsfError, match="at most 50"):
        PsfexPolynomial(degrees=(65536,))
