"""The summary of a run for the terminal."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ..data.origins import OriginSummary
from ..visible import visible
from .record import CoaddRecord, Skipped, alike_once
from .wording import depth, duration, number, reasons

__all__ = ("origins_table", "skipped_table", "summary_table")

_CAPTION = "Patch: tract · column,row. Used, Out: images of detectors."
_WIDEST_NAME = 30
"""Characters of a word that a column of a narrow terminal has room for."""


def summary_table(records: Iterable[CoaddRecord]) -> Table:
    """Return one line per coadd: inputs, rejections with reasons, depth, PSF width and time.

    Below it stands what is counted.  The table fits into 80 columns.  The depth is a magnitude, and a flux
    of a coadd whose fluxes have none.
    """
    records = tuple(records)
    absolute = all(record.summary.fluxes.is_absolute for record in records)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False, caption=_CAPTION, caption_justify="left")
    table.add_column("Band", no_wrap=True)
    table.add_column("Patch", no_wrap=True)
    for name in ("Used", "Out"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Why left out", ratio=1, overflow="fold")
    for name in ("5σ mag" if absolute else "5σ", "PSF ″", "Time"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in records:
        summary = record.summary
        cells = (
            summary.band,
            summary.label,
            str(summary.detectors),
            str(summary.rejected_count),
            "\n".join(reasons(summary.rejected)),
            number(summary.depth) if absolute else depth(summary),
            number(summary.psf_fwhm),
            "kept" if record.kept else duration(summary.seconds),
        )
        table.add_row(*map(_text, cells))
    return table


def _text(cell: str) -> Text:
    """Return a cell as others wrote it: Text, not str, because a bracket in a file name is no markup."""
    return Text(visible(cell))


def origins_table(origins: Iterable[OriginSummary]) -> Table:
    """Return one line per value of the exposures and way in which it was got: header, measured or assumed."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Taken from", title_justify="left")
    for name in ("Value", "From", "How", "Exposures", "Is"):
        table.add_column(name, overflow="fold", justify="right" if name == "Exposures" else "left")
    for origin in origins:
        table.add_row(*map(_text, (origin.name, origin.kind, origin.how, str(origin.count), origin.values)))
    return table


def skipped_table(skipped: Iterable[Skipped], *, title: str = "") -> RenderableType:
    """Return one line per cause for which things are not in the results, with a count.

    Names that would be broken in a column, such as long paths, get lines of their own, above the
    reasons; those lines may be longer than the terminal is wide: print them without cropping.
    """
    causes = alike_once(skipped)
    if any(len(word) > _WIDEST_NAME for item in causes for word in item.what.split()):
        return _Listed(causes, title)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left")
    table.add_column("What", overflow="fold", ratio=2)
    table.add_column("Reason", overflow="fold", ratio=3)
    for item in causes:
        table.add_row(_text(item.what), _text(item.reason))
    return table


@dataclasses.dataclass(frozen=True)
class _Listed:
    """Causes below one another: a line for the thing, and the reason indented below it."""

    causes: Sequence[Skipped]
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.title:
            yield Text(self.title, style="italic")
        for item in self.causes:
            yield Text(item.what, no_wrap=True, overflow="ignore")
            # Rich would break long words; a terminal shows them as well, and they can be copied.
            width = max(options.max_width - 4, 20)
            lines = textwrap.wrap(item.reason, width, break_long_words=False, break_on_hyphens=False)
            for line in lines:
                yield Text(f"    {line}", no_wrap=True, overflow="ignore")
