"""The kriging kernel: coefficients, laws, and the numbers of the original code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.fill import (
    FillRule,
    coefficient_table,
    fill_rows,
    fill_rows_strict,
    kriging_coefficients,
)

BAD, INTERPOLATED = 1, 2


def fill(values, bad, *, variance=None, fallback=0.0, reach=6, use_fallback=True, widest=0):
    """Fill one row and return image, variance, mask and counts."""
    image = np.array([values], dtype=np.float32)
    mask = np.array([bad], dtype=np.int32)
    spread = np.ones_like(image) if variance is None else np.array([variance], dtype=np.float32)
    rule = FillRule(coefficient_table(), fallback, reach, use_fallback)
    counts = fill_rows(image, spread, mask, BAD, INTERPOLATED, rule, widest)
    return image[0], spread[0], mask[0], counts


def row(pattern: str) -> np.ndarray:
    """Translate a picture of a row, ``#`` for a good pixel and ``.`` for a bad one."""
    return np.array([c == "." for c in pattern], dtype=np.int32)


@pytest.mark.parametrize(
    ("width", "left", "right", "expected"),
    [
        (1, 3, 3, [[0.7737, -0.2737, 0.7737, -0.2737]]),
        (2, 3, 3, [[1.1904, -0.4793, 0.5212, -0.2323], [0.5212, -0.2323, 1.1904, -0.4793]]),
        (1, 0, 3, [[0, 0, 1.4288, -0.4288]]),
        (1, 3, 1, [[0.8959, -0.3834, 0.4875, 0]]),
        (1, 1, 1, [[0.5, 0, 0.5, 0]]),
        (3, 1, 0, [[1, 0, 0, 0]] * 3),
    ],
)
def test_coefficients_have_known_values(width, left, right, expected):
    np.testing.assert_allclose(kriging_coefficients(width, left, right), expected, atol=5e-5)


def test_coefficients_solve_the_kriging_equations():
    c = kriging_coefficients(2, 3, 2)
    places = np.array([-1.0, -2.0, 3.0])
    covariance = np.exp(-((places[:, None] - places) ** 2) / 4)
    for t in range(2):
        wanted = np.exp(-((places - t) ** 2) / 4)
        # The gradient of the prediction error is the same in all directions that keep the sum.
        gradient = covariance @ c[t, [0, 1, 3]] - wanted
        np.testing.assert_allclose(gradient, gradient[0], atol=1e-12)
        assert c[t].sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("left", range(4))
@pytest.mark.parametrize("right", range(1, 4))
@pytest.mark.parametrize("width", [33, 34, 40, 75])
def test_wide_gaps_are_served_by_the_table(width, left, right):
    pattern = [left & 2, left & 1, *[None] * width, right & 1, right & 2]
    bad = np.array([0 if p else 1 for p in pattern], dtype=np.int32)
    # A neighbour that is not usable is NaN without being marked as bad, so that the width is kept.
    bad[:2] = bad[-2:] = 0
    rng = np.random.default_rng(width)
    values = rng.normal(100, 10, len(bad)).astype(np.float32)
    values[[i for i, p in enumerate(pattern) if p == 0]] = np.nan
    around = values[[1, 0, -2, -1]].astype(float)
    c = kriging_coefficients(width, left, right)
    expected = np.where(c != 0, c * around, 0).sum(axis=1)
    image, *_ = fill(values, bad, use_fallback=False)
    np.testing.assert_allclose(image[2:-2], expected, rtol=1e-7)


def test_table_is_read_only_and_shared():
    assert coefficient_table() is coefficient_table()
    assert not coefficient_table().flags.writeable
    assert coefficient_table(4)[3, 3, 1, 0].tolist() == [0.7737, -0.2737, 0.7737, -0.2737]


def test_variance_is_propagated():
    bad = row("###.###")
    variance = [9, 1, 2, 99, 3, 4, 9]
    image, spread, mask, counts = fill([0, 10, 20, 1e6, 40, 50, 0], bad, variance=variance)
    c = kriging_coefficients(1, 3, 3)[0]
    assert image[3] == np.float32(c @ [20, 10, 40, 50])
    assert spread[3] == np.float32(c**2 @ [2, 1, 3, 4])
    assert mask.tolist() == [0, 0, 0, BAD | INTERPOLATED, 0, 0, 0]
    assert counts == (1, 0)


