import numpy as np
import pytest

from benchmarks.simulated.injection import KINDS, InjectionConfig, draw_ghost, draw_trail, inject

SHAPE = (200, 220)


def test_a_trail_is_a_moving_star():
    """The sum of many stars along the way, over the largest value."""
    start, stop, sigma = np.array([40.0, 60.0]), np.array([160.0, 130.0]), 2.0
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    total = np.zeros(SHAPE)
    for fraction in (np.arange(600) + 0.5) / 600:
        cx, cy = start + fraction * (stop - start)
        total += np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2)
    trail = draw_trail(SHAPE, start, stop, sigma)
    assert np.abs(trail - total / total.max()).max() < 0.01
    assert trail.max() == pytest.approx(1.0, abs=0.01)


def test_a_trail_without_length_is_a_star():
    place = np.array([50.0, 70.0])
    star = draw_trail(SHAPE, place, place, 2.0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    expected = np.exp(-0.5 * ((x - 50) ** 2 + (y - 70) ** 2) / 4.0)
    assert np.abs(star - expected).max() < 1e-6
    short = draw_trail(SHAPE, place, place + 0.01, 2.0)
    assert np.abs(short - star).max() < 0.01


def test_a_ghost_has_the_size_and_the_hole_that_it_is_given():
    disc = draw_ghost(SHAPE, np.array([110.0, 100.0]), 80.0)
    assert disc[100, 110] == pytest.approx(1.0, abs=1e-3)
    assert disc[100, 150] == pytest.approx(0.5)
    assert disc[100, 175] < 0.01
    ring = draw_ghost(SHAPE, np.array([110.0, 100.0]), 80.0, hole=0.5)
    assert ring[100, 110] < 0.01
    assert ring[100, 140] > 0.85


def test_artifacts_are_in_the_ranges_and_numbers_asked_for():
    config = InjectionConfig(satellites=1.0, cosmic_rays=2.0, asteroids=1.0, ghosts=0.5)
    rng = np.random.default_rng(4)
    drawn = [one for _ in range(120) for one in inject(config, rng, SHAPE, 1.8)]
    counts = {kind: sum(one.kind == kind for one in drawn) for kind in KINDS}
    for kind, mean in zip(KINDS, (1.0, 2.0, 1.0, 0.5), strict=True):
        assert counts[kind] == pytest.approx(120 * mean, abs=4 * np.sqrt(120 * mean))
    limits = {
        "SATELLITE": (1.5, 50.0),
        "ASTEROID": (5.0, 100.0),
        "GHOST": (0.3, 3.0),
        "COSMIC_RAY": (7.0, 600.0),
    }
    for one in drawn:
        low, high = limits[one.kind]
        # The middle of a star lies between pixels, and that of a ghost may be outside.
        assert one.peak <= high * 1.01
        if one.kind in ("ASTEROID", "COSMIC_RAY"):
            assert one.peak == 0.0 or one.peak > 0.8 * low
        assert one.signal.dtype == np.float32
        assert one.signal.shape == SHAPE
    peaks = np.log([one.peak for one in drawn if one.kind == "ASTEROID"])
    assert np.median(peaks) == pytest.approx(0.5 * (np.log(5) + np.log(100)), abs=0.4)


def test_equal_seeds_give_equal_artifacts():
    first, second = (list(inject(InjectionConfig(), np.random.default_rng(7), SHAPE, 2.0)) for _ in range(2))
    assert [one.kind for one in first] == [one.kind for one in second]
    assert all(np.array_equal(a.signal, b.signal) for a, b in zip(first, second, strict=True))


def test_some_satellites_end_inside():
    rng = np.random.default_rng(8)
    config = InjectionConfig(
        satellites=1.0, cosmic_rays=0, asteroids=0, ghosts=0, satellite_peak=(20.0, 20.0)
    )
    ends = []
    for _ in range(60):
        for one in inject(config, rng, SHAPE, 1.8):
            rim = np.concatenate([one.signal[0], one.signal[-1], one.signal[:, 0], one.signal[:, -1]])
            gaps = np.flatnonzero(rim > 5.0)
            ends.append(1 if len(gaps) and np.ptp(gaps) < 30 else 2)
    assert 0.1 < np.mean(np.array(ends) == 1) < 0.5
