"""Sky maps on the terminal."""

from __future__ import annotations

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

__all__ = ("describe_skymap", "found_table")

_MANY = 20


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


def found_table(
    skymap: Path, exposures: Sequence[Path] = (), position: tuple[float, float] | None = None
) -> Table:
    """Return the tracts and patches of a position (ICRS, degrees), and those that exposures overlap."""
    grid = load_skymap(skymap)
    table = Table("what", "tract", "patches", box=None, pad_edge=False)
    if position is not None:
        center = SkyCoord(*position, unit="deg", frame="icrs")
        tract = grid.find_tract(center)
        table.add_row(center.to_string("decimal"), str(tract.id), tract.find_patch(center).label)
    for source in open_exposures(exposures, measure=False).sources if exposures else ():
        for tract, patches in grid.find_tract_patches(source.info.footprint):
            labels = " ".join(patch.label for patch in patches)
            table.add_row(str(source.info.id), str(tract.id), labels)
    return table
