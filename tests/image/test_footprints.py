"""Footprints: connection, seeds, measurement and growth, against scipy.ndimage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box
from scipy import ndimage

from lamella.errors import ShapeError
from lamella.image.footprints import Footprints

BOX = Box.factory[100:125, -7:33]
EIGHT = np.ones((3, 3), dtype=bool)


def random_flags(seed: int, density: float = 0.25) -> np.ndarray:
    return np.random.default_rng(seed).random(BOX.shape) < density


@given(st.integers(0, 1000))
def test_footprints_are_the_components_that_hang_together_over_corners(seed: int) -> None:
    flags = random_flags(seed)
    labels, count = ndimage.label(flags, EIGHT)
    found = Footprints.find(flags, BOX)
    assert found.count == count
    np.testing.assert_array_equal(found.areas, ndimage.sum(flags, labels, np.arange(1, count + 1)))
    at = found.pixels(BOX)
    np.testing.assert_array_equal(labels[at.y, at.x], at.label + 1)
    np.testing.assert_array_equal(found.runs().to_array(BOX), flags)


@given(st.integers(0, 1000))
def test_seeds_keep_whole_footprints(seed: int) -> None:
    flags = random_flags(seed)
    seeds = flags & random_flags(seed + 1, 0.05)
    labels, _ = ndimage.label(flags, EIGHT)
    expected = np.isin(labels, np.unique(labels[seeds])) & flags
    found = Footprints.find(flags, BOX, seeds)
    np.testing.assert_array_equal(found.runs().to_array(BOX), expected)
    assert found.count == len(np.unique(labels[seeds]))


def test_diagonal_neighbours_are_one_footprint_and_rows_do_not_wrap() -> None:
    flags = np.zeros(BOX.shape, dtype=bool)
    flags[3, 3] = flags[4, 4] = True
    flags[10, -1] = flags[11, 0] = True
    found = Footprints.find(flags, BOX)
    assert sorted(found.areas.tolist()) == [1, 1, 2]


def test_selection_renumbers_and_sums_follow() -> None:
    flags = np.zeros(BOX.shape, dtype=bool)
    flags[2, 2:5] = flags[8, 0:2] = flags[20, 39] = True
    plane = np.arange(flags.size, dtype=float).reshape(flags.shape)
    found = Footprints.find(flags, BOX)
    kept = found.select(found.areas > 1)
    assert kept.count == 2
    at = kept.pixels(BOX)
    assert at.sum(at.of(plane)).tolist() == [plane[2, 2:5].sum(), plane[8, 0:2].sum()]


@given(st.integers(0, 200), st.floats(0, 5))
def test_growth_keeps_footprints_apart_though_they_overlap(seed: int, radius: float) -> None:
    flags = random_flags(seed, 0.01)
    found = Footprints.find(flags, BOX)
    grown = found.grow(radius, BOX)
    assert grown.count == found.count
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = x * x + y * y <= radius * radius
    labels, count = ndimage.label(flags, EIGHT)
    for index in range(count):
        one = ndimage.binary_dilation(labels == index + 1, disc)
        assert grown.areas[index] == one.sum()


def test_no_footprints_are_measured_as_none() -> None:
    found = Footprints.find(np.zeros(BOX.shape, dtype=bool), BOX)
    assert found.count == Footprints.none().count == 0
    assert found.areas.shape == (0,)
    assert found.grow(3, BOX).runs().area == 0


def test_an_array_of_another_shape_than_the_box_is_refused() -> None:
    with pytest.raises(ShapeError, match="flags"):
        Footprints.find(np.zeros((3, 3), dtype=bool), BOX)
