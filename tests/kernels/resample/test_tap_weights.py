from __future__ import annotations

import numpy as np
import pytest

from lamella.kernels.resample.support import KERNELS, kernel_half_width
from lamella.kernels.resample.tap_weights import CELLS, kernel_weights, weight_table


def interpolated(kernel: str, fraction: np.ndarray) -> np.ndarray:
    table = weight_table(kernel)
    cell = (fraction * CELLS).astype(int)
    d = (fraction - (cell + 0.5) / CELLS)[:, np.newaxis]
    weights = table[cell, 0] + d * (table[cell, 1] + d * (table[cell, 2] + d * table[cell, 3]))
    return weights[:, : 2 * kernel_half_width(kernel)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_table_is_close_to_the_kernel(kernel: str) -> None:
    fraction = np.random.default_rng(1).uniform(0.0, 1.0, 20_000)
    # Half a unit in the last place of single precision is 3e-8 below one.
    assert np.abs(interpolated(kernel, fraction) - kernel_weights(kernel, fraction)).max() < 6e-8


@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_sum_to_one(kernel: str) -> None:
    fraction = np.linspace(0.0, 1.0, 999, endpoint=False)
    sums = interpolated(kernel, fraction).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-7)
    assert abs(sums.mean() - 1.0) < 1e-8


@pytest.mark.parametrize("kernel", ["lanczos3", "lanczos4", "lanczos5", "bilinear"])
def test_weights_are_mirrored_for_the_mirrored_fraction(kernel: str) -> None:
    fraction = np.linspace(0.01, 0.99, 99)
    np.testing.assert_allclose(
        kernel_weights(kernel, fraction), kernel_weights(kernel, 1.0 - fraction)[:, ::-1], atol=1e-14
    )


def test_a_whole_pixel_is_one_tap() -> None:
    for kernel in KERNELS:
        centre = weight_table(kernel)[-1, 0]
        assert centre.sum() == 1.0
        assert centre[kernel_half_width(kernel) - 1] == 1.0


def test_linear_kernels_have_exact_zeros() -> None:
    assert np.array_equal(interpolated("bilinear", np.array([0.0, 0.25])), [[1.0, 0.0], [0.75, 0.25]])
    assert np.array_equal(interpolated("nearest", np.array([0.49, 0.5])), [[1.0, 0.0], [0.0, 1.0]])


def test_known_lanczos_weights() -> None:
    # sinc(1/2) sinc(1/6) and so on, by hand, before normalisation.
    raw = np.array([np.sinc(t) * np.sinc(t / 3) for t in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)])
    np.testing.assert_allclose(kernel_weights("lanczos3", np.array([0.5]))[0], raw / raw.sum(), rtol=1e-14)


def test_unknown_kernel_is_named() -> None:
    with pytest.raises(ValueError, match="'cubic'; there are: lanczos3"):
        kernel_half_width("cubic")
