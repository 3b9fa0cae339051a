"""``lamella skymap``: make a sky map, look at one, find places in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from astropy.coordinates import SkyCoord
from rich.console import Console, Group, RenderableType
from rich.table import Table

from ..errors import ConfigError, OutputError
from ..formats.recognise import open_exposures
from ..sky.footprint import footprint_polygon
from ..sky.registry import SKYMAP_KINDS, load_skymap, make_skymap
from ..sky.skymap import SkyMap
from ..sky.tract import Tract
from .grid import GridOptions, PositionType, area_options, choose_skymap
from .options import parse_setting

__all__ = ("command", "describe_skymap")

_MANY = 20


@click.group("skymap")
def command() -> None:
    """Make a sky map, or ask where a position or an exposure falls."""


@command.command("make")
@click.argument("exposures", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="JSON file to write.")
@click.option(
    "--kind",
    type=click.Choice(sorted(SKYMAP_KINDS)),
    metavar="KIND",
    help=f"Kind of a sky map that is not fitted: {', '.join(sorted(SKYMAP_KINDS))}.",
)
@area_options
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
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
    """Make a sky map: fitted around EXPOSURES or an area, or of a kind that covers the sky.

    \b
    lamella skymap make *.fits -o field.json --set patch_size=2000
    lamella skymap make --kind rings --set num_rings=120 -o rings.json
    """
    if output.exists() and not overwrite:
        raise OutputError(output, reason="it exists (use --overwrite)")
    grid, options = GridOptions.take(given), dict(parse_setting(one) for one in settings)
    if kind is not None:
        if exposures or grid:
            raise ConfigError(
                "A sky map is of a --kind, or is made around exposures or an area; choose one.", option="kind"
            )
        skymap = make_skymap(kind, options, name=name)
    else:
        sources = open_exposures(exposures).sources if exposures else ()
        skymap = choose_skymap(grid, [source.info for source in sources], name=name, **options)
    skymap.save(output)
    Console().print(describe_skymap(skymap))


@command.command("show")
@click.argument("skymap", type=click.Path(path_type=Path))
@click.option("--tract", type=int, metavar="INTEGER", help="Show this tract only.")
def show(skymap: Path, tract: int | None) -> None:
    """Show what SKYMAP is made of."""
    found = load_skymap(skymap)
    Console().print(describe_skymap(found, [found[tract]] if tract is not None else None))


@command.command("find")
@click.argument("skymap", type=click.Path(path_type=Path))
@click.argument("exposures", nargs=-1, type=click.Path(path_type=Path))
@click.option("--at", "position", type=PositionType(), help="A position.")
def find(skymap: Path, exposures: tuple[Path, ...], position: tuple[float, float] | None) -> None:
    """Find the tracts and patches of a position, or those that EXPOSURES overlap."""
    if position is None and not exposures:
        raise click.UsageError("Give exposures, or a position with --at.")
    found = load_skymap(skymap)
    table = Table("what", "tract", "patches", box=None, pad_edge=False)
    if position is not None:
        place = SkyCoord(*position, unit="deg", frame="icrs")
        tract = found.find_tract(place)
        table.add_row(place.to_string("decimal"), str(tract.id), tract.find_patch(place).label)
    for source in open_exposures(exposures).sources if exposures else ():
        for tract, patches in found.find_tract_patches(footprint_polygon(source.info)):
            labels = " ".join(patch.label for patch in patches)
            table.add_row(str(source.info.id), str(tract.id), labels)
    Console().print(table)


def describe_skymap(skymap: SkyMap[Any], tracts: Sequence[Tract] | None = None) -> RenderableType:
    """Return a description of a sky map for the terminal."""
    head = Table(box=None, show_header=False, pad_edge=False)
    facts = {"name": skymap.name, "kind": skymap.kind, "tracts": len(skymap), **skymap.config.to_dict()}
    for name, value in facts.items():
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