def test_neighbour_of_another_gap_is_not_used():
    image, *_ = fill([9, 1, 1e6, 5, 1e6, 3, 9], row("##.#.##"))
    c = kriging_coefficients(1, 3, 1)[0]
    assert image[2] == np.float32(c @ [1, 9, 5, 0])
    assert image[4] == np.float32(c @ [3, 9, 5, 0])


def test_two_pixel_gap_may_be_negative():
    image, *_ = fill([-1, 1e6, 1e6, -3], row("#..#"))
    assert (image[1:3] < 0).all()


@pytest.mark.parametrize("flip", [False, True])
def test_wide_gap_at_an_end_goes_over_to_the_fallback(flip):
    bad = row("." * 9 + "####")
    values = np.full(13, 20.0)
    step = -1 if flip else 1
    image, spread, _, counts = fill(values[::step], bad[::step], fallback=4.0)
    image, spread = image[::step], spread[::step]
    c = kriging_coefficients(6, 3, 3)
    assert image[:3].tolist() == [4, 4, 4]
    np.testing.assert_allclose(image[3:9], c @ [4, 4, 20, 20], rtol=1e-6)
    assert (np.diff(image[2:9]) > 0).all()
    assert np.isinf(spread[:9]).all()
    assert np.isfinite(spread[9:]).all()
    assert counts == (9, 9)


def test_short_gap_at_an_end_is_extrapolated():
    image, spread, _, counts = fill([1e6] * 6 + [3, 5, 5], row("......###"), fallback=-77.0)
    c = kriging_coefficients(6, 0, 3)
    np.testing.assert_allclose(image[:6], c @ [0, 0, 3, 5], rtol=1e-6)
    np.testing.assert_allclose(spread[:6], (c**2).sum(axis=1), rtol=1e-6)
    assert counts == (6, 0)


def test_variance_is_infinite_beyond_the_reach():
    image, spread, *_ = fill([2.0] * 24, row("####" + "." * 16 + "####"))
    assert (image == 2).all()
    assert np.isinf(spread).tolist() == [False] * 10 + [True] * 4 + [False] * 10


@pytest.mark.parametrize("good", [0, 200])
def test_only_narrow_runs_inside_of_the_row_are_filled(good):
    # Far from the start of the row, whole blocks of good pixels come first.
    bad = np.concatenate([row("." if not good else "#"), np.zeros(good, np.int32), row("##..##...#.##..")])
    values = np.arange(bad.size, dtype=np.float32)
    image, variance, mask, counts = fill(np.where(bad, 99, values), bad, widest=2)
    narrow = np.zeros(bad.size, bool)
    narrow[[1 + good + 2, 1 + good + 3, 1 + good + 10]] = True
    assert counts == (3, 0)
    np.testing.assert_array_equal(mask & INTERPOLATED != 0, narrow)
    np.testing.assert_array_equal(image[bad.astype(bool) & ~narrow], 99)
    np.testing.assert_allclose(image[narrow], values[narrow], atol=2)
    np.testing.assert_array_equal(variance[~narrow], 1)


def test_pixels_of_wide_runs_are_not_used_for_narrow_ones():
    bad = row("##.#...##")
    values = np.arange(9, dtype=np.float32)
    ones = [fill(np.where(bad, value, values), bad, widest=1)[0][2] for value in (-1e9, np.nan)]
    assert ones[0] == ones[1] == pytest.approx(2, abs=1)


def test_row_without_data_is_fallback():
    image, spread, mask, counts = fill([np.nan] * 4, row("...."), fallback=1.5)
    assert image.tolist() == [1.5] * 4
    assert np.isinf(spread).all()
    assert (mask == BAD | INTERPOLATED).all()
    assert counts == (4, 4)


