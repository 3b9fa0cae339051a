"""Counts over planes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lamella.kernels.arrays import (
    count_bits,
    count_values,
    find_covered,
    find_near,
    kernel_array,
    sum_blocks,
    sum_flagged,
)


def covered_of(image, mask, variance, no_data=1, inexact=4):
    covered = np.zeros(image.shape, bool)
    rows, columns = (np.full((2, size), -1, np.int32) for size in image.shape)
    find_covered(image, mask, variance, no_data, inexact, covered, rows, columns)
    return covered, rows, columns


def test_covered_pixels_have_a_finite_value_and_a_usable_variance():
    image = np.array([[1, np.nan, np.inf, 4, 5, 6, 7, -8]], np.float32)
    variance = np.array([[1, 1, 1, 0, -1, np.inf, np.nan, 1]], np.float32)
    covered, _, _ = covered_of(image, np.zeros((1, 8), np.int32), variance)
    assert covered[0].tolist() == [True, *6 * [False], True]
    covered, _, _ = covered_of(image, np.array([[2, 0, 0, 0, 0, 0, 0, 3]], np.int32), variance)
    assert covered[0].tolist() == [True, *7 * [False]]


def test_covered_pixels_are_counted_along_both_axes():
    rng = np.random.default_rng(5)
    mask = rng.integers(0, 8, (37, 53)).astype(np.int32)
    ones = np.ones(mask.shape, np.float32)
    covered, rows, columns = covered_of(ones, mask, ones)
    expected = mask & 1 == 0
    np.testing.assert_array_equal(covered, expected)
    for kind, flags in enumerate((expected, expected & (mask & 4 == 0))):
        np.testing.assert_array_equal(rows[kind], flags.sum(axis=1))
        np.testing.assert_array_equal(columns[kind], flags.sum(axis=0))


@pytest.mark.parametrize("radius", [0, 2, 40])
def test_pixels_near_those_above_a_limit_are_within_a_square(radius):
    values = np.zeros((30, 41))
    values[[0, 4, 29, 13], [0, 40, 7, 20]] = 2
    values[20, 20], values[5, 5] = np.nan, 1
    near = np.zeros(values.shape, bool)
    find_near(values, 1, radius, near)
    np.testing.assert_array_equal(near, ndimage.maximum_filter(values == 2, size=2 * radius + 1))


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


@pytest.mark.parametrize("largest", [0, 3, 7, 8, 40])
def test_few_and_many_values_are_counted(largest):
    rng = np.random.default_rng(3)
    values = rng.integers(0, largest + 1, 10_001).astype(np.int32)
    values[5000:] = largest
    chosen = rng.uniform(size=values.size) < 0.6
    counts = np.ones(largest + 2, np.int64)
    count_values(values, chosen, counts)
    np.testing.assert_array_equal(counts - 1, np.bincount(values[chosen], minlength=largest + 2))


def test_blocks_hold_the_sums_of_their_finite_values():
    values = np.arange(35, dtype=np.float32).reshape(5, 7)
    values[0, 0], values[4, 6] = np.nan, np.inf
    total, number = np.empty((2, 3)), np.empty((2, 3))
    sum_blocks(values, -np.inf, 3, total, number)
    pieces = [[values[y : y + 3, x : x + 3] for x in (0, 3, 6)] for y in (0, 3)]
    good = [[piece[np.isfinite(piece)] for piece in row] for row in pieces]
    np.testing.assert_array_equal(total, [[part.sum() for part in row] for row in good])
    np.testing.assert_array_equal(number, [[part.size for part in row] for row in good])


def test_blocks_leave_out_values_that_are_not_above_a_limit():
    values = np.array([[1, 0, -2, 3], [np.nan, 5, -np.inf, 0]], np.float32)
    total, number = np.empty((1, 2)), np.empty((1, 2))
    sum_blocks(values, 0, 2, total, number)
    assert total.tolist() == [[6, 3]]
    assert number.tolist() == [[2, 1]]


def test_blocks_count_the_pixels_with_one_of_some_bits():
    mask = np.random.default_rng(4).integers(-8, 8, (5, 7)).astype(np.int32)
    choices = np.array([5, 2, -(2**31)], np.int32)
    total = np.empty((3, 3, 4))
    sum_flagged(mask, choices, 2, total)
    for bits, found in zip(choices, total, strict=True):
        flagged = mask & bits != 0
        expected = [[flagged[y : y + 2, x : x + 2].sum() for x in (0, 2, 4, 6)] for y in (0, 2, 4)]
        np.testing.assert_array_equal(found, expected)


def test_arrays_for_kernels_are_copied_only_when_they_must_be():
    plane = np.ones((3, 4), np.float32)
    assert kernel_array(plane, np.float32) is plane
    assert kernel_array(plane) is plane
    frozen = plane.view()
    frozen.flags.writeable = False
    for other in (frozen, plane.T, plane.astype(np.float64)):
        made = kernel_array(other, np.float32)
        assert made.flags.c_contiguous
        assert made.flags.writeable
        assert made.dtype == np.float32
        assert not np.shares_memory(made, plane)
