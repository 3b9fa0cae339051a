import numpy as np
import pytest

from lamella.image.trail import Line
from lamella.image.trailfit import fit_trail


def trail(shape, line, sigma, amplitude, span):
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    along = (xx - line.x) * line.dx + (yy - line.y) * line.dy
    across = (yy - line.y) * line.dx - (xx - line.x) * line.dy
    return np.where(
        (along > span[0]) & (along < span[1]), amplitude * (1 + (across / sigma) ** 2) ** -2.5, 0.0
    )


def fit(image, line, length):
    options = {"fwhm": 4.0, "search": 6.0, "max_half_width": 32.0, "floor": 0.15}
    return fit_trail(image, np.ones_like(image), np.zeros(image.shape, bool), line, length, **options)


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
