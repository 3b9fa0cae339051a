from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamella.errors import InputError
from lamella.formats.read_control import ReadControl
from lamella.image.background import fit_background

PATH = Path("x.fits")
SHAPE = (300, 400)


def noise(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 4.0, SHAPE)


def none() -> np.ndarray:
    return np.zeros(SHAPE, dtype=bool)


def test_a_slope_under_stars_is_recovered() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    sky = 1000.0 + 0.005 * x - 0.002 * y
    rng = np.random.default_rng(1)
    stars = np.zeros(SHAPE)
    for cx, cy, flux in zip(
        rng.uniform(0, 400, 60), rng.uniform(0, 300, 60), rng.uniform(1e3, 1e5, 60), strict=True
    ):
        stars += flux / (2 * np.pi * 4) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8)
    found = fit_background(sky + stars + noise(), none(), ReadControl(background_mesh=64), PATH)
    residual = found.level - sky
    # A mesh of 64 x 64 pixels knows its mean to 4 / 64, its midmean to a tenth more.
    assert abs(np.median(residual)) < 0.2
    assert np.abs(residual[32:-32, 32:-32]).max() < 1.0
    assert found.rms == pytest.approx(4.0, rel=0.05)


def test_meshes_divide_the_image_evenly() -> None:
    found = fit_background(noise(), none(), ReadControl(background_mesh=256), PATH)
    assert found.mesh == (300, 200)
    assert "meshes of 200 x 300 pixels" in found.note


def test_ignored_and_missing_pixels_do_not_matter() -> None:
    image, ignore = noise() + 50.0, none()
    ignore[100:130] = True
    reference = fit_background(image, ignore, ReadControl(), PATH)
    spoilt = image.copy()
    spoilt[ignore] = 1e7
    spoilt[110] = np.nan
    again = fit_background(spoilt, ignore, ReadControl(), PATH)
    np.testing.assert_array_equal(again.level, reference.level)
    assert np.median(reference.level) == pytest.approx(50.0, abs=0.2)


@pytest.mark.parametrize("pedestal", [-300.0, 20000.0])
def test_a_pedestal_moves_the_sky_by_itself(pedestal: float) -> None:
    plain = fit_background(noise(), none(), ReadControl(), PATH)
    moved = fit_background(noise() + pedestal, none(), ReadControl(), PATH)
    np.testing.assert_allclose(moved.level - pedestal, plain.level, atol=0.02)


def test_an_image_without_sky_is_refused() -> None:
    ignore = none()
    ignore[:280] = True
    with pytest.raises(InputError, match="sky: found 93 % of the pixels unusable"):
        fit_background(noise(), ignore, ReadControl(), PATH)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_not_taken_for_sources(seed: int) -> None:
    image = 50.0 + noise(seed)[:60, :80]
    found = fit_background(image, np.zeros(image.shape, dtype=bool), ReadControl(), PATH)
    # The mode of 4800 pixels is known to 0.1; nothing may be left to see of them otherwise.
    assert found.level == pytest.approx(50.0, abs=0.4)
    assert found.rms == pytest.approx(4.0, rel=0.05)


def test_a_hidden_mesh_is_filled_from_its_neighbours() -> None:
    ignore = none()
    ignore[:, 250:] = True
    found = fit_background(noise() + 70.0, ignore, ReadControl(background_mesh=100), PATH)
    assert found.level == pytest.approx(70.0, abs=0.8)


