from __future__ import annotations

import numpy as np
import pytest
import shapely
from lsst.images import Box, Polygon

from lamella.errors import InvalidPsfError
from lamella.psf.component import (
    Contribution,
    PsfComponent,
    draw_component,
    middle_within,
)

from ..projections import turned_tan
from .conftest import make_gaussian

BOX = Box.factory[0:100, 0:100]


def make(**options) -> PsfComponent:
    return PsfComponent(label="a", psf=make_gaussian(4.0, 4.0), projection=turned_tan(), bbox=BOX, **options)


def test_outline_is_box_and_polygon() -> None:
    assert make().outline.bounds == (-0.5, -0.5, 99.5, 99.5)
    corner = Polygon(x_vertices=[50.0, 200.0, 200.0, 50.0], y_vertices=[60.0, 60.0, 90.0, 90.0])
    assert make(polygon=corner).outline.bounds == (50.0, 60.0, 99.5, 90.0)


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_drawn_psf_has_sum_one_for_either_handedness(flip: float) -> None:
    out = np.empty((41, 41))
    seen = Contribution(0, 30.2, 40.7, np.array([[0.8 * flip, 0.0], [0.0, 0.8]]))
    draw_component(make(), seen, np.array([-20.0, -20.0]), out)
    assert out.sum() == pytest.approx(1.0, abs=1e-14)
    reach = np.arange(-20, 21)
    assert reach**2 @ out.sum(axis=0) == pytest.approx(4.0 / 0.64, rel=0.01)


def test_nothing_left_of_a_psf_is_an_error() -> None:
    seen = Contribution(0, 30.0, 40.0, np.eye(2))
    with pytest.raises(
        InvalidPsfError, match=r"a: its PSF at \(x=30.0, y=40.0\) of the detector, resampled, has"
    ):
        draw_component(make(), seen, np.array([500.0, 500.0]), np.empty((5, 5)))


@pytest.mark.parametrize(
    "matrix", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.diag([300.0, 1.0]), np.ones((2, 2))]
)
def test_broken_maps_are_errors(matrix: np.ndarray) -> None:
    with pytest.raises(InvalidPsfError, match="a: a pixel of the coadd spans"):
        draw_component(make(), Contribution(0, 30.0, 40.0, matrix), np.zeros(2), np.empty((5, 5)))


def test_middle_of_a_region() -> None:
    assert middle_within(shapely.box(10, 20, 30, 40), BOX) == pytest.approx((20.0, 30.0))
    assert middle_within(shapely.box(-100, 20, 49.5, 40), BOX) == pytest.approx((24.5, 30.0))
    assert middle_within(shapely.box(200, 200, 220, 240), BOX) == pytest.approx((210.0, 220.0))
    ring = shapely.Point(50, 50).buffer(40).difference(shapely.Point(50, 50).buffer(30))
    assert ring.contains(shapely.Point(middle_within(ring, BOX)))
