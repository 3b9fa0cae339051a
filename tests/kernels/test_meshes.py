"""Samples, skies and splines of meshes, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from lamella.kernels.clipped import clip_ordered
from lamella.kernels.meshes import measure_skies, pick_samples, spline_rows

SIZE = (32, 40)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(4).normal(100.0, 5.0, (90, 110)).astype(np.float32)


@pytest.fixture(scope="module")
def chosen(image: np.ndarray) -> np.ndarray:
    return np.random.default_rng(5).uniform(size=image.shape) < 0.8


def boxes(image: np.ndarray) -> list[tuple[slice, slice]]:
    return [
        np.s_[y : y + SIZE[0], x : x + SIZE[1]]
        for y in range(0, image.shape[0], SIZE[0])
        for x in range(0, image.shape[1], SIZE[1])
    ]


def sampled(
    image: np.ndarray, chosen: np.ndarray, room: int, least: tuple[float, float] = (1, 0.0)
) -> tuple[np.ndarray, np.ndarray]:
    count = len(boxes(image))
    samples, counts = np.empty((count, room), np.float32), np.empty(count, np.int64)
    pick_samples(image, chosen, SIZE, np.array(least, float), samples, counts)
    return samples, counts


def test_all_chosen_pixels_of_a_mesh_are_picked_where_there_is_room(
    image: np.ndarray, chosen: np.ndarray
) -> None:
    samples, counts = sampled(image, chosen, SIZE[0] * SIZE[1])
    for box, sample, count in zip(boxes(image), samples, counts, strict=True):
        np.testing.assert_array_equal(sample[:count], image[box][chosen[box]])
        assert np.isinf(sample[count:]).all()


def test_of_more_pixels_each_so_many_is_picked(image: np.ndarray, chosen: np.ndarray) -> None:
    samples, counts = sampled(image, chosen, 300)
    for box, sample, count in zip(boxes(image), samples, counts, strict=True):
        pixels = image[box][chosen[box]]
        every = -(-len(pixels) // 300) | 1
        np.testing.assert_array_equal(sample[:count], pixels[::every])


def test_a_mesh_of_few_chosen_pixels_does_not_count(image: np.ndarray, chosen: np.ndarray) -> None:
    few = chosen.copy()
    few[boxes(image)[4]] = np.arange(40) < 10
    assert [*np.flatnonzero(sampled(image, few, 64, (1, 0.5))[1] == 0)] == [4]
    assert [*np.flatnonzero(sampled(image, few, 64, (10 * 32 + 1, 0.0))[1] == 0)] == [4]


def test_the_sky_is_the_midmean_of_the_means_of_blocks(image: np.ndarray, chosen: np.ndarray) -> None:
    image = image.copy()
    image[5:8, 5:9] += 1e5
    samples, counts = sampled(image, chosen, SIZE[0] * SIZE[1])
    samples.sort(axis=1)
    level, sigma = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    measure_skies(image, chosen, SIZE, samples, counts, level, sigma)
    # The first mesh has 4 x 5 blocks of 8 x 8 pixels.
    first, stop, scatter = clip_ordered(samples[0, : counts[0]], 0.0)
    values = np.where(chosen[:32, :40], image[:32, :40].astype(float), np.nan)
    values[np.abs(values - samples[0, first:stop].mean(dtype=float)) > 5.0 * scatter] = np.nan
    means = np.sort(np.nanmean(values.reshape(4, 8, 5, 8), axis=(1, 3)).ravel())
    assert np.ptp(means) < 6.0 * means.std()  # none is clipped
    assert level[0] == pytest.approx(means[5:15].mean(), rel=1e-12)
    assert sigma[0] == scatter
    assert np.abs(level - 100.0).max() < 1.0


def test_pixels_of_one_value_are_their_sky(chosen: np.ndarray) -> None:
    image = np.full(chosen.shape, 7.0, np.float32)
    samples, counts = sampled(image, chosen, 64)
    samples.sort(axis=1)
    level, sigma = np.empty(len(counts)), np.empty(len(counts))
    measure_skies(image, chosen, SIZE, samples, counts, level, sigma)
    assert (level == 7.0).all()
    assert (sigma == 0.0).all()


@pytest.mark.parametrize("nodes", [2, 3, 7])
def test_a_spline_goes_on_beyond_its_ends(nodes: int) -> None:
    at = (np.arange(nodes) + 0.5) * 10.3 - 0.5
    curve = scipy.interpolate.CubicSpline(at, np.random.default_rng(nodes).normal(size=(nodes, 4)))
    out = np.empty((4, int(nodes * 10.3)), np.float32)
    spline_rows(np.ascontiguousarray(curve.c), curve.x, out)
    np.testing.assert_allclose(out, curve(np.arange(out.shape[1])).T, rtol=1e-5, atol=1e-5)
