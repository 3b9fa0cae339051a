"""Exposures of a visit in one warp: who has which pixel."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.resample.merge import blank_bad, put_best

PAD = 8


def planes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = (7, 9)
    image = rng.choice([1.0, 2.0, np.nan, np.inf], shape).astype(np.float32)
    mask = rng.choice([0, 1, PAD, PAD | 2], shape).astype(np.int32)
    return image, mask, rng.uniform(1, 2, shape).astype(np.float32)


def is_good(part: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    return np.isfinite(part[0]) & (part[1] & PAD == 0)


@given(st.integers(0, 2**32 - 1))
def test_pixels_without_a_measurement_say_why(seed: int) -> None:
    part = planes(np.random.default_rng(seed))
    good = is_good(part)
    expected = [np.where(good, part[0], np.nan), np.where(good, part[1], part[1] | PAD),
                np.where(good, part[2], np.inf)]  # fmt: skip
    assert blank_bad(part, PAD) == good.sum()
    for found, wanted in zip(part, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def merged(parts: list, order: list[int], flaws: int) -> tuple[tuple, np.ndarray, np.ndarray]:
    out = np.full((7, 9), np.nan, "f4"), np.full((7, 9), PAD, "i4"), np.full((7, 9), np.inf, "f4")
    owner, counts = np.full((7, 9), -1, np.int32), np.zeros(3, np.int64)
    for number in order:
        put_best(parts[number], out, PAD, np.int32(flaws), owner, number, counts)
    return out, owner, counts


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1]))
def test_the_last_of_the_best_pixels_stays_and_is_counted(seed: int, flaws: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [planes(rng) for _ in range(3)]
    for part in parts:
        part[2][rng.random((7, 9)) < 0.1] = np.inf
    out, owner, counts = merged(parts, [0, 1, 2], flaws)
    rank = np.array([
        is_good(part) * np.where((part[1] & flaws != 0) | (flaws & ~np.isfinite(part[2])), 1, 2)
        for part in parts
    ])  # fmt: skip
    expected = np.where(rank.max(axis=0) > 0, 2 - np.argmax(rank[::-1], axis=0), -1)
    np.testing.assert_array_equal(owner, expected)
    assert counts.tolist() == [(expected == number).sum() for number in range(3)]
    for number, part in enumerate(parts):
        for plane, found in zip(part, out, strict=True):
            np.testing.assert_array_equal(found[expected == number], plane[expected == number])
    nobody = expected < 0
    reasons = np.bitwise_or.reduce([part[1] for part in parts]) | PAD
    np.testing.assert_array_equal(out[1][nobody], reasons[nobody])
    assert np.isnan(out[0][nobody]).all()
    assert np.isposinf(out[2][nobody]).all()


def test_a_good_pixel_is_never_hidden_whatever_the_order() -> None:
    part = {name: (np.full((7, 9), value, "f4"), np.full((7, 9), bits, "i4"), np.ones((7, 9), "f4"))
            for name, value, bits in (("good", 1, 0), ("flawed", 2, 1), ("none", 3, PAD | 2))}  # fmt: skip
    parts = list(part.values())
    for order in itertools.permutations(range(3)):
        out, owner, _ = merged(parts, list(order), 1)
        assert (owner == 0).all()
        assert (out[0] == 1).all()
        assert (out[1] == 0).all()
