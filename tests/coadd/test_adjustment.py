from __future__ import annotations

import numpy as np
import pytest

from lamella.coadd.adjustment import adjust, connected, references
from lamella.coadd.star_matches import StarMatches


def measurements(
    seed: int, exposures: int = 4, stars: int = 12
) -> tuple[StarMatches, np.ndarray, np.ndarray]:
    """Return matches with gaps, values and errors."""
    rng = np.random.default_rng(seed)
    exposure, star = (axis.ravel() for axis in np.mgrid[:exposures, :stars])
    kept = rng.uniform(size=len(exposure)) < 0.8
    exposure, star = exposure[kept], np.unique(star[kept], return_inverse=True)[1]
    errors = rng.uniform(0.01, 0.05, len(star))
    values = rng.normal(size=stars)[star] + 0.3 * exposure + errors * rng.normal(size=len(star))
    return StarMatches(exposure=exposure, row=star, star=star), values, errors


@pytest.mark.parametrize("seed", range(4))
def test_offsets_are_those_of_the_whole_system_of_stars_and_exposures(seed: int) -> None:
    matches, values, errors = measurements(seed)
    solution = adjust(matches, values, errors, {0: 0.0}, count=4, scatter=0.01)
    sigma = np.sqrt(errors**2 + solution.scatter**2)
    stars = int(matches.star.max()) + 1
    design = np.zeros((len(values), 3 + stars))
    for index, (exposure, star) in enumerate(zip(matches.exposure, matches.star, strict=True)):
        if exposure:
            design[index, exposure - 1] = 1.0
        design[index, 3 + star] = 1.0
    weights = solution.used / sigma
    expected, *_ = np.linalg.lstsq(design * weights[:, np.newaxis], values * weights)
    np.testing.assert_allclose(solution.offsets[1:], expected[:3], atol=1e-3 * sigma.min())
    covariance = np.linalg.inv((design * weights[:, np.newaxis] ** 2).T @ design)[:3, :3]
    # Larger by the variance of Student's distribution, the same for all.
    ratio = solution.covariance[1:, 1:] / covariance
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)
    assert 1.0 < ratio[0, 0] < 1.3


def test_what_no_star_ties_to_a_fixed_exposure_has_no_offset() -> None:
    matches = StarMatches(exposure=np.array([0, 1, 2, 3]), row=np.zeros(4, int), star=np.array([0, 0, 1, 1]))
    solution = adjust(matches, np.arange(4.0), np.full(4, 0.1), {0: 0.0}, count=4, scatter=0.01)
    assert np.isfinite(solution.offsets[:2]).all()
    assert np.isnan(solution.offsets[2:]).all()


def test_a_reference_is_a_fixed_exposure_or_that_with_the_most_measurements() -> None:
    matches = StarMatches(exposure=np.array([0, 1, 2, 3]), row=np.zeros(4, int), star=np.array([0, 0, 1, 1]))
    groups = connected(5, matches)
    assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4]
    seen = np.array([3, 5, 2, 2, 0])
    np.testing.assert_array_equal(references(groups, {}, seen), [1, 1, 2, 2, 4])
    np.testing.assert_array_equal(references(groups, {0: 0.0, 3: 0.0}, seen), [0, 0, 3, 3, 4])


def test_without_measurements_there_is_nothing_to_adjust() -> None:
    empty = np.empty(0, int)
    solution = adjust(
        StarMatches(empty, empty, empty), np.empty(0), np.empty(0), {0: 0.0}, count=1, scatter=0.01
    )
    np.testing.assert_array_equal(solution.offsets, [0.0])
