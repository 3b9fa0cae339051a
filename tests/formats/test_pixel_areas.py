"""Tests of the solid angles of pixels."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lsst.images import Box
from lsst.images.fields import ChebyshevField

from lamella.formats.pixel_areas import pixel_areas
from lamella.sky.projection import projection_from_header

BOX = Box.from_shape((300, 400))
SCALE = 1e-4


def projection(**cards: float | str) -> object:
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 40.0, "CRVAL2": 30.0})
    header.update(
        {"CRPIX1": 200.5, "CRPIX2": 150.5, "CD1_1": -SCALE, "CD2_2": SCALE, "RADESYS": "ICRS", **cards}
    )
    return projection_from_header(header, path=Path("x.fits"), hdu=0)


def test_pixels_that_are_alike_have_one_area() -> None:
    area = pixel_areas(projection(), BOX)  # type: ignore[arg-type]
    assert area == pytest.approx(math.radians(SCALE) ** 2, rel=1e-5)


def test_the_areas_of_distorted_pixels_are_those_of_the_jacobian() -> None:
    # u' = u + a u^2: the length of a pixel in x is 1 + 2 a u.
    a = 2e-5
    cards = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "A_2_0": a, "B_ORDER": 2}
    area = pixel_areas(projection(**cards), BOX)  # type: ignore[arg-type]
    assert isinstance(area, ChebyshevField)
    x, y = np.array([0.0, 100.0, 399.0]), np.array([0.0, 299.0, 7.0])
    expected = math.radians(SCALE) ** 2 * (1 + 2 * a * (x - 199.5))
    np.testing.assert_allclose(area(x=x, y=y), expected, rtol=3e-5)
