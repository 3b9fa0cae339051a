"""What ``--help`` looks like: options in sections, an example, the width of the terminal, colour."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

__all__ = ("Command", "Group", "sections_of")

_WIDEST = 120
"""Longer lines are hard to read."""
_WHOLE = 1000
"""Letters of a sentence, however long."""
_FEW = 10
"""Options that need no sections."""
_NAMES_WIDTH = 34
"""Names of options that are longer have a line of their own."""
_NARROW, _NARROW_NAMES_WIDTH = 100, 30
"""The same where there are fewer columns."""

_SECTIONS = {
    "Input": (
        *("format", "strict", "bright-objects", "image-hdu", "noise", "gain", "read-noise", "saturation"),
        *("subtract-background", "background-mesh", "edge-width", "sky", "normalize"),
    ),
    "Output": (
        *("output", "plain", "artifacts", "keep-warps", "compress", "overwrite"),
        *("copy", "run", "dataset-prefix", "dry-run", "json"),
    ),
    "Selection": ("band", "max-psf-fwhm", "min-psf-fwhm", "max-visits", "seeing-quantiles"),
    "Grid": ("skymap", "tract", "patch", "kind", "grid", "center", "size", "scale", "like-first", "name"),
    "Resampling": ("kernel", "position-tolerance", "psf-matched", "match-fwhm"),
    "Rejection": ("reject",),
    "Combination": (
        *("statistic", "sigma-clip", "clip-iter", "flux-tolerance", "weights"),
        *("bad-mask-planes", "fill-gaps", "correct-variance"),
    ),
    "Options": ("config", "set", "show-config"),
    "Machine": ("workers", "memory", "dask"),
    "Messages": ("quiet", "verbose", "log", "help"),
}
"""Names of options by the section that they are listed in; what has no place is last, under "Other"."""

_SECTION_OF = {name: section for section, names in _SECTIONS.items() for name in names}


def sections_of(options: Sequence[click.Option]) -> dict[str, list[click.Option]]:
    """Return options by the titles of their sections in the help; few have a single one."""
    if len(options) <= _FEW:
        return {"Options": list(options)}
    sections: dict[str, list[click.Option]] = {title: [] for title in (*_SECTIONS, "Other")}
    for option in options:
        sections[_SECTION_OF.get(max(option.opts, key=len).lstrip("-"), "Other")].append(option)
    return {title: members for title, members in sections.items() if members}


class _Formatter(click.HelpFormatter):
    """Writes help as wide as the terminal, and in colour where that is one."""

    def __init__(self, **_: Any) -> None:
        columns = shutil.get_terminal_size().columns
        super().__init__(width=max(min(columns, _WIDEST) - 2, 50))
        self._in_color = _has_color()

    def write_heading(self, heading: str) -> None:
        super().write_heading(self._style(heading, bold=True))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or f"{self._style('Usage:', bold=True)} ")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        styled = [(self._style(name, fg="cyan"), text) for name, text in rows]
        super().write_dl(styled, _names_width(self), col_spacing)

    def _style(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self._in_color else text


def _names_width(formatter: click.HelpFormatter) -> int:
    return _NAMES_WIDTH if formatter.width >= _NARROW else _NARROW_NAMES_WIDTH


def _has_color() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class _Context(click.Context):
    formatter_class = _Formatter


class Command(click.Command):
    """A command whose help has sections and ends in examples.

    Parameters
    ----------
    examples
        Command lines.
    """

    context_class = _Context

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options: in sections if there are many."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        records = {option: option.get_help_record(ctx) for option in options}
        names = max((len(record[0]) for record in records.values() if record), default=0)
        for title, members in sections_of(options).items():
            with formatter.section(title):
                rows = [record for option in members if (record := records[option])]
                # Texts begin in one column in all sections.
                formatter.write_dl(
                    [(rows[0][0].ljust(min(names, _names_width(formatter))), rows[0][1]), *rows[1:]]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Example" if len(self.examples) == 1 else "Examples"):
                formatter.write("".join(f"  {example}\n" for example in self.examples))


class Group(click.Group):
    """A group of such commands that says what may have been meant."""

    context_class = _Context
    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with its first sentence, whole."""
        members = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [(name, member.get_short_help_str(_WHOLE)) for name, member in members.items() if member]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of that name; refuse an unknown one with the name that is most like it."""
        name = str(args[0])
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            from ..suggestions import nearest

            ctx.fail(f"No such command {name!r}{nearest(name, self.list_commands(ctx)) or '.'}")
        return super().resolve_command(ctx, args)
