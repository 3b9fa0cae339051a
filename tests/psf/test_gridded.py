from __future__ import annotations

import numpy as np
import pytest
from lsst.images import Box

from lamella.errors import InvalidPsfError, ShapeError
from lamella.psf.gaussian import DoubleGaussianPsf
from lamella.psf.gridded import GriddedPsf
from lamella.psf.measure import adaptive_moments

BOX = Box.factory[0:100, 0:100]


def grid(gaussian) -> GriddedPsf:
    widths = np.array([[2.0, 4.0, 6.0], [3.0, 5.0, 7.0]])
    stamps = [
        [gaussian(w, w, side=25).compute_kernel_image(x=0.0, y=0.0).array * 3.0 for w in row]
        for row in widths
    ]
    return GriddedPsf(np.array(stamps), [0.0, 50.0, 100.0], [0.0, 100.0], BOX)


def test_nodes_and_between(gaussian) -> None:
    psf = grid(gaussian)
    at = {
        (x, y): psf.compute_kernel_image(x=x, y=y).array
        for x in (0.0, 20.0, 50.0)
        for y in (0.0, 100.0, 25.0)
    }
    np.testing.assert_allclose(at[0.0, 0.0], psf.stamps[0, 0], rtol=1e-14)
    np.testing.assert_allclose(at[50.0, 100.0], psf.stamps[1, 1], rtol=1e-14)
    np.testing.assert_allclose(at[20.0, 0.0], 0.6 * at[0.0, 0.0] + 0.4 * at[50.0, 0.0], rtol=1e-12)
    np.testing.assert_allclose(at[50.0, 25.0], 0.75 * at[50.0, 0.0] + 0.25 * at[50.0, 100.0], rtol=1e-12)


def test_beyond_the_nodes_it_stays_the_same(gaussian) -> None:
    psf = grid(gaussian)
    np.testing.assert_array_equal(
        psf.compute_kernel_image(x=-30.0, y=150.0).array, psf.compute_kernel_image(x=0.0, y=100.0).array
    )


def test_star_is_shifted_to_its_place(gaussian) -> None:
    moments = adaptive_moments(grid(gaussian).compute_stellar_image(x=49.6, y=20.3))
    assert (moments.x, moments.y) == pytest.approx((49.6, 20.3), abs=3e-3)


def test_node_without_a_psf(gaussian) -> None:
    whole = grid(gaussian)
    stamps = whole.stamps.copy()
    stamps[0, 2] = np.nan
    psf = GriddedPsf(stamps, whole.x_nodes, whole.y_nodes, BOX)
    assert psf.compute_kernel_image(x=50.0, y=30.0).array.sum() == pytest.approx(1.0)
    with pytest.raises(InvalidPsfError, match=r"no PSF near \(x=60.0, y=30.0\)"):
        psf.compute_kernel_image(x=60.0, y=30.0)


def test_one_node_is_a_constant_psf(gaussian) -> None:
    stamp = gaussian(3.0, 4.0, side=15).compute_kernel_image(x=0.0, y=0.0).array
    psf = GriddedPsf(stamp[np.newaxis, np.newaxis], [7.0], [7.0], BOX)
    np.testing.assert_allclose(psf.compute_kernel_image(x=80.0, y=1.0).array, stamp, rtol=1e-14)


def test_sampling_of_another_psf() -> None:
    source = DoubleGaussianPsf(1.5, 3.0, 0.1, BOX, 21)
    psf = GriddedPsf.from_psf(source, [0.0, 99.0], [0.0, 99.0])
    np.testing.assert_allclose(
        psf.compute_kernel_image(x=12.0, y=34.0).array,
        source.compute_kernel_image(x=12.0, y=34.0).array,
        rtol=1e-12,
    )
    assert psf.bounds == BOX


def test_wrong_grids_are_refused(gaussian) -> None:
    stamps = grid(gaussian).stamps
    with pytest.raises(ShapeError, match=r"PSF grid has shape \(2, 3\); expected \(2, 2\)"):
        GriddedPsf(stamps, [0.0, 1.0], [0.0, 1.0], BOX)
    with pytest.raises(InvalidPsfError, match="must ascend"):
        GriddedPsf(stamps, [0.0, 1.0, 1.0], [0.0, 1.0], BOX)
    with pytest.raises(InvalidPsfError, match="sum 0"):
        GriddedPsf(np.zeros_like(stamps), [0.0, 1.0, 2.0], [0.0, 1.0], BOX)
    with pytest.raises(ShapeError, match="odd side"):
        GriddedPsf(stamps[..., :-1, :-1], [0.0, 1.0, 2.0], [0.0, 1.0], BOX)
