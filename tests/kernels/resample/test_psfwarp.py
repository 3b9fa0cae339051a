from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.resample.psfwarp import evaluate_maps, resample_stamp, warp_stamp


def lanczos(t: np.ndarray, order: int) -> np.ndarray:
    return np.where(np.abs(t) < order, np.sinc(t) * np.sinc(t / order), 0.0)


@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize(("y0", "x0", "step"), [(0.25, -0.4, 1.0), (-3.1, 2.7, 0.9), (1.0, 2.0, 1.3)])
def test_resampling_is_the_sum_over_all_samples(order: int, y0: float, x0: float, step: float) -> None:
    stamp = np.random.default_rng(1).normal(size=(11, 13))
    out = np.full((9, 10), np.nan)
    resample_stamp(stamp, y0, x0, step, order, out)
    up = lanczos(y0 + step * np.arange(9)[:, None] - np.arange(-20, 40), order)
    across = lanczos(x0 + step * np.arange(10)[:, None] - np.arange(-20, 40), order)
    up = (up / up.sum(axis=1, keepdims=True))[:, 20:31]
    across = (across / across.sum(axis=1, keepdims=True))[:, 20:33]
    np.testing.assert_allclose(out, up @ stamp @ across.T, atol=1e-13)


def test_resampling_onto_the_samples_changes_nothing() -> None:
    stamp = np.random.default_rng(2).normal(size=(7, 7))
    out = np.empty((7, 7))
    resample_stamp(stamp, 0.0, 0.0, 1.0, 3, out)
    np.testing.assert_array_equal(out, stamp)


def direct_warp(
    stamp: np.ndarray, matrix: np.ndarray, centre: np.ndarray, offsets: np.ndarray, shape
) -> np.ndarray:
    dy, dx = np.meshgrid(offsets[0] + np.arange(shape[0]), offsets[1] + np.arange(shape[1]), indexing="ij")
    x = centre[1] + matrix[0, 0] * dx + matrix[0, 1] * dy
    y = centre[0] + matrix[1, 0] * dx + matrix[1, 1] * dy
    wide = np.arange(-20, max(stamp.shape) + 20)
    padded = np.pad(stamp, 20)
    up = lanczos(y[..., None] - wide[: padded.shape[0]], 3)
    across = lanczos(x[..., None] - wide[: padded.shape[1]], 3)
    up /= up.sum(axis=-1, keepdims=True)
    across /= across.sum(axis=-1, keepdims=True)
    return np.einsum("ijk,kl,ijl->ij", up, padded, across)


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 2, 2.5])
@pytest.mark.parametrize("scale", [0.6, 1.0])
def test_warp_is_lanczos_3_with_weights_of_sum_one_and_zeros_outside(angle: float, scale: float) -> None:
    stamp = np.random.default_rng(3).normal(size=(11, 11))
    matrix = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), 0.9 * np.cos(angle)]])
    centre, offsets = np.array([5.3, 4.8]), np.array([-8.2, -7.9])
    out = np.full((17, 17), np.nan)
    warp_stamp(stamp, matrix, centre, offsets, out)
    np.testing.assert_allclose(out, direct_warp(stamp, matrix, centre, offsets, out.shape), atol=3e-7)


def test_warp_by_the_identity_changes_nothing_and_is_zero_outside() -> None:
    stamp = np.random.default_rng(4).uniform(1.0, 2.0, size=(5, 5))
    out = np.full((9, 9), np.nan)
    warp_stamp(stamp, np.eye(2), np.array([2.0, 2.0]), np.array([-4.0, -4.0]), out)
    np.testing.assert_allclose(out[2:-2, 2:-2], stamp, rtol=1e-15)
    out[2:-2, 2:-2] = 0.0
    assert np.abs(out).max() < 1e-15


def test_warp_at_a_position_that_rounds_to_the_next_sample() -> None:
    # -1e-20 has the fraction 1 after rounding, which is the last node of the table.
    out = np.full((1, 1), np.nan)
    warp_stamp(np.ones((3, 3)), np.eye(2), np.array([0.0, -1e-20]), np.zeros(2), out)
    assert out[0, 0] == pytest.approx(1.0, abs=1e-12)


def test_warp_of_nowhere_is_zero() -> None:
    out = np.full((3, 3), np.nan)
    warp_stamp(np.ones((3, 3)), np.eye(2), np.array([np.nan, 1.0]), np.zeros(2), out)
    np.testing.assert_array_equal(out, 0.0)


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 100))
def test_maps_are_polynomials_with_their_derivatives(u: float, v: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centre, half = rng.normal(size=(3, 2)) * 100, rng.uniform(1, 50, size=(3, 2))
    allowed = np.add.outer(np.arange(4), np.arange(4)) < 4
    coefficients = rng.normal(size=(3, 2, 4, 4)) * allowed
    x, y = centre[1] + half[1] * (u, v)
    out = np.empty((2, 2, 3))
    evaluate_maps(x, y, np.array([2, 1]), centre, half, coefficients, out)
    for c in range(2):
        own = coefficients[1, c]
        by_y, by_x = (
            np.polynomial.polynomial.polyder(own, axis=0),
            np.polynomial.polynomial.polyder(own, axis=1),
        )
        expected = [
            np.polynomial.polynomial.polyval2d(v, u, own),
            np.polynomial.polynomial.polyval2d(v, u, by_x) / half[1, 0],
            np.polynomial.polynomial.polyval2d(v, u, by_y) / half[1, 1],
        ]
        np.testing.assert_allclose(out[1, c], expected, rtol=1e-9, atol=1e-9)
