"""Simple projections for tests."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS, Sip
from lsst.images import Box, GeneralFrame, SkyProjection, TractFrame

from lamella.sky.projection import projection_from_header


def tan_projection(
    crval: SkyCoord, scale: u.Quantity, crpix: tuple[float, float], *, pixel_frame: Any = None
) -> SkyProjection[Any]:
    """Tangent plane with North up and East to the left, whose tangent point is at 0-based pixel (x, y)."""
    step = scale.to_value(u.deg)
    cards = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": crval.icrs.ra.deg,
        "CRVAL2": crval.icrs.dec.deg,
    }
    cards |= {"CRPIX1": crpix[0] + 1.0, "CRPIX2": crpix[1] + 1.0, "CD1_1": -step, "CD2_2": step}
    return projection_from_header(cards, path="tan", hdu=0, pixel_frame=pixel_frame)


def turned_tan(
    ra: float = 30.0,
    dec: float = 2.0,
    *,
    x: float = 500.0,
    y: float = 500.0,
    scale: float = 0.2,
    angle: float = 0.0,
    sip: np.ndarray | None = None,
    tract: Box | None = None,
    code: str = "TAN",
) -> SkyProjection[Any]:
    """Tangent plane with pixels of ``scale`` arcseconds, whose tangent point is at 0-based pixel (x, y).

    The pixels are those of a box of a tract, if one is given.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{code}", f"DEC--{code}"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [x + 1.0, y + 1.0]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[-c, s], [s, c]]) * scale / 3600.0
    if sip is not None:
        wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
        wcs.sip = Sip(sip, sip.T.copy(), None, None, wcs.wcs.crpix)
    frame = GeneralFrame(unit=u.pix) if tract is None else TractFrame(skymap="test", tract=0, bbox=tract)
    return SkyProjection.from_fits_wcs(wcs, frame)
