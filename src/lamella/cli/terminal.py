"""Tables and texts of the descriptions of files, in 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from lsst.images import Box, SkyProjection
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..sky.footprint import pixel_scale
from ..visible import visible

__all__ = ("box_text", "facts_table", "place_facts", "rows_table")

_NEVER_FOLDED = ("visit", "det", "band", "centre (deg)", "pixels", "mask plane")


def facts_table(title: object, facts: Mapping[str, str]) -> Table:
    """Put facts below one another: names and texts."""
    table = Table(
        title=Text(visible(str(title))), title_justify="left", box=None, show_header=False, pad_edge=False
    )
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(Text(visible(name)), Text(visible(text)))
    return table


def rows_table(rows: Sequence[Mapping[str, str]], *, title: str = "") -> RenderableType:
    """Put rows into a table whose head are the keys of the first one."""
    table = Table(
        title=Text(visible(title), style="bold") if title else None,
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for name in rows[0]:
        table.add_column(Text(visible(name)), overflow="fold", no_wrap=name in _NEVER_FOLDED)
    for row in rows:
        # Text, not str: a bracket in a file name is no markup.
        table.add_row(*(Text(visible(value)) for value in row.values()))
    return Group("", table)


def place_facts(bbox: Box, projection: SkyProjection[Any] | None) -> dict[str, str]:
    """Say where pixels are: the box, and centre and scale on the sky."""
    facts = {"pixels": box_text(bbox)}
    if projection is None:
        return facts
    centre = projection.pixel_to_sky(x=bbox.x.center, y=bbox.y.center)
    scale = pixel_scale(projection, bbox)
    position = SkyCoord(centre.ra, centre.dec)
    return facts | {
        "centre": f"{position.to_string('hmsdms', sep=':', precision=2)}  "
        f"({position.ra.deg:.6f} {position.dec.deg:+.6f} deg, ICRS)",
        "scale": f"{scale:.4f} arcsec per pixel; "
        f"{_angle(bbox.x.size * scale)} × {_angle(bbox.y.size * scale)}",
    }


def box_text(bbox: Box) -> str:
    """Return a box as text: its size, first and last pixels."""
    return (
        f"{bbox.x.size} × {bbox.y.size}, x {bbox.x.start} to {bbox.x.stop - 1}, "
        f"y {bbox.y.start} to {bbox.y.stop - 1}"
    )


def _angle(arcsec: float) -> str:
    angle = arcsec * u.arcsec
    if arcsec < 100:
        return f"{arcsec:.1f} arcsec"
    return f"{angle.to_value(u.arcmin):.2f} arcmin" if arcsec < 6000 else f"{angle.to_value(u.deg):.3f} deg"
