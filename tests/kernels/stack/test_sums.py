"""Sums over four inputs at a time, beside sums value by value."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest

from lamella.kernels.stack.rules import INPUT_ERROR, MOSAIC_ERROR, SCATTER_ERROR, Limits
from lamella.kernels.stack.sums import (
    Adding,
    Four,
    Noise,
    Scatter,
    add_noise,
    add_scatter,
    rows_of,
    set_origin,
)

PIXELS = 37
"""Not a multiple of the length of a vector."""
WEIGHTS = (0.5, 2.0, 0.25, 1.5)


class Case:
    """Four inputs of some pixels, with NaN among the values, and limits that leave some of them out."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.values = rng.normal(100.0, 10.0, (4, PIXELS)).astype(np.float32)
        self.values[rng.random((4, PIXELS)) < 0.2] = np.nan
        self.variances = rng.uniform(50.0, 150.0, (4, PIXELS)).astype(np.float32)
        self.masks = rng.integers(0, 1 << 20, (4, PIXELS)).astype(np.int32)
        self.limits = Limits(rng.normal(100.0, 3.0, PIXELS), rng.uniform(5.0, 15.0, PIXELS))

    def rows(self):
        planes = self.values, self.masks, self.variances
        values, masks, variances = (rows_of(plane, (0, 1, 2, 3), 0, PIXELS) for plane in planes)
        return values, Four(masks, variances, WEIGHTS)

    def chosen(self, j):
        """Return distance, variance, weight and mask of the values of a pixel that take part, in order."""
        for i in range(4):
            distance = np.float64(self.values[i, j]) - self.limits[0][j]
            if abs(distance) <= self.limits[1][j]:
                yield distance, np.float64(self.variances[i, j]), WEIGHTS[i], self.masks[i, j]


def bits_and_number(case, flagged):
    chosen = [list(case.chosen(j)) for j in range(PIXELS)]
    bits = [functools.reduce(operator.or_, (m for *_, m in one), 0) if flagged else 0 for one in chosen]
    return bits, [len(one) for one in chosen]


@pytest.mark.parametrize("flags", [(False, False), (False, True), (True, True)])
@pytest.mark.parametrize("error", [SCATTER_ERROR, INPUT_ERROR, MOSAIC_ERROR])
def test_scatter_and_noise_are_summed_in_input_order(flags, error):
    case = Case()
    add, totals, count = (add_scatter, Scatter, 4) if error == SCATTER_ERROR else (add_noise, Noise, 3)
    sums, tallies = np.ones((count, PIXELS)), np.zeros((2, PIXELS), np.int32)
    add(*case.rows(), Adding(error, *flags), case.limits, totals(*sums, *tallies))
    expected = np.ones((count, PIXELS))
    for j in range(PIXELS):
        for d, v, weight, _ in case.chosen(j):
            w = 1.0 / v if flags[0] else weight
            last = {SCATTER_ERROR: (w * w, w * d * d), INPUT_ERROR: (w * w * v,), MOSAIC_ERROR: (w * v,)}
            expected[:, j] += (w, w * d, *last[error])
    np.testing.assert_array_equal(sums, expected)
    np.testing.assert_array_equal(tallies, bits_and_number(case, flags[1]))


def test_the_limit_belongs_to_what_takes_part_and_nan_never_does():
    rows = tuple(np.array([value, value], np.float32) for value in (1.0, 2.0, np.nan, -1.0))
    ones, none = (np.ones(2, np.float32),) * 4, (np.zeros(2, np.int32),) * 4
    sums, (bits, used) = np.zeros((3, 2)), np.zeros((2, 2), np.int32)
    limits = Limits(np.zeros(2), np.array([1.0, np.inf]))
    four, adding = Four(none, ones, (1.0,) * 4), Adding(INPUT_ERROR, False, False)
    add_noise(rows, four, adding, limits, Noise(*sums, bits, used))
    np.testing.assert_array_equal(used, [2, 3])


def test_the_origin_is_the_first_usable_value():
    nan = np.nan
    columns = [(7, 1, 1, 1), (nan, 4, 1, 1), (nan, nan, 5, 1), (nan, nan, nan, 6), (nan,) * 4, (8, 8, 8, 8)]
    rows = tuple(np.array(row, np.float32) for row in zip(*columns, strict=True))
    origin, count = np.full(6, 3.0), np.array([0, 0, 0, 0, 0, 1], np.int32)
    set_origin(rows, count, origin)
    np.testing.assert_array_equal(origin, [7, 4, 5, 6, nan, 3])


def test_an_origin_that_is_known_everywhere_stays():
    origin = np.zeros(2)
    set_origin((np.ones(2, np.float32),) * 4, np.ones(2, np.int32), origin)
    np.testing.assert_array_equal(origin, 0.0)
