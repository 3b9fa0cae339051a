"""Narrow defects are interpolated before resampling, and stay out of the coadd."""

from __future__ import annotations

import dataclasses

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lsst.images import Box

from lamella.coadd.warp.repair import repair_exposure
from lamella.coadd.warp.warp import make_warp
from lamella.coadd.warp.warp_control import WarpControl
from lamella.data.exposure import Exposure
from lamella.kernels.fill import find_narrow_runs
from lamella.planes import Layout, make_schema

from ...makers import make_exposure, make_planes
from ...projections import turned_tan
from ...same import assert_same_planes

SCHEMA = make_schema()
BAD, NO_DATA, INTERPOLATED = (Layout(SCHEMA).bits((n,)) for n in ("BAD", "NO_DATA", "INTERPOLATED"))


@pytest.fixture
def exposure(maker) -> Exposure:
    """A smooth ramp with unit variance."""
    y, x = np.mgrid[0:40, 0:50].astype(np.float32)
    ramp = make_planes(100 + 2 * x + y, 1.0, box=maker.bbox, unit=u.adu, projection=maker.projection)
    return make_exposure(ramp, visit=1, detector=3, sigma=2.0)


def lose(exposure: Exposure, where: tuple[slice, slice], bits: int = NO_DATA) -> None:
    exposure.pixels.mask.array[(*where, 0)] |= bits
    exposure.pixels.image.array[where] = np.nan
    exposure.pixels.variance.array[where] = np.inf


def test_a_lost_column_and_a_lost_row_are_interpolated(exposure: Exposure) -> None:
    truth = exposure.pixels.image.array.copy()
    column, row = (slice(None), slice(20, 22)), (slice(10, 11), slice(None))
    lose(exposure, column)
    lose(exposure, row)
    repaired = repair_exposure(exposure, 8).exposure.pixels
    # A ramp is not reproduced exactly by kriging with a Gaussian covariance.
    np.testing.assert_allclose(repaired.image.array, truth, atol=1.0)
    assert np.isfinite(repaired.variance.array).all()
    flags = repaired.mask.array[..., 0]
    lost = np.zeros((40, 50), bool)
    lost[column] = lost[row] = True
    np.testing.assert_array_equal(flags, np.where(lost, BAD | INTERPOLATED, 0))


def test_ends_and_wide_gaps_stay_as_they_are(exposure: Exposure) -> None:
    lose(exposure, (slice(0, 5), slice(None)))
    lose(exposure, (slice(12, 30), slice(15, 35)))
    repaired = repair_exposure(exposure, 8).exposure.pixels
    np.testing.assert_array_equal(repaired.image.array, exposure.pixels.image.array)
    assert repaired.mask == exposure.pixels.mask


def test_the_value_of_a_bad_pixel_does_not_matter(exposure: Exposure) -> None:
    results = []
    for value in (1e9, -5.0, np.nan):
        exposure.pixels.mask.array[10, 20, 0] = BAD
        exposure.pixels.image.array[10, 20] = value
        results.append(repair_exposure(exposure, 8).exposure.pixels.image.array)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_in_place_gives_the_same_pixels_and_again_the_same(exposure: Exposure) -> None:
    lose(exposure, (slice(None), slice(20, 22)))
    lose(exposure, (slice(10, 11), slice(None)))
    lose(exposure, (slice(12, 30), slice(30, 45)), BAD)
    before = exposure.pixels.copy()
    expected = repair_exposure(exposure, 8).exposure.pixels
    assert_same_planes(exposure.pixels, before)
    for _ in range(2):
        found = repair_exposure(exposure, 8, in_place=True).exposure
        assert found is exposure
        assert_same_planes(found.pixels, expected)


def test_nothing_happens_without_defects_or_when_switched_off(exposure: Exposure) -> None:
    assert repair_exposure(exposure, 8).exposure is exposure
    lose(exposure, (slice(5, 6), slice(5, 6)))
    assert repair_exposure(exposure, 0).exposure is exposure


def test_one_cosmic_ray_costs_a_few_pixels_of_a_warp_not_a_kernel(exposure: Exposure, maker) -> None:
    """At a shift of half a pixel the lost one has more than 1 % of the absolute weight of twelve pixels."""
    lose(exposure, (slice(20, 21), slice(25, 26)), BAD | NO_DATA)
    transform = maker.projection
    shifted = dataclasses.replace(exposure.info, projection=transform)
    box = Box.factory[104:136, 204:246]
    counts, values = {}, {}
    for width in (0, 8):
        warp = make_warp(
            [dataclasses.replace(exposure, info=shifted)],
            turned_tan(150.0, 2.0, x=0.5, y=0.5, tract=maker.bbox),
            box,
            WarpControl(repair_width=width),
        )
        counts[width] = int((warp.mask.array[..., 0] & BAD != 0).sum())
        values[width] = int(np.isnan(warp.image.array).sum())
    assert counts == {0: 12, 8: 12}
    assert values == {0: 12, 8: 0}


@given(
    flags=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)),
    width=st.integers(1, 12),
)
def test_narrow_runs_are_what_a_walk_along_each_row_finds(flags: np.ndarray, width: int) -> None:
    expected = np.zeros_like(flags)
    for row, out in zip(flags, expected, strict=True):
        start = 0
        while start < row.size:
            stop = start
            while stop < row.size and row[stop]:
                stop += 1
            if 0 < stop - start <= width and start > 0 and stop < row.size:
                out[start:stop] = True
            start = stop + 1
    narrow = np.zeros_like(flags)
    find_narrow_runs(flags, width, narrow)
    np.testing.assert_array_equal(narrow, expected)
