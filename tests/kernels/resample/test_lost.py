"""Lost and filled taps: what they weigh, against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.kernels.resample.resample import ResampleRule, resample_planes
from lamella.kernels.resample.support import KERNELS, kernel_half_width
from lamella.kernels.resample.tap_weights import kernel_weights

from .test_resample import affine_grid

BAD, FOUND, EDGE, NO_DATA, FILLED = 1, 2, 16, 256, -(2**31)
RULE = ResampleRule(
    mask_kernel="bilinear",
    grow=EDGE,
    no_data=NO_DATA,
    filled=FILLED,
    reasons=BAD,
    max_lost_weight=0.01,
    pad=NO_DATA,
)
SHAPE, OUT = (26, 28), (12, 13)
MATRIX = np.array([[0.95, 0.21], [-0.2, 1.02]])


def flawed_planes(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise of which some pixels are lost and some are filled; both are BAD, and FOUND like others."""
    rng = np.random.default_rng(seed)
    kind = rng.choice([0, FILLED | BAD, NO_DATA | BAD], SHAPE, p=[0.93, 0.04, 0.03])
    mask = (kind | np.where(rng.random(SHAPE) < 0.2, FOUND, 0)).astype(np.int32)
    return rng.normal(100, 10, SHAPE).astype("f4"), mask, rng.uniform(5, 9, SHAPE).astype("f4")


def by_hand(planes, grid, rule: ResampleRule, j: int, i: int) -> tuple[float, float, float, float]:
    """Return value, variance, and the shares of lost and of filled taps of one pixel."""
    image, mask, variance = planes
    half = kernel_half_width(rule.kernel)
    whole = int(np.floor(grid.x[j, i])), int(np.floor(grid.y[j, i]))
    across, down = (kernel_weights(rule.kernel, np.array(p - w)) for p, w in
                    zip((grid.x[j, i], grid.y[j, i]), whole, strict=True))  # fmt: skip
    window = tuple(slice(w - half + 1, w + half + 1) for w in whole[::-1])
    weights, bits = np.outer(down, across), mask[window]
    lost, filled = bits & NO_DATA != 0, bits & FILLED != 0
    # With none left there is no value to compare.
    left = np.where(lost, 0.0, weights) / (weights[~lost].sum() or np.nan)
    area, size = grid.area[j, i], np.abs(weights)
    shares = (size[lost].sum() / size.sum(), size[filled & ~lost].sum() / size.sum())
    return area * (left * image[window]).sum(), area**2 * (left**2 * variance[window]).sum(), *shares


@pytest.mark.parametrize("kernel", KERNELS)
def test_shares_of_the_absolute_weight_decide(kernel: str) -> None:
    rule = ResampleRule(**{name: getattr(RULE, name) for name in RULE.__slots__} | {"kernel": kernel})
    counts = np.zeros(3, int)
    for seed in range(3):
        planes = flawed_planes(seed)
        grid = affine_grid(MATRIX, (5.3 + seed / 7, 8.1), OUT)
        image, mask, variance, _ = resample_planes(planes, grid, (0, 0), OUT, rule)
        for j, i in np.ndindex(*OUT):
            value, spread, lost, filled = by_hand(planes, grid, rule, j, i)
            if min(abs(lost - 0.01), abs(lost + filled - 0.01)) < 1e-5:
                continue
            if lost > 0.01:
                assert np.isnan(image[j, i])
                assert np.isposinf(variance[j, i])
                assert mask[j, i] & (NO_DATA | BAD) == NO_DATA | BAD
                counts[0] += 1
                continue
            assert mask[j, i] & (NO_DATA | FILLED) == 0
            assert image[j, i] == pytest.approx(value, rel=2e-6)
            assert variance[j, i] == pytest.approx(spread, rel=2e-6)
            if lost + filled > 0.01:
                assert mask[j, i] & BAD
                counts[1] += 1
            elif lost > 0.0:
                counts[2] += 1
    assert (counts[:2] > 5).all()
    assert counts[2] > 0 or kernel in ("bilinear", "nearest")


def test_only_reasons_reach_beyond_the_kernel_of_the_mask() -> None:
    image, mask, variance = (
        np.full(SHAPE, value, dtype) for value, dtype in ((1, "f4"), (0, "i4"), (1, "f4"))
    )
    mask[12, 12] = NO_DATA | BAD | FOUND
    grid = affine_grid(np.eye(2), (5.5, 5.5), OUT)
    flags = resample_planes((image, mask, variance), grid, (0, 0), OUT, RULE)[1]
    # Window (i, j) of a pixel has the lost one at tap 8 - i; taps hold 0.016, 0.088 and 0.397 of an axis.
    touched, nearest = flags & BAD != 0, flags & FOUND != 0
    assert touched.sum() == 12
    assert nearest.sum() == 4
    assert (touched == (flags & NO_DATA != 0)).all()


@given(seed=st.integers(0, 2**32 - 1), spoiled=st.sampled_from([1e30, np.nan, -np.inf, 1e5, 0.0]))
def test_what_lost_pixels_hold_does_not_matter(seed: int, spoiled: float) -> None:
    planes = flawed_planes(seed)
    grid = affine_grid(MATRIX, (5.3, 8.1), OUT)
    lost = planes[1] & NO_DATA != 0
    other = [np.where(lost, plane.dtype.type(spoiled), plane) for plane in planes[::2]]
    for first, second in zip(
        resample_planes(planes, grid, (0, 0), OUT, RULE),
        resample_planes((other[0], planes[1], other[1]), grid, (0, 0), OUT, RULE),
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)
