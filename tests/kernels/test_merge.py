"""Exposures of a visit in one warp: who has which pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.merge import blank_bad, put_good

PAD = 8


def planes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = (7, 9)
    image = rng.choice([1.0, 2.0, np.nan, np.inf], shape).astype(np.float32)
    mask = rng.choice([0, 1, PAD, PAD | 2], shape).astype(np.int32)
    return image, mask, rng.uniform(1, 2, shape).astype(np.float32)


def is_good(part: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    return np.isfinite(part[0]) & (part[1] & PAD == 0)


@given(st.integers(0, 2**32 - 1))
def test_pixels_without_a_measurement_say_nothing_else(seed: int) -> None:
    part = planes(np.random.default_rng(seed))
    good = is_good(part)
    expected = [
        np.where(good, plane, value) for plane, value in zip(part, (np.nan, PAD, np.inf), strict=True)
    ]
    assert blank_bad(part, PAD) == good.sum()
    for found, wanted in zip(part, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@given(st.integers(0, 2**32 - 1))
def test_the_last_good_pixel_stays_and_is_counted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [planes(rng) for _ in range(3)]
    out = tuple(np.full_like(plane, -1) for plane in parts[0])
    owner, counts = np.full((7, 9), -1, np.int32), np.zeros(3, np.int64)
    for number, part in enumerate(parts):
        put_good(part, out, PAD, owner, number, counts)
    expected = np.full((7, 9), -1)
    for number, part in enumerate(parts):
        expected[is_good(part)] = number
    np.testing.assert_array_equal(owner, expected)
    assert counts.tolist() == [(expected == number).sum() for number in range(3)]
    for plane, found in enumerate(out):
        for number, part in enumerate(parts):
            np.testing.assert_array_equal(found[expected == number], part[plane][expected == number])
        assert (found[expected < 0] == -1).all()
