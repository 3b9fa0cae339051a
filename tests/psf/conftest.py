"""What the tests of PSFs share: projections, and a PSF of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from lsst.images import Box, GeneralFrame, SkyProjection

from lamella.psf.basis import PolynomialBasisPsf

BOX = Box.factory[0:1000, 0:1000]


def make_tan(
    ra: float = 30.0,
    dec: float = 2.0,
    *,
    x: float = 500.0,
    y: float = 500.0,
    scale: float = 0.2,
    angle: float = 0.0,
    sip: np.ndarray | None = None,
) -> SkyProjection[Any]:
    """Make a projection with pixels of ``scale`` arcseconds and its pole at pixel (x, y), counted from 0."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [x + 1.0, y + 1.0]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[-c, s], [s, c]]) * scale / 3600.0
    if sip is not None:
        from astropy.wcs import Sip

        wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
        wcs.sip = Sip(sip, sip.T.copy(), None, None, wcs.wcs.crpix)
    return SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix))


def make_gaussian(
    xx: float, yy: float, xy: float = 0.0, side: int = 31, bounds: Box = BOX
) -> PolynomialBasisPsf:
    """Make an elliptical Gaussian with the given moments."""
    reach = np.arange(side) - side // 2
    x, y = np.meshgrid(reach, reach)
    inverse = np.linalg.inv([[xx, xy], [xy, yy]])
    image = np.exp(-0.5 * (inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2))
    return PolynomialBasisPsf(image[np.newaxis], np.ones((1, 1, 1)), bounds)


@pytest.fixture(scope="session")
def tan() -> Callable[..., SkyProjection[Any]]:
    return make_tan


@pytest.fixture(scope="session")
def gaussian() -> Callable[..., PolynomialBasisPsf]:
    return make_gaussian
