"""Counts over planes."""

from __future__ import annotations

import numpy as np

from lamella.kernels.planes import count_bits, count_values, find_covered


def test_covered_pixels_have_a_finite_value_and_a_usable_variance():
    image = np.array([1, np.nan, np.inf, 4, 5, 6, 7, -8], np.float32)
    variance = np.array([1, 1, 1, 0, -1, np.inf, np.nan, 1], np.float32)
    covered = np.zeros(8, bool)
    find_covered(image, np.zeros(8, np.int32), variance, 1, covered)
    assert covered.tolist() == [True, *6 * [False], True]
    find_covered(image, np.array([2, 0, 0, 0, 0, 0, 0, 3], np.int32), variance, 1, covered)
    assert covered.tolist() == [True, *7 * [False]]


def test_bits_are_counted_over_blocks_and_with_the_sign():
    mask = np.random.default_rng(2).integers(-(2**31), 2**31, 10_001).astype(np.int32)
    mask[:4096] &= 5
    counts = np.zeros(32, np.int64)
    count_bits(mask, counts)
    expected = [np.count_nonzero(mask.view(np.uint32) & np.uint32(1 << bit)) for bit in range(32)]
    assert counts.tolist() == expected


def test_only_chosen_values_are_counted():
    counts = np.zeros(4, np.int64)
    count_values(np.array([0, 3, 3, 1], np.int32), np.array([True, True, True, False]), counts)
    assert counts.tolist() == [1, 0, 0, 2]
