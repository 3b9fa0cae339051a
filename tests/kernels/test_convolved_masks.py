"""Lost pixels are left out and made up for; masks spread over footprints."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.kernels.convolved_masks import fill_lost, grow_bits, store_good


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_bits_spread_over_the_footprint(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    mask = (rng.integers(0, 8, (height, width)) * (rng.random((height, width)) < 0.2)).astype(np.int32)
    dy, dx = rng.integers(-4, 5, (2, 6)).astype(np.int64)
    expected = np.zeros_like(mask)
    for y, x in np.ndindex(mask.shape):
        for a, b in zip(y + dy, x + dx, strict=True):
            if 0 <= a < height and 0 <= b < width:
                expected[y, x] |= mask[a, b] & 5
    found = np.full_like(mask, -1)
    grow_bits(mask, dy, dx, 5, 0, height, found)
    np.testing.assert_array_equal(found, expected)


def test_lost_pixels_are_zero_and_counted() -> None:
    image = np.array([[1.0, np.nan, 3.0, 4.0, 5.0, 6.0, 7.0]], np.float32)
    variance = np.array([[2.0, 2.0, np.inf, 2.0, 0.5, 0.1, 3.0]], np.float32)
    mask = np.array([[0, 0, 0, 4, 3, 8, 8 | 16]], np.int32)
    filled = tuple(np.full_like(image, 9.0) for _ in range(3))
    cells = np.zeros((1, 1), bool)
    least = fill_lost(image, mask, variance, 4, 8, 16, filled, cells)
    np.testing.assert_array_equal(filled[0], [[1, 0, 0, 0, 5, 0, 7]])
    np.testing.assert_array_equal(filled[1], [[2, 0, 0, 0, 0.5, 0, 3]])
    np.testing.assert_array_equal(filled[2], [[1, 0, 0, 0, 1, 0, 1]])
    assert cells.all()
    assert least == 0.5


def test_weights_that_fell_on_lost_pixels_are_made_up_for() -> None:
    def row(*values: float) -> np.ndarray:
        return np.array([values], np.float32)

    image, variance = row(9, 9, 9, 9, 9), row(4, 4, 4, 4, 0.01)
    mask = np.zeros((1, 5), np.int32)
    out = (np.full_like(image, np.nan), np.full_like(mask, 7), np.full_like(variance, np.inf))
    store_good(
        (image, mask, variance),
        np.array([[True, True, True, True, True]]),
        row(1, 1, 1, 0, 1),
        row(1.0, 0.9, 0.5, 1.0, 1.0),
        np.ones((1, 1), bool),
        (0.05, 0.2, 0.04),
        (1, 2),
        out,
    )
    np.testing.assert_allclose(out[0], row(9, 10, np.nan, np.nan, 9), rtol=1e-6)
    np.testing.assert_array_equal(out[1], [[0, 1, 3, 2, 0]])
    np.testing.assert_allclose(out[2], row(4, 4 / 0.81, np.inf, np.inf, 0.04), rtol=1e-6)
