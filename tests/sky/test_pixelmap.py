from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from lsst.images import Box, GeneralFrame, SkyProjection

from lamella.kernels.resample.resample import PositionGrid
from lamella.sky.pixelmap import PixelMap
from lamella.sky.projection import projection_from_header

from ..projections import tan_projection

CENTRE = SkyCoord(150.0 * u.deg, 2.0 * u.deg)
TRACT = tan_projection(CENTRE, 0.2 * u.arcsec, (12000.0, 15000.0))
DETECTOR = Box.factory[0:1024, 0:512]


def header(distortion: float = 1.0, turn: float = 0.35) -> dict[str, Any]:
    """TAN-SIP whose distortion is about 0.3 pixels over the detector, times a factor."""
    scale = 0.201 / 3600
    return {
        "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": 150.02, "CRVAL2": 2.01,
        "CRPIX1": 256.5, "CRPIX2": 512.5,
        "CD1_1": -scale * np.cos(turn), "CD1_2": scale * np.sin(turn),
        "CD2_1": scale * np.sin(turn), "CD2_2": scale * np.cos(turn),
        "A_ORDER": 3, "B_ORDER": 3, "A_2_0": 1e-6 * distortion, "A_1_1": -6e-7 * distortion,
        "B_0_2": 8e-7 * distortion, "A_3_0": 2e-10 * distortion, "B_2_1": -3e-10 * distortion,
    }  # fmt: skip


def sip(distortion: float = 1.0, turn: float = 0.35) -> SkyProjection[Any]:
    return projection_from_header(header(distortion, turn), path="detector", hdu=0)


