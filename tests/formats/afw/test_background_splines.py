import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import Akima1DInterpolator, CubicSpline

from lamella.formats.afw.background_splines import Style, best_style, interpolate, interpolate_grid

NODES = np.array([0.0, 1.0, 2.5, 4.0, 5.0, 7.0, 8.0])
VALUES = np.array([1.0, 3.0, -2.0, 0.5, 4.0, 4.2, -1.0])
SPLINES = (Style.NATURAL_SPLINE, Style.CUBIC_SPLINE, Style.AKIMA_SPLINE)


def test_within_the_nodes_akima_is_that_of_scipy():
    at = np.linspace(0.0, 8.0, 161)
    curve = interpolate(NODES, VALUES, at, Style.AKIMA_SPLINE)
    np.testing.assert_allclose(curve, Akima1DInterpolator(NODES, VALUES)(at), atol=1e-12)


def test_a_straight_part_stays_straight_in_akima():
    """Where slopes on both sides of a node are equal the piece after it is a line, unlike in scipy."""
    nodes = np.arange(9.0)
    values = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    at = np.linspace(0.0, 8.0, 81)
    curve = interpolate(nodes, values, at, Style.AKIMA_SPLINE)
    np.testing.assert_allclose(curve, np.maximum(at - 3.0, 0.0), atol=1e-12)


@pytest.mark.parametrize("style", SPLINES)
def test_curves_go_on_as_parabolas(style):
    scipy = (
        Akima1DInterpolator(NODES, VALUES)
        if style is Style.AKIMA_SPLINE
        else CubicSpline(NODES, VALUES, bc_type="natural")
    )
    for end, steps in ((0.0, np.array([-2.0, -0.5])), (8.0, np.array([0.5, 3.0]))):
        value, slope, curvature = (float(scipy(end, order)) for order in range(3))
        expected = value + slope * steps + 0.5 * curvature * steps**2
        np.testing.assert_allclose(interpolate(NODES, VALUES, end + steps, style), expected, atol=1e-11)


@pytest.mark.parametrize("style", list(Style))
def test_nodes_keep_their_values(style):
    np.testing.assert_allclose(interpolate(NODES, VALUES, NODES, style), VALUES, atol=1e-12)


@pytest.mark.parametrize("style", [Style.LINEAR, *SPLINES])
@given(level=st.floats(-100, 100), slope=st.floats(-10, 10))
def test_lines_are_reproduced_within_and_beyond(style, level, slope):
    at = np.linspace(-3.0, 12.0, 31)
    line = interpolate(NODES, level + slope * NODES, at, style)
    np.testing.assert_allclose(line, level + slope * at, atol=1e-9)


@pytest.mark.parametrize("style", list(Style))
def test_several_series_at_once_are_each_alone(style):
    series = np.stack([VALUES, VALUES[::-1], 0 * VALUES], axis=1)
    at = np.linspace(-1.0, 9.0, 41)
    curves = interpolate(NODES, series, at, style)
    assert curves.shape == (41, 3)
    for column, values in zip(curves.T, series.T, strict=True):
        np.testing.assert_allclose(column, interpolate(NODES, values, at, style), atol=1e-12)


def test_with_few_nodes_the_style_is_simpler():
    assert [best_style(count).name for count in (1, 2, 3, 4, 5, 9)] == [
        "CONSTANT",
        "LINEAR",
        "CUBIC_SPLINE",
        "CUBIC_SPLINE",
        "AKIMA_SPLINE",
        "AKIMA_SPLINE",
    ]
    at = np.linspace(-1.0, 5.0, 13)
    for count in (1, 2, 4):
        nodes, values = NODES[:count], VALUES[:count]
        curve = interpolate(nodes, values, at, Style.AKIMA_SPLINE)
        np.testing.assert_array_equal(curve, interpolate(nodes, values, at, best_style(count)))
    assert interpolate(NODES[:1], VALUES[:1], at, Style.LINEAR).tolist() == [1.0] * 13


def test_constants_change_half_way():
    at = np.array([-9.0, 0.49, 0.51, 1.74, 1.76, 99.0])
    steps = interpolate(NODES, VALUES, at, Style.CONSTANT)
    assert steps.tolist() == [1.0, 1.0, 3.0, 3.0, -2.0, -1.0]


def test_a_grid_without_a_value_is_nan():
    at = np.arange(3.0), np.arange(4.0)
    grid = interpolate_grid(np.full((2, 2), np.nan), (np.arange(2.0), np.arange(2.0)), at, Style.LINEAR)
    assert grid.shape == (3, 4)
    assert np.isnan(grid).all()
