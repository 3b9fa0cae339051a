"""Satellite trails are found, measured and masked; noise, stars and edges of detectors are not trails."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from benchmarks.simulated.injection import draw_ghost, draw_trail
from lamella.errors import ShapeError
from lamella.image.options import StreakControl
from lamella.image.streaks import find_streaks

SHAPE = (500, 600)
FWHM = 4.5
SIGMA = FWHM / 2.355


def noise(seed: int, shape: tuple[int, int] = SHAPE, blur: float = 0.6) -> np.ndarray:
    """Return noise with a variance of 1 whose neighbours are correlated as after resampling."""
    image = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), blur)
    return (image / image.std()).astype(np.float32)


def find(image: np.ndarray, bad: np.ndarray | None = None, **options):
    bad = np.zeros(image.shape, bool) if bad is None else bad
    return find_streaks(
        image.astype(np.float32), np.ones(image.shape, np.float32), bad, FWHM, StreakControl(**options)
    )


@pytest.mark.parametrize("theta", [45.0, 0.0, 90.0, 135.0, 171.5])
def test_the_parameters_of_a_line_are_recovered(theta):
    """The original's acceptance case: rho 150, theta 45 and sigma 3 to two decimals, and one line only."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x, y = x - (SHAPE[1] - 1) / 2, y - (SHAPE[0] - 1) / 2
    distance = x * np.cos(np.radians(theta)) + y * np.sin(np.radians(theta)) - 150.0
    found = find(noise(1, blur=0.0) + (1000.0 * (1 + (distance / 3.0) ** 2) ** -2.5))
    assert len(found.lines) == 1
    (line,) = found.lines
    # A normal at 0 and at 180 degrees is the same one.
    turn = 180.0 * np.rint((line.theta - theta) / 180.0)
    sign = 1.0 if turn == 0 else -1.0
    assert line.theta - turn == pytest.approx(theta, abs=0.005)
    assert sign * line.rho == pytest.approx(150.0, abs=0.005)
    assert line.sigma == pytest.approx(3.0, abs=0.005)
    assert line.amplitude == pytest.approx(1000.0, rel=1e-3)


@pytest.mark.parametrize("blur", [0.0, 0.6, 1.8])
def test_noise_has_no_streaks(blur):
    for seed in range(8):
        found = find(noise(seed, blur=blur))
        assert found.lines == ()
        assert not found.mask.any()


@pytest.mark.parametrize(("peak", "length"), [(0.7, 3000.0), (1.0, 3000.0), (1.2, 300.0), (2.0, 150.0)])
def test_trails_fainter_than_the_noise_of_a_pixel_are_masked(peak, length):
    rng = np.random.default_rng(7)
    for seed in range(4):
        angle = rng.uniform(0, np.pi)
        along = 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
        centre = np.array([300.0, 250.0]) + rng.uniform(-60, 60, 2)
        trail = draw_trail(SHAPE, centre - along, centre + along, SIGMA)
        found = find(noise(seed) + peak * trail)
        assert len(found.lines) == 1
        assert found.mask[trail > 0.3].mean() > 0.93
        assert found.mask[trail < 0.001].mean() < 0.01


@pytest.mark.parametrize("width", [1.0, 2.0, 3.0])
def test_bright_trails_are_masked_to_where_they_fade(width):
    start, stop = np.array([120.0, 90.0]), np.array([420.0, 330.0])
    trail = 50.0 * draw_trail(SHAPE, start, stop, width * SIGMA)
    found = find(noise(3) + trail)
    assert found.mask[trail > 1.0].mean() > 0.999
    assert found.mask[trail < 1e-6].mean() < 0.01
    (line, *others) = found.lines
    assert not others
    ends = sorted([(line.x0, line.y0), (line.x1, line.y1)])
    # Such a trail is visible to about 2.8 sigma of its profile beyond its ends.
    assert np.abs(np.array(ends) - [start, stop]).max() < 3.0 * width * SIGMA
    assert 0.0 <= line.length - np.hypot(300, 240) < 6.0 * width * SIGMA


def test_crossing_trails_are_all_found():
    first = 8.0 * draw_trail(SHAPE, (0, 100), (599, 300), SIGMA)
    second = 2.0 * draw_trail(SHAPE, (100, 0), (400, 499), SIGMA)
    third = 5.0 * draw_trail(SHAPE, (300, 450), (599, 420), SIGMA)
    found = find(noise(4) + first + second + third)
    assert len(found.lines) == 3
    for trail in (first, second, third):
        assert found.mask[trail > 0.5].mean() > 0.97
    ranks = [line.significance for line in found.lines]
    assert ranks == sorted(ranks, reverse=True)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(["flip", "flop", "turn"]), st.floats(0.0, np.pi))
def test_a_turned_image_has_the_turned_streak(how, angle):
    turn = {"flip": lambda a: a[::-1], "flop": lambda a: a[:, ::-1], "turn": lambda a: a.T}[how]
    along = 3000.0 * np.array([np.cos(angle), np.sin(angle)])
    centre = np.array([250.0, 250.0])
    image = noise(5, (500, 500)) + 3.0 * draw_trail((500, 500), centre - along, centre + along, SIGMA)
    straight, turned = find(image), find(turn(image))
    assert len(straight.lines) == len(turned.lines) == 1
    both = (turn(straight.mask) & turned.mask).sum()
    assert both > 0.85 * max(straight.mask.sum(), turned.mask.sum())


def test_results_repeat():
    image = noise(6) + 1.5 * draw_trail(SHAPE, (0, 100), (599, 300), SIGMA)
    first, second = find(image), find(image)
    assert first.lines == second.lines
    assert np.array_equal(first.mask, second.mask)


