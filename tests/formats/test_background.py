from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamella.errors import InputError
from lamella.formats.background import fit_background
from lamella.formats.read_control import ReadControl

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
    # A mesh of 64 x 64 pixels knows its mean to 4 / 64, the mode that sep takes to some more.
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


def test_a_field_full_of_light_is_fitted_once() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    spots = 300.0 * ((x // 12 + y // 12) % 2)
    found = fit_background(noise() + spots, none(), ReadControl(), PATH)
    # The scatter is that of the spots: all of them were taken for sky, for want of another.
    assert found.rms == pytest.approx(150.0, rel=0.02)
    assert 0.0 < np.median(found.level) < 150.0
