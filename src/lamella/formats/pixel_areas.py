"""The solid angles of the pixels of an image, for surface brightness."""

from __future__ import annotations

from typing import Any

import numpy as np
from lsst.images import Box, SkyProjection
from lsst.images.fields import ChebyshevField

from ..sky.footprint import to_sky

__all__ = ("pixel_areas",)

_ORDER = 6
_POINTS = 25
_EQUAL = 1e-5
"""Areas that differ by less than this part are one."""


def pixel_areas(projection: SkyProjection[Any], bbox: Box) -> float | ChebyshevField:
    """Return the areas of pixels in steradian.

    Parameters
    ----------
    projection
        Pixels to ICRS.
    bbox
        Box of the image.

    Returns
    -------
    float or `lsst.images.fields.ChebyshevField`
        One number where all pixels are alike, else a polynomial over the box: distortions are smooth.
    """
    steps = (np.linspace(axis.start, axis.stop - 1, _POINTS) for axis in (bbox.x, bbox.y))
    x, y = (axis.ravel() for axis in np.meshgrid(*steps))
    sides = [
        to_sky(projection, x + dx, y + dy) - to_sky(projection, x - dx, y - dy)
        for dx, dy in ((0.5, 0.0), (0.0, 0.5))
    ]
    areas = np.linalg.norm(np.cross(*sides), axis=-1)
    on_sky = np.isfinite(areas)
    mean = float(areas[on_sky].mean())
    if not np.ptp(areas[on_sky]) > _EQUAL * mean:
        return mean
    # Fitted about its mean, as small numbers have no digits.
    field = ChebyshevField.fit(bbox, areas[on_sky] / mean, order=_ORDER, y=y[on_sky], x=x[on_sky])
    return field * mean
