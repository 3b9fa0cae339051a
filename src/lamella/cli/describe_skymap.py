"""Sky maps on the terminal."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from astropy.coordinates import SkyCoord
from rich.console import Group, RenderableType
from rich.table import Table

from ..formats.recognise import open_exposures
from ..sky.registry import load_skymap
from ..sky.skymap import SkyMap
from ..sky.tract import Tract

__all__ = ("Place", "describe_skymap", "find_places", "first_tracts", "found_table")

_FEW_TRACTS = 20
"""Tracts that are listed unless one is asked for."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a position or an exposure falls."""

    what: str
    """The position, or the exposure."""
    tract: int
    patches: tuple[str, ...]
    """By column and row."""


def first_tracts(skymap: SkyMap[Any]) -> list[Tract]:
    """Return the tracts of a sky map that are listed unless one is asked for."""
    return list(itertools.islice(skymap, _FEW_TRACTS))


def describe_skymap(skymap: SkyMap[Any], tracts: Sequence[Tract] | None = None) -> RenderableType:
    """Return a description of a sky map for the terminal."""
    head = Table(box=None, show_header=False, pad_edge=False)
    facts = {"name": skymap.name, "kind": skymap.kind, "tracts": len(skymap), **skymap.config.to_dict()}
    for name, value in facts.items():
        head.add_row(name, str(value))
    head.add_row("identity", skymap.identity)
    shown = tracts if tracts is not None else first_tracts(skymap)
    table = Table("tract", "centre", "pixels", "patches", box=None, pad_edge=False)
    for tract in shown:
        centre = tract.center.to_string("decimal", precision=6)
        size = f"{tract.bbox.x.size} x {tract.bbox.y.size}"
        table.add_row(str(tract.id), centre, size, f"{tract.n_patches.x} x {tract.n_patches.y}")
    more = len(skymap) - len(shown) if tracts is None else 0
    return Group(head, "", table, *([f"and {more} more tracts"] if more > 0 else []))


def find_places(
    skymap: Path, exposures: Sequence[Path] = (), position: tuple[float, float] | None = None
) -> list[Place]:
    """Return the tracts and patches of a position (ICRS, degrees), and those that exposures overlap."""
    grid = load_skymap(skymap)
    places: list[Place] = []
    if position is not None:
        center = SkyCoord(*position, unit="deg", frame="icrs")
        tract = grid.find_tract(center)
        places.append(Place(center.to_string("decimal"), tract.id, (tract.find_patch(center).label,)))
    for source in open_exposures(exposures, measure=False).sources if exposures else ():
        for tract, patches in grid.find_tract_patches(source.info.footprint):
            labels = tuple(patch.label for patch in patches)
            places.append(Place(str(source.info.id), tract.id, labels))
    return places


def found_table(places: Sequence[Place]) -> Table:
    """Return places for the terminal."""
    table = Table("what", "tract", "patches", box=None, pad_edge=False)
    for place in places:
        table.add_row(place.what, str(place.tract), " ".join(place.patches))
    return table
