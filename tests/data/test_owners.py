"""Which detector has a pixel, and the weights that follow: the same for any box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box

from lamella.data.owners import Owners, WeightRanges, weight_ranges
from lamella.errors import ShapeError

BOX = Box.factory[40:52, -7:16]


def owners_of(seed: int, detectors: int = 3) -> np.ndarray:
    """Return detectors side by side along slanted borders, with lost pixels and a row without any."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: BOX.y.size, : BOX.x.size]
    owner = np.clip((x + rng.uniform(-1, 1) * y) * detectors // BOX.x.size, 0, detectors - 1)
    owner[rng.random(owner.shape) < 0.3] = -1
    owner[rng.integers(BOX.y.size)] = -1
    return owner.astype(np.int32)


@given(
    seed=st.integers(0, 99),
    edges=st.tuples(*(st.integers(40, 52), st.integers(40, 52), st.integers(-7, 16), st.integers(-7, 16))),
)
def test_the_detector_of_a_pixel_is_the_same_in_every_box(seed: int, edges: tuple[int, ...]) -> None:
    (y0, y1), (x0, x1) = sorted(edges[:2]), sorted(edges[2:])
    if y0 == y1 or x0 == x1:
        return
    owner = owners_of(seed)
    owners, box = Owners.from_array(owner, BOX), Box.factory[y0:y1, x0:x1]
    part = box.slice_within(BOX)
    whole, found = owners.to_array(BOX), owners.to_array(box)
    known = owner[part.y, part.x] >= 0
    np.testing.assert_array_equal(found[known], owner[part.y, part.x][known])
    # Lost pixels too: what they weigh where they are counted must not depend on tiles.
    np.testing.assert_array_equal(found, whole[part.y, part.x])


def test_steps_are_few_where_pixels_are_lost_here_and_there() -> None:
    owner = np.zeros((1, 1000), np.int32)
    owner[0, 500:] = 1
    owner[0, ::3] = -1
    owners = Owners.from_array(owner, Box.from_shape((1, 1000)))
    assert owners.x.tolist() == [1, 500]


@given(seed=st.integers(0, 99))
def test_ranges_have_the_weights_of_each_pixel(seed: int) -> None:
    first, second = owners_of(seed), owners_of(seed + 1)
    weights = [[1.0, 2.0, 0.5], [4.0, 4.0, 3.0]]
    found = weight_ranges(
        [
            (np.nan, Owners.from_array(first, BOX), weights[0]),
            (7.0, None, []),
            (np.nan, Owners.from_array(second, BOX), weights[1]),
        ],
        BOX,
    )
    assert isinstance(found, WeightRanges)
    lengths = np.diff(found.ends, prepend=0)
    cube = np.repeat(found.weights, lengths, axis=0).T.reshape(3, *BOX.shape)
    for plane, owner, mine in ((cube[0], first, weights[0]), (cube[2], second, weights[1])):
        known = owner >= 0
        np.testing.assert_array_equal(plane[known], np.array(mine)[owner[known]])
    assert (cube[1] == 7.0).all()
    # No two ranges that could be one.
    assert (found.weights[1:] != found.weights[:-1]).any(axis=1).all()


def test_weights_that_are_the_same_everywhere_are_one_per_input() -> None:
    owners = Owners.from_array(owners_of(1), BOX)
    found = weight_ranges([(np.nan, owners, [2.0, 2.0, 2.0]), (3.0, None, [])], BOX)
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [2.0, 3.0]


def test_an_array_that_is_not_of_the_box_is_refused() -> None:
    with pytest.raises(ShapeError):
        Owners.from_array(np.zeros((3, 4), np.int32), BOX)