def test_residuals_of_stars_are_no_streaks():
    """Positive and negative residuals of bright stars, and rings of unequal seeing."""
    step = np.arange(-20, 21)
    square = np.add.outer(step**2, step**2)
    residual = np.exp(-0.5 * square / SIGMA**2) - 0.8 * np.exp(-0.5 * square / (1.1 * SIGMA) ** 2)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        image = noise(seed).astype(np.float64)
        for _ in range(60):
            y, x = rng.integers(20, SHAPE[0] - 20), rng.integers(20, SHAPE[1] - 20)
            strength = np.exp(rng.uniform(np.log(5), np.log(2000)))
            image[y - 20 : y + 21, x - 20 : x + 21] += strength * residual
        assert find(image).lines == ()


def test_edges_and_gaps_of_detectors_are_no_streaks():
    image = noise(8)
    bad = np.zeros(SHAPE, bool)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image[y > 0.3 * x + 350] = np.nan
    bad[:, 200:208] = True
    image[:, 200:208] = 50.0
    bad[:60] = True
    image[:60] = 1000.0
    assert find(image, bad).lines == ()
    trail = 1.5 * draw_trail(SHAPE, (50, 100), (599, 300), SIGMA)
    found = find(image + trail, bad)
    assert len(found.lines) == 1
    usable = np.isfinite(image) & ~bad
    assert found.mask[usable & (trail > 0.4)].mean() > 0.98
    assert found.mask[(y > 64) & (trail > 1.0)].mean() > 0.98  # over the gap, too


def test_a_round_ghost_is_no_streak():
    for seed, size in enumerate((40.0, 80.0, 160.0, 200.0)):
        image = noise(seed) + 2.0 * draw_ghost(SHAPE, np.array([300.0, 250.0]), size)
        found = find(image)
        assert sum(line.length for line in found.lines) < 1.5 * size


def test_dark_streaks_are_not_looked_for():
    assert find(noise(9) - 5.0 * draw_trail(SHAPE, (0, 100), (599, 300), SIGMA)).lines == ()


def test_images_without_data_or_smaller_than_a_streak():
    assert find(np.full(SHAPE, np.nan)).lines == ()
    assert find(np.zeros((20, 20))).lines == ()
    assert find(noise(1, (30, 400))).lines == ()
    strip = noise(1, (30, 400)) + 5.0 * draw_trail((30, 400), (0, 5), (399, 25), SIGMA)
    assert len(find(strip).lines) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_in_an_image_what_is_found_is_in_bounds(seed):
    """Pieces of trails, holes, edges and spikes; a low threshold makes false candidates, too."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(20, 160, 2))
    image = noise(seed, shape, blur=rng.uniform(0.3, 1.5)).astype(np.float64)
    bad = np.zeros(shape, bool)
    for _ in range(rng.integers(0, 4)):
        ends = rng.uniform(-50, 200, (2, 2))
        image += np.exp(rng.uniform(0, 7)) * draw_trail(shape, *ends, rng.uniform(0.5, 6.0))
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        bad[y : y + rng.integers(1, 90), x : x + rng.integers(1, 90)] = True
        image[rng.integers(0, shape[0]), rng.integers(0, shape[1])] = rng.choice([np.nan, 1e6, -1e6, np.inf])
    found = find(image, bad, threshold=3.0, min_length=15.0, min_evenness=0.1)
    assert found.mask.shape == shape
    assert found.mask.any() == bool(found.lines)
    for line in found.lines:
        assert np.isfinite([line.rho, line.theta, line.sigma, line.amplitude, line.significance]).all()
        assert line.amplitude > 0
        assert 0.0 <= line.theta < 180.0
        assert -0.51 < min(line.x0, line.x1) <= max(line.x0, line.x1) < shape[1] - 0.49
        assert -0.51 < min(line.y0, line.y1) <= max(line.y0, line.y1) < shape[0] - 0.49


def test_shapes_must_agree():
    with pytest.raises(ShapeError, match="variance"):
        find_streaks(np.zeros((5, 5)), np.zeros((5, 6)), np.zeros((5, 5), bool), FWHM)


@pytest.mark.parametrize("seed", [2, 22, 31, 44])
def test_the_glow_along_the_end_of_the_data_is_searched_to_its_end(seed):
    """The fit of such a band drifts off the pixels that have data."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 1, (300, 640)).astype(np.float32)
    height, width = rng.uniform(0.2, 3), rng.uniform(0.3, 3)
    image += (height * np.exp(-(np.arange(300) - 8) / width))[:, None].astype(np.float32)
    image[:8] = image[-8:] = image[:, :8] = image[:, -8:] = np.nan
    for array in (image, np.ascontiguousarray(image.T), image[::-1]):
        found = find_streaks(array, np.ones_like(array), np.zeros(array.shape, bool), 2.4)
        assert np.isfinite([[line.x0, line.y1, line.half_width] for line in found.lines]).all()


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(40, 200), st.sampled_from([0.7, 1.2, 2.4]))
@settings(max_examples=40, deadline=None)
def test_no_shape_of_the_data_breaks_the_search(seed, rows, columns, fwhm):
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    y, x = np.mgrid[:rows, :columns]
    angle = rng.uniform(0, 2 * np.pi)
    depth = (x - columns / 2) * np.cos(angle) + (y - rows / 2) * np.sin(angle) + rng.uniform(-20, 20)
    image += (rng.uniform(0.2, 8) * np.exp(-np.maximum(depth, 0) / rng.uniform(0.3, 6))).astype(np.float32)
    image[depth < 0] = np.nan
    bad = rng.random(image.shape) < rng.choice([0.0, 0.3])
    assert find_streaks(image, np.ones_like(image), bad, fwhm).mask.shape == image.shape
