"""A varying kernel written as products gives what the direct sum does."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from lamella.kernels.convolve import CELL, SeparableKernels, convolve_plane, factor_kernels, smooth_plane

SIDE = 7
HALF = SIDE // 2


def gaussian(sigma: float, stretch: float = 0.0, turn: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kernel: np.ndarray = np.exp(-0.5 * ((u / (sigma * (1 + stretch))) ** 2 + (v / sigma) ** 2))
    return kernel / kernel.sum()


def varying(ny: int = 3, nx: int = 3) -> np.ndarray:
    return np.array([[gaussian(1.2 + 0.1 * m, 0.1 * n, 0.3 + 0.2 * m) for n in range(nx)] for m in range(ny)])


def exact(kernels: np.ndarray) -> SeparableKernels:
    return factor_kernels(kernels, lambda errors: float(np.abs(errors).max()), 0.0)


def all_cells(shape: tuple[int, ...]) -> np.ndarray:
    return np.ones([-(-size // CELL) for size in shape], bool)


def direct(image: np.ndarray, kernels: np.ndarray, y: int, x: int) -> float:
    """The defining sum at one pixel, with the kernel between four nodes."""
    m, n = y // CELL, x // CELL
    v, u = y / CELL - m, x / CELL - n
    upper = (1 - u) * kernels[m, n] + u * kernels[m, n + 1]
    lower = (1 - u) * kernels[m + 1, n] + u * kernels[m + 1, n + 1]
    kernel = (1 - v) * upper + v * lower
    padded = np.pad(image.astype(np.float64), HALF)
    around = padded[y : y + SIDE, x : x + SIDE]
    return float((kernel[::-1, ::-1] * around).sum())


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(5).normal(100.0, 10.0, (150, 200)).astype(np.float32)


def test_the_sum_over_the_kernel_of_each_pixel(image: np.ndarray) -> None:
    kernels = varying()
    kernels[1, 1, 0, 0] += 0.2  # no symmetry that could hide a turned kernel
    found = convolve_plane(image, exact(kernels), all_cells(image.shape))
    for y, x in ((0, 0), (3, 199), (127, 128), (128, 127), (149, 199), (77, 45), (149, 0)):
        assert found[y, x] == pytest.approx(direct(image, kernels, y, x), rel=2e-6)


def test_a_point_becomes_the_kernel() -> None:
    image = np.zeros((40, 40), np.float32)
    image[20, 17] = 1.0
    kernel = gaussian(1.5, 0.4, 0.6)
    kernel[0, 0] += 0.1
    found = convolve_plane(image, exact(np.broadcast_to(kernel, (2, 2, SIDE, SIDE))), all_cells(image.shape))
    np.testing.assert_allclose(found[17:24, 14:21], kernel, atol=1e-7)
    assert np.count_nonzero(found) <= SIDE * SIDE


def test_cells_that_are_not_wanted_change_nothing(image: np.ndarray) -> None:
    kernels = exact(varying())
    whole = convolve_plane(image, kernels, all_cells(image.shape))
    for cell in np.ndindex(2, 2):
        cells = np.zeros((2, 2), bool)
        cells[cell] = True
        y, x = (slice(k * CELL, (k + 1) * CELL) for k in cell)
        one = convolve_plane(image, kernels, cells)
        np.testing.assert_array_equal(one[y, x], whole[y, x])
        one[y, x] = 0.0
        assert not one.any()


def test_rows_of_cells_can_be_done_apart(image: np.ndarray) -> None:
    kernels = exact(varying())
    whole = convolve_plane(image, kernels, all_cells(image.shape))
    tall = np.vstack([image, image])[:260]
    kernels = exact(varying(4, 3))
    whole = convolve_plane(tall, kernels, all_cells(tall.shape))
    part = convolve_plane(np.ascontiguousarray(tall[CELL:]), kernels.part(1, 3), all_cells((132, 200)))
    np.testing.assert_array_equal(part[HALF:], whole[CELL + HALF :])


def test_few_products_within_the_tolerance_and_with_the_same_sum() -> None:
    kernels = varying()

    def error(errors: np.ndarray) -> float:
        return float(np.abs(errors).max() / kernels.max())

    rough, fine = (factor_kernels(kernels, error, tolerance) for tolerance in (1e-1, 5e-3))
    assert 1 <= rough.rank < fine.rank < SIDE
    for found, tolerance in ((rough, 1e-1), (fine, 5e-3)):
        made = found.at(CELL, CELL)
        assert np.abs(made - kernels[1, 1]).max() <= 1.01 * tolerance * kernels.max()
        assert made.sum() == pytest.approx(1.0, abs=1e-6)


def test_the_kernel_between_nodes() -> None:
    kernels = varying()
    found = exact(kernels).at(0.25 * CELL, 1.5 * CELL)
    upper = 0.5 * (kernels[0, 1] + kernels[0, 2])
    lower = 0.5 * (kernels[1, 1] + kernels[1, 2])
    np.testing.assert_allclose(found, 0.75 * upper + 0.25 * lower, atol=1e-7)


@pytest.mark.parametrize("shape", [(3, 5), (40, 700)])
def test_a_smoothed_plane_has_zeros_around_it(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    profile = np.array([1, 4, 9, 20, 9, 4, 1], np.float32) / np.float32(48)
    smooth = np.empty_like(image)
    smooth_plane(image, profile, smooth)
    expected = scipy.ndimage.convolve(image.astype(float), np.outer(profile, profile), mode="constant")
    np.testing.assert_allclose(smooth, expected, atol=1e-6)
