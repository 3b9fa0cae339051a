"""Medians of planes, against those of NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lamella.kernels.order import median as module
from lamella.kernels.order.median import median

SHAPE = 500, 601


def check(values: np.ndarray, chosen: np.ndarray) -> None:
    values = values.astype(np.float32)
    assert median(values, chosen) == np.median(values[chosen].astype(np.float64))


def some(seed: int, part: float = 0.7) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=SHAPE) < part


@pytest.fixture
def no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(module, "OrderedSample")


@pytest.mark.usefixtures("no_fallback")
@pytest.mark.parametrize("seed", [1, 2])
def test_noise_has_its_median(seed):
    values = 40 + 3 * np.random.default_rng(seed).standard_normal(SHAPE)
    values[~some(seed)] = np.nan
    check(values, some(seed))


@pytest.mark.usefixtures("no_fallback")
@pytest.mark.parametrize(
    "parts", [[1.0], [0.5, 0.5], [0.1, 0.395, 0.3, 0.205], [0.4999, 0.5001], [0.495, 0.01, 0.495]]
)
def test_steps_have_their_median(parts):
    values = np.random.default_rng(3).choice(np.arange(len(parts)) + 0.3, SHAPE, p=parts)
    check(values, some(3))
    check(np.sort(values, axis=None).reshape(SHAPE), np.ones(SHAPE, bool))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_values_that_may_not_be_in_the_sample_have_their_median(count):
    values, chosen = np.zeros(SHAPE), np.zeros(SHAPE, bool)
    values.flat[7 : 7 + count] = np.arange(count) ** 2
    chosen.flat[7 : 7 + count] = True
    check(values, chosen)


@pytest.mark.parametrize("wrong", [-1e30, 0.0, 1e30])
def test_a_sample_of_other_values_does_not_matter(wrong):
    values = np.random.default_rng(6).standard_normal(SHAPE)
    step = values.size // module._SAMPLE | 1
    values.flat[::step] = wrong
    check(values, np.ones(SHAPE, bool))


def test_more_values_between_the_limits_than_there_is_room_for_do_not_matter():
    values = np.random.default_rng(7).uniform(-1, 1, SHAPE)
    step = values.size // module._SAMPLE | 1
    values.flat[::step] = np.resize([-2.0, 2.0], values[...].flat[::step].size)
    check(values, some(7))


@given(
    arrays(np.float32, st.integers(1, 40), elements=st.floats(-100, 100, width=32)),
    st.integers(0, 2**32 - 1),
)
def test_any_values_have_their_median(values, seed):
    chosen = np.random.default_rng(seed).uniform(size=values.size) < 0.7
    if chosen.any():
        check(values, chosen)
    check(values, np.ones(values.size, bool))


def test_nothing_has_no_median():
    assert math.isnan(median(np.ones((2, 3), np.float32), np.zeros((2, 3), bool)))
