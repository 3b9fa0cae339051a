"""Kernels that turn one PSF into another."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import scipy.signal
from lsst.images import Box
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import ConfigError, ShapeError
from lamella.psf import matching
from lamella.psf.gaussian import FWHM_PER_SIGMA, DoubleGaussianPsf
from lamella.psf.match_control import MatchControl, ModelPsfConfig
from lamella.psf.matching import (
    fit_field,
    kernel_side,
    match_quality,
    solve_bytes,
    solve_kernels,
    target_psf,
    widest_fwhm,
)

from ..makers import moffat as stamp

BOX = Box.factory[0:100, 0:100]
RIDGE = MatchControl().ridge


def model(fwhm: float, control: MatchControl | None = None) -> np.ndarray:
    psf = target_psf(fwhm, BOX, control or MatchControl())
    return np.asarray(psf.compute_kernel_image(x=50.0, y=50.0).array, dtype=np.float64)


def gaussian(sigma: float, side: int) -> np.ndarray:
    half = side // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    values: np.ndarray = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return values / values.sum()


def test_between_gaussians_the_kernel_is_a_gaussian() -> None:
    (kernel,) = solve_kernels(gaussian(2.0, 41)[np.newaxis], gaussian(3.0, 41), 21, 1e-9)
    np.testing.assert_allclose(kernel, gaussian(math.sqrt(5.0), 21), atol=3e-3 * kernel.max())


@pytest.mark.parametrize("fwhm", [3.0, 4.5, 6.0])
@pytest.mark.parametrize("beta", [2.5, 5.0])
def test_seeing_is_matched_within_a_fifth_of_a_percent(fwhm: float, beta: float) -> None:
    psf = target_psf(fwhm, BOX, MatchControl())
    target = model(fwhm)
    stamps = np.array([stamp(part * fwhm, 0.93, 0.4, beta) for part in (0.5, 0.7, 0.95)])
    kernels = solve_kernels(stamps, target, kernel_side(psf, MatchControl()), RIDGE)
    np.testing.assert_allclose(kernels.sum(axis=(1, 2)), 1.0, atol=1e-12)
    for one, kernel in zip(stamps, kernels, strict=True):
        quality = match_quality(one, target, kernel)
        assert quality.residual < 0.002
        assert quality.noise_gain < 0.85


def test_the_solution_minimises_residual_and_noise() -> None:
    one, target, ridge = stamp(3.5, 0.9, 0.3, side=31), model(5.0), 1e-3
    kernel = solve_kernels(np.array([stamp(3.5, side=31), one]), target, 11, ridge)[1]
    target_full = np.zeros((61, 61))
    half = target.shape[0] // 2
    target_full[30 - half : 31 + half, 30 - half : 31 + half] = target

    def cost(k: np.ndarray) -> float:
        made = np.fft.irfft2(np.fft.rfft2(one, (64, 64)) * np.fft.rfft2(k, (64, 64)), (64, 64))
        difference = np.pad(made[:41, :41], 10) - target_full
        return float(np.square(difference).sum() + ridge * np.square(one).sum() * np.square(k).sum())

    best = cost(kernel)
    rng = np.random.default_rng(4)
    for _ in range(20):
        change = rng.normal(size=kernel.shape)
        change -= change.mean()  # the sum stays
        assert cost(kernel + 1e-3 * change) > best


def test_a_psf_is_matched_as_well_in_any_company() -> None:
    target = model(5.0)
    few = np.array([stamp(4.0), stamp(4.4, 0.9)])
    many = np.array([*few, stamp(3.0, 0.8, 1.0), stamp(4.8)])
    for index, one in enumerate(few):
        alone, together = (
            match_quality(one, target, solve_kernels(stamps, target, 17, RIDGE)[place])
            for stamps, place in ((one[np.newaxis], 0), (many, index))
        )
        assert together.residual == pytest.approx(alone.residual, abs=2e-4)
        assert together.noise_gain == pytest.approx(alone.noise_gain, rel=2e-2)


def test_a_narrower_target_amplifies_noise_or_is_not_met() -> None:
    one, target = stamp(5.0), model(4.0)
    (kernel,) = solve_kernels(one[np.newaxis], target, 21, RIDGE)
    quality = match_quality(one, target, kernel)
    assert quality.noise_gain > 1.0 or quality.residual > 0.01
    (same,) = solve_kernels(target[np.newaxis], target, 21, RIDGE)
    assert match_quality(target, target, same).noise_gain < 1.0
    assert match_quality(target, target, same).residual < 0.002


def test_sides_must_be_odd() -> None:
    with pytest.raises(ShapeError, match="odd side"):
        solve_kernels(stamp(3.0)[np.newaxis], model(4.0), 10, RIDGE)
    with pytest.raises(ConfigError, match="odd"):
        MatchControl(kernel_size=20)


def test_kernels_follow_the_width_of_the_target() -> None:
    small, large = (kernel_side(target_psf(fwhm, BOX, MatchControl()), MatchControl()) for fwhm in (4.0, 8.0))
    assert small % 2 == large % 2 == 1
    assert 13 <= small <= 19
    assert 27 <= large <= 35
    assert kernel_side(target_psf(4.0, BOX, MatchControl()), MatchControl(kernel_size=25)) == 25


def test_the_default_target_has_its_wing() -> None:
    psf = target_psf(5.0, BOX, MatchControl())
    assert isinstance(psf, DoubleGaussianPsf)
    image = np.asarray(psf.compute_kernel_image(x=0.0, y=0.0).array)
    assert image[0].max() < 1e-6 * image.max()
    upstream = target_psf(5.0, BOX, MatchControl(model=ModelPsfConfig()))
    cut = np.asarray(upstream.compute_kernel_image(x=0.0, y=0.0).array)
    assert cut[0].max() > 0.01 * cut.max()


def test_the_width_is_that_of_the_long_axis() -> None:
    round_psf = GaussianPointSpreadFunction(2.0, BOX, 31)
    assert widest_fwhm(round_psf, 10.0, 10.0) == pytest.approx(2.0 * FWHM_PER_SIGMA, rel=1e-3)


def test_a_field_follows_polynomials() -> None:
    y, x = (grid.ravel() for grid in np.mgrid[0:101:25, 0:201:50].astype(float))
    base, slope = gaussian(2.0, 7), np.gradient(gaussian(2.0, 7), axis=0)
    kernels = np.array([base + 1e-3 * slope * (u + u * v / 50) for u, v in zip(x, y, strict=True)])
    field = fit_field(kernels, x, y, 2)
    expected = base + 1e-3 * slope * (80.0 + 80.0 * 30.0 / 50)
    np.testing.assert_allclose(field.at(np.array([80.0]), np.array([30.0]))[0], expected, atol=1e-12)


def test_places_on_one_side_do_not_tell_of_the_other() -> None:
    # A parabola through two rows, and one place a little beside them, would run away beyond them.
    x, y = np.array([(u, v) for v in (250.0, 500.0) for u in (0.0, 250.0, 500.0)] + [(250.0, 255.0)]).T
    rng = np.random.default_rng(2)
    kernels = np.array([gaussian(2.0, 7)] * 7) + rng.normal(0.0, 1e-4, (7, 7, 7))
    field = fit_field(kernels, x, y, 2)
    assert field.order == 1
    beyond = field.at(np.array([250.0]), np.array([0.0]))[0]
    np.testing.assert_allclose(beyond, gaussian(2.0, 7), atol=1e-3)


def test_few_places_lower_the_order() -> None:
    kernels = np.array([gaussian(2.0, 7), gaussian(2.2, 7)])
    field = fit_field(kernels, np.array([0.0, 50.0]), np.array([0.0, 0.0]), 2)
    assert field.order == 0
    np.testing.assert_allclose(field.at(np.array([7.0]), np.array([3.0]))[0], kernels.mean(axis=0))


def test_large_kernels_are_those_that_the_matrix_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel does to its PSF agrees within 3e-5 of the peak, where the match leaves 2e-4 and more."""
    target = model(8.0)
    side = kernel_side(target_psf(8.0, BOX, MatchControl()), MatchControl())
    stamps = np.array([stamp(width, 0.9, 0.4, 3.0) for width in (7.8, 6.0)])
    by_matrix = solve_kernels(stamps, target, side, RIDGE)
    monkeypatch.setattr(matching, "_DENSE_SIDE", 0)
    by_gradients = solve_kernels(stamps, target, side, RIDGE)
    np.testing.assert_allclose(by_gradients.sum(axis=(1, 2)), 1.0, atol=1e-12)
    for one, first, second in zip(stamps, by_matrix, by_gradients, strict=True):
        made = [scipy.signal.fftconvolve(one, kernel) for kernel in (first, second)]
        assert np.abs(made[0] - made[1]).max() < 3e-5 * target.max()
        before, after = match_quality(one, target, first), match_quality(one, target, second)
        assert after.noise_gain == pytest.approx(before.noise_gain, rel=1e-3)
        assert after.residual == pytest.approx(before.residual, abs=3e-5)


def test_memory_grows_with_the_pixels_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix of kernels of 57 pixels has 84 MB, and its indices had twice as much."""
    monkeypatch.setattr(matching, "_LARGE_ITERATIONS", 3)  # more take more time, not more memory
    stamps = np.array([stamp(16.0, side=129)])
    target = model(16.8)
    solve_kernels(stamps, target, 57, RIDGE)  # what is made once is made
    tracemalloc.start()
    solve_kernels(stamps, target, 57, RIDGE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6
    assert peak < solve_bytes(1, target.shape[0], 57)


def test_the_matrix_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stamps, target = np.array([stamp(9.0, side=73)]), model(9.5)
    tracemalloc.start()
    solve_kernels(stamps, target, 33, RIDGE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * solve_bytes(1, target.shape[0], 33) < peak < solve_bytes(1, target.shape[0], 33)
