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

__all__ = ("GridOptions", "PositionType", "choose_skymap", "grid_options")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridOptions:
    """What a person said about the pixel grid."""

    skymap: str | None = None
    center: SkyCoord | None = None
    size: tuple[float, float] | None = None
    """Width and height in degrees."""
    scale: float | None = None
    """Arcseconds per pixel."""

    @classmethod
    def take(cls, given: dict[str, Any]) -> Self:
        """Take these options out of those of a command."""
        return cls(**{field.name: given.pop(field.name) for field in dataclasses.fields(cls)})


def choose_skymap(grid: GridOptions, exposures: Sequence[ExposureInfo]) -> SkyMap[Any]:
    """Return the sky map that was asked for, or one made around the exposures.

    Raises
    ------
    ConfigError
        Raised when the options contradict each other.
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
        return skymap_from_exposures(exposures, pixel_scale=grid.scale)
    if grid.center is None or grid.size is None:
        raise ConfigError("--center and --size go together.")
    scale = grid.scale or float(np.median([pixel_scale(info.projection, info.bbox) for info in exposures]))
    return skymap_for_area(grid.center, grid.size * u.deg, scale * u.arcsec)


def grid_options[F: Callable[..., Any]](function: F) -> F:
    """Add the options that fix the pixel grid."""
    options = (
        click.option(
            "--skymap",
            metavar="FILE",
            help="Sky map to use (see `lamella skymap`).  [default: made around the exposures]",
        ),
        click.option(
            "--center", type=PositionType(), help='Centre, as "RA,DEC" in degrees or "hh:mm:ss,dd:mm:ss".'
        ),
        click.option("--size", type=_Size(), help='Width, or "WIDTH,HEIGHT", in degrees.'),
        click.option(
            "--scale",
            type=click.FloatRange(0, min_open=True),
            help="Pixel scale, in arcsec.  [default: that of the exposures]",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


class PositionType(click.ParamType):
    """A position on the sky, as text."""

    name = "position"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SkyCoord:
        if isinstance(value, SkyCoord):
            return value
        text = ",".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)
        ra, comma, dec = text.partition(",")
        try:
            unit = "hourangle" if ":" in ra or "h" in ra else "deg"
            if not comma:
                raise ValueError("there is no comma")
            return SkyCoord(ra, dec, unit=(unit, "deg"), frame="icrs")
        except (ValueError, TypeError, NameResolveError) as err:
            self.fail(f"{text!r} is not a position: {err}", param, ctx)


class _Size(click.ParamType):
    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        parts = str(value).split(",") if not isinstance(value, list | tuple) else list(value)
        try:
            width, height = (float(part) for part in (parts * 2 if len(parts) == 1 else parts))
        except ValueError:
            self.fail(f"{value!r} is not a size in degrees", param, ctx)
        if not (0 < width < 90 and 0 < height < 90):
            self.fail(f"{value!r}: sizes are between 0 and 90 degrees", param, ctx)
        return width, height
