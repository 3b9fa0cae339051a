"""Tables are bilinear between their nodes, and are tables again when an archive is read."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import DistortionLookupTable
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lsst.images._transforms import _ast as astshim

from lamella.sky.lookup import LookupTable, bilinear, prepend_tables, split_lookups

from ..projections import tan_projection


def table(columns: int, rows: int, seed: int = 0) -> LookupTable:
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.uniform(20.0, 80.0, columns)), np.cumsum(rng.uniform(20.0, 80.0, rows))
    return LookupTable(x, y, *rng.normal(0.0, 0.1, (2, rows, columns)))


def frames(*tables: LookupTable) -> Any:
    mapping = tan_projection(SkyCoord(10 * u.deg, 20 * u.deg), 0.1 * u.arcsec, (100.0, 80.0))
    result = astshim.FrameSet.fromString(mapping.pixel_to_sky_transform._ast_mapping.show(False))
    if tables:
        prepend_tables(result, list(tables))
    return result


@given(
    values=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-2, 2, width=32)
    ),
    x=st.floats(-50, 500),
    y=st.floats(-50, 500),
)
def test_between_nodes_it_is_as_astropy_has_it(values: np.ndarray, x: float, y: float) -> None:
    theirs = DistortionLookupTable(values, (1.0, 2.0), (30.0, 40.0), (64.0, 50.0))
    columns = 30.0 + 64.0 * (np.arange(1, values.shape[1] + 1) - 1.0)
    rows = 40.0 + 50.0 * (np.arange(1, values.shape[0] + 1) - 2.0)
    ours = bilinear((columns, rows, values.astype(float)), np.array([x]), np.array([y]))
    assert ours[0] == pytest.approx(theirs.get_offset(x, y), abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 1), (2, 2), (20, 11)])
def test_the_mapping_is_the_table(shape: tuple[int, int]) -> None:
    small = table(*shape)
    x, y = np.random.default_rng(1).uniform(-300, 1500, (2, 500))
    there = small.mapping().applyForward(np.array([x, y]))
    dx, dy = small.shift(x, y)
    np.testing.assert_allclose(there, [x + dx, y + dy], rtol=0, atol=1e-8)
    np.testing.assert_allclose(small.mapping().applyInverse(there), [x, y], rtol=0, atol=1e-6)


def test_tables_of_two_lattices_are_one_table() -> None:
    first, second = table(4, 3, 1), table(3, 6, 2)
    merged = LookupTable.merge((first.x, first.y, first.dx), (second.x, second.y, second.dy))
    x, y = np.random.default_rng(1).uniform(-50, 400, (2, 300))
    np.testing.assert_allclose(merged.shift(x, y), [first.shift(x, y)[0], second.shift(x, y)[1]], atol=1e-12)
    alone = LookupTable.merge(None, (second.x, second.y, second.dy))
    np.testing.assert_allclose(alone.shift(x, y), [np.zeros(300), second.shift(x, y)[1]], atol=1e-12)


def test_tables_stand_before_the_rest_and_are_told_from_it() -> None:
    tables = [table(4, 3, 1), table(3, 6, 2)]
    plain, whole = frames(), frames(*tables)
    x, y = np.random.default_rng(1).uniform(-50, 300, (2, 300))
    moved = np.array([x, y])
    for shifts in tables:
        moved = moved + shifts.shift(*moved)
    np.testing.assert_allclose(
        whole.applyForward(np.array([x, y])), plain.applyForward(moved), rtol=0, atol=1e-13
    )
    split = split_lookups(astshim.FrameSet.fromString(whole.show()))
    assert split is not None
    for ours, read in zip(tables, split[0], strict=True):
        np.testing.assert_allclose(
            np.concatenate([v.ravel() for v in read]),
            np.concatenate([v.ravel() for v in ours]),
            rtol=0,
            atol=1e-10,
        )
    np.testing.assert_array_equal(split[1].applyForward(moved), plain.applyForward(moved))
    assert split_lookups(split[1]) is None


def test_a_projection_without_tables_has_none() -> None:
    assert split_lookups(frames()) is None
    assert split_lookups(frames().getMapping()) is None
