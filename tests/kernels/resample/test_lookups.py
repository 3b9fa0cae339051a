"""Tables are undone, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from lamella.kernels.resample.lookups import spread_nodes, undo_lookup
from lamella.sky.lookup import LookupTable


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (9, 7)])
def test_what_a_table_adds_is_taken_off(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    columns, rows = (np.cumsum(rng.uniform(10.0, 40.0, n)) for n in shape)
    table = LookupTable(columns, rows, *rng.uniform(-0.5, 0.5, (2, rows.size, columns.size)))
    x, y = np.meshgrid(np.linspace(-20.0, 300.0, 60), np.linspace(-20.0, 250.0, 50))
    there_x, there_y = (there + shift for there, shift in zip((x, y), table.shift(x, y), strict=True))
    there_x[3, 4] = np.nan
    undo_lookup(there_x, there_y, table)
    assert np.isnan(there_x[3, 4])
    there_x[3, 4], there_y[3, 4] = x[3, 4], y[3, 4]
    np.testing.assert_allclose([there_x, there_y], [x, y], rtol=0, atol=1e-6)


def test_where_the_repetition_does_not_settle_there_is_no_position() -> None:
    table = LookupTable(np.array([0.0, 1.0]), np.array([0.0]), np.array([[0.0, 3.0]]), np.zeros((1, 2)))
    x, y = np.array([[2.0]]), np.array([[0.0]])
    undo_lookup(x, y, table)
    assert np.isnan(x).all()


@pytest.mark.parametrize(("spacing", "start"), [(1, (0, 0)), (4, (3, 1)), (7, (0, 6))])
def test_between_nodes_values_are_bilinear(spacing: int, start: tuple[int, int]) -> None:
    def value(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.asarray(3.0 + 2.0 * x - y + 0.1 * x * y)

    nodes = value(*np.meshgrid(np.arange(8.0) * spacing, np.arange(9.0) * spacing, indexing="ij"))
    out = spread_nodes(nodes, spacing, start, np.empty((5, 6)))
    y, x = np.mgrid[0:5, 0:6]
    np.testing.assert_allclose(out, value(y + start[0], x + start[1]), rtol=1e-12)
