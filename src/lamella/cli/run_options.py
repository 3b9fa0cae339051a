"""Options that the commands share: pixels, bands, patches, format, threads and memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from ..resources import Resources
from ..sky import KINDS
from .option_types import complete_or_file

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = (
    "COADD_OPTIONS",
    "MATCH_OPTIONS",
    "READ_OPTIONS",
    "SELECT_OPTIONS",
    "WARP_OPTIONS",
    "FormatType",
    "PositionType",
    "area_options",
    "count_cores",
    "dry_run_option",
    "format_option",
    "grid_options",
    "require_suffix",
    "resource_options",
    "strict_option",
    "take_resources",
    "workers_option",
)

# Options that have a name of their own on the command line; ``--set`` reaches all.
READ_OPTIONS = ("read.subtract_background", "read.background_mesh", "read.edge_width")
SELECT_OPTIONS = (
    "select.max_psf_fwhm",
    "select.min_psf_fwhm",
    "select.max_visits",
    "select.seeing_quantiles",
)
WARP_OPTIONS = ("warp.kernel", "warp.position_tolerance")
MATCH_OPTIONS = ("warp_type", "match.fwhm")
COADD_OPTIONS = (
    "assemble.reject.method",
    "assemble.statistic",
    "assemble.sigma_clip",
    "assemble.clip_iter",
    "assemble.flux_tolerance",
    "assemble.weights.rule",
    "assemble.bad_mask_planes",
    "assemble.fill_gaps",
    "assemble.correct_variance",
)


class FormatType(click.ParamType):  # type: ignore[type-arg]
    """Name of a format, or a file with the description of one; names are read when one is given."""

    name = "format"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or refuse it with those that there are."""
        from ..formats.readers import format_names
        from ..suggestions import nearest

        names = format_names()
        if not value.lower().endswith(".toml") and value not in names:
            told = f"{value!r} is not one of {', '.join(names)}, or a file NAME.toml{nearest(value, names)}"
            self.fail(told, param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names of formats, and let the shell add files."""
        from ..formats.readers import format_names

        return complete_or_file(format_names(), incomplete)


format_option = click.option(
    "--format",
    "format_name",
    type=FormatType(),
    metavar="NAME|FILE.toml",
    help="Format of the exposures, or a description of it.  [default: recognised from the headers]",
)

strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Guess nothing and leave out nothing: a file that cannot be used, or a value that no header and no "
    "table tells, is an error.",
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="INTEGER",
    help="Patches, visits or tiles worked on at a time.  [default: number of cores]",
)

dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be done, and about what it takes: exposures, patches, pixels, time, memory, disk. "
    "Nothing is written, and no pixels are read.",
)


def resource_options[F: Callable[..., Any]](consequence: str) -> Callable[[F], F]:
    """Make a decorator that adds the options of threads and memory, with the consequence of little memory."""
    memory = click.option(
        "--memory",
        type=click.FloatRange(16),
        metavar="NUMBER",
        default=2048.0,
        help=f"Memory to work in{consequence}.  [default: 2048 MiB]",
    )
    return lambda function: workers_option(memory(function))


def require_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Refuse a name of a file that says that it is something else.

    Raises
    ------
    ConfigError
        Raised when it has none of the suffixes, in small or capital letters.
    """
    if not path.name.lower().endswith(tuple(suffixes)):
        names = ", ".join(f"NAME{suffix}" for suffix in suffixes)
        raise ConfigError(f"{path}: found this name of a file to write; expected {names}.", option="output")


def take_resources(given: dict[str, Any]) -> Resources:
    """Take threads and memory out of the options of a command."""
    return Resources(threads=given.pop("workers") or count_cores(), memory=given.pop("memory"))


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grid_options[F: Callable[..., Any]](function: F) -> F:
    """Add the options that fix the pixel grid, and choose bands and patches."""
    skymap = click.option(
        "--skymap",
        type=_SkymapType(),
        metavar="FILE",
        help="Sky map to use, from `lamella skymap make`, or the name of a kind of sky map.  "
        "[default: one tract around the exposures]",
    )
    band = click.option("--band", "bands", multiple=True, help="This band only. Can be repeated.")
    tract = click.option(
        "--tract",
        "tracts",
        type=int,
        multiple=True,
        metavar="INTEGER",
        help="This tract only. Can be repeated.",
    )
    patch = click.option(
        "--patch", "patches", multiple=True, help='This patch only, e.g. "5,4". Can be repeated.'
    )
    return skymap(area_options(band(tract(patch(function)))))


def area_options[F: Callable[..., Any]](function: F) -> F:
    """Add the options that say for which area a sky map is made."""
    options = (
        click.option(
            "--grid",
            metavar="FILE[,HDU]",
            help="FITS image, or text file of header cards, whose pixels the coadd gets: its WCS and shape.",
        ),
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
        click.option(
            "--like-first/--north-up",
            default=False,
            help="Turn the pixels as those of the first exposure.  [default: north up]",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


class _SkymapType(click.ParamType):  # type: ignore[type-arg]
    """File of a sky map, or the name of a kind."""

    name = "skymap"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the kinds, and let the shell add files."""
        return complete_or_file(KINDS, incomplete)


class PositionType(click.ParamType):  # type: ignore[type-arg]
    """A position on the sky as text; its value is right ascension and declination in degrees."""

    name = "ra,dec"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Read degrees, or hours and degrees with colons or letters."""
        from astropy.coordinates import SkyCoord
        from astropy.coordinates.name_resolve import NameResolveError

        text = value if isinstance(value, str) else ",".join(map(str, value))
        ra, comma, dec = text.partition(",")
        try:
            unit = "hourangle" if ":" in ra or "h" in ra else "deg"
            if not comma:
                raise ValueError("there is no comma")
            position = SkyCoord(ra, dec, unit=(unit, "deg"), frame="icrs")
        except (ValueError, TypeError, NameResolveError) as err:
            self.fail(f"{text!r} is not a position: {err}", param, ctx)
        if not (math.isfinite(position.ra.deg) and math.isfinite(position.dec.deg)):
            self.fail(f"{text!r} is not a position: it is not finite", param, ctx)
        return float(position.ra.deg), float(position.dec.deg)


class _SizeType(click.ParamType):  # type: ignore[type-arg]
    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        sides = list(value) if isinstance(value, list | tuple) else str(value).split(",")
        try:
            width, height = (float(side) for side in (sides * 2 if len(sides) == 1 else sides))
        except ValueError:
            self.fail(f"{value!r} is not a size in degrees", param, ctx)
        if not (0 < width < 90 and 0 < height < 90):
            self.fail(f"{value!r}: sizes are between 0 and 90 degrees", param, ctx)
        return width, height
