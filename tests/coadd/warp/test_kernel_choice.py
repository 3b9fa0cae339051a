"""Which kernel a detector image is resampled with, and that its record and its PSF know."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box, SkyProjection

from lamella.coadd.warp.kernel_choice import choose_kernel
from lamella.coadd.warp.warp import make_warp
from lamella.coadd.warp.warp_control import WarpControl
from lamella.data.exposure import Exposure
from lamella.data.warp import Warp
from lamella.errors import ProjectionError
from lamella.formats.archive.products import ArchiveWarp
from lamella.formats.archive.write import write_archive
from lamella.kernels.resample.support import ResamplingKernel
from lamella.sky.pixelmap import PixelMap
from lamella.sky.projection import projection_from_header

from ... import makers
from ...projections import tan_projection

CENTRE = SkyCoord(150.0 * u.deg, 2.0 * u.deg)
TRACT = tan_projection(CENTRE, 0.2 * u.arcsec, (5000.0, 7000.0))
CHIP = Box.factory[0:300, 0:400]
LANCZOS = ResamplingKernel()


def detector(
    scale: float = 0.2, angle: float = 0.0, *, y_scale: float = 0.0, mirror: bool = False, sip: float = 0.0
) -> SkyProjection[Any]:
    """A detector in the middle of the tract; ``sip`` is its distortion at 1000 pixels."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    x, y = scale / 3600.0 * (1.0 if mirror else -1.0), (y_scale or scale) / 3600.0
    header: dict[str, Any] = {
        "CTYPE1": "RA---TAN-SIP" if sip else "RA---TAN", "CTYPE2": "DEC--TAN-SIP" if sip else "DEC--TAN",
        "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 200.5, "CRPIX2": 150.5,
        "CD1_1": x * c, "CD1_2": y * s, "CD2_1": -x * s, "CD2_2": y * c,
    }  # fmt: skip
    if sip:
        header |= {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": sip * 1e-6, "B_0_2": sip * 1e-6}
    return projection_from_header(header, path="detector", hdu=0)


def choose(projection: SkyProjection[Any], name: str = "conserving", box: Box = CHIP) -> ResamplingKernel:
    return choose_kernel(name, PixelMap(projection, TRACT), box, path="a.fits")


# ------------------------------------------------------------------------ choice


@pytest.mark.parametrize("quarter", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_equal_scales_and_parallel_axes_take_lanczos_3(quarter: int, mirror: bool) -> None:
    for scale, turn in ((0.2, 0.0), (0.20018, 0.0), (0.19982, 0.09), (0.2, -0.09)):
        assert choose(detector(scale, quarter + turn, mirror=mirror)) == LANCZOS
    for scale, turn in ((0.20022, 0.0), (0.19978, 0.0), (0.2, 0.11), (0.2, -0.11), (0.2, 45.0)):
        kernel = choose(detector(scale, quarter + turn, mirror=mirror))
        assert kernel.name == "conserving"
        assert kernel.bins == (1, 1)
        assert kernel.ratios == pytest.approx((0.2 / scale,) * 2, abs=1e-5)


def test_scales_may_differ_at_the_rim_alone() -> None:
    """At the centre this detector has the pixels of the tract."""
    assert choose(detector(sip=20.0)).name == "conserving"
    assert choose(detector(sip=0.5)) == LANCZOS


def test_each_axis_of_a_large_pixel_is_averaged_as_it_needs() -> None:
    assert choose(detector(0.2 / 1.09)).bins == (1, 1)
    assert choose(detector(0.2 / 1.11)).bins == (2, 2)
    assert choose(detector(0.05)).bins == (5, 5)
    assert choose(detector(0.05, y_scale=0.2)).bins == (5, 1)
    # The axes of the tract are turned against those of the detector.
    assert choose(detector(0.05, 90.0, y_scale=0.2)).bins == (1, 5)
    assert choose(detector(0.05, 0.5, y_scale=0.2)).ratios == pytest.approx((4.0, 1.0), abs=1e-3)


@pytest.mark.parametrize("name", ["lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest"])
def test_an_explicit_kernel_is_taken_to_the_letter(name: str) -> None:
    for projection in (detector(), detector(0.19, 33.0), detector(0.05)):
        assert choose(projection, name) == ResamplingKernel(name=name)


def test_a_pixel_beyond_belief_is_refused() -> None:
    with pytest.raises(
        ProjectionError, match=r"a.fits, projection: found .* 400 pixels of the detector long"
    ):
        choose(detector(0.0005))


def test_a_detector_beyond_the_tract_has_a_kernel_too() -> None:
    far = tan_projection(SkyCoord(330.0 * u.deg, -2.0 * u.deg), 0.2 * u.arcsec, (5000.0, 7000.0))
    assert choose_kernel("conserving", PixelMap(detector(), far), CHIP) == LANCZOS


# ------------------------------------------------------------------------ warps


def make_exposure(projection: SkyProjection[Any], image: np.ndarray, sigma: float = 1.5) -> Exposure:
    planes = makers.make_planes(image, 4.0, projection=projection)
    return makers.make_exposure(planes, sigma=sigma, side=2 * int(5.0 * sigma) + 5, path="a.fits")


def noise(shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    return np.random.default_rng(2).normal(100.0, 10.0, shape)


def whole_box(projection: SkyProjection[Any], box: Box = CHIP) -> Box:
    found = PixelMap(projection, TRACT).destination_box(box)
    assert found is not None
    return found


def planes_of(warp: Warp) -> list[np.ndarray]:
    return [warp.image.array, warp.mask.array, warp.variance.array]


@pytest.mark.parametrize("projection", [detector(), detector(0.20015, 90.05), detector(mirror=True)])
def test_where_scales_are_equal_bits_are_those_of_lanczos_3(projection: SkyProjection[Any]) -> None:
    exposure, box = make_exposure(projection, noise()), whole_box(projection)
    default, explicit = (
        make_warp([exposure], TRACT, box, control) for control in (None, WarpControl(kernel="lanczos3"))
    )
    assert default is not None
    assert explicit is not None
    for found, expected in zip(planes_of(default), planes_of(explicit), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert default.detectors[0].kernel == LANCZOS


@pytest.fixture(scope="module", params=[0.201, 0.07])
def exposure(request: pytest.FixtureRequest) -> Exposure:
    return make_exposure(detector(request.param, 3.0, sip=30.0), noise())


@given(x=st.floats(0.0, 1.0), y=st.floats(0.0, 1.0), nx=st.integers(1, 80), ny=st.integers(1, 80))
@settings(max_examples=15)
def test_a_patch_has_the_kernel_and_the_bits_of_all(
    exposure: Exposure, x: float, y: float, nx: int, ny: int
) -> None:
    box = whole_box(exposure.info.projection)
    whole = make_warp([exposure], TRACT, box)
    assert whole is not None
    x0, y0 = (side.start + int(share * side.size) for side, share in ((box.x, x), (box.y, y)))
    patch = Box.factory[y0 : y0 + ny, x0 : x0 + nx]
    part = make_warp([exposure], TRACT, patch)
    if part is None:
        return
    assert part.detectors[0].kernel == whole.detectors[0].kernel
    for found, expected in zip(planes_of(part), planes_of(whole[part.bbox]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_kernel_is_in_the_archive_of_a_warp(exposure: Exposure, tmp_path: Path) -> None:
    warp = make_warp([exposure], TRACT, whole_box(exposure.info.projection))
    assert warp is not None
    kernel = warp.detectors[0].kernel
    assert kernel.name == "conserving"
    assert kernel.is_binned == (kernel.ratios[0] > 1.1)
    write_archive(warp, tmp_path / "warp.fits")
    assert ArchiveWarp(tmp_path / "warp.fits").detectors[0].kernel == kernel


def test_an_older_archive_without_a_kernel_is_of_lanczos_3(exposure: Exposure, tmp_path: Path) -> None:
    warp = make_warp([exposure], TRACT, whole_box(exposure.info.projection))
    assert warp is not None
    write_archive(warp, tmp_path / "new.fits")
    with fits.open(tmp_path / "new.fits") as hdus:
        end = hdus["CHECKSUMS"].fileinfo()["hdrLoc"]  # which older archives do not have
    content = (tmp_path / "new.fits").read_bytes()[:end]
    assert content.count(b'"kernel":') == 1
    # Names that a record does not have are passed over.
    (tmp_path / "old.fits").write_bytes(content.replace(b'"kernel":', b'"nobody":'))
    old = ArchiveWarp(tmp_path / "old.fits").detectors[0]
    assert old.kernel == LANCZOS
    assert old.id == warp.detectors[0].id


# -------------------------------------------------------------------------- PSF


@pytest.mark.parametrize("fwhm", [1.5, 2.5, 4.0])
@pytest.mark.parametrize(
    ("scale", "angle", "y_scale"),
    [
        (0.2 / 0.6, 8.0, 0.0), (0.2 / 0.95, 2.0, 0.0), (0.2 / 1.05, 40.0, 0.0), (0.2, 45.0, 0.0),
        (0.2 / 1.3, 100.0, 0.0), (0.2 / 3.0, 5.0, 0.0), (0.2 / 4.0, 20.0, 0.2), (0.2 / 9.0, 45.0, 0.0),
    ],
)  # fmt: skip
def test_stars_are_those_of_the_psf(scale: float, angle: float, y_scale: float, fwhm: float) -> None:
    """Also where pixels are averaged: residuals stay below 0.5 % of the peak."""
    projection, rng = detector(scale, angle, y_scale=y_scale), np.random.default_rng(6)
    exposure = make_exposure(projection, np.zeros(CHIP.shape), sigma=fwhm / 2.3548)
    stars = [(x + rng.uniform(-5, 5), y + rng.uniform(-5, 5)) for x in (70, 200, 330) for y in (70, 150, 230)]
    image = exposure.pixels.image
    for x, y in stars:
        stamp = exposure.psf.compute_stellar_image(x=x, y=y)
        image[stamp.bbox].array[...] += 1000.0 * stamp.array
    warp = make_warp([exposure], TRACT, whole_box(projection))
    assert warp is not None
    there = np.transpose(PixelMap(projection, TRACT).to_destination(*np.transpose(stars)))
    compared = 0
    for x, y in there.tolist():
        model = warp.psf.compute_stellar_image(x=x, y=y)
        if not warp.bbox.contains(model.bbox) or np.isnan(warp[model.bbox].image.array).any():
            continue
        difference = warp[model.bbox].image.array / 1000.0 - model.array
        assert np.abs(difference).max() < 5e-3 * model.array.max()
        compared += 1
    assert compared >= 4


def test_the_psf_is_another_one_with_another_kernel() -> None:
    """The law above can fail: with Lanczos-3 on record, stars in large pixels are not those of the PSF."""
    projection = detector(0.2 / 3.0, 5.0)
    exposure = make_exposure(projection, noise(), sigma=1.0)
    warp = make_warp([exposure], TRACT, whole_box(projection))
    assert warp is not None
    right = warp.psf.compute_kernel_image(x=5000.0, y=7000.0).array
    warp.detectors = tuple(dataclasses.replace(d, kernel=LANCZOS) for d in warp.detectors)
    wrong = warp.psf.compute_kernel_image(x=5000.0, y=7000.0).array
    n, m = right.shape[0] // 2, wrong.shape[0] // 2
    assert abs(right[n, n] / wrong[m, m] - 1.0) > 0.05
