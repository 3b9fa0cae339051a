"""``lamella skymap``: make a sky map, look at one, find places in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from astropy.coordinates import SkyCoord
from rich.console import Console, Group, RenderableType
from rich.table import Table

from ..errors import ConfigError, OutputError
from ..formats.recognise import open_exposures
from ..sky.footprint import footprint_polygon
from ..sky.registry import SKYMAP_KINDS, load_skymap, make_skymap
from ..sky.skymap import SkyMap
from ..sky.tract import Tract
from .grid import GridOptions, PositionType, choose_skymap, grid_options

__all__ = ("command", "describe_skymap")

_MANY = 20


@click.group("skymap")
def command() -> None:
    """Make a sky map, or ask where a position or an exposure falls."""


@command.command("make")
@click.argument("exposures", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="JSON file to write.")
@click.option(
    "--kind", type=click.Choice(sorted(SKYMAP_KINDS)), help="Kind of sky map, for one that is not fitted."
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Option of the kind. Can be repeated."
)
@click.option("--name", default="", help="Name of the sky map.  [default: from its kind and identity]")
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@grid_options
def make(
    exposures: tuple[Path, ...],
    output: Path,
    kind: str | None,
    settings: tuple[str, ...],
    name: str,
    overwrite: bool,
    **given: Any,
) -> None:
    """Make a sky map: fitted around EXPOSURES, or of a kind that covers the sky.

    \b
    lamella skymap make *.fits -o skymap.json
    lamella skymap make --kind rings --set num_rings=120 --set projection=TAN -o rings.json
    """
    if output.exists() and not overwrite:
        raise OutputError(output, reason="it exists (use --overwrite)")
    if kind is not None:
        if exposures:
            raise ConfigError("A sky map of a kind is not made around exposures: leave out one of them.")
        skymap = make_skymap(kind, _options(settings), name=name)
    else:
        sources = open_exposures(exposures).sources if exposures else ()
        skymap = choose_skymap(GridOptions.take(given), [source.info for source in sources])
    skymap.save(output)
    Console().print(describe_skymap(skymap))


@command.command("show")
@click.argument("skymap", type=click.Path(path_type=Path))
@click.option("--tract", type=int, help="Show this tract.")
def show(skymap: Path, tract: int | None) -> None:
    """Show what SKYMAP is made of."""
    found = load_skymap(skymap)
    Console().print(describe_skymap(found, [found[tract]] if tract is not None else None))


@command.command("find")
@click.argument("skymap", type=click.Path(path_type=Path))
@click.argument("exposures", nargs=-1, type=click.Path(path_type=Path))
@click.option("--at", "position", type=PositionType(), help='Position, as "RA,DEC".')
def find(skymap: Path, exposures: tuple[Path, ...], position: SkyCoord | None) -> None:
    """Find the tracts and patches of a position, or those that EXPOSURES overlap."""
    found = load_skymap(skymap)
    table = Table("what", "tract", "patches", box=None, pad_edge=False)
    if position is not None:
        tract = found.find_tract(position)
        table.add_row(position.to_string("decimal"), str(tract.id), tract.find_patch(position).label)
    for source in open_exposures(exposures).sources if exposures else ():
        for tract, patches in found.find_tract_patches(footprint_polygon(source.info)):
            labels = " ".join(patch.label for patch in patches)
            table.add_row(str(source.info.id), str(tract.id), labels)
    Console().print(table)


def describe_skymap(skymap: SkyMap[Any], tracts: Sequence[Tract] | None = None) -> RenderableType:
    """Return a description of a sky map for the terminal."""
    head = Table(box=None, show_header=False, pad_edge=False)
    config = {name: value for name, value in skymap.config.to_dict().items()}
    for name, value in {"name": skymap.name, "kind": skymap.kind, "tracts": len(skymap), **config}.items():
        head.add_row(name, str(value))
    head.add_row("identity", skymap.identity)
    shown = tracts if tracts is not None else [skymap[i] for i in range(min(len(skymap), _MANY))]
    table = Table("tract", "centre", "pixels", "patches", box=None, pad_edge=False)
    for tract in shown:
        centre = tract.center.to_string("decimal", precision=6)
        size = f"{tract.bbox.x.size} x {tract.bbox.y.size}"
        table.add_row(str(tract.id), centre, size, f"{tract.n_patches.x} x {tract.n_patches.y}")
    more = len(skymap) - len(shown) if tracts is None else 0
    return Group(head, "", table, *([f"and {more} more tracts"] if more > 0 else []))


def _options(settings: Sequence[str]) -> dict[str, Any]:
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: expected NAME=VALUE.", option=name, found=setting)
        values[name] = yaml.safe_load(text)
    return values
