"""How far a file of cards beside an image moves its pixels on the sky."""

from __future__ import annotations

import math

import numpy as np
from lsst.images import Box

from ..data.exposure import ExposureId
from ..errors import LamellaError
from .pixels import detector_projection
from .row_places import RowPlaces

__all__ = ("head_shift", "told_shift")

_NOWHERE = ExposureId("", 0, 0)
_LEAST = 0.01
"""Pixels below which both place pixels alike."""


def head_shift(places: RowPlaces) -> float | None:
    """Return by how many pixels the WCS of a file of cards differs from that of the header that it overrides.

    Parameters
    ----------
    places
        Files and headers of a row with such a file.

    Returns
    -------
    float or None
        The largest distance, in pixels of the header's WCS, over nine points from rim to rim.  It is infinite
        where a point is beyond the header's projection, and `None` where the header has none.

    Raises
    ------
    LamellaError
        Raised when the file of cards has none.
    """
    bbox = Box.from_shape(places.shape)
    path, hdu, header = places.wcs
    taken = detector_projection(header, _NOWHERE, bbox, path=path, hdu=hdu)
    try:
        own = detector_projection(places.own_header, _NOWHERE, bbox, path=path, hdu=hdu)
    except LamellaError:
        return None
    y, x = (axis.ravel() for axis in np.meshgrid(*(np.linspace(0.0, size - 1.0, 3) for size in places.shape)))
    there = own.sky_to_pixel(taken.pixel_to_sky(x=x, y=y))
    with np.errstate(over="ignore", invalid="ignore"):  # where there is no such pixel
        shift = float(np.hypot(np.asarray(there.x) - x, np.asarray(there.y) - y).max())
    return shift if math.isfinite(shift) else math.inf


def told_shift(places: RowPlaces) -> str:
    """Return the shift in words, rounded up to 1, 2 or 5 times a power of ten so that files go together.

    It is empty without a WCS to override, and where a WCS cannot be read, which is told elsewhere.
    """
    try:
        shift = head_shift(places)
    except LamellaError:
        return ""
    if shift is None:
        return ""
    if shift < _LEAST:
        return ", as in the header"
    if math.isinf(shift):
        return ", not the WCS of the header, which is elsewhere on the sky"
    power = 10.0 ** math.floor(math.log10(shift))
    step = next(step for step in (1.0, 2.0, 5.0, 10.0) if shift <= step * power * (1.0 + 1e-9))
    return f", not the WCS of the header: pixels move by up to {step * power:g}"
