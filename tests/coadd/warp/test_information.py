"""The weight of a detector image is the information of its sky per area, whatever else is on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from lsst.images import Box, Polygon
from lsst.images.fields import ChebyshevField

from lamella.coadd.warp.information import exposure_information, sky_variance, typical_variance
from lamella.data.exposure import Exposure
from lamella.data.weights import WeightProblem
from lamella.errors import CalibrationError
from lamella.planes import Layout, make_schema

from ... import makers
from ...projections import tan_projection

CENTRE = SkyCoord(40.0 * u.deg, -30.0 * u.deg)
SCHEMA = make_schema()


def exposure_of(
    image: np.ndarray, variance: np.ndarray | float, *, scale: float = 0.2, **changes: Any
) -> Exposure:
    projection = tan_projection(CENTRE, scale * u.arcsec, (image.shape[1] / 2, image.shape[0] / 2))
    planes = makers.make_planes(image, variance, projection=projection)
    return makers.make_exposure(planes, visit=1, path="a.fits", **changes)


def sky(shape: tuple[int, int] = (300, 280), sigma: float = 10.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, sigma, shape)


def test_it_is_the_area_of_a_pixel_over_its_variance() -> None:
    fine = exposure_information(exposure_of(sky(), 100.0, scale=0.2))
    coarse = exposure_information(exposure_of(sky(sigma=40.0), 1600.0, scale=0.5))
    assert fine == pytest.approx(0.04 / 100.0, rel=1e-6)
    assert coarse / fine == pytest.approx((10 / 40) ** 2 * (0.5 / 0.2) ** 2, rel=1e-6)


def test_pixels_added_two_by_two_say_as_much_of_the_sky() -> None:
    fine = exposure_information(exposure_of(sky(), 100.0, scale=0.2))
    binned = exposure_information(exposure_of(sky((150, 140), 20.0), 400.0, scale=0.4))
    assert binned == pytest.approx(fine, rel=1e-6)


def test_a_sub_array_says_as_much_as_the_whole() -> None:
    whole = exposure_information(exposure_of(sky((1200, 1000)), 100.0))
    assert exposure_information(exposure_of(sky((90, 60)), 100.0)) == pytest.approx(whole, rel=1e-4)


def test_the_scale_of_the_photometry_counts_as_a_number_and_as_a_field() -> None:
    image = sky((200, 200))
    plain = exposure_information(exposure_of(image, 100.0))
    box = Box.from_shape(image.shape)
    field = ChebyshevField(box, np.array([[3.0]]), unit=u.nJy)
    for to_njy in (3.0, field):
        scaled = exposure_information(exposure_of(image, 100.0, to_njy=to_njy))
        assert scaled == pytest.approx(plain / 9.0, rel=1e-6)


@pytest.mark.parametrize("brightness", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("radius", [8.0, 25.0])
def test_noise_of_a_large_galaxy_does_not_count(brightness: float, radius: float) -> None:
    """An exponential disc whose photons are in the variance plane, in units of the sky's 400 counts."""
    y, x = np.mgrid[:300, :280]
    galaxy = 400.0 * brightness * np.exp(-np.hypot(x - 150, y - 120) / radius)
    variance = 400.0 + galaxy
    image = galaxy + sky(sigma=1.0) * np.sqrt(variance)
    assert exposure_information(exposure_of(image, variance)) == pytest.approx(0.04 / 400.0, rel=0.05)


def test_noise_of_stars_and_of_broken_pixels_does_not_count() -> None:
    rng = np.random.default_rng(3)
    image, variance = sky(), np.full((300, 280), 100.0)
    for _ in range(60):
        y, x = rng.integers(5, 270, 2)
        image[y : y + 8, x : x + 8] += 1e4
        variance[y : y + 8, x : x + 8] += 5e3
    variance[::17, ::13] = rng.choice([0.0, -4.0, np.nan, np.inf, 1e-20], variance[::17, ::13].shape)
    image[::11, ::7] = np.nan
    assert exposure_information(exposure_of(image, variance)) == pytest.approx(0.04 / 100.0, rel=1e-3)


def test_variances_that_were_counted_have_the_weight_of_their_mean() -> None:
    """At 5 counts the mean of the inverse would say 30 % more."""
    counts = np.random.default_rng(5).poisson(5.0, (300, 280)).astype(float)
    assert exposure_information(exposure_of(counts - 5.0, np.maximum(counts, 1.0))) == pytest.approx(
        0.04 / 5.0, rel=0.02
    )


def test_the_noise_of_all_amplifiers_counts() -> None:
    """A half that is much noisier must not be taken for a source: it would spoil coadds."""
    variance = np.full((300, 280), 100.0)
    variance[:, 140:] = 900.0
    image = sky(sigma=1.0) * np.sqrt(variance)
    assert exposure_information(exposure_of(image, variance)) == pytest.approx(0.04 / 500.0, rel=0.01)


def test_interleaved_amplifiers_are_all_met_in_a_large_image() -> None:
    variance = np.full((1500, 1536), 100.0)
    variance[:, 1::2], variance[:, 2::4] = 300.0, 200.0
    assert exposure_information(exposure_of(np.zeros((1500, 1536)), variance)) == pytest.approx(
        0.04 / variance.mean(), rel=0.01
    )


@pytest.mark.parametrize("plane", ["BAD", "SATURATED", "NO_DATA"])
def test_masked_pixels_do_not_count(plane: str) -> None:
    exposure = exposure_of(sky((1100, 900)), 100.0)
    exposure.pixels.variance.array[:, 3:] = 1e-4
    exposure.pixels.mask.array[:, 3:, 0] |= Layout(SCHEMA).bits((plane,))
    assert exposure_information(exposure) == pytest.approx(0.04 / 100.0, rel=1e-4)


def test_pixels_outside_of_the_valid_region_do_not_count() -> None:
    variance = np.full((300, 280), 100.0)
    variance[:, 100:] = 1.0
    polygon = Polygon(x_vertices=[0, 90, 90, 0], y_vertices=[0, 0, 299, 299])
    exposure = exposure_of(sky(), variance, polygon=polygon)
    assert exposure_information(exposure) == pytest.approx(0.04 / 100.0, rel=1e-6)


def test_an_image_of_bad_pixels_alone_has_the_weight_of_these() -> None:
    exposure = exposure_of(sky((40, 30)), 100.0)
    exposure.pixels.mask.array[..., 0] |= Layout(SCHEMA).bits(("BAD",))
    assert exposure_information(exposure) == pytest.approx(0.04 / 100.0, rel=1e-6)


@pytest.mark.parametrize(
    ("variance", "problem"),
    [(np.nan, WeightProblem.NO_GOOD_PIXEL), (np.inf, WeightProblem.NO_GOOD_PIXEL),
     (0.0, WeightProblem.NOT_POSITIVE), (-1.0, WeightProblem.NOT_POSITIVE)],
)  # fmt: skip
def test_an_image_that_says_nothing_has_a_reason(variance: float, problem: WeightProblem) -> None:
    assert exposure_information(exposure_of(sky((40, 30)), variance)) is problem


def test_a_scale_that_cannot_be_is_an_error() -> None:
    exposure = exposure_of(sky((40, 30)), 100.0)
    for scale in (0.0, np.nan, -2.0):
        with pytest.raises(CalibrationError, match=r"a\.fits: the photometric scale"):
            exposure_information(dataclasses.replace(exposure, to_njy=scale))


def test_the_parts_of_an_image_may_be_few() -> None:
    assert sky_variance(np.zeros((2, 3)), np.full((2, 3), 5.0)) == 5.0
    assert typical_variance(np.array([5.0])) == 5.0
