"""Sets of pixels as runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lsst.images import Box, Mask

from lamella.errors import ShapeError
from lamella.image.spans import Runs, SpanMask
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
