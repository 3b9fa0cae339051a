from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from lsst.images import Box, GeneralFrame, Transform
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.errors import InvalidPsfError
from lamella.psf.coadd import CoaddPsf, PsfComponent
from lamella.psf.measure import second_moments
from lamella.psf.warped import WarpedPsf

from ..projections import turned_tan
from .conftest import make_gaussian

BOX = Box.factory[0:400, 0:300]
FRAME = GeneralFrame(unit=u.pix)


def affine(matrix, shift=(0.0, 0.0)) -> Transform:
    full = np.eye(3)
    full[:2, :2], full[:2, 2] = matrix, shift
    return Transform.affine(FRAME, FRAME, full)


def test_a_shift_by_whole_pixels_changes_nothing() -> None:
    psf = GaussianPointSpreadFunction(2.1, BOX, 21)
    warped = WarpedPsf(psf, affine(np.eye(2), (7.0, -3.0)), BOX)
    assert warped.kernel_bbox == psf.kernel_bbox
    star = warped.compute_stellar_image(x=100.3, y=50.6)
    expected = psf.compute_stellar_image(x=93.3, y=53.6)
    assert star.bbox.x.start == expected.bbox.x.start + 7
    np.testing.assert_allclose(star.array, expected.array, atol=1e-12)
    kernel = warped.compute_kernel_image(x=100.3, y=50.6)
    np.testing.assert_allclose(kernel.array, psf.compute_kernel_image(x=0, y=0).array, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0])
def test_moments_follow_the_map(angle: float) -> None:
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    forward = np.array([[c, -s], [s, c]]) @ np.diag([1.2, 0.9])
    psf = make_gaussian(6.0, 9.0, 1.5, side=41)
    warped = WarpedPsf(psf, affine(forward, (20.0, 30.0)), BOX)
    found = second_moments(warped.compute_stellar_image(x=140.25, y=160.75))
    assert (found.x, found.y) == pytest.approx((140.25, 160.75), abs=0.02)
    expected = forward @ np.array([[6.0, 1.5], [1.5, 9.0]]) @ forward.T
    got = np.array([[found.xx, found.xy], [found.xy, found.yy]])
    # Lanczos-3 interpolation of a well sampled star is good to a percent of a pixel.
    np.testing.assert_allclose(got, expected, atol=0.1)


def test_a_coadd_of_one_input_is_a_warped_psf() -> None:
    detector, coadd = turned_tan(scale=0.2, angle=20.0), turned_tan(scale=0.17, x=450.0, y=550.0)
    box = Box.factory[0:1000, 0:1000]
    psf = make_gaussian(5.0, 4.0, 0.5)
    whole = CoaddPsf([PsfComponent(label="a", psf=psf, projection=detector, bbox=box)], coadd, box)
    transform = detector.pixel_to_sky_transform.then(coadd.sky_to_pixel_transform)
    warped = WarpedPsf(psf, transform, box)
    assert warped.kernel_bbox == whole.kernel_bbox
    for x, y in ((500.0, 500.0), (321.4, 610.9)):
        np.testing.assert_allclose(
            warped.compute_stellar_image(x=x, y=y).array,
            whole.compute_stellar_image(x=x, y=y).array,
            atol=2e-6,
        )


def test_stamps_grow_with_the_pixels_up_to_a_limit() -> None:
    psf = GaussianPointSpreadFunction(2.0, BOX, 21)
    assert WarpedPsf(psf, affine(np.diag([2.0, 2.0])), BOX).kernel_bbox.shape == (43, 43)
    assert WarpedPsf(psf, affine(np.diag([2.0, 2.0])), BOX, max_side=31).kernel_bbox.shape == (31, 31)
    small = WarpedPsf(psf, affine(np.diag([0.5, 0.5])), BOX)
    assert small.kernel_bbox.shape == (11, 11)
    assert small.compute_stellar_bbox(x=7.4, y=8.6) == Box.factory[4:15, 2:13]
    moved = small.within(Box.factory[0:5, 0:5])
    assert (moved.bounds, moved.psf, moved.kernel_bbox) == (Box.factory[0:5, 0:5], psf, small.kernel_bbox)


def test_broken_maps_are_errors() -> None:
    psf = GaussianPointSpreadFunction(2.0, BOX, 21)
    for scale in (1e-3, 1e3):
        warped = WarpedPsf(psf, affine(np.diag([scale, scale])), BOX)
        with pytest.raises(InvalidPsfError, match="broken all over"):
            _ = warped.kernel_bbox
    far = WarpedPsf(psf, turned_tan().pixel_to_sky_transform.then(turned_tan().sky_to_pixel_transform), BOX)
    with pytest.raises(InvalidPsfError, match="not a position"):
        far.compute_stellar_image(x=np.nan, y=0.0)
    with pytest.raises(InvalidPsfError, match="must be odd"):
        WarpedPsf(psf, affine(np.eye(2)), BOX, max_side=30)
