"""Samples that are sorted only where they are looked at, against sorted ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lamella.kernels.order.ordered import OrderedSample

SPECIAL = [0.0, -0.0, 1e308, -1e308, 5e-324, np.inf, -np.inf, np.nan]


def check(values: np.ndarray, chosen: np.ndarray | None = None) -> None:
    sample = OrderedSample(values, chosen)
    kept = np.sort(values[np.isfinite(values) & (True if chosen is None else chosen)])
    assert len(sample) == kept.size
    ranks = np.unique(np.linspace(0, kept.size - 1, min(kept.size, 200)).astype(int))
    # From the middle: the first ones that are looked at must not depend on others.
    for rank in np.roll(ranks, ranks.size // 2):
        limit = float(kept[rank])
        assert sample[rank] == limit
        for other in (limit, math.nextafter(limit, math.inf), math.nextafter(limit, -math.inf)):
            assert sample.below(other) == np.searchsorted(kept.astype(float), other, side="left")
            expected = np.searchsorted(kept.astype(float), other, side="right")
            assert sample.below(other, inclusive=True) == expected
    assert sample.below(-np.inf) == 0
    assert sample.below(np.inf) == kept.size


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_noise_with_stars_is_ordered(kind):
    rng = np.random.default_rng(7)
    values = 40 * rng.standard_normal((200, 301))
    values[::9, ::7] += 10 ** rng.uniform(0, 4, values[::9, ::7].shape)
    check(values.astype(kind))
    check(values.astype(kind), rng.uniform(size=values.shape) > 0.3)


@given(arrays(np.float64, st.integers(1, 2000), elements=st.floats(width=64) | st.sampled_from(SPECIAL)))
def test_any_values_are_ordered(values):
    check(values)


def test_values_that_are_not_in_the_sample_for_the_buckets_are_ordered():
    values = np.zeros(100_000)
    values[1:500:2] = np.linspace(-1, 1, 250)
    check(values)
    values[1::2] = 1e300
    check(values)
    check(np.where(np.arange(values.size) % 2, -1e300, 1e300))


def test_nothing_has_no_rank():
    sample = OrderedSample(np.full((3, 3), np.nan))
    assert len(sample) == 0
    with pytest.raises(IndexError):
        sample[0]
    with pytest.raises(IndexError):
        OrderedSample(np.ones(3))[-1]
