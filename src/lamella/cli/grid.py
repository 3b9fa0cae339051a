"""Options that say on which pixels coadds are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

__all__ = ("PositionType", "area_options", "grid_options")


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
        from astropy.coordinates import SkyCoord
        from astropy.coordinates.name_resolve import NameResolveError

        text = value if isinstance(value, str) else ",".join(str(part) for part in value)
        ra, comma, dec = text.partition(",")
        try:
            unit = "hourangle" if ":" in ra or "h" in ra else "deg"
            if not comma:
                raise ValueError("there is no comma")
            place = SkyCoord(ra, dec, unit=(unit, "deg"), frame="icrs")
        except (ValueError, TypeError, NameResolveError) as err:
            self.fail(f"{text!r} is not a position: {err}", param, ctx)
        if not (math.isfinite(place.ra.deg) and math.isfinite(place.dec.deg)):
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
