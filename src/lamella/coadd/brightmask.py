"""Masks of bright objects: circles and boxes on the sky, painted on a mask plane."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from astropy.coordinates import SkyCoord
from lsst.images import XY, Box, Mask, SkyProjection

from ..errors import ConfigError
from ..planes import Layout, plane_name
from ..sky.footprint import pixel_scale

__all__ = ("BrightObject", "BrightObjectCatalog", "paint_bright_objects")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BrightObject:
    """The region around one bright object.

    Attributes
    ----------
    id
        Identifier in the catalogue that the region was made from.
    ra, dec
        ICRS position of the centre, in degrees.
    shape
        A circle, or a box along the axes of the pixel grid.
    radius
        Of a circle, in degrees.
    width, height
        Of a box, in degrees, along x and y.
    mag
        Magnitude of the object; NaN if unknown.

    Raises
    ------
    ConfigError
        Raised when a number is not finite, a size is negative, or the position
        is not on the sphere.
    """

    id: int
    ra: float
    dec: float
    shape: Literal["circle", "box"]
    radius: float = 0.0
    width: float = 0.0
    height: float = 0.0
    mag: float = math.nan

    def __post_init__(self) -> None:
        for name in ("radius", "width", "height"):
            self._check(name, 0.0, 180.0)
        self._check("ra", -360.0, 360.0)
        self._check("dec", -90.0, 90.0)
        if self.shape not in ("circle", "box"):
            raise ConfigError(f"shape is {self.shape!r}; expected 'circle' or 'box'.", found=self.shape)

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            message = f"{name} is {value}; expected {low:g} to {high:g} degrees."
            raise ConfigError(message, option=name, found=value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BrightObjectCatalog:
    """Regions around bright objects, and what the catalogue says of itself."""

    objects: tuple[BrightObject, ...]
    metadata: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    """Remarks by lower-cased name, e.g. ``tract`` (an integer), ``patch``, ``filter``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled.
        return functools.partial(BrightObjectCatalog, objects=self.objects, metadata=dict(self.metadata)), ()

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[BrightObject]:
        return iter(self.objects)


def paint_bright_objects(
    mask: Mask,
    projection: SkyProjection[Any],
    catalog: BrightObjectCatalog,
    plane: str = "BRIGHT_OBJECT",
) -> int:
    """Set a mask plane on the pixels of bright objects.

    Parameters
    ----------
    mask
        Mask to change.
    projection
        Pixels of the mask to ICRS.
    catalog
        Regions; those beside the mask are passed over.
    plane
        Name of the mask plane.

    Returns
    -------
    int
        Number of regions that touch the mask.

    Raises
    ------
    MaskPlaneError
        Raised when the mask does not have the plane.

    Notes
    -----
    A region is centred on the pixel that holds its position, and degrees
    become pixels with the scale at the centre of the mask.  A circle holds the
    pixels with ``dx**2 + dy**2 <= r**2``, where ``r`` is its radius in whole
    pixels, rounded down.  A box reaches from ``x - width / 2`` to
    ``x + width / 2``, both rounded down, both included; and so in y.
    """
    Layout(mask.schema).bits((plane,))  # also of an empty catalogue the plane must be there
    if not len(catalog):
        return 0
    bit = mask.schema.bit(plane_name(plane))
    layer = mask.array[..., bit.index]
    scale = pixel_scale(projection, mask.bbox) / 3600.0  # degrees
    x, y = _pixels(projection, mask.bbox, catalog)
    touched = 0
    for region, px, py in zip(catalog, x, y, strict=True):
        if not (math.isfinite(px) and math.isfinite(py)):
            continue
        column, row = int(px) - mask.bbox.x.start, int(py) - mask.bbox.y.start
        if region.shape == "circle":
            touched += _paint_circle(layer, bit.mask, column, row, int(region.radius / scale))
        else:
            rows, columns = (
                slice(max(math.floor(middle - size / 2), 0), max(math.floor(middle + size / 2) + 1, 0))
                for middle, size in ((row, region.height / scale), (column, region.width / scale))
            )
            layer[rows, columns] |= bit.mask
            touched += layer[rows, columns].size > 0
    return touched


def _paint_circle(layer: np.ndarray, bit: np.integer[Any], x: int, y: int, radius: int) -> bool:
    height, width = layer.shape
    touched = False
    for row in range(max(y - radius, 0), min(y + radius + 1, height)):
        # Whole numbers: no rounding decides whether a pixel of the rim is inside.
        reach = math.isqrt(radius**2 - (row - y) ** 2)
        start, stop = max(x - reach, 0), min(x + reach + 1, width)
        if start < stop:
            layer[row, start:stop] |= bit
            touched = True
    return touched


def _pixels(projection: SkyProjection[Any], bbox: Box, catalog: BrightObjectCatalog) -> np.ndarray:
    """Return the pixels nearest to the positions, as (2, n) for x and y; NaN on the far side of the sky."""
    ra, dec = np.array([(region.ra, region.dec) for region in catalog]).T
    sky = SkyCoord(ra=ra, dec=dec, unit="deg", frame="icrs")
    centre = projection.pixel_to_sky(XY(x=bbox.x.center, y=bbox.y.center))
    pixels = np.full((2, len(catalog)), np.nan)
    # A tangent projection has pixels for the far side of the sky as well.
    near = sky.cartesian.dot(centre.cartesian) > 0
    if near.any():
        position = projection.sky_to_pixel(sky[near])
        pixels[:, near] = np.floor(np.array([position.x, position.y]) + 0.5)
    return pixels
