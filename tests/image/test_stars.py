from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lamella.errors import ShapeError
from lamella.image.stars import StarField, measure_stars

from ..starfields import Field, draw_stars

FIELD = Field(stars=30, flux=(4000.0, 1e5), gain=2.0)


def measured(field: Field, *, bad: np.ndarray | None = None, light: np.ndarray | float = 0.0) -> StarField:
    """Measure a field whose sky and noise are known."""
    variance = field.sigma**2 + field.light() / field.gain if field.gain else np.full(field.shape, 100.0)
    residual = (field.image() - field.sky + light).astype(np.float32)
    return measure_stars(residual, variance, np.zeros(field.shape, bool) if bad is None else bad)


def matches(stars: StarField, field: Field) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the true star of each measured one, and its distance in pixels."""
    x, y, _ = field.truth()
    distance = np.hypot(np.subtract.outer(stars.x, x), np.subtract.outer(stars.y, y))
    return distance.argmin(axis=1), distance.min(axis=1)


@pytest.mark.parametrize("beta", [None, 3.0])
@pytest.mark.parametrize("fwhm", [1.2, 2.0, 3.0, 6.0])
def test_the_width_is_that_of_the_light_before_it_falls_on_pixels(fwhm: float, beta: float | None) -> None:
    width = measured(dataclasses.replace(FIELD, fwhm=fwhm, beta=beta)).width
    assert width is not None
    assert width.fwhm == pytest.approx(fwhm, rel=0.02)
    assert width.error < 0.015 * fwhm
    assert abs(width.fwhm - fwhm) < 2.5 * width.error
    assert width.stars >= 20


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("fwhm", [1.2, 4.0])
def test_three_stars_are_enough(fwhm: float, seed: int) -> None:
    stars = measured(Field((250, 250), stars=3, fwhm=fwhm, flux=(8000.0, 1e5), seed=seed))
    assert stars.width is not None
    assert stars.width.fwhm == pytest.approx(fwhm, rel=0.05)
    assert stars.width.stars == len(stars) == 3


def test_the_width_with_the_pixel_in_it_is_that_of_a_profile_that_was_sampled() -> None:
    x, y, flux = FIELD.truth()
    rows, columns = np.mgrid[:400, :400]
    sigma = 2.4 / 2.3548200450309493
    light = sum(
        total / (2 * np.pi * sigma**2) * np.exp(-((rows - at_y) ** 2 + (columns - at_x) ** 2) / 2 / sigma**2)
        for at_x, at_y, total in zip(x, y, flux, strict=True)
    )
    noise = 10.0 * np.random.default_rng(1).normal(size=FIELD.shape)
    stars = measure_stars((light + noise).astype(np.float32), np.full(FIELD.shape, 100.0), noise > np.inf)
    assert stars.width is not None
    assert stars.width.sampled == pytest.approx(2.4, rel=0.02)


@pytest.mark.parametrize(("beta", "ratio"), [(None, 1.0), (4.5, 1.08), (3.0, 1.13)])
def test_a_gaussian_for_stars_with_wings_is_wider_than_they_are(beta: float | None, ratio: float) -> None:
    """The ratios are those at which a grid of widths has the least noise."""
    width = measured(dataclasses.replace(FIELD, beta=beta)).width
    assert width is not None
    assert width.gaussian / width.sampled == pytest.approx(ratio, abs=0.02)


@pytest.mark.parametrize("fwhm", [1.2, 3.0])
def test_positions_and_fluxes_scatter_by_their_errors(fwhm: float) -> None:
    scaled, moved = [], []
    for seed in range(4):
        field = dataclasses.replace(FIELD, fwhm=fwhm, seed=seed)
        stars = measured(field)
        index, distance = matches(stars, field)
        x, y, flux = field.truth()
        isolated = np.sort(np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y)), axis=0)[1] > 8 * fwhm
        good = (distance < 0.5) & isolated[index]
        # Of a Gaussian, 0.2 % of the light is beyond 1.5 widths.
        error = (stars.flux - 0.998 * flux[index]) / np.hypot(stars.flux_error, 0.002 * flux[index])
        scaled += [*error[good]]
        moved += [*((stars.x - x[index]) / stars.position_error)[good]]
    assert len(scaled) > 60
    assert np.std(scaled) == pytest.approx(1.0, abs=0.3)
    assert np.std(moved) == pytest.approx(1.0, abs=0.3)


def test_galaxies_cosmic_rays_and_stars_with_bad_pixels_are_no_stars() -> None:
    rng = np.random.default_rng(5)
    galaxies = draw_stars(FIELD.shape, *rng.uniform(20, 380, (2, 12)), rng.uniform(2e4, 1e5, 12), fwhm=7.0)
    rays = np.zeros(FIELD.shape)
    for row, column in rng.integers(20, 380, (60, 2)):
        rays[row : row + rng.integers(1, 3), column : column + 2] += rng.uniform(1e3, 4e4)
    x, y, _ = FIELD.truth()
    bad = np.zeros(FIELD.shape, bool)
    bad[round(y[0]), round(x[0]) + 1] = True
    stars = measured(FIELD, bad=bad, light=galaxies + rays)
    index, distance = matches(stars, FIELD)
    assert stars.width is not None
    assert stars.width.fwhm == pytest.approx(3.0, rel=0.03)
    assert len(stars) > 12
    assert (distance < 0.3).all()
    assert 0 not in index


def test_an_image_without_stars_has_none() -> None:
    stars = measured(dataclasses.replace(FIELD, stars=0))
    assert len(stars) == 0
    assert stars.width is None


def test_a_crowded_field_tells_its_width() -> None:
    width = measured(Field(stars=1600)).width
    assert width is not None
    assert width.fwhm == pytest.approx(3.0, rel=0.05)


def test_planes_must_have_the_shape_of_the_image() -> None:
    image = np.zeros((50, 50), np.float32)
    with pytest.raises(ShapeError):
        measure_stars(image, np.ones((50, 49)), image > 1)
