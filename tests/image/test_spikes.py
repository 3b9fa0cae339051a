"""Diffraction spikes are told from trails by how their light falls off, also where both are faint."""

import math

import numpy as np
import pytest

from lamella.image.streaks import Streak, is_spike

SHAPE = (200, 220)
FWHM = 2.5
STAR = (108.0, 101.0)  # x, y
SIGMA = 1.3
TRIALS = 100


def coordinates(angle: float, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Return distances along a line and across it."""
    rows, columns = np.indices(SHAPE)
    dx, dy = columns - x, rows - y
    return dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)


def star(peak: float) -> np.ndarray:
    return peak * np.exp(-0.5 * (np.hypot(*coordinates(0.0, *STAR)) / (FWHM / 2.355)) ** 2)


def streak(angle: float, start: float, stop: float, amplitude: float) -> Streak:
    """Return a streak on a line through the star, from one distance to another."""
    ends = [
        STAR[axis] + at * step
        for at in (start, stop)
        for axis, step in enumerate((math.cos(angle), math.sin(angle)))
    ]
    return Streak(
        **dict(zip(("x0", "y0", "x1", "y1"), ends, strict=True)),
        rho=0.0,
        theta=0.0,
        sigma=SIGMA,
        amplitude=amplitude,
        half_width=3.0,
        significance=8.0,
    )


def number_of_spikes(law, significance: float, start: float = -55.0, stop: float = 77.0) -> int:
    """Return how many of some lines through a star are held to be spikes, with other noise each time."""
    spikes = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        angle = rng.uniform(0.0, math.pi)
        along, across = coordinates(angle, *STAR)
        light = law(along) * np.exp(-0.5 * (across / SIGMA) ** 2)
        light[(along < start) | (along > stop)] = 0.0
        beyond = np.abs(along) > 10.0
        light *= significance / math.sqrt((light[beyond] ** 2).sum())
        image = rng.normal(0.0, 1.0, SHAPE) + light + star(10.0)  # of the star something is left
        found = streak(angle, start, stop, 1.0)
        spikes += is_spike(found, image.astype(np.float32), np.ones(SHAPE, np.float32), star(2e3), FWHM)
    return spikes


def fading(along: np.ndarray) -> np.ndarray:
    return 1.0 / np.maximum(np.abs(along), 5.0)


@pytest.mark.parametrize(("significance", "least"), [(8.0, 0.93), (12.0, 0.98)])
def test_light_that_fades_from_a_bright_star_is_a_spike(significance: float, least: float) -> None:
    assert number_of_spikes(fading, significance) >= least * TRIALS


def test_also_to_one_side_of_it() -> None:
    assert number_of_spikes(fading, 12.0, start=4.0) >= 0.95 * TRIALS


@pytest.mark.parametrize(("significance", "most"), [(8.0, 0.04), (12.0, 0.01), (40.0, 0.0), (2000.0, 0.0)])
def test_an_even_trail_across_a_bright_star_is_none(significance: float, most: float) -> None:
    assert number_of_spikes(np.ones_like, significance) <= most * TRIALS


def test_without_a_star_nothing_is_a_spike() -> None:
    along, across = coordinates(0.3, *STAR)
    light = 30.0 * fading(along) * np.exp(-0.5 * (across / SIGMA) ** 2)
    found = streak(0.3, -55.0, 77.0, 1.0)
    planes = light.astype(np.float32), np.ones(SHAPE, np.float32)
    assert is_spike(found, *planes, star(2e3), FWHM)
    assert not is_spike(found, *planes, star(20.0), FWHM)
