"""Flags of files, and pixels without a measurement."""

from __future__ import annotations

import numpy as np
import pytest

from lamella.kernels.flags import mark_missing, mark_untold, or_where, translate_flags

NO_DATA, NO_VALUE, NO_WEIGHT, TOLD = 1, 2, 4, 8


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.uint64])
def test_any_of_the_bits_sets_the_new_one(kind: type) -> None:
    flags = np.array([[0, 1, 2, 3], [4, 4, 0, 5]], kind)
    out = np.empty((2, 4), np.int32)
    translate_flags(flags, np.array([3, 4]), np.array([16, 32]), out)
    assert out.tolist() == [[0, 16, 16, 16], [32, 32, 0, 48]]


def test_flags_are_translated_in_place() -> None:
    flags = np.array([[1, 1, 2, 0]], np.int32)
    translate_flags(flags, np.array([1, 2]), np.array([2, 1]), flags)
    assert flags.tolist() == [[2, 2, 1, 0]]


def test_a_plane_adds_its_bit() -> None:
    mask = np.array([[1, 0, 2]], np.int32)
    or_where(np.array([[True, True, False]]), 2, mask)
    assert mask.tolist() == [[3, 2, 2]]


def test_missing_pixels_get_a_reason_if_they_have_none_and_lie_within_the_data() -> None:
    nan, inf = np.nan, np.inf
    image = np.array([[1.0, nan, 1.0, 1.0, nan, 1.0, 1.0, nan]], np.float32)
    variance = np.array([[1.0, 1.0, 0.0, inf, nan, 1.0, 1.0, inf]], np.float32)
    mask = np.array([[0, 0, 0, TOLD, TOLD, NO_DATA, 0, 0]], np.int32)
    rows, columns = np.zeros(1, bool), np.zeros(8, bool)
    assert mark_missing(image, variance, mask, NO_DATA, NO_DATA | TOLD, rows, columns) == (3, 2)
    assert rows.all()
    # What has a reason is within the data, unless it is NO_DATA itself.
    assert np.flatnonzero(columns).tolist() == [0, 3, 4, 6]
    mark_untold(image, variance, mask, NO_DATA, NO_VALUE, NO_WEIGHT, (0, 1), (0, 7))
    told = NO_DATA | TOLD
    expected = [0, NO_DATA | NO_VALUE, NO_DATA | NO_WEIGHT, told, told, NO_DATA, 0, NO_DATA]
    assert mask.tolist() == [expected]
    missing = mask != 0
    np.testing.assert_array_equal(image, np.where(missing, nan, 1.0))
    np.testing.assert_array_equal(variance, np.where(missing, inf, 1.0))
