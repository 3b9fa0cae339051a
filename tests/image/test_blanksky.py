from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from lamella.image.blanksky import (
    Correlation,
    _fast_length,
    _near_sources,
    clipped_sky,
    noise_ratio,
    psf_noise_ratio,
)

SIGMA = 1.7


def gaussian_stamp(sigma: float = SIGMA, half: int = 12) -> np.ndarray:
    x = np.arange(-half, half + 1)
    stamp = np.exp(-(x[:, None] ** 2 + x**2) / (2 * sigma**2))
    return stamp / stamp.sum()


def noise(seed: int = 3, size: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(size, size))


def test_clipped_sky_ignores_stars_and_nan():
    pixels = 5 + 2 * noise()
    pixels[::7, ::5] += 1000
    pixels[:10] = np.nan
    sky, sigma = clipped_sky(pixels)
    assert sky == pytest.approx(5, abs=0.03)
    assert sigma == pytest.approx(2, rel=0.02)


def test_clipped_sky_of_nothing_is_nan():
    assert all(math.isnan(value) for value in clipped_sky(np.full((3, 3), np.nan)))


def test_clipped_sky_of_a_constant_has_no_noise():
    assert clipped_sky(np.full((4, 4), 7.0)) == (7.0, 0.0)


def clipped_by_sorting(values: np.ndarray) -> tuple[float, float]:
    kept = np.sort(values[np.isfinite(values)].astype(np.float64))
    for _ in range(5):
        centre = float(np.median(kept))
        sigma = 1.4826 * float(np.median(np.abs(kept - centre)))
        inside = kept[np.abs(kept - centre) <= 3.0 * sigma]
        if inside.size == kept.size:
            break
        kept = inside
    return centre, sigma


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 9, 300, 301])
def test_clipped_sky_is_that_of_the_sorted_pixels(kind, size):
    pixels = (5 + 2 * noise(size=size)).astype(kind)
    pixels[::7, ::5] += 10 ** np.random.default_rng(1).uniform(0, 5, pixels[::7, ::5].shape)
    pixels[3::11] = np.nan
    assert clipped_sky(pixels) == clipped_by_sorting(pixels)
    chosen = noise(4, size) > -0.5
    chosen[0, 0] = True
    assert clipped_sky(pixels, chosen) == clipped_by_sorting(pixels[chosen])


@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
def test_clipped_sky_follows_a_linear_change(scale, offset):
    pixels = noise(size=40)
    sky, sigma = clipped_sky(pixels)
    moved = clipped_sky(scale * pixels + offset)
    assert moved == pytest.approx((scale * sky + offset, scale * sigma), rel=1e-6, abs=1e-6 * scale)


def test_independent_noise_has_ratios_of_one():
    image, weight = 3 * noise(), np.full((400, 400), 1 / 9)
    usable = np.ones(image.shape, dtype=bool)
    assert noise_ratio(image, weight, usable) == pytest.approx((3, 1), rel=0.01)
    flux, ratio = psf_noise_ratio(image, weight, usable, gaussian_stamp())
    assert ratio == pytest.approx(1, rel=0.03)
    assert flux == pytest.approx(3 / math.sqrt(np.sum(gaussian_stamp() ** 2)), rel=0.03)


def test_variance_that_is_too_small_shows_in_both_ratios():
    image, weight = 3 * noise(), np.full((400, 400), 1 / 2.25)
    usable = np.ones(image.shape, dtype=bool)
    # Peaks of the noise look like sources here, hence the generous limits.
    assert noise_ratio(image, weight, usable)[1] == pytest.approx(2, rel=0.05)
    assert psf_noise_ratio(image, weight, usable, gaussian_stamp())[1] == pytest.approx(2, rel=0.12)


def test_shared_noise_shows_in_the_fluxes_of_point_sources_only():
    tau = 0.5
    image = ndimage.gaussian_filter(noise(size=800), tau, mode="wrap")
    weight = np.full(image.shape, 1 / image.var())
    usable = np.ones(image.shape, dtype=bool)
    # The correlation of neighbours, measured, summed over the autocorrelation of the PSF.
    power = np.abs(np.fft.fft2(image)) ** 2
    stamp = np.zeros(image.shape)
    stamp[:25, :25] = gaussian_stamp()
    flux_variance = np.mean(power * np.abs(np.fft.fft2(stamp)) ** 2) / image.size
    expected = math.sqrt(flux_variance / (image.var() * np.sum(stamp**2)))
    assert expected > 1.4
    assert noise_ratio(image, weight, usable)[1] == pytest.approx(1, rel=0.02)
    assert psf_noise_ratio(image, weight, usable, gaussian_stamp())[1] == pytest.approx(expected, rel=0.06)


