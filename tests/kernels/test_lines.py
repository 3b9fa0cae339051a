import numpy as np
import pytest

from lamella.kernels.lines import bin_significance, strongest_lines


def line_places(x: int, slope: int, level: int) -> np.ndarray:
    """Return the columns of a line by the recursion that defines it, written for one line at a time."""
    if level == 0:
        return np.array([x])
    lower = line_places(x, slope // 2, level - 1)
    upper = line_places(x + (slope + 1) // 2, slope // 2, level - 1)
    return np.concatenate([lower, upper])


def test_lines_are_straight_to_a_pixel_and_end_where_they_say():
    for level in range(1, 8):
        for slope in range(1 << level):
            places = line_places(5, slope, level)
            assert places[0] == 5
            assert places[-1] == 5 + slope
            straight = 5 + slope * np.arange(1 << level) / ((1 << level) - 1)
            assert np.abs(places - straight).max() <= 1.0 + level / 6


def brute_force(values, weights, level, cover):
    best = (0.0, (0, 0, 0))
    size = 1 << level
    for row in range(0, len(values), size):
        for slope in range(size):
            for x in range(-size, values.shape[1]):
                places = line_places(x, slope, level)
                rows = row + np.arange(size)
                inside = (rows < len(values)) & (places >= 0) & (places < values.shape[1])
                total = values[rows[inside], places[inside]].sum()
                weight = weights[rows[inside], places[inside]].sum()
                if weight >= cover * size and total / np.sqrt(weight) > best[0] + 1e-6:
                    best = (total / np.sqrt(weight), (row, x, slope))
    return best


@pytest.mark.parametrize("shape", [(16, 16), (20, 9), (13, 31)])
def test_the_strongest_line_is_that_of_all_lines(shape):
    rng = np.random.default_rng(shape[1])
    weights = (rng.random(shape) < 0.9).astype(np.float32)
    values = rng.standard_normal(shape).astype(np.float32) * weights
    best, where = np.zeros(5), np.zeros((5, 3), np.int64)
    samples, filled = np.zeros((5, 4096), np.float32), np.zeros(5, np.int64)
    strongest_lines(values, weights, 4, 2, 0.4, best, where, samples, filled)
    assert best[:2].tolist() == [0.0, 0.0]
    for level in (2, 3, 4):
        expected, place = brute_force(values, weights, level, 0.4)
        assert best[level] == pytest.approx(expected, rel=1e-5)
        assert tuple(where[level]) == place
        taken = samples[level, : filled[level]]
        assert len(taken) >= 2
        assert taken.max() <= best[level] + 1e-5


def test_bins_leave_out_what_cannot_be_used():
    rng = np.random.default_rng(1)
    image = rng.standard_normal((10, 13)).astype(np.float32)
    variance = rng.uniform(1.0, 3.0, image.shape).astype(np.float32)
    bad = np.zeros(image.shape, bool)
    image[0, 0], variance[1, 1], variance[2, 2], variance[0, 3], bad[3, 0] = np.nan, np.inf, 0.0, np.nan, True
    image[4:8, 4:7] = np.inf  # less than half of the bin is left
    values, weights = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
    bin_significance(image, variance, bad, 4, values, weights)
    good = np.isfinite(image) & np.isfinite(variance) & (variance > 0) & ~bad
    first = (slice(0, 4), slice(0, 4))
    expected = image[first][good[first]].sum() / np.sqrt(variance[first][good[first]].sum())
    assert values[0, 0] == pytest.approx(expected, rel=1e-5)
    assert weights[0, 0] == 1.0
    assert (values[1, 1], weights[1, 1]) == (0.0, 0.0)
    # The last column of bins holds a quarter of the pixels of a whole one.
    assert weights[:, 3].tolist() == [0.0, 0.0, 0.0]
    assert weights[2].tolist() == [1.0, 1.0, 1.0, 0.0]
