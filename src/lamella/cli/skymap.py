"""``lamella skymap``: make a sky map, look at one, find positions in it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, OutputError
from ..run.choose_grid import GridOptions
from ..sky import KINDS
from ..startup import quick_imports
from .help import Group
from .json_out import json_option, print_json
from .option_types import Choice, complete
from .options import parse_setting
from .run_options import PositionType, area_options, require_suffix

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ("command",)


def _complete_settings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the options of the kind that is given, or of a sky map that is fitted."""
    from ..sky.field import FieldLayout
    from ..sky.registry import SKYMAP_KINDS

    kind = SKYMAP_KINDS.get(ctx.params.get("kind") or "")
    config = kind.config_class if kind is not None else FieldLayout
    return complete((f"{name}=" for name in config.model_fields), incomplete)


@click.group("skymap", cls=Group)
def command() -> None:
    """Make a sky map, or ask where a position or an exposure falls."""


@command.command(
    "make",
    examples=(
        "lamella skymap make *.fits -o field.json --set patch_size=2000",
        "lamella skymap make --kind rings --set num_rings=120 -o rings.json",
    ),
)
@click.argument("exposures", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="JSON file to write.")
@click.option(
    "--kind",
    type=Choice(KINDS),
    metavar="KIND",
    help=f"Kind of a sky map that is not fitted: {', '.join(KINDS)}.",
)
@area_options
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=_complete_settings,
    help="Option of the kind, or of one that is fitted, e.g. patch_size=2000. Can be repeated.",
)
@click.option("--name", default="", help="Name of the sky map.  [default: from its kind and identity]")
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
def make(
    exposures: tuple[Path, ...],
    output: Path,
    kind: str | None,
    settings: tuple[str, ...],
    name: str,
    overwrite: bool,
    **given: Any,
) -> None:
    """Make a sky map: fitted around EXPOSURES or an area, or of a kind that covers the sky."""
    require_suffix(output, (".json",))
    if output.exists() and not overwrite:
        raise OutputError(output, reason="it exists (use --overwrite)")
    grid, options = GridOptions.take(given), dict(map(parse_setting, settings))
    if kind is not None and (exposures or grid):
        raise ConfigError(
            "A sky map is of a --kind, or is made around exposures or an area; choose one.", option="kind"
        )
    with quick_imports():
        from ..formats.recognise import open_exposures
        from ..run.choose_grid import choose_skymap
        from ..sky.registry import make_skymap
        from .console import Console
        from .describe_skymap import describe_skymap
    if kind is not None:
        skymap = make_skymap(kind, options, name=name)
    else:
        sources = open_exposures(exposures, measure=False).sources if exposures else ()
        skymap = choose_skymap(grid, [source.info for source in sources], name=name, **options)
    skymap.save(output)
    Console().print(describe_skymap(skymap))


@command.command("show", examples=("lamella skymap show field.json",))
@click.argument("skymap", type=click.Path(path_type=Path))
@click.option("--tract", type=int, metavar="INTEGER", help="Show this tract only.")
@json_option
def show(skymap: Path, tract: int | None, as_json: bool) -> None:
    """Show what SKYMAP is made of."""
    with quick_imports():
        from ..sky.registry import load_skymap
        from .console import Console
        from .describe_skymap import describe_skymap
    grid = load_skymap(skymap)
    tracts = [grid[tract]] if tract is not None else None
    if as_json:
        from .inspect_values import skymap_values

        print_json(skymap_values(grid, tracts or list(grid)))
    else:
        Console().print(describe_skymap(grid, tracts))


@command.command("find", examples=("lamella skymap find field.json --at 150.1,2.2",))
@click.argument("skymap", type=click.Path(path_type=Path))
@click.argument("exposures", nargs=-1, type=click.Path(path_type=Path))
@click.option("--at", "position", type=PositionType(), help="A position.")
@json_option
def find(
    skymap: Path, exposures: tuple[Path, ...], position: tuple[float, float] | None, as_json: bool
) -> None:
    """Find the tracts and patches of a position, or those that EXPOSURES overlap."""
    if position is None and not exposures:
        raise click.UsageError("Give exposures, or a position with --at.")
    with quick_imports():
        from .console import Console
        from .describe_skymap import find_places, found_table
    places = find_places(skymap, exposures, position)
    if as_json:
        print_json([dataclasses.asdict(place) for place in places])
    else:
        Console().print(found_table(places))
