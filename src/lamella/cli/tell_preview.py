"""What a dry run prints."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from ..report.record import Skipped
from ..report.wording import duration, number, percent
from ..run.preview import PatchPreview, RunPreview
from .console import Console
from .json_out import print_json
from .screen import echo
from .tell import tell_skipped

__all__ = ("tell_preview",)

_FEW = 40
"""Patches that are listed one by one."""


def tell_preview(preview: RunPreview, *, as_json: bool = False) -> None:
    """Print what a run would do; as JSON, its fields."""
    if as_json:
        print_json(preview.to_dict())
        return
    tell_skipped(preview.skipped, "Skipped")
    bands = ", ".join(f"{band} {count}" for band, count in preview.bands.items())
    echo(f"Exposures: {preview.exposures} (band {bands})")
    tracts = "" if preview.tracts == 1 else f", {preview.tracts} tracts"
    echo(f"Sky map:   {preview.skymap}{tracts}")
    for note in preview.notes:
        echo(note)
    if preview.to_measure:
        echo(
            f"{preview.to_measure} exposures do not tell their PSF or scale. They would be measured first, "
            "and what that gives may change which are used, and how."
        )
    Console().print(_table(preview.patches))
    tell_skipped(_left_out(preview.patches), "Left out by selection")
    for line in _totals(preview):
        echo(line)


def _table(patches: tuple[PatchPreview, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Band", "Patch"):
        table.add_column(name, no_wrap=True)
    for name in ("Visits", "Images", "Out", "Covered", "Depth", "Pixels", "CPU"):
        table.add_column(name, justify="right", no_wrap=True)
    for patch in patches[:_FEW]:
        table.add_row(*map(Text, _cells(patch)))
    if len(patches) > _FEW:
        table.add_row(Text("…"), Text(f"{len(patches) - _FEW} more"))
    return table


def _cells(patch: PatchPreview) -> Iterable[str]:
    yield patch.band
    yield patch.label
    yield str(patch.visits)
    yield str(patch.exposures)
    yield str(sum(patch.left_out.values()))
    yield percent(patch.covered)
    yield number(patch.depth, 1)
    yield f"{patch.width} × {patch.height}"
    yield "kept" if patch.kept else duration(patch.cpu_seconds)


def _left_out(patches: Iterable[PatchPreview]) -> Iterable[Skipped]:
    for patch in patches:
        for reason, count in patch.left_out.items():
            yield Skipped(f"{count} × band {patch.band}, patch {patch.label}", reason)


def _totals(preview: RunPreview) -> Iterable[str]:
    free = "" if preview.disk_free is None else f" ({_bytes(preview.disk_free)} free)"
    seconds = f"{duration(preview.wall_seconds)}; CPU {duration(preview.cpu_seconds)}"
    yield f"Time:      {seconds}; true within a factor of two"
    yield "           if nobody else uses the cores; compiling, after an installation, adds to it."
    yield f"Memory:    {_bytes(preview.memory * 2**20)}"
    yield f"Disk:      {_bytes(preview.disk)}{free}"
    yield "Nothing was written."


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:,.3g} GiB"
