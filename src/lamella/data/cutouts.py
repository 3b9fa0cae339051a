"""Boxes of pixels around positions."""

from __future__ import annotations

import math
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from lsst.images import Box, SkyProjection

from ..errors import NoOverlapError, WrongTypeError
from ..image.planes import overlap
from ..sky.footprint import pixel_scale

__all__ = ("box_around",)

_POSITION = "a SkyCoord, or (x, y) in pixels of its box"
_SIZE = "pixels or an angle, for a square, or (height, width) of them, positive"


def box_around(position: Any, size: Any, box: Box, projection: SkyProjection[Any] | None) -> Box:
    """Return the part of a box around a position.

    Parameters
    ----------
    position
        One `~astropy.coordinates.SkyCoord`, or x and y in the pixel frame of ``box``.
    size
        Number of pixels or Quantity (pixels, or an angle), or height and width.
    box
        Where there are pixels.
    projection
        Pixels to ICRS.

    Raises
    ------
    WrongTypeError
        Raised when position or size are something else.
    NoOverlapError
        Raised when no pixel is left.
    """
    if projection is None:
        raise NoOverlapError("An image without a projection to the sky has no cutouts.", found=position)
    x, y = _pixels(position, projection)
    height, width = _sides(size, box, projection)
    starts = [math.ceil(middle - side / 2) for middle, side in ((y, height), (x, width))]
    wanted = Box.factory[starts[0] : starts[0] + height, starts[1] : starts[1] + width]
    part = overlap(wanted, box)
    if part is None:
        raise NoOverlapError(f"A cutout of {wanted} has no pixel in common with {box}.", found=wanted)
    return part


def _pixels(position: Any, projection: SkyProjection[Any]) -> tuple[float, float]:
    if isinstance(position, SkyCoord):
        if not position.isscalar:
            raise WrongTypeError("position", found=f"{position.size} positions", expected=_POSITION)
        pixel = projection.sky_to_pixel(position)
        x, y = float(pixel.x), float(pixel.y)
    else:
        x, y = _two(position, "position", _POSITION)
    if not (math.isfinite(x) and math.isfinite(y)):
        raise NoOverlapError(f"{position} is not on the projection of this image.", found=position)
    return x, y


def _two(values: Any, name: str, expected: str) -> tuple[float, float]:
    try:
        x, y = (float(value) for value in values)
    except (TypeError, ValueError):
        raise WrongTypeError(name, found=repr(values)[:60], expected=expected) from None
    return x, y


def _sides(size: Any, box: Box, projection: SkyProjection[Any]) -> tuple[int, int]:
    """Return height and width in pixels."""
    if isinstance(size, u.Quantity):
        size = _in_pixels(size, box, projection)
    elif isinstance(size, tuple | list) and any(isinstance(side, u.Quantity) for side in size):
        size = [float(_in_pixels(u.Quantity(side), box, projection)) for side in size]
    pair = (size, size) if np.ndim(size) == 0 else size
    height, width = _two(pair, "size", _SIZE)
    if not (0 < height < math.inf and 0 < width < math.inf):
        raise WrongTypeError("size", found=repr(size)[:60], expected=_SIZE)
    return max(round(height), 1), max(round(width), 1)


def _in_pixels(size: u.Quantity, box: Box, projection: SkyProjection[Any]) -> Any:
    if size.unit.is_equivalent(u.arcsec):
        return size.to_value(u.arcsec) / pixel_scale(projection, box)
    if size.unit in (u.pix, u.dimensionless_unscaled):
        return size.value
    raise WrongTypeError("size", found=str(size), expected=_SIZE)
