"""Clipping of sorted samples, against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from lamella.kernels.clipped import clip_ordered, clipped_variances


def by_definition(values: np.ndarray, least: float) -> tuple[np.ndarray, float]:
    left, count, correction, sigma = values.astype(np.float64), -1, 1.0, 0.0
    while left.size != count:
        count, centre, sigma = left.size, np.median(left), correction * left.std()
        correction = 1.0136 if 3.0 * sigma >= least else 1.0
        left = left[np.abs(left - centre) <= max(3.0 * sigma, least)]
    return left, sigma


@pytest.mark.parametrize("size", [1, 2, 100, 3001])
@pytest.mark.parametrize("least", [0.0, 4.0])
@pytest.mark.parametrize("pedestal", [0.0, 3e4])
def test_a_sorted_sample_is_clipped_at_both_ends(size: int, least: float, pedestal: float) -> None:
    rng = np.random.default_rng(size)
    values = np.concatenate([rng.normal(size=size), rng.uniform(5, 500, size // 5), [-30.0] * (size > 50)])
    ordered = np.sort(pedestal + values).astype(np.float32)
    first, stop, sigma = clip_ordered(ordered, least)
    left, expected = by_definition(ordered, least)
    np.testing.assert_array_equal(ordered[first:stop], left)
    assert sigma == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_normal_values_keep_their_standard_deviation() -> None:
    ordered = np.sort(np.random.default_rng(1).normal(scale=2.0, size=100_000))
    assert clip_ordered(ordered, 0.0)[2] == pytest.approx(2.0, rel=0.01)


def test_each_row_has_a_variance_of_its_own_and_a_row_of_none_has_none() -> None:
    samples = np.sort(np.random.default_rng(2).normal(size=(3, 400)) * [[1.0], [2.0], [3.0]], axis=1)
    samples = samples.astype(np.float32)
    samples[0, 300:] = np.inf
    variances = np.full(3, np.nan)
    clipped_variances(samples, np.array([300, 0, 400]), 0.0, variances)
    assert variances[0] == clip_ordered(samples[0, :300], 0.0)[2] ** 2
    assert np.isnan(variances[1])
    assert variances[2] == clip_ordered(samples[2], 0.0)[2] ** 2