def interpolate(values: np.ndarray, grid: PositionGrid, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear interpolation as the kernel does it, in numpy."""
    i, j = (x - grid.x0) // grid.spacing, (y - grid.y0) // grid.spacing
    u_, v = (x - grid.x0) / grid.spacing - i, (y - grid.y0) / grid.spacing - j
    i1, j1 = np.minimum(i + 1, values.shape[1] - 1), np.minimum(j + 1, values.shape[0] - 1)
    low = (1 - u_) * values[j, i] + u_ * values[j, i1]
    high = (1 - u_) * values[j1, i] + u_ * values[j1, i1]
    return (1 - v) * low + v * high


def inside(box: Box, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x > box.x.start - 0.5) & (x < box.x.stop - 0.5) & (y > box.y.start - 0.5) & (y < box.y.stop - 0.5)


def test_there_and_back() -> None:
    pixel_map = PixelMap(sip(), TRACT)
    x, y = np.random.default_rng(0).uniform(0, 500, (2, 300))
    back = pixel_map.to_source(*pixel_map.to_destination(x, y))
    assert np.hypot(back[0] - x, back[1] - y).max() < 1e-8


def test_same_as_astropy() -> None:
    from astropy.io.fits import Header

    wcs = WCS(Header(list(header().items())))
    x, y = np.random.default_rng(0).uniform(0, 500, (2, 300))
    expected = TRACT.sky_to_pixel(wcs.pixel_to_world(x, y).icrs)
    found = PixelMap(sip(), TRACT).to_destination(x, y)
    assert np.hypot(found[0] - expected.x, found[1] - expected.y).max() < 1e-7


def test_wrong_inverse_of_a_header_is_mended() -> None:
    from astropy.io.fits import Header

    inverse = {"AP_ORDER": 2, "BP_ORDER": 2, "AP_2_0": -9e-7, "BP_0_2": -9e-7}
    poor = SkyProjection.from_fits_wcs(
        WCS(Header(list((header() | inverse).items()))), GeneralFrame(unit=u.pix)
    )
    x, y = np.random.default_rng(0).uniform(0, 500, (2, 300))
    naive = poor.sky_to_pixel(poor.pixel_to_sky(x=x, y=y))
    assert np.hypot(naive.x - x, naive.y - y).max() > 0.01
    pixel_map = PixelMap(poor, TRACT)
    back = pixel_map.to_source(*pixel_map.to_destination(x, y))
    assert np.hypot(back[0] - x, back[1] - y).max() < 1e-8


def test_positions_do_not_depend_on_their_company() -> None:
    pixel_map = PixelMap(sip(), TRACT)
    x, y = np.random.default_rng(0).uniform(11500, 12500, (2, 100))
    together = pixel_map.to_source(x, y)
    alone = np.array([pixel_map.to_source(a, b) for a, b in zip(x, y, strict=True)])
    assert np.array_equal(alone.T, together)


def test_positions_behind_the_sky_are_nan() -> None:
    behind = tan_projection(SkyCoord(330.0 * u.deg, -2.0 * u.deg), 0.2 * u.arcsec, (0.0, 0.0))
    pixel_map = PixelMap(sip(), behind)
    x, y = pixel_map.to_destination([0.0, 100.0], [0.0, 100.0])
    assert np.isnan(x).all()
    assert np.isnan(y).all()
    assert pixel_map.destination_box(DETECTOR) is None
    assert pixel_map.spacing(DETECTOR) == 1


def test_pixels_without_a_place_on_the_sky_are_nan() -> None:
    scale = 0.5
    sky = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 1.0}
    sky |= {"CRPIX2": 1.0, "CD1_1": -scale, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": scale}
    whole = projection_from_header(sky, path="sky", hdu=0)
    x, _ = PixelMap(sip(), whole).to_source([0.0, 400.0, np.nan, 0.0], [0.0, 0.0, 0.0, np.inf])
    assert np.isfinite(x[0])
    assert np.isnan(x[1:]).all()


@pytest.mark.parametrize("turn", [0.0, 0.35, 0.8])
@pytest.mark.parametrize("distortion", [0.0, 1.0, 30.0])
def test_destination_box_holds_the_source(turn: float, distortion: float) -> None:
    pixel_map = PixelMap(sip(distortion, turn), TRACT)
    box = pixel_map.destination_box(DETECTOR)
    assert box is not None
    edge = np.linspace(-0.5, 511.5, 2001), np.linspace(-0.5, 1023.5, 2001)
    sides = [(edge[0], -0.5), (edge[0], 1023.5), (-0.5, edge[1]), (511.5, edge[1])]
    for x, y in sides:
        found = pixel_map.to_destination(x, y)
        assert box.x.start <= found[0].min()
        assert found[0].max() <= box.x.stop - 1
        assert box.y.start <= found[1].min()
        assert found[1].max() <= box.y.stop - 1
    # ... and is not much too large.
    all_x = np.concatenate([pixel_map.to_destination(x, y)[0] for x, y in sides])
    assert box.x.size <= np.ptp(all_x) + 6


@pytest.mark.parametrize("seed", range(40))
def test_few_positions_give_the_box_that_many_give(seed: int) -> None:
    x, y = np.random.default_rng(seed).uniform(-1.0, 1.0, 2)
    tract = tan_projection(CENTRE, 0.2 * u.arcsec, (12000.0 + x, 15000.0 + y))
    pixel_map = PixelMap(sip(300.0), tract)
    lattice = np.meshgrid(np.linspace(-0.5, 511.5, 65), np.linspace(-0.5, 1023.5, 65))
    found = pixel_map.to_destination(*lattice)
    # Between positions a parabola leaves its chord by an eighth of the second difference.
    bends = [max(np.abs(np.diff(v, 2, axis)).max() for axis in (0, 1)) / 8.0 for v in found]
    low = [int(np.floor(v.min() - bend)) for v, bend in zip(found, bends, strict=True)]
    high = [int(np.ceil(v.max() + bend)) + 1 for v, bend in zip(found, bends, strict=True)]
    assert pixel_map.destination_box(DETECTOR) == Box.factory[low[1] : high[1], low[0] : high[0]]


@pytest.mark.parametrize(
    ("distortion", "tolerance", "expected"),
    [(0.0, 1e-3, 128), (1.0, 1e-3, 32), (1.0, 1e-5, 2), (30.0, 1e-3, 4)],
)
def test_error_is_within_the_tolerance(distortion: float, tolerance: float, expected: int) -> None:
    pixel_map = PixelMap(sip(distortion), TRACT)
    spacing = pixel_map.spacing(DETECTOR, tolerance)
    assert spacing == expected
    footprint = pixel_map.destination_box(DETECTOR)
    assert footprint is not None
    rng = np.random.default_rng(5)
    x = rng.integers(footprint.x.start, footprint.x.stop, 4000)
    y = rng.integers(footprint.y.start, footprint.y.stop, 4000)
    box = Box.factory[y.min() : y.max() + 1, x.min() : x.max() + 1]
    grid = pixel_map.grid(box, tolerance, source_box=DETECTOR)
    assert grid.spacing == spacing
    exact_x, exact_y = pixel_map.to_source(x, y)
    near = inside(DETECTOR, exact_x, exact_y)
    assert near.sum() > 1000
    error = np.hypot(interpolate(grid.x, grid, x, y) - exact_x, interpolate(grid.y, grid, x, y) - exact_y)
    assert error[near].max() < tolerance
    left, right = (pixel_map.to_source(x + d, y) for d in (-0.5, 0.5))
    below, above = (pixel_map.to_source(x, y + d) for d in (-0.5, 0.5))
    area = np.abs((right[0] - left[0]) * (above[1] - below[1]) - (right[1] - left[1]) * (above[0] - below[0]))
    assert np.abs(interpolate(grid.area, grid, x, y) / area - 1.0)[near].max() < 2e-5


def test_a_tolerance_that_cannot_be_met_makes_the_grid_exact() -> None:
    pixel_map = PixelMap(sip(30.0), TRACT)
    assert pixel_map.spacing(DETECTOR, 1e-12) == 1
    grid = pixel_map.grid(Box.factory[15000:15009, 11640:11650], 1e-12, source_box=DETECTOR)
    x, y = np.meshgrid(np.arange(11640, 11650), np.arange(15000, 15009))
    exact = pixel_map.to_source(x, y)
    assert np.array_equal(grid.x[:9, :10], exact[0])
    assert np.array_equal(grid.y[:9, :10], exact[1])


@given(x=st.integers(11300, 12300), y=st.integers(14600, 15600), n=st.integers(1, 300))
def test_nodes_do_not_depend_on_the_box(x: int, y: int, n: int) -> None:
    whole = PixelMap(sip(), TRACT).grid_with_spacing(Box.factory[14500:16000, 11200:12700], 16)
    part = PixelMap(sip(), TRACT).grid_with_spacing(Box.factory[y : y + n, x : x + n], 16)
    assert part.x0 % 16 == part.y0 % 16 == 0
    i, j = (part.x0 - whole.x0) // 16, (part.y0 - whole.y0) // 16
    for found, expected in zip(part[:3], whole[:3], strict=True):
        ny, nx = found.shape
        assert np.array_equal(found, expected[j : j + ny, i : i + nx])


@pytest.mark.parametrize("grow", [-40, 0, 40])
def test_nodes_are_the_same_when_they_were_wanted_before(grow: int) -> None:
    small = Box.factory[0:300, 0:200]
    pixel_map, again = PixelMap(sip(), TRACT), PixelMap(sip(), TRACT)
    footprint, spacing = pixel_map.destination_box(small), pixel_map.spacing(small)
    assert footprint is not None
    box = footprint.dilated_by(grow) if grow > 0 else footprint.padded(grow)
    grids = [one.grid_with_spacing(box, spacing) for one in (pixel_map, again)]
    for found, expected in zip(*(grid[:3] for grid in grids), strict=True):
        assert np.array_equal(found, expected)


def test_area_of_a_change_of_scale() -> None:
    coarse = tan_projection(CENTRE, 0.4 * u.arcsec, (100.0, 100.0))
    grid = PixelMap(tan_projection(CENTRE, 0.2 * u.arcsec, (0.0, 0.0)), coarse).grid_with_spacing(
        Box.factory[0:200, 0:200], 64
    )
    np.testing.assert_allclose(grid.area, 4.0, rtol=1e-6)


def test_tolerance_must_be_positive() -> None:
    with pytest.raises(ValueError, match="tolerance must be positive"):
        PixelMap(sip(), TRACT).spacing(DETECTOR, 0.0)


def with_tables() -> SkyProjection[Any]:
    """TAN-SIP of a detector whose pixels are shifted by tables, by 0.1 pixels from node to node."""
    nodes = {"CRPIX1": 1.0, "CRPIX2": 1.0, "CDELT1": 64.0, "CDELT2": 60.0}
    rng = np.random.default_rng(0)
    values = {version: rng.normal(0.0, 0.05, (20, 12)) for version in range(1, 5)}
    cards: dict[str, Any] = {"NAXIS1": 512, "NAXIS2": 1024}
    for axis in (1, 2):
        cards |= {f"CPDIS{axis}": "LOOKUP", f"DP{axis}.EXTVER": axis}
        cards |= {f"D2IMDIS{axis}": "LOOKUP", f"D2IM{axis}.EXTVER": axis + 2}
    return projection_from_header(
        header() | cards, path="detector", hdu=0, tables=lambda name, version: (values[version], nodes)
    )


def test_kinks_of_lookup_tables_are_not_smoothed() -> None:
    pixel_map = PixelMap(with_tables(), TRACT)
    spacing = pixel_map.spacing(DETECTOR)
    assert spacing == 1
    footprint = pixel_map.destination_box(DETECTOR)
    assert footprint is not None
    grid = pixel_map.grid_with_spacing(footprint, spacing)
    x, y = np.meshgrid(footprint.x.arange[::7], footprint.y.arange[::5])
    exact_x, exact_y = pixel_map.to_source(x, y)
    near = inside(DETECTOR, exact_x, exact_y)
    at = y - grid.y0, x - grid.x0
    assert np.hypot(grid.x[at] - exact_x, grid.y[at] - exact_y)[near].max() < 1e-3
    # Without the tables positions are others, by more than that.
    plain = PixelMap(sip(), TRACT).to_source(x, y)
    assert 0.05 < np.hypot(plain[0] - exact_x, plain[1] - exact_y)[near].max() < 0.5


def test_positions_through_lookup_tables_do_not_depend_on_the_box() -> None:
    maps = [PixelMap(with_tables(), TRACT) for _ in range(2)]
    for pixel_map in maps:
        pixel_map.spacing(DETECTOR)
    footprint = maps[0].destination_box(DETECTOR)
    assert footprint is not None
    y, x = footprint.y.start, footprint.x.start
    whole = maps[0].grid_with_spacing(Box.factory[y : y + 300, x : x + 400], 1)
    part = maps[1].grid_with_spacing(Box.factory[y + 37 : y + 90, x + 101 : x + 333], 1)
    rows, columns = part.y0 - whole.y0, part.x0 - whole.x0
    for name in ("x", "y", "area"):
        ours = getattr(whole, name)[rows : rows + 53, columns : columns + 232]
        np.testing.assert_array_equal(ours, getattr(part, name)[:53, :232])
