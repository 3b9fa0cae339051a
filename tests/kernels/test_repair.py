"""Lost pixels: which they are, and which runs of them are filled in which order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.fill import coefficient_table
from lamella.kernels.repair import (
    FILLED,
    LOST,
    blank_lost,
    fill_columns,
    fill_lost_rows,
    find_lost,
    flag_filled,
)

REACH = 6


def repaired(picture: list[str], width: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Fill a picture, ``.`` a lost pixel, and return image and states."""
    good = np.array([[c == "#" for c in line] for line in picture])
    image = np.where(good, 5.0, np.nan).astype(np.float32)
    variance = np.ones_like(image)
    state, counts = np.empty(good.shape, np.uint8), np.empty(len(good), np.int64)
    find_lost(image, variance, np.zeros(good.shape, np.int32), 1, state, counts)
    np.testing.assert_array_equal(counts, (~good).sum(axis=1))
    for fill in (fill_lost_rows, fill_columns):
        fill(image, variance, state, counts, coefficient_table(), width, REACH)
    return image, state


def test_pixels_are_lost_for_their_value_their_variance_or_their_mask() -> None:
    image = np.array([[1.0, np.nan, np.inf, 1.0, 1.0, 1.0]], np.float32)
    variance = np.array([[1.0, 1.0, 1.0, np.nan, 1.0, 1.0]], np.float32)
    mask = np.array([[0, 0, 0, 0, 4, 3]], np.int32)
    state, counts = np.empty((1, 6), np.uint8), np.empty(1, np.int64)
    find_lost(image, variance, mask, 4, state, counts)
    assert state.tolist() == [[0, LOST, LOST, LOST, LOST, 0]]
    assert counts.tolist() == [4]


def test_narrow_runs_between_good_pixels_are_filled_and_others_are_not() -> None:
    image, state = repaired([".##..##....##."])
    filled = np.array([[c == "f" for c in ".##ff##....##."]])
    np.testing.assert_array_equal((state & FILLED) != 0, filled)
    np.testing.assert_array_equal(np.isfinite(image), filled | (state == 0))
    np.testing.assert_allclose(image[np.isfinite(image)], 5.0, rtol=1e-6)


def test_columns_take_what_rows_have_left() -> None:
    # The middle row is too long for rows; the pixels above and below it were lost, too, and filled first.
    _, state = repaired(["######", "##.###", "......", "###.##", "######"])
    np.testing.assert_array_equal((state & FILLED) != 0, state != 0)
    assert state[1, 2] == state[3, 3] == FILLED


def test_a_pixel_is_not_made_from_others_of_its_pass() -> None:
    """Between the runs stands one good pixel; behind it on either side is a lost one."""
    image = np.array([[1.0, 2.0, np.nan, 4.0, np.nan, 16.0, 32.0]], np.float32)
    variance, state = np.ones_like(image), np.isnan(image).astype(np.uint8)
    counts = np.array([2])
    table = coefficient_table()
    fill_lost_rows(image, variance, state, counts, table, 3, REACH)
    left = table[3, 1, 1, 0] @ [2.0, 1.0, 4.0, 0.0]
    right = table[1, 3, 1, 0] @ [4.0, 0.0, 16.0, 32.0]
    np.testing.assert_allclose(image[0, [2, 4]], [left, right], rtol=1e-6)
    assert counts.tolist() == [0]


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.9), width=st.integers(1, 9))
def test_a_second_repair_changes_nothing(seed: int, share: float, width: int) -> None:
    rng = np.random.default_rng(seed)
    lost = rng.random((14, 11)) < share
    image, variance = rng.normal(size=(2, 14, 11)).astype(np.float32)
    variance = variance**2
    results = []
    for _ in range(2):
        state, counts = lost.astype(np.uint8), lost.sum(axis=1)
        for fill in (fill_lost_rows, fill_columns):
            fill(image, variance, state, counts, coefficient_table(), width, REACH)
        results.append((image.copy(), variance.copy(), state))
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)


def test_filled_pixels_change_their_flags_and_others_keep_them() -> None:
    mask = np.array([[7, 7, 7, 3]], np.int32)
    out = np.empty_like(mask)
    # The last one is left without a reason.
    flag_filled(mask, np.array([[0, LOST, FILLED, FILLED]], np.uint8), 2, 8, 4, 16, out)
    assert out.tolist() == [[7, 7, 13, 25]]


def test_filled_pixels_are_marked_and_masked_ones_that_are_not_filled_are_blanked() -> None:
    mask = np.array([[1, 1, 1, 2]], np.int32)
    state = np.array([[0, LOST, LOST | FILLED, LOST]], np.uint8)
    marked = np.empty_like(mask)
    flag_filled(mask, state, 0, 64, 0, 0, marked)
    assert marked.tolist() == [[1, 1, 65, 2]]
    image, variance = np.full((2, 1, 4), 5, np.float32)
    blank_lost(image, variance, mask, 1, state)
    np.testing.assert_array_equal(image, [[5, np.nan, 5, 5]])
    np.testing.assert_array_equal(variance, [[5, np.inf, 5, 5]])
