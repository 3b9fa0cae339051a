"""Numbers about PSFs, from moments of stars and from visit summaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.coadd.select.quality import QUALITY, SUMMARY_NAMES, psf_quality, standard_quality
from lamella.errors import ShapeError

ROUND = np.array([[4.0], [4.0], [0.0]])


def test_a_perfect_model_has_no_residuals() -> None:
    moments = np.repeat(ROUND, 30, axis=1)
    found = psf_quality(moments, moments)
    assert found == {
        "psf_ellipticity_residual": 0.0,
        "psf_size_scatter": 0.0,
        "psf_scaled_size_scatter": 0.0,
        "star_ellipticity": 0.0,
        "star_unnormalized_ellipticity": 0.0,
        "psf_stars": 30.0,
    }


def test_residuals_are_the_medians_of_both_components() -> None:
    stars = np.repeat([[4.4], [3.6], [0.3]], 11, axis=1)  # e = (0.1, 0.075)
    models = np.repeat([[4.2], [3.8], [0.1]], 11, axis=1)  # e = (0.05, 0.025)
    stars[:, 0] = 100.0, 1.0, 0.0  # no single star changes a median
    found = psf_quality(stars, models)
    assert found["psf_ellipticity_residual"] == pytest.approx(math.hypot(0.05, 0.05))
    assert found["star_ellipticity"] == pytest.approx(0.125)
    assert found["star_unnormalized_ellipticity"] == pytest.approx(1.0)


@given(st.floats(0.5, 4.0), st.floats(0.001, 0.2))
def test_the_scatter_of_sizes_is_a_standard_deviation(size: float, scatter: float) -> None:
    sizes = size * (1 + scatter * np.random.default_rng(2).standard_normal(20_000).clip(-4, 4))
    stars = np.array([sizes**2, sizes**2, 0 * sizes])
    models = np.repeat([[size**2], [size**2], [0.0]], 20_000, axis=1)
    found = psf_quality(stars, models)
    assert found["psf_size_scatter"] == pytest.approx(size * scatter, rel=0.05)
    assert found["psf_scaled_size_scatter"] == pytest.approx(scatter / size, rel=0.06)


def test_stars_that_were_not_measured_do_not_count() -> None:
    stars = np.repeat(ROUND, 5, axis=1)
    stars[1, 2] = np.nan
    assert psf_quality(stars, np.repeat(ROUND, 5, axis=1))["psf_stars"] == 4
    none = psf_quality(np.full((3, 2), np.nan), np.ones((3, 2)))
    assert none["psf_stars"] == 0
    assert math.isnan(none["psf_ellipticity_residual"])


def test_moments_must_have_three_rows() -> None:
    for wrong in (np.ones((2, 5)), np.ones(3), np.ones((3, 4))):
        with pytest.raises(ShapeError):
            psf_quality(wrong, np.ones((3, 5)))


def test_columns_of_visit_summaries_get_our_names() -> None:
    numbers = {name: float(index) for index, name in enumerate(SUMMARY_NAMES)}
    found = standard_quality({**numbers, "psfStarDeltaE1Median": 0.3, "psfStarDeltaE2Median": -0.4})
    assert found["psf_ellipticity_residual"] == pytest.approx(0.5)
    assert all(found[ours] == numbers[name] for name, ours in SUMMARY_NAMES.items())
    assert set(QUALITY) <= set(found)


def test_our_names_win_and_nothing_is_made_up() -> None:
    assert standard_quality({"nPsfStar": 9.0, "psf_stars": 7.0})["psf_stars"] == 7.0
    assert standard_quality({"psfStarDeltaE1Median": 0.1, "x": 2.0}) == {
        "psfStarDeltaE1Median": 0.1,
        "x": 2.0,
    }
    assert math.isnan(standard_quality({"psfApFluxDelta": math.nan})["psf_aperture_flux_delta"])
