"""Simple projections for tests."""

from __future__ import annotations

from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from lsst.images import SkyProjection

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
