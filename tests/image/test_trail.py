import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.image.trail import Line, trail_pixels

SHAPE = (40, 55)
numbers = st.floats(-10.0, 60.0)


@given(
    numbers,
    numbers,
    st.floats(0.0, 2 * np.pi),
    st.floats(-30.0, 10.0),
    st.floats(1.0, 60.0),
    st.floats(0.5, 9.0),
)
def test_pixels_of_a_trail_are_those_near_the_line(x, y, angle, start, length, half_width):
    line = Line(x, y, float(np.cos(angle)), float(np.sin(angle)))
    rows, columns = trail_pixels(line, (start, start + length), half_width, SHAPE)
    found = np.zeros(SHAPE, dtype=int)
    np.add.at(found, (rows, columns), 1)
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    along = (xx - line.x) * line.dx + (yy - line.y) * line.dy
    across = (yy - line.y) * line.dx - (xx - line.x) * line.dy
    expected = (np.abs(across) <= half_width) & (along >= start) & (along <= start + length)
    assert np.array_equal(found, expected.astype(int))


def test_a_line_crosses_the_image_from_edge_to_edge():
    assert Line(10.0, 5.0, 1.0, 0.0).chord(SHAPE) == (-10.5, 44.5)
    low, high = Line.through(0.0, 0.0, 2.0, 2.0).chord(SHAPE)
    assert low == pytest.approx(-1.5 * np.sqrt(2))
    assert high == pytest.approx(38.5 * np.sqrt(2))


def test_a_moved_line_goes_through_the_moved_point():
    line = Line(3.0, 4.0, 0.6, 0.8).moved(10.0, 2.0, 0.0)
    assert (line.x, line.y) == pytest.approx((3 + 6 - 1.6, 4 + 8 + 1.2))
    turned = Line(0.0, 0.0, 1.0, 0.0).moved(0.0, 0.0, 0.1)
    assert turned.dy / turned.dx == pytest.approx(0.1)
    assert np.hypot(turned.dx, turned.dy) == pytest.approx(1.0)
