from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import scipy
from astropy.io import fits

from lamella.errors import InputError, NoiseError, ShapeError
from lamella.image.measured_noise import measure_noise, noise_of_confidence

from ..starfields import Field


def none(image: np.ndarray) -> np.ndarray:
    return np.zeros(image.shape, dtype=bool)


def sigmas(image: np.ndarray, **options: float) -> np.ndarray:
    return np.sqrt(measure_noise(image, none(image), **options))


@pytest.mark.parametrize("fwhm", [1.2, 3.0, 5.0])
@pytest.mark.parametrize("stars", [0, 30, 400, 1600])
def test_the_noise_is_the_scatter_of_blank_sky_however_many_stars_stand_on_it(
    fwhm: float, stars: int
) -> None:
    measured = sigmas(Field(fwhm=fwhm, stars=stars).image())
    assert np.median(measured) == pytest.approx(10.0, rel=0.03)
    assert np.ptp(measured) < 0.1 * 10.0


def test_a_field_without_a_gap_between_stars_still_tells_its_noise() -> None:
    # One star on 27 pixels, with 10 within its width at half maximum.
    assert np.median(sigmas(Field(stars=6000).image())) == pytest.approx(10.0, rel=0.03)


def test_wide_wings_are_no_noise() -> None:
    field = Field(stars=300, fwhm=4.0, beta=2.5, flux=(300.0, 1e6))
    assert np.median(sigmas(field.image())) == pytest.approx(10.0, rel=0.03)


@pytest.mark.parametrize("sigma", [0.3, 0.6, 1.0, 4.0])
def test_whole_numbers_scatter_by_their_steps_too(sigma: float) -> None:
    field = Field(stars=300, sigma=sigma, flux=(30.0, 1e4))
    blank = np.round(dataclasses.replace(field, stars=0).image())
    measured = sigmas(np.round(field.image()))
    assert np.median(measured) == pytest.approx(blank.std(), rel=0.03)


def test_noise_that_neighbours_share_is_that_of_each_pixel() -> None:
    field = Field(stars=200, sigma=0.0)
    shared = scipy.ndimage.gaussian_filter(np.random.default_rng(5).normal(size=field.shape), 1.0)
    image = (field.image() + 10.0 * shared / shared.std()).astype(np.float32)
    assert np.median(sigmas(image)) == pytest.approx(10.0, rel=0.03)


def test_noise_that_rises_across_the_image_is_followed() -> None:
    y, x = np.mgrid[:400, :400]
    sky = 500.0 * (1.0 + (x + y) / 800.0)
    image = np.random.default_rng(6).poisson(sky + Field(stars=200).light()).astype(np.float32)
    np.testing.assert_allclose(sigmas(image), np.sqrt(sky), rtol=0.03)


@pytest.mark.parametrize("fwhm", [1.2, 3.0])
def test_the_light_of_stars_is_added_where_the_gain_is_known(fwhm: float) -> None:
    field = Field(stars=200, fwhm=fwhm, gain=1.5)
    light = field.light()
    measured = measure_noise(field.image(), none(light), gain=1.5)
    bright = light > 500.0
    ratio = measured[bright] / (100.0 + light[bright] / 1.5)
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    assert ratio.std() < 0.15
    # Few faint pixels may go one way or the other.
    assert np.sqrt(measured).mean() == pytest.approx(np.sqrt(100.0 + light / 1.5).mean(), rel=0.01)


def test_peaks_of_noise_are_no_light() -> None:
    image = Field(stars=0).image()
    np.testing.assert_array_equal(sigmas(image, gain=0.01), sigmas(image))


def test_the_variance_of_bad_pixels_is_finite_and_they_do_not_count() -> None:
    image = Field().image()
    bad = none(image)
    bad[:, :180] = True
    image[bad] = 1e6
    image[300, 300] = np.nan
    variance = measure_noise(image, bad)
    assert variance.dtype == np.float32
    np.testing.assert_allclose(np.sqrt(variance), 10.0, rtol=0.03)


def test_confidence_keeps_its_shape_and_takes_the_scale_of_the_noise() -> None:
    field = Field(sigma=0.0)
    confidence = 60.0 + np.broadcast_to(np.linspace(0.0, 120.0, 400), field.shape)
    noise = np.random.default_rng(7).normal(size=field.shape) * np.sqrt(900.0 / confidence)
    confidence = np.where(np.arange(400) < 5, 0.0, confidence)
    image = (field.image() + noise).astype(np.float32)
    variance = noise_of_confidence(image, none(image), confidence)
    assert np.isinf(variance[:, :5]).all()
    np.testing.assert_allclose(np.sqrt(variance[:, 5:] * confidence[:, 5:]), 30.0, rtol=0.03)


def test_what_cannot_be_measured_is_an_error() -> None:
    image = Field(stars=0).image()
    with pytest.raises(InputError):
        measure_noise(image, ~none(image))
    with pytest.raises(NoiseError, match="scatter"):
        measure_noise(np.full((100, 100), 3.0, np.float32), np.zeros((100, 100), bool))
    with pytest.raises(NoiseError, match="gain"):
        measure_noise(image, none(image), gain=-1.0)
    with pytest.raises(ShapeError):
        measure_noise(image, none(image)[1:])
    with pytest.raises(ShapeError):
        noise_of_confidence(image, none(image), image[1:])


def test_the_noise_of_decam_is_that_of_its_survey(shared: Path) -> None:
    images = sorted((shared / "data/decam/images").glob("*_ooi_*"))
    assert len(images) == 9
    for path in images:
        image = fits.getdata(path, 1).astype(np.float32)
        weight = fits.getdata(path.with_name(path.name.replace("_ooi_", "_oow_")), 1)
        ratio = np.sqrt(measure_noise(image, none(image)) * weight)[weight > 0]
        assert np.median(ratio) == pytest.approx(1.0, abs=0.05), path.name
