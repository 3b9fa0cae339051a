"""The loops and the order statistics under the stack kernels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.stack.median import median_noise
from lamella.kernels.stack.rows import (
    REJECTED_KEY,
    add_bits,
    add_count,
    order_keys,
    screen,
    select_probable,
    tally,
)
from lamella.kernels.stack.rules import SCATTER_ERROR, Rules
from lamella.kernels.stack.sort import quantile, sort_rows, sorting_network
from lamella.kernels.stack.sums import Known


@pytest.mark.parametrize("n", range(1, 13))
def test_a_network_sorts_all_patterns_of_zeros_and_ones(n):
    # A network that sorts all of these sorts everything (Knuth, theorem 5.3.4Z).
    patterns = np.array(list(itertools.product((0, 1), repeat=n)), dtype=np.int32).T.copy()
    expected = np.sort(patterns, axis=0)
    sort_rows(patterns, sorting_network(n), patterns.shape[1])
    np.testing.assert_array_equal(patterns, expected)


@pytest.mark.parametrize(("n", "exchanges"), [(1, 0), (2, 1), (4, 5), (8, 19), (16, 63)])
def test_a_network_has_the_known_number_of_exchanges(n, exchanges):
    assert len(sorting_network(n)) == exchanges


def test_a_large_network_sorts_random_rows():
    rows = np.random.default_rng(3).integers(-1000, 1000, (137, 64)).astype(np.int32)
    expected = np.sort(rows, axis=0)
    sort_rows(rows, sorting_network(137), 64)
    np.testing.assert_array_equal(rows, expected)


def test_sorting_leaves_the_columns_beyond_the_width_alone():
    rows = np.array([[5, 5, 5], [1, 1, 1]], dtype=np.int32)
    sort_rows(rows, sorting_network(2), 2)
    np.testing.assert_array_equal(rows, [[1, 1, 5], [5, 5, 1]])


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=40))
def test_keys_sort_as_the_floats_do(values):
    values = np.array(values, np.float32)
    keys = np.empty(values.size, np.int32)
    order_keys(values.view(np.int32), keys)
    np.testing.assert_array_equal(values[np.argsort(keys, kind="stable")], np.sort(values))
    assert keys.max() < REJECTED_KEY


def test_keys_of_nan_come_last_whatever_their_sign():
    values = np.array([np.nan, -np.nan, np.inf], np.float32)
    keys = np.empty(3, np.int32)
    order_keys(values.view(np.int32), keys)
    assert keys[0] == keys[1] == REJECTED_KEY
    assert keys[2] < REJECTED_KEY


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.75])
def test_quantiles_are_those_of_numpy_for_any_number_of_good_values(fraction):
    rng = np.random.default_rng(1)
    values = rng.standard_normal((9, 10)).astype(np.float32)
    good = np.arange(10, dtype=np.int32)
    for j in range(10):
        values[good[j] :, j] = np.nan
    keys = np.empty((9, 10), np.int32)
    for i in range(9):
        order_keys(values[i].view(np.int32), keys[i])
    sort_rows(keys, sorting_network(9), 10)
    low, high, found = np.empty(10, np.int32), np.empty(10, np.int32), np.empty(10)
    quantile(keys, good, fraction, True, low, high, found)
    expected = [np.quantile(values[: good[j], j].astype(float), fraction) for j in range(1, 10)]
    np.testing.assert_allclose(found[1:], expected, rtol=1e-14)


def test_the_lower_middle_value_is_taken_without_interpolation():
    keys = np.empty((4, 1), np.int32)
    for i, value in enumerate((1.0, 2.0, 3.0, 4.0)):
        order_keys(np.array([value], np.float32).view(np.int32), keys[i])
    found = np.empty(1)
    work = np.empty(1, np.int32), np.empty(1, np.int32)
    quantile(keys, np.array([4], np.int32), 0.5, False, *work, found)
    assert found[0] == 2.0


def test_screening_rejects_masked_values_and_useless_variances():
    x = np.array([1, 2, np.nan, np.inf, 5, 6, 7, 8, 9], np.float32)
    m = np.array([0, 3, 0, 0, 2, 0, 0, 0, 0], np.int32)
    v = np.array([1, 1, 1, 1, 1, 0, -1, np.nan, np.inf], np.float32)
    kept = np.empty(9, np.float32)
    rules = Rules(1, False, np.float32(0), False, SCATTER_ERROR, True)
    screen(x, m, v, rules, kept)
    np.testing.assert_array_equal(kept, [1, np.nan, np.nan, np.nan, 5, 6, 7, 8, 9])
    screen(x, m, v, rules._replace(use_variance=True), kept)
    np.testing.assert_array_equal(kept, [1, np.nan, np.nan, np.nan, 5] + 4 * [np.nan])


def test_a_value_that_is_probable_is_within_its_noise():
    chosen = np.empty(4, np.float32)
    kept = np.array([1, 2, np.nan, -1], np.float32)
    v, limits = np.full(4, 0.75, np.float32), Known(np.zeros(4), np.full(4, 0.25), np.ones(4), np.zeros(4))
    select_probable(kept, v, limits, chosen)
    np.testing.assert_array_equal(chosen, [1, np.nan, np.nan, -1])
    # Below the centre a variance counts as at least the given one.
    low = np.array([-1.5, 1.5, -3.0, -1.0], np.float32)
    select_probable(low, v, limits._replace(least=np.full(4, 2.0)), chosen)
    np.testing.assert_array_equal(chosen, [-1.5, np.nan, np.nan, -1.0])


def test_bits_of_used_and_of_rejected_values_are_kept_apart():
    values, m = np.array([3, np.nan, np.nan], np.float32), np.array([1, 2, 12], np.int32)
    bits, used, seen = np.zeros((3, 3), np.int32)
    add_bits(values, m, bits)
    add_count(values, used)
    assert tally(values, m, seen) == 14
    np.testing.assert_array_equal([bits, used, seen], [[1, 0, 0], [1, 0, 0], [0, 2, 12]])


@pytest.mark.parametrize(("n", "expected"), [(1, 1.0), (2, 1.0), (3, 1.3460), (5, 1.4343), (10, 1.3830)])
def test_noise_of_the_median_for_few_values(n, expected):
    # Known values for normal samples: exact for one and two, else from simulations.
    assert median_noise(n) == pytest.approx(expected, rel=0.004)


def test_noise_of_the_median_for_many_values():
    assert median_noise(100_001) == pytest.approx(np.pi / 2, rel=1e-4)
    assert median_noise(100_000) == pytest.approx(np.pi / 2, rel=1e-4)
