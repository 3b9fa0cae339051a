import numpy as np
import pytest

from lamella.testing.profiles import gaussian_mixture, sersic_profile


def light_within(radius, index):
    weights, sigmas = (np.array(v) for v in gaussian_mixture(index))
    return float(np.sum(weights * -np.expm1(-0.5 * (radius / sigmas) ** 2)))


@pytest.mark.parametrize("index", [0.5, 1.0, 2.5, 4.0])
def test_mixture_has_unit_flux_and_unit_half_light_radius(index):
    weights, sigmas = gaussian_mixture(index)
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    assert min(weights) > 0
    assert min(sigmas) > 0
    assert light_within(1.0, index) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("index", [1.0, 2.5])
def test_mixture_follows_the_sersic_profile(index):
    radius = np.linspace(0.3, 3.0, 28)
    weights, sigmas = (np.array(v) for v in gaussian_mixture(index))
    mixture = (weights / (2 * np.pi * sigmas**2) * np.exp(-0.5 * (radius[:, None] / sigmas) ** 2)).sum(axis=1)
    assert mixture == pytest.approx(sersic_profile(radius, index), rel=0.06)


def test_profile_has_unit_flux_half_of_it_within_the_half_light_radius():
    radius = np.linspace(0, 40, 400_001)
    flux = 2 * np.pi * radius * sersic_profile(radius, 1.0)
    assert np.trapezoid(flux, radius) == pytest.approx(1.0, abs=1e-5)
    assert np.trapezoid(flux[radius <= 1], radius[radius <= 1]) == pytest.approx(0.5, abs=1e-4)