def test_unmarked_nan_is_neither_used_nor_changed():
    image, _, mask, _ = fill([7, 1, np.nan, 0, 3, 5], row("###.##"))
    c = kriging_coefficients(1, 2, 3)[0]
    assert image[3] == np.float32(c @ [0, 1, 3, 5])
    assert np.isnan(image[2])
    assert mask[2] == 0


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_bad_variance_of_a_neighbour_gives_infinity(value):
    _, spread, *_ = fill([1] * 5, row("##.##"), variance=[value] * 5)
    assert spread[2] == np.inf


rows = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.floats(-1e4, 1e4, width=32), min_size=n, max_size=n),
        st.lists(st.floats(0, 1e4, width=32), min_size=n, max_size=n),
    )
)


@given(rows, st.booleans())
def test_good_pixels_are_untouched_and_bad_values_do_not_matter(data, use_fallback):
    bad, values, variance = (np.array(d) for d in data)
    image, spread, mask, counts = fill(values, bad, variance=variance, use_fallback=use_fallback)
    np.testing.assert_array_equal(image[~bad], values[~bad].astype(np.float32))
    np.testing.assert_array_equal(spread[~bad], variance[~bad].astype(np.float32))
    assert (mask == np.where(bad, BAD | INTERPOLATED, 0)).all()
    assert counts[0] == bad.sum()
    other = fill(
        np.where(bad, np.nan, values), bad, variance=np.where(bad, -5, variance), use_fallback=use_fallback
    )
    np.testing.assert_array_equal(other[0], image)
    np.testing.assert_array_equal(other[1], spread)
    assert (spread >= 0).all()


@given(rows, st.floats(-1e6, 1e6, width=32), st.booleans())
def test_constant_stays_constant(data, constant, use_fallback):
    bad = np.array(data[0])
    image, *_ = fill(
        np.where(bad, np.nan, constant), bad, fallback=float(np.float32(constant)), use_fallback=use_fallback
    )
    assert (image == np.float32(constant)).all()


@given(rows, st.booleans())
def test_filling_is_linear(data, use_fallback):
    bad, first, second = (np.array(d) for d in data)
    total, _, _, _ = fill(2 * first + second, bad, fallback=8.0, use_fallback=use_fallback)
    one, _, _, _ = fill(first, bad, fallback=3.0, use_fallback=use_fallback)
    two, _, _, _ = fill(second, bad, fallback=2.0, use_fallback=use_fallback)
    np.testing.assert_allclose(total, 2 * one.astype(float) + two, rtol=1e-5, atol=0.02)


@given(rows, st.booleans())
def test_filling_is_symmetric(data, use_fallback):
    bad, values, variance = (np.array(d) for d in data)
    image, spread, *_ = fill(values, bad, variance=variance, use_fallback=use_fallback)
    mirrored = fill(values[::-1], bad[::-1], variance=variance[::-1], use_fallback=use_fallback)
    np.testing.assert_allclose(mirrored[0][::-1], image, rtol=1e-6, atol=1e-2)
    np.testing.assert_allclose(mirrored[1][::-1], spread, rtol=1e-6, atol=1e-6)


def oracle_cases(folder: Path):
    index = json.loads((folder / "index_interp.json").read_text())
    for case in index["cases"]:
        path = folder / f"interp_k{case['k']}.npz"
        if path.exists():
            yield case["k"], np.load(path), index["modes"]


def test_strict_filling_gives_the_bits_of_the_original(shared):
    planes = 0
    for k, data, modes in oracle_cases(shared / "oracle" / "interp"):
        mask = np.zeros(data["image"].shape, dtype=np.int32)
        for x, y, width, height in data["defects"]:
            mask[y : y + height, x : x + width] = BAD
        for mode, settings in modes.items():
            for plane in ("image", "variance"):
                found = data[plane].copy()
                rule = FillRule(
                    coefficient_table(4), settings["fallback"], 6, settings["useFallbackValueAtEdge"]
                )
                filled, _ = fill_rows_strict(found, mask, BAD, rule)
                expected = data[f"{mode}_{plane[0]}"]
                np.testing.assert_array_equal(found, expected, err_msg=f"case {k}, mode {mode}, {plane}")
                assert filled == mask.sum()
                planes += 1
    assert planes == 64
