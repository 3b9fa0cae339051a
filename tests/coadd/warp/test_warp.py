from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, MaskedImage, Polygon, SkyProjection
from lsst.images.fields import ChebyshevField

from lamella.coadd.warp.warp import make_warp, warp_exposure
from lamella.coadd.warp.warp_control import WarpControl
from lamella.data.exposure import Exposure
from lamella.data.flux_unit import FluxUnit
from lamella.errors import CalibrationError, ConfigError, DuplicateInputError, InputError
from lamella.image.planes import overlap
from lamella.planes import Layout, make_schema
from lamella.sky.pixelmap import PixelMap
from lamella.sky.projection import projection_from_header

from ... import makers
from ...projections import tan_projection

CENTRE = SkyCoord(150.0 * u.deg, 2.0 * u.deg)
TRACT = tan_projection(CENTRE, 0.2 * u.arcsec, (5000.0, 7000.0))
WHOLE = Box.factory[6000:8000, 4000:6000]
SCHEMA = make_schema()
NO_DATA = Layout(SCHEMA).bits(["NO_DATA"])
SIGMA, FLUX = 1.7, 1e4


def detector_projection(turn: float = 0.03, offset: float = 0.0) -> SkyProjection[Any]:
    """TAN-SIP near the centre of the tract, distorted by up to half a pixel."""
    scale = 0.2002 / 3600
    header = {
        "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP",
        "CRVAL1": 150.0 + offset, "CRVAL2": 2.001, "CRPIX1": 150.0, "CRPIX2": 200.0,
        "CD1_1": -scale * np.cos(turn), "CD1_2": scale * np.sin(turn),
        "CD2_1": scale * np.sin(turn), "CD2_2": scale * np.cos(turn),
        "A_ORDER": 3, "B_ORDER": 3, "A_2_0": 1e-5, "A_1_1": -6e-6, "B_0_2": 8e-6, "B_2_1": -3e-9,
    }  # fmt: skip
    return projection_from_header(header, path="detector", hdu=0)


def make_exposure(
    image: np.ndarray,
    projection: SkyProjection[Any] | None = None,
    *,
    visit: int = 7,
    detector: int = 1,
    extra: tuple[str, ...] = (),
    to_njy: Any = 1.0,
    **info: Any,
) -> Exposure:
    projection = projection or detector_projection()
    planes = makers.make_planes(image, 4.0, schema=make_schema(extra), projection=projection)
    values = {"visit": visit, "detector": detector, "to_njy": to_njy, "notes": ("as read",), "psf_fwhm": 0.8}
    return makers.make_exposure(planes, sigma=SIGMA, **(values | info))


def noise(shape: tuple[int, int] = (400, 300), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100.0, 10.0, shape)


def flag(exposure: Exposure, plane: str, where: tuple[slice, slice]) -> None:
    mask = exposure.pixels.mask
    mask.array[(*where, 0)] |= Layout(mask.schema).bits([plane])


def bits(image: MaskedImage, *planes: str) -> np.ndarray:
    return (image.mask.array[..., 0] & Layout(image.mask.schema).bits(planes)) != 0


