"""Sky maps made to fit: one tract around some exposures, or around a place."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from ..config import Config, option
from ..errors import ConfigError, GeometryError, NoInputsError
from .discrete import DiscreteConfig, DiscreteSkyMap, FieldConfig, FieldSkyMap
from .footprint import Footprint, footprint_polygon, pixel_scale
from .geometry import SkyPolygon
from .layout import LegacyPatches, PixelBounds, Projection, enclose, tract_wcs
from .vectors import angular_separation, from_lonlat, to_lonlat

__all__ = ("FieldLayout", "skymap_for_area", "skymap_from_exposures")

_CENTER_DIGITS = 6
"""Digits behind the point of the centre in degrees: 4 mas, so that files stay readable."""
_MAX_DIAMETER = 30.0
"""Degrees; a tangent plane around more is larger than anybody wants."""


class FieldLayout(Config):
    """Options of a sky map that is made to fit."""

    pixel_scale: float | None = option(
        None, "Angle per pixel; by default the median of the exposures.", unit="arcsec", gt=0.0
    )
    projection: Projection = option("TAN", "Projection of the tract, as a FITS code.")
    rotation: float = option(0.0, "Turns the pixel grid; at 0 north is up.", unit="deg", allow_inf_nan=False)
    border: float = option(0.0, "Margin around the exposures.", unit="arcsec", ge=0.0)
    patch_size: int = option(
        4000, "Largest width and height of the inner box of a patch.", unit="pixel", gt=0
    )
    patch_border: int = option(100, "Pixels added on each side where patches meet.", unit="pixel", ge=0)
    shape: Literal["rectangle", "circle"] = option(
        "rectangle", "Fit a rectangle around the exposures, or the square around their circle."
    )


def skymap_from_exposures(
    exposures: Iterable[SkyPolygon | Footprint], *, name: str = "", **options: Any
) -> FieldSkyMap | DiscreteSkyMap:
    """Make a sky map of one tract that holds all of some exposures.

    Parameters
    ----------
    exposures
        Regions on the sky, or records of exposures; their order does not matter.
    name
        Name of the sky map.
    **options
        As `FieldLayout` has them.

    Returns
    -------
    FieldSkyMap or DiscreteSkyMap
        With ``shape="rectangle"``, the smallest rectangle of pixels around the
        exposures, cut into equal patches that are not larger than
        ``patch_size``; a small field is one patch, without a rim of empty
        pixels.  With ``shape="circle"``, the square around the smallest circle
        that contains the exposures, cut into patches of ``patch_size``, as the
        original pipelines make it.

    Raises
    ------
    NoInputsError
        Raised when there are no exposures.
    ConfigError
        Raised when an option is wrong, or there is no pixel scale to be had.
    GeometryError
        Raised when an exposure is not on the sky, or when they are more than 30 degrees apart.

    Examples
    --------
    >>> import lamella
    >>> inputs = lamella.open_exposures(["demo/survey/exposures.ecsv"])
    >>> skymap = lamella.skymap_from_exposures([source.info for source in inputs], patch_size=150)
    >>> len(skymap), len(list(skymap[0])) > 1
    (1, True)
    """
    items = list(exposures)
    if not items:
        raise NoInputsError("A sky map cannot be made without exposures.")
    layout = FieldLayout(**options)
    if layout.pixel_scale is None:
        footprints = [item for item in items if not isinstance(item, SkyPolygon)]
        if not footprints:
            raise ConfigError("Regions on the sky have no pixels; give a pixel_scale.", option="pixel_scale")
        scale = np.median([pixel_scale(footprint.projection, footprint.bbox) for footprint in footprints])
        layout = layout.replace(pixel_scale=float(f"{scale:.4g}"))
    polygons = [_polygon(item) for item in items]
    # The one that is farthest from the first, and the one that is farthest from that.
    directions = np.array([polygon.vertices.mean(axis=0) for polygon in polygons])
    end = int(np.argmax(angular_separation(directions, directions[0])))
    distances = angular_separation(directions, directions[end])
    other = int(np.argmax(distances))
    pair, apart = (end, other), math.degrees(distances[other])
    if apart <= _MAX_DIAMETER:  # else there may be no hull
        hull = SkyPolygon.hull(np.concatenate([polygon.vertices for polygon in polygons]))
        apart = 2.0 * math.degrees(hull.bounding_circle.angle)
    if apart > _MAX_DIAMETER:
        far = [items[index] for index in pair]
        labels = {str(getattr(item, "path", "") or getattr(item, "id", "") or "a region") for item in far}
        names = " and ".join(sorted(labels))
        raise GeometryError(
            f"The exposures are up to {apart:.0f} degrees apart ({names}), too far for one tract around "
            "all of them: make a sky map of many tracts (lamella skymap make --kind rings), or give "
            "fewer exposures."
        )
    return _circle(hull, layout, name) if layout.shape == "circle" else _rectangle(hull, layout, name)


def skymap_for_area(
    center: SkyCoord, size: u.Quantity, scale: u.Quantity, *, name: str = "", **options: Any
) -> FieldSkyMap:
    """Make a sky map of one rectangular tract.

    Parameters
    ----------
    center
        Its centre.
    size
        Its width and height as angles; one angle for a square.
    scale
        Angle per pixel.
    name
        Name of the sky map.
    **options
        As `FieldLayout` has them; ``border`` is added to the size.

    Raises
    ------
    ConfigError
        Raised when an option is wrong, or the size is not one or two positive angles.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from lamella.sky.field import skymap_for_area
    >>> center = SkyCoord(10.6847, 41.2688, unit="deg")
    >>> skymap = skymap_for_area(center, [3, 2] * u.arcmin, 0.25 * u.arcsec)
    >>> skymap[0].bbox.shape
    YX(y=480, x=720)
    """
    layout = FieldLayout(**options, pixel_scale=float(scale.to_value(u.arcsec)))
    lengths = (
        np.broadcast_to(np.atleast_1d(size.to_value(u.arcsec)), 2) if np.size(size) in (1, 2) else [np.nan]
    )
    if not np.all(np.isfinite(lengths)) or np.min(lengths) <= 0.0:
        raise ConfigError(
            f"The size must be one or two positive angles; found {size}.", option="size", found=size
        )
    icrs, step = center.icrs, _scale(layout)
    pixels = [_ceil((length + 2.0 * layout.border) / step) for length in lengths]
    return _field((float(icrs.ra.deg), float(icrs.dec.deg)), (pixels[0], pixels[1]), layout, name)


def _polygon(item: SkyPolygon | Footprint) -> SkyPolygon:
    if isinstance(item, SkyPolygon):
        return item
    try:
        return footprint_polygon(item)
    except GeometryError as err:
        raise GeometryError(f"{getattr(item, 'id', 'An exposure')}: {err}") from err


def _scale(layout: FieldLayout) -> float:
    assert layout.pixel_scale is not None
    return layout.pixel_scale


def _ceil(pixels: float) -> int:
    """Round up, but not for what is a rounding error only."""
    return math.ceil(pixels - 1e-6)


def _circle(hull: SkyPolygon, layout: FieldLayout, name: str) -> DiscreteSkyMap:
    circle = hull.bounding_circle
    lon, lat = np.degrees(to_lonlat(np.array(circle.axis)))
    config = DiscreteConfig(
        ra=(float(lon),),
        dec=(float(lat),),
        radius=(math.degrees(circle.angle) + layout.border / 3600.0,),
        tract_overlap=0.0,
        pixel_scale=_scale(layout),
        projection=layout.projection,
        rotation=layout.rotation,
        patches=LegacyPatches(inner=(layout.patch_size, layout.patch_size), border=layout.patch_border),
    )
    return DiscreteSkyMap(config, name=name)


def _rectangle(hull: SkyPolygon, layout: FieldLayout, name: str) -> FieldSkyMap:
    # First about the middle of the circle, then about the middle of the rectangle found there.
    center = _rounded(np.array(hull.bounding_circle.axis))
    bounds = _bounds(hull, center, layout)
    middle = 0.5 * (bounds.x_min + bounds.x_max), 0.5 * (bounds.y_min + bounds.y_max)
    lon, lat = _wcs(center, layout).wcs_pix2world(*middle, 0)
    center = _rounded(from_lonlat(np.radians(float(lon)), np.radians(float(lat))))
    bounds = _bounds(hull, center, layout)
    margin = layout.border / _scale(layout)
    width = _ceil(2.0 * (max(-bounds.x_min, bounds.x_max) + margin))
    height = _ceil(2.0 * (max(-bounds.y_min, bounds.y_max) + margin))
    # One more, because the reference point is the centre of a pixel: an even number ends half a pixel short.
    return _field(center, (width + 1, height + 1), layout, name)


def _rounded(vector: np.ndarray) -> tuple[float, float]:
    lon, lat = np.degrees(to_lonlat(vector))
    return round(float(lon), _CENTER_DIGITS) % 360.0, round(float(lat), _CENTER_DIGITS)


def _wcs(center: tuple[float, float], layout: FieldLayout) -> Any:
    return tract_wcs(layout.projection, _scale(layout), center, rotation=layout.rotation)


def _bounds(hull: SkyPolygon, center: tuple[float, float], layout: FieldLayout) -> PixelBounds:
    return enclose(_wcs(center, layout), hull.vertices)


def _field(center: tuple[float, float], size: tuple[int, int], layout: FieldLayout, name: str) -> FieldSkyMap:
    counts = [math.ceil(pixels / layout.patch_size) for pixels in size]
    inner = math.ceil(size[0] / counts[0]), math.ceil(size[1] / counts[1])
    config = FieldConfig(
        ra=center[0],
        dec=center[1],
        width=size[0],
        height=size[1],
        pixel_scale=_scale(layout),
        projection=layout.projection,
        rotation=layout.rotation,
        patches=LegacyPatches(inner=inner, border=layout.patch_border),
    )
    return FieldSkyMap(config, name=name)