def test_sources_are_grown_less_where_nothing_else_would_be_left() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    spots = 300.0 * ((x // 12 + y // 12) % 2)
    found = fit_background(noise() + spots, none(), ReadControl(), PATH)
    assert found.rms == pytest.approx(4.0, rel=0.05)
    assert found.level.mean() == pytest.approx(0.0, abs=0.5)
    # Two meshes have little blank sky each; the slope between them stays, and goes on to the rims.
    assert found.level == pytest.approx(0.0, abs=1.5)


def test_a_field_full_of_light_is_fitted_once() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    spots = 300.0 * ((x // 4 + y // 4) % 2)
    found = fit_background(noise() + spots, none(), ReadControl(), PATH)
    # The scatter is that of the spots: all of them were taken for sky, for want of another.
    assert found.rms == pytest.approx(150.0, rel=0.02)
    assert found.level == pytest.approx(150.0, abs=1.0)


def sky_bias(pixels: np.ndarray, level: float, sigma: float, mesh: int = 256) -> float:
    """Return the mean error of the sky in standard deviations of a pixel."""
    found = fit_background(pixels, np.zeros(pixels.shape, bool), ReadControl(background_mesh=mesh), PATH)
    return float(found.level.mean() - level) / sigma


@pytest.mark.parametrize("mesh", [256, 64, 16])
@pytest.mark.parametrize("level", [1.0, 2.0, 3.0, 10.0, 100.0, 1e4, 1e5])
def test_the_sky_of_counts_is_their_mean(level: float, mesh: int) -> None:
    counts = np.random.default_rng(7).poisson(level, (512, 512))
    # The mean of 2^18 pixels is known to 0.002; the clipped mode of sep is off by up to 0.09 at one count.
    assert abs(sky_bias(counts, level, level**0.5, mesh)) < 0.016


@pytest.mark.parametrize("step", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("sigma", [2.5, 5.6])
def test_the_sky_of_pixels_in_steps_has_no_steps(step: float, sigma: float) -> None:
    rng = np.random.default_rng(5)
    for level in (90.0, 90.25, 90.5, 91.3):
        stepped = step * np.rint(rng.normal(level, sigma, (512, 512)) / step)
        assert abs(sky_bias(stepped, level, sigma)) < 0.01


@pytest.mark.parametrize("width", [1.8, 4.0])
@pytest.mark.parametrize("step", [0.0, 1.0])
def test_stars_on_a_tenth_of_the_pixels_do_not_raise_the_sky(width: float, step: float) -> None:
    shape = (512, 512)
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    light = np.zeros(shape, np.float32)
    while (light > 1.0).mean() < 0.1:
        for _ in range(20):
            cx, cy = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
            box = np.s_[max(int(cy) - 30, 0) : int(cy) + 31, max(int(cx) - 30, 0) : int(cx) + 31]
            r2 = (x[box] - cx) ** 2 + (y[box] - cy) ** 2
            light[box] += min(0.125 / rng.random() ** 3, 500.0) * (1 + r2 / (0.96 * width**2)) ** -3
    sigma = 2.5
    pixels = np.random.default_rng(3).normal(100.3, sigma, light.shape) + sigma * light
    pixels = step * np.rint(pixels / step) if step else pixels
    # Half of all pixels have more light than 0.018 of the noise.
    assert -0.01 < sky_bias(pixels, 100.3, sigma) < 0.025


def test_pixels_that_are_masked_here_and_there_leave_the_sky_of_counts() -> None:
    rng = np.random.default_rng(4)
    counts, ignore = rng.poisson(2.0, (512, 512)).astype(float), rng.random((512, 512)) < 0.3
    counts[ignore] = 1e5
    found = fit_background(counts, ignore, ReadControl(), PATH)
    assert abs(found.level.mean() - 2.0) < 0.016 * 2.0**0.5


@pytest.mark.parametrize("mesh", [64, 128, 256])
@pytest.mark.parametrize("slope", [(0.2, 0.0), (-0.1, 0.05), (0.3, 0.5)])
def test_a_slope_of_the_sky_is_no_source(slope: tuple[float, float], mesh: int) -> None:
    """The sky rises by many times the noise of a pixel within a mesh."""
    y, x = np.mgrid[:600, :600]
    truth = 800.0 + slope[0] * x + slope[1] * y
    image = np.random.default_rng(26).normal(truth, 10.0).astype(np.float32)
    control = ReadControl(background_mesh=mesh)
    background = fit_background(image, np.zeros(image.shape, bool), control, Path("a.fits"))
    assert abs((background.level - truth).mean()) < 0.02 * 10.0
    assert np.abs(background.level - truth).max() < 0.15 * 10.0
    assert background.rms == pytest.approx(10.0, rel=0.02)
