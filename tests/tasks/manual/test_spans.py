"""Sets of pixels against boolean arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lsst.images import Box, Mask

from lamella.errors import GeometryError, ShapeError
from lamella.planes import make_schema
from lamella.tasks.manual.spans import Span, SpanSet, as_spans

ARRAYS = hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 8)))


@given(flags=ARRAYS, y=st.integers(-9, 9), x=st.integers(-9, 9))
def test_arrays_go_through_unchanged(flags: np.ndarray, y: int, x: int) -> None:
    bbox = Box.from_shape(flags.shape, start=(y, x))
    spans = SpanSet.from_array(flags, bbox)
    np.testing.assert_array_equal(spans.to_array(bbox), flags)
    assert spans.getArea() == flags.sum()
    assert SpanSet(reversed(spans.spans)) == spans
    wider = spans.to_array(bbox.padded(2))
    np.testing.assert_array_equal(wider[2:-2, 2:-2], flags)
    assert wider.sum() == flags.sum()


@given(flags=ARRAYS)
def test_all_that_can_stand_for_a_set_gives_the_same_one(flags: np.ndarray) -> None:
    bbox = Box.from_shape(flags.shape, start=(3, -2))
    mask = Mask(0, schema=make_schema(), bbox=bbox)
    mask.set("CLIPPED", flags)
    spans = SpanSet.from_array(flags, bbox)
    for other in (spans, mask, (flags, bbox), [tuple(span) for span in spans]):
        assert as_spans(other) == spans
    assert as_spans(bbox).to_array(bbox).all()


def test_overlapping_spans_count_once() -> None:
    spans = SpanSet([(1, 2, 5), (1, 4, 8), (0, 3, 3), (1, 2, 5)])
    assert len(spans) == 3
    assert spans.getArea() == 8
    assert spans.getBBox() == Box.factory[0:2, 2:9]
    assert next(iter(spans)) == Span(0, 3, 3)


def test_spans_beyond_the_mask_are_cut() -> None:
    mask = Mask(0, schema=make_schema(), bbox=Box.factory[0:3, 0:4])
    SpanSet([(-1, 0, 3), (1, -5, 1), (2, 3, 9), (2, 7, 9)]).setMask(mask, "BAD")
    assert mask.get("BAD").astype(int).tolist() == [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]]


def test_wrong_spans() -> None:
    with pytest.raises(GeometryError, match="row 3 from 5 to 4"):
        SpanSet([(3, 5, 4)])
    with pytest.raises(GeometryError, match="no box"):
        SpanSet().getBBox()
    with pytest.raises(ShapeError):
        SpanSet.from_array(np.zeros((2, 2), bool), Box.factory[0:2, 0:3])
    assert SpanSet().getArea() == 0