def measure(warp: MaskedImage, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return relative flux error, centroid error (x, y) and width of stars at known positions."""
    rows = []
    for a, b in zip(x - warp.bbox.x.start, y - warp.bbox.y.start, strict=True):
        i, j = round(a) - 14, round(b) - 14
        stamp = warp.image.array[j : j + 29, i : i + 29].astype(float)
        dy, dx = np.mgrid[j : j + 29, i : i + 29] - np.array([b, a])[:, np.newaxis, np.newaxis]
        r2 = dx**2 + dy**2
        inside = np.where(r2 <= 100.0, stamp, 0.0)
        window = stamp * np.exp(-0.5 * r2 / SIGMA**2)
        centre = [2.0 * (window * d).sum() / window.sum() for d in (dx, dy)]
        rows.append((inside.sum() / FLUX - 1.0, *centre, np.sqrt((inside * r2).sum() / inside.sum() / 2)))
    return np.array(rows)


@pytest.mark.parametrize(
    ("kernel", "scatter", "centroid"),
    [("lanczos3", 3e-4, 0.01), ("lanczos5", 2e-4, 0.006), ("bilinear", 1e-4, 0.011)],
)
def test_stars_keep_flux_place_and_width(kernel: str, scatter: float, centroid: float) -> None:
    rng = np.random.default_rng(4)
    ys, xs = np.mgrid[30:370:40, 30:370:40]
    x, y = (values.ravel() + rng.uniform(-0.5, 0.5, values.size) for values in (xs, ys))
    px, py = (np.exp(-0.5 * ((np.arange(400) - v[:, np.newaxis]) / SIGMA) ** 2) for v in (x, y))
    exposure = make_exposure(FLUX / (2 * np.pi * SIGMA**2) * np.einsum("nj,ni->ji", py, px))
    warp = warp_exposure(exposure, TRACT, WHOLE, WarpControl(kernel=kernel))
    assert warp is not None
    found = measure(warp, *PixelMap(exposure.info.projection, TRACT).to_destination(x, y))
    assert len(found) == len(x) == 81
    assert abs(np.median(found[:, 0])) < 1e-4
    assert found[:, 0].std() < scatter
    assert np.sqrt((found[:, 1:3] ** 2).sum(axis=1).mean()) < centroid
    if kernel != "bilinear":
        # The scale of the detector varies by 1 % over it, and the width with it.
        assert np.median(found[:, 3]) == pytest.approx(SIGMA, rel=5e-3)


def test_warp_is_in_njy_on_the_tract() -> None:
    exposure = make_exposure(noise(), to_njy=3.0)
    warp = warp_exposure(exposure, TRACT, WHOLE)
    plain = warp_exposure(dataclasses.replace(exposure, to_njy=1.0), TRACT, WHOLE)
    assert warp is not None
    assert plain is not None
    assert warp.unit == u.nJy
    assert warp.variance.unit == u.nJy**2
    assert warp.sky_projection is TRACT
    assert warp.bbox == plain.bbox
    assert WHOLE.contains(warp.bbox)
    np.testing.assert_allclose(warp.image.array, 3.0 * plain.image.array, rtol=3e-7)
    np.testing.assert_allclose(warp.variance.array, 9.0 * plain.variance.array, rtol=3e-7)
    good = np.isfinite(warp.image.array)
    assert np.array_equal(good, ~bits(warp, "NO_DATA"))
    assert np.isposinf(warp.variance.array[~good]).all()
    # Lanczos-3 halves no noise, but averages some.
    assert 0.4 < warp.variance.array[good].mean() / 36.0 < 1.0


def test_photometric_field_is_applied() -> None:
    bounds = Box.from_shape((400, 300))
    flat = np.full((400, 300), 5.0)
    field = ChebyshevField(bounds, np.array([[2.0, 0.5], [0.0, 0.0]]))
    exposure = make_exposure(flat, to_njy=field)
    warp = warp_exposure(exposure, TRACT, WHOLE, WarpControl(kernel="bilinear"))
    assert warp is not None
    x, y = np.meshgrid(warp.bbox.x.arange, warp.bbox.y.arange)
    pixel_map = PixelMap(exposure.info.projection, TRACT)
    sx, sy = pixel_map.to_source(x, y)
    good = np.isfinite(warp.image.array)
    expected = 5.0 * field(x=sx[good], y=sy[good])
    area = pixel_map.grid_with_spacing(warp.bbox, 1).area[: x.shape[0], : x.shape[1]][good]
    np.testing.assert_allclose(warp.image.array[good], expected * area, rtol=1e-4)
    assert np.ptp(expected) > 2.0


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_not_positive_is_refused(scale: float) -> None:
    with pytest.raises(CalibrationError, match=r"7-1.fits: the photometric scale is"):
        warp_exposure(make_exposure(noise(), to_njy=scale), TRACT, WHOLE)


def test_null_warp_returns_the_pixels() -> None:
    exposure = make_exposure(noise((60, 70)), TRACT)
    warp = warp_exposure(exposure, TRACT, Box.factory[0:60, 0:70])
    assert warp is not None
    inner = (slice(2, -3), slice(2, -3))
    # The area of a pixel is found from positions, and right to rounding.
    np.testing.assert_allclose(warp.image.array[inner], exposure.pixels.image.array[inner], rtol=1e-6)
    assert np.array_equal(warp.mask.array[inner], exposure.pixels.mask.array[inner])


def test_constant_image_to_pixels_twice_as_large() -> None:
    coarse = tan_projection(CENTRE, 0.4 * u.arcsec, (50.0, 50.0))
    fine = tan_projection(CENTRE, 0.2 * u.arcsec, (50.0, 50.0))
    warp = warp_exposure(make_exposure(np.full((100, 100), 3.0), fine), coarse, Box.factory[0:100, 0:100])
    assert warp is not None
    good = np.isfinite(warp.image.array)
    assert good.sum() > 2000
    np.testing.assert_allclose(warp.image.array[good], 12.0, rtol=1e-6)


def planes_of(image: MaskedImage, box: Box) -> list[np.ndarray]:
    part = image[box]
    return [part.image.array, part.mask.array[..., 0], part.variance.array]


@pytest.fixture(scope="module")
def flawed() -> Exposure:
    exposure = make_exposure(noise())
    exposure.pixels.image.array[100:110, 50:60] = np.nan
    flag(exposure, "BAD", (slice(100, 110), slice(50, 60)))
    flag(exposure, "DETECTED", (slice(200, 260), slice(100, 200)))
    flag(exposure, "DETECTION_EDGE", (slice(0, 8), slice(0, 300)))
    return exposure


@given(y=st.integers(6600, 7200), x=st.integers(4700, 5200), ny=st.integers(1, 300), nx=st.integers(1, 300))
def test_bits_do_not_depend_on_the_tile(flawed: Exposure, y: int, x: int, ny: int, nx: int) -> None:
    whole = warp_exposure(flawed, TRACT, WHOLE)
    tile = Box.factory[y : y + ny, x : x + nx]
    part = warp_exposure(flawed, TRACT, tile)
    assert whole is not None
    if part is None:
        part_of = overlap(tile, whole.bbox)
        assert part_of is None or np.isnan(whole[part_of].image.array).all()
        return
    for found, expected in zip(planes_of(part, part.bbox), planes_of(whole, part.bbox), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_threads_do_not_change_a_bit(flawed: Exposure) -> None:
    whole = warp_exposure(flawed, TRACT, WHOLE)
    assert whole is not None
    tiles = [
        Box.factory[y : y + 100, whole.bbox.x.start : whole.bbox.x.stop]
        for y in range(whole.bbox.y.start, whole.bbox.y.stop - 100, 60)
    ]
    with ThreadPoolExecutor(4) as pool:
        for tile, part in zip(
            tiles, pool.map(lambda tile: warp_exposure(flawed, TRACT, tile), tiles), strict=True
        ):
            assert part is not None
            for found, expected in zip(planes_of(part, tile), planes_of(whole, tile), strict=True):
                np.testing.assert_array_equal(found, expected)


def test_bands_of_a_fine_grid_give_the_same_bits(flawed: Exposure, monkeypatch: pytest.MonkeyPatch) -> None:
    control = WarpControl(position_tolerance=1e-9)
    whole = warp_exposure(flawed, TRACT, WHOLE, control)
    monkeypatch.setattr("lamella.coadd.warp.resampling._MAX_NODES", 20_000)
    parts = warp_exposure(flawed, TRACT, WHOLE, control)
    assert whole is not None
    assert parts is not None
    for found, expected in zip(planes_of(parts, whole.bbox), planes_of(whole, whole.bbox), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_tolerance_bounds_the_difference(flawed: Exposure) -> None:
    exact = warp_exposure(flawed, TRACT, WHOLE, WarpControl(position_tolerance=1e-9))
    near = warp_exposure(flawed, TRACT, WHOLE, WarpControl(position_tolerance=1e-3))
    assert exact is not None
    assert near is not None
    both = np.isfinite(exact.image.array) & np.isfinite(near.image.array)
    # White noise of 10 changes by at most some 10 per pixel of shift.
    assert np.abs(exact.image.array - near.image.array)[both].max() < 0.1
    assert (np.isfinite(exact.image.array) != np.isfinite(near.image.array)).sum() < 5


def test_edge_plane_spreads_over_the_image_kernel(flawed: Exposure) -> None:
    grown = warp_exposure(flawed, TRACT, WHOLE)
    plain = warp_exposure(flawed, TRACT, WHOLE, WarpControl(grow_full_mask=()))
    full = warp_exposure(flawed, TRACT, WHOLE, WarpControl(mask_kernel=""))
    assert grown is not None
    assert plain is not None
    assert full is not None
    assert np.array_equal(bits(grown, "DETECTION_EDGE"), bits(full, "DETECTION_EDGE"))
    assert np.array_equal(bits(grown, "DETECTED"), bits(plain, "DETECTED"))
    assert bits(plain, "DETECTION_EDGE").sum() < bits(grown, "DETECTION_EDGE").sum()
    assert bits(grown, "DETECTED").sum() < bits(full, "DETECTED").sum()


def test_pixels_outside_of_the_polygon_hold_no_data() -> None:
    corner = Polygon(x_vertices=[-0.5, 200.5, 99.5, -0.5], y_vertices=[-0.5, -0.5, 300.5, 300.5])
    exposure = make_exposure(noise(), polygon=corner)
    warp = warp_exposure(exposure, TRACT, WHOLE)
    assert warp is not None
    x, y = np.meshgrid(warp.bbox.x.arange, warp.bbox.y.arange)
    sx, sy = PixelMap(exposure.info.projection, TRACT).to_source(x, y)
    good = np.isfinite(warp.image.array)
    assert corner.contains(x=sx[good], y=sy[good]).all()
    # All that lie a kernel's width within are there.
    well = np.all([corner.contains(x=sx + dx, y=sy + dy) for dx in (-4, 4) for dy in (-4, 4)], axis=0)
    assert good[well].all()
    assert well.sum() > 30_000
    # The exposure itself is as it was.
    assert not exposure.pixels.mask.array.any()


def test_nothing_in_common_gives_none() -> None:
    exposure = make_exposure(noise())
    far = tan_projection(SkyCoord(330.0 * u.deg, -2.0 * u.deg), 0.2 * u.arcsec, (5000.0, 7000.0))
    assert warp_exposure(exposure, far, WHOLE) is None
    assert warp_exposure(exposure, TRACT, Box.factory[0:10, 0:10]) is None
    assert make_warp([exposure], TRACT, Box.factory[0:10, 0:10]) is None
    assert warp_exposure(make_exposure(np.full((400, 300), np.nan)), TRACT, WHOLE) is None
    assert make_warp([make_exposure(np.full((400, 300), np.nan))], TRACT, WHOLE) is None
    assert make_warp([], TRACT, WHOLE) is None


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="mask_kernel lanczos3 is wider than kernel bilinear"):
        WarpControl(kernel="bilinear", mask_kernel="lanczos3")
    with pytest.raises(ConfigError, match="kernel"):
        WarpControl(kernel="spline")
    with pytest.raises(ConfigError, match="position_tolerance"):
        WarpControl(position_tolerance=0.0)


# ------------------------------------------------------- detectors of one visit


def two_detectors() -> list[Exposure]:
    """Detectors that overlap by a strip."""
    return [
        make_exposure(noise(seed=number), detector_projection(offset=offset), detector=number)
        for number, offset in ((1, 0.006), (2, -0.006))
    ]


def test_the_later_detector_has_the_pixels_of_the_overlap() -> None:
    exposures = two_detectors()
    first, second = (warp_exposure(exposure, TRACT, WHOLE) for exposure in exposures)
    assert first is not None
    assert second is not None
    for order in (exposures, exposures[::-1]):
        warp = make_warp(order, TRACT, WHOLE)
        assert warp is not None
        assert (warp.instrument, warp.visit, warp.band) == ("Cam", 7, "r")
        good2 = np.isfinite(second.image.array)
        for found, expected in zip(planes_of(warp, second.bbox), planes_of(second, second.bbox), strict=True):
            assert np.array_equal(found[good2], expected[good2])
        owned2 = good2.sum()
        total = np.isfinite(warp.image.array).sum()
        shared = np.isfinite(first.image.array).sum() + owned2 - total
        assert shared > 10_000
        assert [detector.id.detector for detector in warp.detectors] == [1, 2]
        assert [detector.good_pixels for detector in warp.detectors] == [total - owned2, owned2]
        assert warp.detectors[0].path == "7-1.fits"
        assert warp.detectors[0].psf_fwhm == 0.8
        assert warp.detectors[0].notes == ("as read",)
        lost = ~np.isfinite(warp.image.array)
        assert (warp.mask.array[lost][:, 0] == NO_DATA).all()


def test_bad_pixels_of_the_later_detector_show_the_first() -> None:
    exposures = two_detectors()
    first = warp_exposure(exposures[0], TRACT, WHOLE)
    exposures[1].pixels.image.array[:] = np.nan
    exposures[1].pixels.image.array[200:220, 140:160] = 1.0
    warp = make_warp(exposures, TRACT, WHOLE)
    assert warp is not None
    assert first is not None
    assert np.isfinite(warp[first.bbox].image.array[np.isfinite(first.image.array)]).all()
    assert warp.detectors[1].good_pixels < 400


def test_a_detector_without_pixels_is_not_recorded() -> None:
    exposures = two_detectors()
    exposures[1].pixels.image.array[:] = np.nan
    warp = make_warp(exposures, TRACT, WHOLE)
    assert warp is not None
    assert [detector.id.detector for detector in warp.detectors] == [1]


def test_planes_are_united_by_name() -> None:
    one, two = (
        make_exposure(noise(), detector_projection(offset=offset), detector=number, extra=extra)
        for number, offset, extra in ((1, 0.006, ("ZEBRA",)), (2, -0.006, ("ALPHA", "MIDDLE")))
    )
    flag(one, "ZEBRA", (slice(None), slice(None)))
    flag(two, "MIDDLE", (slice(None), slice(None)))
    warp = make_warp([one, two], TRACT, WHOLE)
    assert warp is not None
    assert warp.mask.schema == make_schema(["ALPHA", "MIDDLE", "ZEBRA"])
    assert bits(warp, "ZEBRA").sum() == warp.detectors[0].good_pixels
    assert bits(warp, "MIDDLE").sum() == warp.detectors[1].good_pixels
    assert not bits(warp, "ALPHA").any()


def test_two_exposures_with_one_identity_are_refused() -> None:
    one, two = make_exposure(noise()), make_exposure(noise(), path="copy.fits")
    with pytest.raises(
        DuplicateInputError, match=r"copy.fits, identity: found Cam visit 7 detector 1, as in 7-1"
    ):
        make_warp([one, two], TRACT, WHOLE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visit": 8}, "8-2.fits, visit: found 8; expected 7"),
        ({"band": "g"}, "7-2.fits, band: found g; expected r"),
        (
            {"flux_unit": FluxUnit("adu", "a")},
            "7-2.fits, flux unit: found adu of the reference exposure a; expected nJy, as in 7-1",
        ),
    ],
)
def test_exposures_of_two_visits_or_bands_are_refused(change: dict[str, Any], message: str) -> None:
    other = make_exposure(noise(), detector=2, **change)
    with pytest.raises(InputError, match=message):
        make_warp([make_exposure(noise()), other], TRACT, WHOLE)
