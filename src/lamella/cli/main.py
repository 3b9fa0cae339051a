"""Entry point of the ``lamella`` command.

Its subcommands are imported when they are called.  Their modules hold no more
than options; what does the work is imported once it is known what to do, so
that help, and a word about an option that is wrong, come at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from .. import __version__
from ..startup import lighten_exit
from .help import Group
from .screen import echo, show_error

__all__ = ("main",)

lighten_exit()

_COMMANDS = {
    "coadd": "Coadd exposures: one coadd per band and patch.",
    "warp": "Resample exposures to the pixels of a patch, one warp per visit.",
    "stack": "Combine warps on one pixel grid into a coadd.",
    "describe": "Write the exposure table of files, with all that is known or measured of them.",
    "formats": "List what is read, show a description, or check one of your own.",
    "skymap": "Make a sky map, or ask where a position or an exposure falls.",
    "inspect": "Say what an exposure, a warp, a coadd or a sky map holds.",
    "export": "Write warps and coadds for other software, e.g. the C++ stack of LSST.",
    "butler": "Make, fill, export and clean a Butler repository of the LSST middleware.",
    "demo": "Simulate a small survey and coadd it.",
    "warm": "Compile everything once, so that no later run waits for it.",
}
"""Modules of this package, each with a ``command``."""

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130


class _LazyGroup(Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"{__package__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="lamella")
def _lamella() -> None:
    """Deep coadds of astronomical exposures, with mask, variance, PSF and provenance."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The status is 0 when all went well, 1 when something could not be read,
    made or written, 2 when the command or its options were wrong, and 130 after
    an interrupt.  An error is told in one line.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of the process.
    """
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    from ..errors import ConfigError, LamellaError

    try:
        status = _lamella.main(args=arguments, prog_name="lamella", standalone_mode=False)
    except click.ClickException as err:
        show_error(err)
        return err.exit_code
    except click.Abort:
        return _say("Interrupted. What is finished is kept, and the same command continues.", _INTERRUPTED)
    except LamellaError as err:
        text = " ".join(str(err).split())
        return _say(f"Error: {text}", _MISUSED if isinstance(err, ConfigError) else _FAILED)
    except OSError as err:
        reason = err.strerror or str(err) or type(err).__name__
        return _say(f"Error: {err.filename}: {reason}." if err.filename else f"Error: {reason}.", _FAILED)
    return status if isinstance(status, int) else 0


def _say(text: str, status: int) -> int:
    echo(text, err=True)
    return status


if __name__ == "__main__":
    main()
