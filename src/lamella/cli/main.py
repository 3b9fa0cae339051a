"""Entry point of the ``lamella`` command; its subcommands are imported when they are called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from .. import __version__

__all__ = ("main",)

_COMMANDS = {
    "coadd": ("lamella.cli.coadd", "Coadd exposures: one coadd per band and patch."),
    "warp": ("lamella.cli.warp", "Resample exposures to the pixels of a patch, one warp per visit."),
    "stack": ("lamella.cli.stack", "Combine warps on one pixel grid into a coadd."),
    "skymap": ("lamella.cli.skymap", "Make a sky map, or ask where a position or an exposure falls."),
    "inspect": ("lamella.cli.inspect", "Say what an exposure, a warp or a coadd holds."),
    "demo": ("lamella.cli.demo", "Simulate a small survey and coadd it."),
}


class _LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lamella")
def _lamella() -> None:
    """Deep coadds of astronomical exposures, with mask, variance, PSF and provenance."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; errors of lamella end in one line and exit status 1.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of the process.
    """
    from ..errors import LamellaError

    try:
        return _lamella.main(args=arguments, prog_name="lamella")
    except LamellaError as err:
        click.echo(f"Error: {err}", err=True)
        sys.exit(1)
