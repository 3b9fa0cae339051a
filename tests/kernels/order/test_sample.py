"""Exact statistics of a flat sample."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.arrays import SIGMA_OF_QUARTILES
from lamella.kernels.order.sample import clipped_mean, moments, quantiles

numbers = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


def parts(values, mask=None):
    array = np.atleast_2d(np.array(values, dtype=np.float32))
    return [(array, np.zeros(array.shape, np.int32) if mask is None else np.atleast_2d(np.int32(mask)))]


@given(numbers)
def test_moments_are_exact(values):
    exact = [Fraction(float(np.float32(v))) for v in values]
    mean = sum(exact) / len(exact)
    found = moments(parts(values), 0)
    assert found.mean == float(mean)
    assert found.used == found.total == len(values)
    if len(values) > 1:
        assert found.variance == float(sum((v - mean) ** 2 for v in exact) / (len(exact) - 1))
    else:
        assert math.isnan(found.variance)


@pytest.mark.parametrize("decades", [0.1, 0.5, 20.0])
def test_moments_of_many_values_are_exact_for_few_and_for_many_exponents(decades):
    rng = np.random.default_rng(3)
    values = (rng.choice([-1.0, 1.0], 9000) * 10.0 ** rng.uniform(-decades, decades, 9000)).astype(np.float32)
    values[::7] = 0.0
    used = np.abs(values.astype(np.float64) - 0.5) <= 4.0
    exact = [Fraction(float(v)) for v in values[used]]
    mean = sum(exact) / len(exact)
    found = moments(parts(values), 0, 0.5, 4.0)
    assert found.used == used.sum()
    assert found.mean == float(mean)
    assert found.variance == float(sum((v - mean) ** 2 for v in exact) / (len(exact) - 1))


@given(numbers, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]))
def test_quantiles_are_those_of_a_sorted_list(values, fraction):
    ordered = sorted(float(np.float32(v)) for v in values)
    place = fraction * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    (found,) = quantiles(parts(values), 0, (fraction,))
    assert found == low + (high - low) * (place - math.floor(place))


@given(numbers, st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_cuts_do_not_change_a_bit(values, random, pieces):
    whole = clipped_mean(parts(values), 0, 3.0, 2)
    shuffled = list(values)
    random.shuffle(shuffled)
    cut = [p for chunk in np.array_split(np.float32(shuffled), pieces) for p in parts(chunk)]
    again = clipped_mean(cut, 0, 3.0, 2)
    np.testing.assert_array_equal(again, whole)


def test_masked_and_not_finite_values_do_not_count():
    values = [1.0, 2.0, 3.0, np.nan, np.inf, -np.inf, 1e30]
    found = moments(parts(values, [0, 2, 0, 0, 0, 0, 1]), 1)
    assert found == (2.0, 1.0, 3, 3)
    assert quantiles(parts(values, [0, 2, 0, 0, 0, 0, 1]), 1, (0.0, 0.5, 1.0)) == (1.0, 2.0, 3.0)


def test_nothing_gives_nan():
    assert quantiles(parts([np.nan]), 0, (0.5, 0.1)) == pytest.approx((math.nan, math.nan), nan_ok=True)
    found = clipped_mean(parts([np.nan]), 0, 3.0, 2)
    assert math.isnan(found.mean)
    assert (found.used, found.total) == (0, 0)


def test_signs_zeros_and_subnormals_keep_their_order():
    values = [-0.0, 0.0, 1e-45, -1e-45, 3e38, -3e38]
    found = quantiles(parts(values), 0, (0.0, 0.2, 0.8, 1.0))
    assert found == pytest.approx([np.float32(-3e38), -(2.0**-149), 2.0**-149, np.float32(3e38)], rel=1e-12)
    assert moments(parts(values), 0).mean == 0.0


@pytest.mark.parametrize(
    ("values", "mean", "used"),
    [
        ([5.0], 5.0, 1),
        ([0, 100], 50.0, 2),
        ([0, 0, 1e6], 1e6 / 3, 3),
        ([0, 0, 0, 1], 0.0, 3),
        ([1, 2, 2, 3, 8], 2.0, 4),
        ([7.0] * 9 + [8.0], 7.0, 9),
    ],
)
def test_clipping_of_few_values(values, mean, used):
    found = clipped_mean(parts(values), 0, 3.0, 2)
    assert found.mean == pytest.approx(mean, rel=1e-15)
    assert (found.used, found.total) == (used, len(values))


def test_clipping_is_that_of_the_definition():
    rng = np.random.default_rng(11)
    values = np.concatenate([rng.normal(10, 1, 5000), rng.normal(30, 5, 60)]).astype(np.float32)
    exact = values.astype(float)
    q1, centre, q3 = np.percentile(exact, [25, 50, 75])
    half_width = 2.5 * SIGMA_OF_QUARTILES * (q3 - q1)
    for _ in range(3):
        left = exact[np.abs(exact - centre) <= half_width]
        centre, half_width = left.mean(), 2.5 * left.std(ddof=1)
    found = clipped_mean(parts(values), 0, 2.5, 3)
    assert found.mean == pytest.approx(centre, rel=1e-12)
    assert found.variance == pytest.approx(left.var(ddof=1), rel=1e-10)
    assert found.used == len(left) < len(values)


def test_no_pass_gives_the_plain_mean():
    assert clipped_mean(parts([0, 0, 0, 1]), 0, 3.0, 0).mean == 0.25


def test_one_value_that_is_left_stays():
    # Half-width of the first pass: 0.5 * 0.7413 * 1; only the median itself is inside.
    found = clipped_mean(parts([0, 1, 2, 3, 4, 10, 11]), 0, 0.2, 4)
    assert (found.mean, found.used) == (3.0, 1)


def test_exactness_survives_a_high_pedestal():
    values = np.full(100_000, 16_777_216.0, dtype=np.float32)
    values[::2] += 2
    found = moments(parts(values), 0)
    assert found.mean == 16_777_217.0
    assert found.variance == float(Fraction(100_000, 99_999))


def test_parts_may_be_an_object_that_reads_again():
    class Strips:
        reads = 0

        def __len__(self):
            return 2

        def __iter__(self):
            Strips.reads += 1
            for strip in ([1, 2], [3, 40]):
                yield from parts(strip)

        def __contains__(self, item):
            return False

    assert clipped_mean(Strips(), 0, 3.0, 2) == clipped_mean(parts([1, 2, 3, 40]), 0, 3.0, 2)
    assert Strips.reads == 4


def test_mean_over_all_permutations_is_one_number():
    values = [1e8, 1.0, -1e8, 1e-8]
    means = {moments(parts(p), 0).mean for p in itertools.permutations(values)}
    assert len(means) == 1
