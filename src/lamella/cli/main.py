"""Entry point of the ``lamella`` command.

Its subcommands are imported when they are called.  Their modules hold no more
than options; what does the work is imported once it is known what to do, so
that help, and a word about an option that is wrong, come at once.
"""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

import click

from .. import __version__
from ..startup import lighten_exit
from .help import Group
from .process import Process
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

_FAILED, _MISUSED = 1, 2


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


class _SignalInterrupt(KeyboardInterrupt):
    """A signal that ends a run as Ctrl-C does, so that folders are cleared and workers stopped."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Treat what batch systems and closing terminals send as an interrupt; what is ignored stays ignored."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)  # one is enough, and more would break off the tidying up
        raise _SignalInterrupt(signal.Signals(number))

    taken = []
    if threading.current_thread() is threading.main_thread():
        ends = (signal.SIGTERM, signal.SIGHUP)
        taken = [number for number in ends if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The status is 0 when all went well, 1 when something could not be read,
    made or written, 2 when the command or its options were wrong, and 128 plus
    the number of the signal after one that ends the run: 130 for an interrupt
    (SIGINT), 143 for SIGTERM, 129 for SIGHUP.  An error is told in one line.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of the process.
    """
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    from ..errors import ConfigError, LamellaError

    try:
        with _signals_interrupt():
            process = Process(ends=arguments is None)
            status = _lamella.main(args=arguments, prog_name="lamella", standalone_mode=False, obj=process)
    except click.ClickException as err:
        show_error(err)
        return err.exit_code
    except click.Abort as err:
        number = err.__cause__.number if isinstance(err.__cause__, _SignalInterrupt) else signal.SIGINT
        what = "Interrupted" if number == signal.SIGINT else f"Ended by {number.name}"
        return _say(f"{what}. What is finished is kept, and the same command continues.", 128 + number)
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
