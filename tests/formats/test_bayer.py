"""Tests of mosaics of coloured pixels."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lamella.formats.bayer import (
    COLORS,
    is_pattern,
    shifted_pattern,
    super_pixel_header,
    super_pixels,
    worst_of_super_pixels,
)

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def star(x: float, y: float, sigma: float = 2.5) -> np.ndarray:
    j, i = np.mgrid[:61, :60]
    return np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * sigma**2)).astype(np.float32)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("color", COLORS)
def test_a_star_keeps_its_flux_and_its_place_on_the_sky(pattern: str, color: str) -> None:
    x, y = 28.3, 31.6
    mosaic = star(x, y)
    plane = super_pixels(mosaic, pattern, color)
    assert plane.shape == (30, 30)
    assert plane.sum() == pytest.approx(mosaic.sum(), rel=0.002)
    header = fits.Header({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": 10.0, "CRVAL2": 20.0})
    header.update({"CRPIX1": 25.5, "CRPIX2": 31.0, "CD1_1": -3e-4, "CD1_2": 1e-5, "CD2_1": 1e-5})
    header.update({"CD2_2": 3e-4, "A_ORDER": 3, "A_2_0": 3e-4, "A_0_3": 1e-5, "B_ORDER": 2, "B_1_1": -2e-4})
    j, i = np.mgrid[:30, :30]
    centroid = [[(plane * i).sum() / plane.sum(), (plane * j).sum() / plane.sum()]]
    ours = WCS(super_pixel_header(header, pattern, color)).all_pix2world(centroid, 0)
    theirs = WCS(header).all_pix2world([[x, y]], 0)
    assert np.abs(ours - theirs).max() < 0.02 * 3e-4


@pytest.mark.parametrize("cards", [{"CDELT1": -2e-4, "CDELT2": 2e-4, "PC1_2": 0.1}, {"PC1_1": -1.0}])
def test_a_super_pixel_is_twice_as_long(cards: dict[str, float]) -> None:
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1.0, "CRPIX2": 1.0, **cards})
    matrix = WCS(header).pixel_scale_matrix
    np.testing.assert_allclose(WCS(super_pixel_header(header, "RGGB", "G")).pixel_scale_matrix, 2 * matrix)


@pytest.mark.parametrize(("color", "samples"), [("R", 1), ("G", 2), ("B", 1)])
def test_variances_of_super_pixels_are_those_of_their_noise(color: str, samples: int) -> None:
    noise = np.random.default_rng(3).normal(0, 3, (600, 600)).astype(np.float32)
    variance = super_pixels(np.full((600, 600), 9.0), "GRBG", color, is_variance=True)
    assert variance.max() == variance.min() == pytest.approx(9.0 * 16 / samples)
    assert super_pixels(noise, "GRBG", color).var() == pytest.approx(variance[0, 0], rel=0.02)


def test_a_super_pixel_has_the_flags_of_its_pixels() -> None:
    flags = np.array([[1, 2], [4, 8]], np.int16)
    flags = np.tile(flags, (2, 2))
    assert worst_of_super_pixels(flags, "GRBG", "G").tolist() == [[9, 9], [9, 9]]
    assert worst_of_super_pixels(flags, "GRBG", "R").tolist() == [[2, 2], [2, 2]]


def test_patterns_are_shifted_by_whole_pixels() -> None:
    assert [shifted_pattern("RGGB", x, y) for x, y in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 2))] == [
        "RGGB",
        "GRBG",
        "GBRG",
        "BGGR",
        "RGGB",
    ]
    assert all(map(is_pattern, PATTERNS))
    assert not any(map(is_pattern, ("RGBG", "RRGB", "", "GGRB")))
