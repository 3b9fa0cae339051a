"""The factor between variance planes and scatter, on noise of known size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lamella.errors import ConfigError, NoiseError, ShapeError
from lamella.image.noise import NoiseScale, variance_scale
from lamella.image.options import NoiseControl

SHAPE = (500, 620)


def unmasked(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.zeros(shape, np.int32)


def noisy(
    factor: float, *, seed: int = 1, low: float = 4.0, high: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and a variance plane that is too small by a factor."""
    rng = np.random.default_rng(seed)
    variance = rng.uniform(low, high, SHAPE).astype(np.float32)
    image = rng.standard_normal(SHAPE) * np.sqrt(factor * variance)
    return image.astype(np.float32), variance


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.7, 8.0])
def test_the_factor_is_found(factor: float) -> None:
    found = variance_scale(*noisy(factor), unmasked(), 1)
    assert found.pixel_based == pytest.approx(factor, rel=0.02)
    assert found.image_based == pytest.approx(factor, rel=0.02)
    assert found.used == found.pixel_based


def test_a_large_image_is_sampled_to_half_a_percent() -> None:
    rng = np.random.default_rng(3)
    image = rng.standard_normal((2000, 2100), dtype=np.float32)
    found = variance_scale(image, np.ones_like(image), unmasked(image.shape), 1)
    assert found.used == pytest.approx(1.0, abs=0.015)


def test_pixels_of_different_variance_are_compared_with_their_own() -> None:
    image, variance = noisy(1.5, low=1.0, high=30.0)
    found = variance_scale(image, variance, unmasked(), 1)
    assert found.pixel_based == pytest.approx(1.5, rel=0.02)
    # The quartiles of a mixture are not those of one Gaussian of the median variance.
    assert found.image_based < 1.4


def test_the_sky_is_taken_off() -> None:
    image, variance = noisy(1.5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    sky = 100.0 + 0.05 * x - 0.03 * y + 4.0 * np.sin(x / 150)
    found = variance_scale((image + sky).astype(np.float32), variance, unmasked(), 1)
    assert found.used == pytest.approx(1.5, rel=0.02)


def test_masked_and_invalid_pixels_do_not_count() -> None:
    image, variance = noisy(1.5)
    mask = unmasked()
    mask[::3] = 6
    image[::3] = 1e6
    image[1::3, 5] = np.nan
    variance[2::3, ::4] = 0.0
    variance[1::3, ::5] = np.inf
    variance[2::3, 1::4] = -1.0
    whole = NoiseControl(samples=10**6)
    assert variance_scale(image, variance, mask, 4, whole).used == pytest.approx(1.5, rel=0.03)
    with pytest.raises(NoiseError):
        variance_scale(image, variance, mask, 1, whole)


def test_sources_widen_the_quartiles_as_stated() -> None:
    image, variance = noisy(1.0)
    stars = np.random.default_rng(5).random(SHAPE) < 0.05
    found = variance_scale(np.where(stars, 500.0, image), variance, unmasked(), 1)
    assert found.used == pytest.approx(1.0 + 2.2 * 0.05, abs=0.03)


@pytest.mark.parametrize(("bin_size", "low", "high"), [(32, 0.88, 0.95), (128, 0.97, 1.03)])
def test_bins_must_be_large_against_the_psf(bin_size: int, low: float, high: float) -> None:
    """In bins of 32 pixels, noise shared by 100 pixels is taken for sky in part."""
    white = np.random.default_rng(2).standard_normal((1200, 1200))
    image = ndimage.gaussian_filter(white, 2.5) * (2.5 * 2 * math.sqrt(math.pi))
    found = variance_scale(
        image, np.ones_like(image), unmasked(image.shape), 1, NoiseControl(bin_size=bin_size)
    )
    assert low < found.used < high


def test_the_image_decides_where_pixels_cannot() -> None:
    image, variance = noisy(1.0)
    variance[:, :280] /= 1e4  # nonsense in nearly half of the columns
    found = variance_scale(image, variance, unmasked(), 1, NoiseControl(limit=5.0))
    assert found.pixel_based > 5.0
    assert 0.5 < found.image_based <= 5.0
    assert found.used == found.image_based


def test_factors_beyond_the_limit_are_an_error() -> None:
    with pytest.raises(NoiseError, match="no factor up to 10") as caught:
        variance_scale(*noisy(25.0), unmasked(), 1)
    assert caught.value.pixel_based == pytest.approx(25.0, rel=0.05)
    assert variance_scale(*noisy(25.0), unmasked(), 1, NoiseControl(limit=30.0)).used > 24.0


def test_a_constant_image_has_no_noise_to_measure() -> None:
    with pytest.raises(NoiseError):
        variance_scale(np.ones(SHAPE), np.ones(SHAPE), unmasked(), 1)


def test_without_pixels_nothing_changes() -> None:
    for mask in (np.ones((40, 40), np.int32), np.zeros((0, 0), np.int32)):
        found = variance_scale(np.ones(mask.shape), np.ones(mask.shape), mask, 1)
        assert isinstance(found, NoiseScale)
        assert found.used == 1.0
        assert math.isnan(found.pixel_based)
        assert math.isnan(found.image_based)


@given(shape=st.tuples(st.integers(1, 300), st.integers(1, 300)), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_any_shape_is_measured_the_same_way_twice_and_scales(shape: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    control = NoiseControl(limit=1e6)
    arguments = (np.ones(shape, np.float32), unmasked(shape), 1, control)
    try:
        found = variance_scale(image, *arguments)
    except NoiseError:
        assert image.size < 5  # the quartiles of few pixels may coincide with their median
        return
    again = variance_scale(4 * image, *arguments)
    if image.size > 1:
        assert again.used == pytest.approx(16 * found.used, rel=1e-4)


def test_planes_must_agree() -> None:
    with pytest.raises(ShapeError, match="variance"):
        variance_scale(np.ones((3, 4)), np.ones((4, 3)), np.zeros((3, 4), int), 1)
    with pytest.raises(ShapeError, match="mask"):
        variance_scale(np.ones((3, 4)), np.ones((3, 4)), np.zeros((4, 3), int), 1)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="limit"):
        NoiseControl(limit=0.9)
