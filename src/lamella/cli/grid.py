"""Options that say on which pixels coadds are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import astropy.units as u
import click
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.coordinates.name_resolve import NameResolveError

from ..coadd.inputs import ExposureInfo
from ..errors import ConfigError
from ..sky.field import skymap_for_area, skymap_from_exposures
from ..sky.footprint import pixel_scale
from ..sky.registry import SKYMAP_KINDS, load_skymap, make_skymap
from ..sky.skymap import SkyMap

__all__ = ("GridOptions", "PositionType", "area_options", "choose_skymap", "grid_options")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridOptions:
    """What a person said about the pixel grid."""

    skymap: str | None = None
    center: tuple[float, float] | None = None
    """Right ascension and declination in degrees, ICRS."""
    size: tuple[float, float] | None = None
    """Width and height in degrees."""
    scale: float | None = None
    """Arcseconds per pixel."""

    @classmethod
    def take(cls, given: dict[str, Any]) -> Self:
        """Take these options out of those of a command."""
        return cls(**{field.name: given.pop(field.name, None) for field in dataclasses.fields(cls)})

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return self != type(self)()


def choose_skymap(grid: GridOptions, exposures: Sequence[ExposureInfo], **options: Any) -> SkyMap[Any]:
    """Return the sky map that was asked for, or one made around the exposures.

    Parameters
    ----------
    grid
        What was asked for.
    exposures
        The exposures; there may be none where the options say it all.
    **options
        Further options of `lamella.sky.field.FieldLayout`, and the ``name``, for one that is made.

    Raises
    ------
    ConfigError
        Raised when the options contradict each other.
    NoInputsError
        Raised when neither the options nor exposures say which pixels.
    UnreadableFileError
        Raised when the file of the sky map is absent, damaged or something else.
    """
    if grid.skymap is not None:
        if grid.center is not None or grid.size is not None or grid.scale is not None:
            raise ConfigError(
                "--skymap fixes the pixel grid; --center, --size and --scale are for making one."
            )
        if grid.skymap in SKYMAP_KINDS:
            return make_skymap(grid.skymap)
        return load_skymap(Path(grid.skymap))
    if grid.center is None and grid.size is None:
        return skymap_from_exposures(exposures, pixel_scale=grid.scale, **options)
    if grid.center is None or grid.size is None:
        raise ConfigError("--center and --size go together.")
    if grid.scale is None and not exposures:
        raise ConfigError("--scale is needed where there are no exposures to take it from.", option="scale")
    scale = grid.scale or float(np.median([pixel_scale(info.projection, info.bbox) for info in exposures]))
    center = SkyCoord(*grid.center, unit="deg", frame="icrs")
    return skymap_for_area(center, grid.size * u.deg, scale * u.arcsec, **options)


def grid_options[F: Callable[..., Any]](function: F) -> F:
    """Add the options that fix the pixel grid."""
    return click.option(
        "--skymap",
        metavar="FILE",
        help="Sky map to use, from `lamella skymap make`, or the name of a kind of sky map.  "
        "[default: one tract around the exposures]",
    )(area_options(function))


def area_options[F: Callable[..., Any]](function: F) -> F:
    """Add the options that say for which area a sky map is made."""
    options = (
        click.option(
            "--center",
            type=PositionType(),
            help='Centre of the coadd, as "RA,DEC" in degrees or "hh:mm:ss,dd:mm:ss"; with --size.',
        ),
        click.option(
            "--size",
            type=_SizeType(),
            help='Size of the coadd: its side, or "WIDTH,HEIGHT"; with --center.  [degrees]',
        ),
        click.option(
            "--scale",
            type=click.FloatRange(0, min_open=True),
            metavar="NUMBER",
            help="Size of a pixel of the coadd.  [arcsec; default: the median of the exposures]",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


class PositionType(click.ParamType):  # type: ignore[type-arg]
    """A position on the sky as text; its value is right ascension and declination in degrees."""

    name = "ra,dec"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Read degrees, or hours and degrees with colons or letters."""
        text = value if isinstance(value, str) else ",".join(str(part) for part in value)
        ra, comma, dec = text.partition(",")
        try:
            unit = "hourangle" if ":" in ra or "h" in ra else "deg"
            if not comma:
                raise ValueError("there is no comma")
            place = SkyCoord(ra, dec, unit=(unit, "deg"), frame="icrs")
        except (ValueError, TypeError, NameResolveError) as err:
            self.fail(f"{text!r} is not a position: {err}", param, ctx)
        if not (np.isfinite(place.ra.deg) and np.isfinite(place.dec.deg)):
            self.fail(f"{text!r} is not a position: it is not finite", param, ctx)
        return float(place.ra.deg), float(place.dec.deg)


class _SizeType(click.ParamType):  # type: ignore[type-arg]
    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        parts = list(value) if isinstance(value, list | tuple) else str(value).split(",")
        try:
            width, height = (float(part) for part in (parts * 2 if len(parts) == 1 else parts))
        except ValueError:
            self.fail(f"{value!r} is not a size in degrees", param, ctx)
        if not (0 < width < 90 and 0 < height < 90):
            self.fail(f"{value!r}: sizes are between 0 and 90 degrees", param, ctx)
        return width, height
