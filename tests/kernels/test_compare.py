"""Difference and thresholds against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from lamella.kernels.compare import (
    BLIND,
    HIGH,
    LOW,
    add_to_bins,
    flag_direct,
    flag_matched,
    move_template,
    subtract_template,
)

SHAPE = (23, 31)


def plane(value: float = 0.0) -> np.ndarray:
    return np.full(SHAPE, value, dtype=np.float32)


def subtract(image, variance, mask, sky, sky_variance, limit=0.0, bad=1):  # type: ignore[no-untyped-def]
    difference, noise = plane(), plane()
    subtract_template(image, variance, mask, bad, sky, sky_variance, limit, difference, noise)
    return difference, noise


def test_a_difference_has_the_noise_of_both_or_what_they_do_not_share() -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(3, 2, SHAPE).astype(np.float32)
    mask = np.zeros(SHAPE, np.int32)
    difference, noise = subtract(image, plane(4.0), mask, plane(3.0), plane(1.0), 3.0)
    np.testing.assert_allclose(difference, image - 3.0, rtol=1e-6)
    shares = np.abs(difference) <= 6.0
    assert 0 < np.count_nonzero(~shares) < 30
    np.testing.assert_allclose(noise, np.where(shares, 3.0, 5.0))
    _, noise = subtract(image, plane(4.0), mask, plane(3.0), plane(1.0))
    np.testing.assert_allclose(noise, 5.0)


def test_what_is_shared_never_takes_all_of_the_noise() -> None:
    _, noise = subtract(plane(), plane(4.0), np.zeros(SHAPE, np.int32), plane(), plane(3.9), 3.0)
    np.testing.assert_allclose(noise, 1.0)


def test_masked_and_unknown_pixels_are_not_compared() -> None:
    image, variance, sky, sky_variance = plane(), plane(1.0), plane(), plane(1.0)
    mask = np.zeros(SHAPE, np.int32)
    mask[0, 0], mask[0, 1] = 1, 2
    image[1, 1], variance[2, 2], sky[3, 3], sky_variance[4, 4] = np.nan, np.inf, np.nan, np.inf
    difference, noise = subtract(image, variance, mask, sky, sky_variance)
    unknown = np.zeros(SHAPE, bool)
    unknown[[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]] = True
    np.testing.assert_array_equal(np.isnan(difference), unknown)
    np.testing.assert_array_equal(np.isinf(noise), unknown)


@pytest.mark.parametrize(
    ("epochs", "bright", "faint"), [(1, 0, 0), (2, LOW | HIGH, 0), (3, LOW | HIGH, LOW | HIGH)]
)
def test_few_epochs_are_compared_one_sided_or_not_at_all(epochs: int, bright: int, faint: int) -> None:
    difference, noise = plane(), plane(1.0)
    difference[5, 5], difference[9, 9] = 6.0, -6.0
    counts = np.full(SHAPE, epochs, np.int32)
    for kernel in ("matched", "direct"):
        flags = np.full(SHAPE, BLIND, np.uint8)
        if kernel == "matched":
            doubtful = np.zeros(SHAPE, bool)
            tolerances = plane(), doubtful, plane()
            flag_matched(difference, noise.copy(), 1.0, *tolerances, plane(), counts, 2.5, 5.0, flags)
        else:
            flag_direct(difference, noise.copy(), (1.0, 1.0), plane(), plane(), counts, 2.5, 5.0, flags)
        assert flags[5, 5] & 3 == bright
        assert flags[9, 9] & 3 == faint


def test_matched_pixels_are_tested_only_where_the_other_test_is_blind() -> None:
    difference, noise = plane(6.0), plane(1.0)
    flags = np.zeros(SHAPE, np.uint8)
    flags[:, 10:] = BLIND
    doubtful = np.zeros(SHAPE, bool)
    doubtful[:, 20:] = True
    counts = np.full(SHAPE, 5, np.int32)
    tolerances = plane(1.0), doubtful, plane(100.0)
    flag_matched(difference, noise, 1.0, *tolerances, plane(), counts, 2.5, 5.0, flags)
    assert (flags[:, :10] == 0).all()
    # Six over the root of two is between the thresholds.
    assert (flags[:, 10:20] == BLIND | LOW).all()
    assert (flags[:, 20:] == BLIND).all()
    np.testing.assert_allclose(noise[:, :20], 2.0)
    np.testing.assert_allclose(noise[:, 20:], 1.0 + 1e4)


def test_of_two_epochs_only_light_that_one_shows_and_the_other_excludes_is_flagged() -> None:
    counts, doubtful = np.full(SHAPE, 2, np.int32), np.ones(SHAPE, bool)

    def flagged(sky: float, tolerance: float, kernel: str) -> bool:
        difference, noise, flags = plane(), plane(1.0), np.full(SHAPE, BLIND, np.uint8)
        difference[5, 5] = 8.0
        arrays = plane(sky), counts
        if kernel == "matched":
            flag_matched(
                difference, noise, 1.0, plane(), doubtful, plane(tolerance), *arrays, 2.5, 5.0, flags
            )
        else:
            flag_direct(difference, noise, (1.0, 1.0), plane(tolerance), *arrays, 2.5, 5.0, flags)
        return bool(flags[5, 5] & HIGH)

    for kernel in ("matched", "direct"):
        assert flagged(0.0, 0.0, kernel)
        assert flagged(10.0, 0.5, kernel)
        assert not flagged(10.0, 5.0, kernel)  # both show a source there
        assert not flagged(-8.0, 0.0, kernel)  # the light is missing in the other one


@pytest.mark.parametrize(("dx", "dy"), [(0.3, -0.2), (-1.4, 0.6), (0.0, 0.0)])
def test_sources_of_a_template_move_and_nothing_else(dx: float, dy: float) -> None:
    rows, columns = np.indices((60, 70))

    def star(y: float, x: float) -> np.ndarray:
        return 100.0 * np.exp(-0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / 1.8**2)

    image = star(30, 25).astype(np.float32)
    image[:, 60:] = 7.0
    source = columns < 50
    moved = np.empty_like(image)
    move_template(image, source, dx, dy, moved)
    np.testing.assert_allclose(moved[:, :50], star(30 + dy, 25 + dx)[:, :50], atol=0.6)
    np.testing.assert_array_equal(moved[:, 50:], image[:, 50:])


def test_beside_the_end_of_the_data_sources_move_by_their_slope() -> None:
    image = np.add.outer(2.0 * np.arange(20), 3.0 * np.arange(20)).astype(np.float32)
    image[:, 15:] = np.nan
    moved = np.empty_like(image)
    move_template(image, np.ones(image.shape, bool), 0.2, -0.1, moved)
    np.testing.assert_allclose(moved[:, :15], image[:, :15] - 0.2 * 3.0 + 0.1 * 2.0, atol=0.05)
    assert np.isnan(moved[:, 15:]).all()


def test_the_direct_test_equals_its_definition() -> None:
    rng = np.random.default_rng(2)
    difference = rng.normal(0, 2.5, SHAPE).astype(np.float32)
    noise = rng.uniform(1, 3, SHAPE).astype(np.float32)
    unknown = rng.random(SHAPE) < 0.1
    difference[unknown], noise[unknown] = np.nan, np.inf
    tolerance = rng.uniform(0, 2, SHAPE).astype(np.float32)
    counts = np.full(SHAPE, 4, np.int32)
    flags = np.zeros(SHAPE, np.uint8)
    spread = noise.copy()
    flag_direct(difference, spread, (1.5, 2.0), tolerance, plane(-9.0), counts, 2.0, 3.0, flags)
    for y in range(SHAPE[0]):
        for x in range(SHAPE[1]):
            if unknown[y, x]:
                assert flags[y, x] == 0
                continue
            near = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
            known = ~unknown[near]
            t = float(tolerance[y, x]) ** 2
            n, s, v = known.sum(), difference[near][known].sum(), noise[near][known].sum()
            one = difference[y, x] ** 2 / (1.5 * noise[y, x] + t)
            nine = s**2 / (2.0 * v + n * n * t)
            best = max(one, nine)
            expected = (LOW if best > 4.0 else 0) | (HIGH if best > 9.0 else 0)
            assert flags[y, x] & 3 == expected
            assert bool(flags[y, x] & BLIND) == (t >= 1.5 * noise[y, x])
            assert spread[y, x] == pytest.approx(1.5 * noise[y, x] + t, rel=1e-5)


def test_bins_leave_out_sources_and_outliers() -> None:
    difference, noise, tolerance = plane(2.0), plane(3.0), plane(0.0)
    left_out = np.zeros(SHAPE, bool)
    left_out[0, :2] = True
    difference[1, 0] = np.nan
    tolerance[1, 1] = 0.1
    sums = np.zeros((3, 4, 5))
    add_to_bins(difference, noise, tolerance, 0.05, left_out, 8, 3, 6, sums)
    assert sums[2].sum() == SHAPE[0] * SHAPE[1] - 4
    # The first bin in y holds five rows, the first in x two columns.
    assert sums[2, 0, 0] == 5 * 2 - 4
    np.testing.assert_allclose(sums[0], 2.0 * sums[2])
    np.testing.assert_allclose(sums[1], 3.0 * sums[2])
