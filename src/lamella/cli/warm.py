"""``lamella warm``: compile everything once."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from ..startup import quick_imports
from .help import Command
from .voice import open_voice, voice_options

__all__ = ("command",)


@click.command("warm", cls=Command, examples=("lamella warm",))
@voice_options
@click.pass_context
def command(ctx: click.Context, /) -> None:
    """Compile what lamella computes with, so that no later run has to wait for it.

    The compiled code is kept beside the package, where it serves all users, or
    where the environment variable NUMBA_CACHE_DIR says; by a user who can write
    neither, in the cache folder of the home. What was compiled before takes no time.
    """
    with open_voice(ctx, "compiling") as voice:
        with quick_imports():
            from rich.table import Table

            from .console import Console
            from .warm_run import do_everything
        table = Table("What", "Seconds", title="Compiled")
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="lamella") as folder:
            for what in do_everything(Path(folder)):
                now = time.perf_counter()
                table.add_row(what, f"{now - start:.1f}")
                start = now
        if not voice.quiet:
            Console().print(table)
