from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamella.coadd.frame_scales import FrameLevel, measure_level, relative_factors
from lamella.errors import CalibrationError

SHAPE = (256, 256)
NONE = np.zeros(SHAPE, bool)
STARS = 12


def star_field(
    factor: float, seed: int, *, stars: int = STARS, sky: float = 50.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return image and variance: some stars times a factor, on a sky."""
    rng, y, x = np.random.default_rng(7), *np.indices(SHAPE)
    image = np.full(SHAPE, sky)
    for _ in range(stars):
        x0, y0, flux = rng.uniform(25, 230), rng.uniform(25, 230), rng.uniform(4e4, 2e5)
        image += factor * flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 8.0) / (8.0 * np.pi)
    noise = np.random.default_rng(seed)
    return (image + noise.normal(0.0, 3.0, SHAPE)).astype(np.float32), np.full(SHAPE, 9.0, np.float32)


def level(factor: float, seed: int, kind: Any, **field: Any) -> FrameLevel:
    return measure_level(*star_field(factor, seed, **field), NONE, kind, name=f"{seed}.fits")


def test_stars_put_images_on_the_scale_of_the_first() -> None:
    wanted = [1.0, 0.5, 2.5, 0.9]
    levels = [level(factor, n, "stars", sky=50.0 * n) for n, factor in enumerate(wanted)]
    factors = relative_factors(levels, "stars")
    assert factors[0] == 1.0
    np.testing.assert_allclose(np.multiply(factors, wanted), 1.0, rtol=5e-3)


def test_too_few_stars_are_an_error_that_names_the_image() -> None:
    levels = [level(1.0, 0, "stars"), level(1.0, 1, "stars", stars=0)]
    with pytest.raises(CalibrationError, match=r"1\.fits: 0 stars in common.*tie it to 0\.fits"):
        relative_factors(levels, "stars")
    assert relative_factors(levels[:1], "stars") == (1.0,)


def test_medians_are_those_of_good_pixels() -> None:
    image = np.full(SHAPE, 20.0, np.float32)
    image[:, 100:] = 1e6
    image[0, 0] = np.nan
    bad = np.zeros(SHAPE, bool)
    bad[:, 100:] = True
    first = measure_level(image, image, bad, "median", name="a.fits")
    second = measure_level(4 * image, image, bad, "median", name="b.fits")
    assert relative_factors([first, second], "median") == (1.0, 0.25)
    assert relative_factors([first, second], "none") == (1.0, 1.0)


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan])
def test_a_median_that_cannot_be_divided_by_is_an_error(value: float) -> None:
    image = np.full(SHAPE, value, np.float32)
    with pytest.raises(
        CalibrationError, match=r"a\.fits: the median of the good pixels is .*; expected a positive"
    ):
        measure_level(image, image, NONE, "median", name="a.fits")