def test_a_bright_star_and_gaps_do_not_matter():
    image = noise()
    image[80:105, 190:215] += 1e4 * gaussian_stamp()
    usable = np.ones(image.shape, dtype=bool)
    usable[:, 300:310] = False
    image[~usable] = 0
    weight = usable.astype(float)
    assert noise_ratio(image, weight, usable) == pytest.approx((1, 1), rel=0.01)
    assert psf_noise_ratio(image, weight, usable, gaussian_stamp())[1] == pytest.approx(1, rel=0.03)


def test_the_ratio_of_fluxes_is_that_of_whole_images():
    rng = np.random.default_rng(8)
    shape, stamp = (530, 270), gaussian_stamp()[:, 2:-2] * rng.uniform(0.8, 1.2, (25, 21))
    weight = rng.uniform(0.5, 2, shape)
    usable = rng.uniform(size=shape) > 0.01
    usable[200:300, :70] = False
    weight[~usable] = 0
    image = np.where(usable, rng.normal(size=shape) / np.sqrt(np.maximum(weight, 0.1)), 0)
    image[400:425, 100:121] += 300 * stamp * usable[400:425, 100:121]
    found, information, on_usable = (
        ndimage.correlate(plane, part, mode="constant")
        for plane, part in ((weight * image, stamp), (weight, stamp**2), (usable * 1.0, stamp**2))
    )
    whole = usable & (on_usable > 0.98 * np.sum(stamp**2))
    ratio = np.divide(found, np.sqrt(information), out=np.zeros(shape), where=whole)
    limit = 5 * clipped_by_sorting(ratio[whole])[1]
    radius = max(3, round(2 * math.sqrt(stamp.sum() ** 2 / np.sum(stamp**2) / math.pi)))
    sky = whole & ~(ndimage.maximum_filter(ratio, size=2 * radius + 1) > limit)
    assert 1e4 < np.count_nonzero(sky) < np.count_nonzero(whole)
    expected = clipped_by_sorting(ratio[sky])[1]
    assert psf_noise_ratio(image, weight, usable, stamp)[1] == pytest.approx(expected, rel=1e-10)


def test_too_little_sky_gives_no_number():
    image, usable = noise(size=9), np.ones((9, 9), dtype=bool)
    assert noise_ratio(image, usable.astype(float), usable) == (None, None)
    assert psf_noise_ratio(image, usable.astype(float), usable, gaussian_stamp()) == (None, None)


@pytest.mark.parametrize("radius", [0, 3, 11])
def test_pixels_near_sources_are_those_within_a_square(radius):
    pixels = noise(seed=9, size=60)
    pixels[np.random.default_rng(1).integers(0, 60, (2, 12)).tolist()] = 1000
    pixels[0, 0] = pixels[59, 30] = 1000
    expected = ndimage.maximum_filter(pixels, size=2 * radius + 1) > 500
    np.testing.assert_array_equal(_near_sources(pixels, pixels < 100, radius), expected)


@pytest.mark.parametrize("step", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("level", [0.0, 0.3, 0.77])
def test_pixels_in_steps_have_their_level_and_their_noise(step, level):
    pixels = step * np.rint((level + 1.3 * noise()) / step)
    pixels[:4] = 900.0
    sky, sigma = clipped_sky(pixels)
    # Sheppard: steps add a twelfth of their square to the variance.
    assert sky == pytest.approx(level, abs=0.02)
    assert sigma == pytest.approx(math.sqrt(1.3**2 + step**2 / 12), rel=0.02)


def correlated(stamp: np.ndarray, *factors: np.ndarray) -> np.ndarray:
    """Return the correlation of a product of whole images, put together from its blocks."""
    correlation = Correlation(factors[0].shape, stamp.shape)
    transform = correlation.transform(stamp)
    found = np.full(factors[0].shape, np.nan)
    for block in correlation.blocks():
        assert np.isnan(found[block]).all()
        found[block] = correlation.of(transform, block, *factors)
    return found


@pytest.mark.parametrize("shape", [(40, 31), (256, 257), (600, 300)])
@pytest.mark.parametrize("stamp_shape", [(1, 1), (3, 9), (31, 25)])
def test_blocks_are_parts_of_the_whole_correlation(shape, stamp_shape):
    rng = np.random.default_rng(4)
    image, stamp = rng.normal(size=shape), rng.normal(size=stamp_shape)
    expected = ndimage.correlate(image, stamp, mode="constant")
    np.testing.assert_allclose(correlated(stamp, image), expected, rtol=0, atol=1e-11)


def test_products_are_correlated():
    rng = np.random.default_rng(5)
    image, weight, stamp = rng.normal(size=(300, 280)), rng.uniform(size=(300, 280)), rng.normal(size=(5, 7))
    flags = image > 0
    np.testing.assert_allclose(
        correlated(stamp, flags, weight, image),
        ndimage.correlate(flags * weight * image, stamp, mode="constant"),
        rtol=0,
        atol=1e-12,
    )


def test_lengths_of_transforms_are_products_of_small_primes():
    assert [_fast_length(n) for n in (1, 7, 11, 286, 296, 384, 1025)] == [1, 8, 12, 288, 300, 384, 1080]
