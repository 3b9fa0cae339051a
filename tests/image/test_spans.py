"""Sets of pixels as runs, and their arithmetic against arrays of flags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lsst.images import Box, Mask
from scipy import ndimage

from lamella.errors import ShapeError
from lamella.image.spans import (
    Runs,
    SpanMask,
    disc_widths,
    grow_runs,
    merge_runs,
    no_runs,
    pixels_of,
    shared_runs,
    united_runs,
)
from lamella.planes import Layout, make_schema

FLAGS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(flags=FLAGS, y=st.integers(-5, 5), x=st.integers(-5, 5), data=st.data())
def test_any_box_of_a_set_is_that_box_of_the_array(flags, y: int, x: int, data) -> None:
    bbox = Box.factory[y : y + flags.shape[0], x : x + flags.shape[1]]
    runs = Runs.from_array(flags, bbox)
    assert runs.area == flags.sum()
    np.testing.assert_array_equal(runs.to_array(bbox), flags)
    y0, x0 = data.draw(st.integers(-8, 16)), data.draw(st.integers(-8, 16))
    box = Box.factory[y0 : y0 + data.draw(st.integers(1, 20)), x0 : x0 + data.draw(st.integers(1, 20))]
    expected = np.zeros(box.shape, dtype=bool)
    for row, column in np.argwhere(flags):
        if box.y.start <= row + y < box.y.stop and box.x.start <= column + x < box.x.stop:
            expected[row + y - box.y.start, column + x - box.x.start] = True
    np.testing.assert_array_equal(runs.to_array(box), expected)


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match="flags"):
        Runs.from_array(np.zeros((2, 3), dtype=bool), Box.factory[0:3, 0:2])


def test_planes_become_bits_of_another_schema() -> None:
    schema, wider = make_schema(), Layout.of(names=["ANOTHER"])
    mask = Mask(0, schema=schema, bbox=Box.factory[4:9, -3:5])
    mask.set("CLIPPED", mask.bbox.meshgrid().x > 2)
    mask.set("STREAK", mask.bbox.meshgrid().y == 6)
    spans = SpanMask.from_mask(mask)
    assert set(spans.planes) == {"CLIPPED", "STREAK"}
    bits = spans.bits(Box.factory[5:7, 2:4], wider)
    clipped, streak = wider.clipped, wider.bits(["STREAK"])
    np.testing.assert_array_equal(bits, [[0, clipped], [streak, streak | clipped]])


BOX = Box.factory[-3:20, 5:36]


def random_flags(seed: int, density: float = 0.3) -> np.ndarray:
    return np.random.default_rng(seed).random(BOX.shape) < density


def disc(radius: float) -> np.ndarray:
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return x * x + y * y <= radius * radius


@given(st.integers(0, 1000), st.floats(0, 6))
def test_growing_is_dilation_by_a_disc_within_the_box(seed: int, radius: float) -> None:
    flags = random_flags(seed, 0.02)
    runs = Runs.from_array(flags, BOX)
    grown = merge_runs(*grow_runs(runs.y, runs.x0, runs.x1, radius, BOX)[:3])
    expected = ndimage.binary_dilation(flags, disc(radius)) if flags.any() else flags
    np.testing.assert_array_equal(grown.to_array(BOX), expected)


@given(st.integers(0, 1000))
def test_unions_and_intersections_are_those_of_flags(seed: int) -> None:
    one, other = random_flags(seed), random_flags(seed + 5000)
    first, second = (Runs.from_array(flags, BOX) for flags in (one, other))
    np.testing.assert_array_equal(united_runs(first, second).to_array(BOX), one | other)
    shared = shared_runs(first, second)
    np.testing.assert_array_equal(shared.to_array(BOX), one & other)
    assert shared.area == np.count_nonzero(one & other)


def test_merged_runs_are_sorted_and_neither_overlap_nor_touch() -> None:
    y, x0, x1 = np.array([4, 2, 2, 2, 4]), np.array([0, 5, 7, 20, 3]), np.array([3, 8, 9, 21, 5])
    merged = merge_runs(y, x0, x1)
    assert merged.y.tolist() == [2, 2, 4]
    assert merged.x0.tolist() == [5, 20, 0]
    assert merged.x1.tolist() == [9, 21, 5]
    assert merged.y.dtype == np.int32


def test_rows_that_follow_each_other_are_not_joined_over_the_edge_of_the_image() -> None:
    merged = merge_runs(np.array([0, 1]), np.array([0, 0]), np.array([10, 10]))
    assert merged.x0.tolist() == [0, 0]
    assert merged.x1.tolist() == [10, 10]


@given(st.integers(0, 1000))
def test_pixels_are_those_in_the_box(seed: int) -> None:
    flags = random_flags(seed)
    runs = Runs.from_array(flags, BOX)
    part = Box.factory[0:12, 0:20]
    y, x, run = pixels_of(runs.y, runs.x0, runs.x1, part)
    painted = np.zeros(part.shape, dtype=bool)
    painted[y, x] = True
    expected = np.zeros(part.shape, dtype=bool)
    expected[:, 5:] = flags[3:15, :15]
    np.testing.assert_array_equal(painted, expected)
    assert (runs.y[run] == y + part.y.start).all()
    assert len(y) == expected.sum()


def test_nothing_stays_nothing() -> None:
    nothing = no_runs()
    assert nothing.area == 0
    assert united_runs(nothing).area == 0
    assert shared_runs(nothing, Runs.from_array(np.ones(BOX.shape, bool), BOX)).area == 0
    assert merge_runs(*grow_runs(nothing.y, nothing.x0, nothing.x1, 3, BOX)[:3]).area == 0


def test_discs_follow_the_circle() -> None:
    assert disc_widths(2).tolist() == [0, 1, 2, 1, 0]
    assert disc_widths(0).tolist() == [0]
