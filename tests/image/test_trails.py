import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.image.trails import Line, Scene, fit_trail, trail_pixels

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


def trail(shape, line, sigma, amplitude, span):
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    along = (xx - line.x) * line.dx + (yy - line.y) * line.dy
    across = (yy - line.y) * line.dx - (xx - line.x) * line.dy
    return np.where(
        (along > span[0]) & (along < span[1]), amplitude * (1 + (across / sigma) ** 2) ** -2.5, 0.0
    )


def fit(image, line, length):
    noise, bad = np.ones_like(image), np.zeros(image.shape, bool)
    return fit_trail(Scene(image, noise, bad, fwhm=4.0, max_half_width=32.0, floor=0.15), line, length, 6.0)


def test_a_fit_starts_from_a_rough_segment_and_follows_the_trail_to_its_ends():
    shape = (300, 400)
    exact = Line(200.0, 150.0, np.cos(0.5), np.sin(0.5))
    rng = np.random.default_rng(2)
    image = trail(shape, exact, 4.0, 6.0, (-120.0, 95.0)) + rng.standard_normal(shape)
    rough = exact.moved(-60.0, 3.0, 0.04)
    found = fit(image.astype(np.float32), rough, 64.0)
    ends = [found.line.at(found.start), found.line.at(found.stop)]
    expected = [exact.at(-120.0), exact.at(95.0)]
    assert np.abs(np.array(ends) - expected).max() < 4.0
    across = [(y - exact.y) * exact.dx - (x - exact.x) * exact.dy for x, y in ends]
    assert np.abs(across).max() < 0.3
    assert found.sigma == pytest.approx(4.0, rel=0.1)
    assert found.amplitude == pytest.approx(6.0, rel=0.05)
    # 6 (1 + (d / 4)^2)^-2.5 is 0.3 at d = 6.1, and 0.15 at d = 8.4
    assert 6.0 <= found.half_width <= 9.5


def test_stars_on_a_trail_do_not_widen_it():
    shape = (300, 400)
    exact = Line(200.0, 150.0, np.cos(0.5), np.sin(0.5))
    image = trail(shape, exact, 4.0, 6.0, (-150.0, 150.0)) + np.random.default_rng(2).standard_normal(shape)
    clean = fit(image.astype(np.float32), exact, 300.0)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    for along in (-90.0, 10.0, 70.0):
        x, y = exact.moved(along, 5.0, 0.0).x, exact.moved(along, 5.0, 0.0).y
        image += 2000.0 * np.exp(-0.5 * ((xx - x) ** 2 + (yy - y) ** 2) / 1.7**2)
    found = fit(image.astype(np.float32), exact, 300.0)
    assert abs(found.half_width - clean.half_width) <= 1.0
    assert found.sigma == pytest.approx(clean.sigma, rel=0.1)


def test_noise_is_no_trail():
    image = np.random.default_rng(3).standard_normal((200, 200)).astype(np.float32)
    found = fit(image, Line.through(20.0, 20.0, 180.0, 170.0), 200.0)
    assert found is None or found.evenness < 6.0
    empty = np.full((200, 200), np.nan, np.float32)
    assert fit(empty, Line.through(20.0, 20.0, 180.0, 170.0), 200.0) is None
