"""Entry points of the documented commands."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from ...startup import quick_imports
from ..cmdline.command_words import command_words
from ..cmdline.status import EXIT_NOT_STARTED
from .switches import SWITCHES

__all__ = ("assemble_coadd", "make_coadd_temp_exp", "make_discrete_sky_map", "make_sky_map")

_ASSEMBLERS = {
    "assembleCoadd": ("assembleCoadd", "AssembleCoaddTask"),
    "safeClipAssembleCoadd": ("safeClipAssembleCoadd", "SafeClipAssembleCoaddTask"),
    "compareWarpAssembleCoadd": ("compareWarpAssembleCoadd", "CompareWarpAssembleCoaddTask"),
}


def make_sky_map(args: Sequence[str] | None = None) -> None:
    """Run ``makeSkyMap.py``."""
    _task("makeSkyMap", "MakeSkyMapTask").parseAndRun(_arguments(args))


def make_discrete_sky_map(args: Sequence[str] | None = None) -> None:
    """Run ``makeDiscreteSkyMap.py``."""
    _task("makeDiscreteSkyMap", "MakeDiscreteSkyMapTask").parseAndRun(_arguments(args))


def make_coadd_temp_exp(args: Sequence[str] | None = None) -> None:
    """Run ``makeCoaddTempExp.py``."""
    _task("makeCoaddTempExp", "MakeCoaddTempExpTask").parseAndRun(_arguments(args))


def assemble_coadd(args: Sequence[str] | None = None) -> None:
    """Run ``assembleCoadd.py``; the switches choose the task."""
    rest, task = choose_task(_arguments(args))
    _task(*_ASSEMBLERS[task]).parseAndRun(rest)


def _task(module: str, name: str) -> Any:
    """Import a task; without the middleware, say what to install and end."""
    try:
        with quick_imports():
            return getattr(importlib.import_module(f".{module}", __package__), name)
    except ModuleNotFoundError as err:
        if not (err.name or "").startswith("lsst."):
            raise
        sys.stderr.write("Error: This command needs the LSST middleware: pip install 'lamella[lsst]'.\n")
        sys.exit(EXIT_NOT_STARTED)


def choose_task(args: Sequence[str]) -> tuple[list[str], str]:
    """Return the arguments without the switches that choose a task, and its name.

    Parameters
    ----------
    args
        Arguments; ``--legacyCoadd`` and ``--warpCompareCoadd`` (or
        ``--compareWarpCoadd``) may stand anywhere, also in files of options behind the input.
    """
    if args and not args[0].startswith("@"):
        with contextlib.suppress(OSError, ValueError):  # which the parser will meet, and tell
            args = command_words(args, ("--id", "--selectId"))
    tasks = [SWITCHES[arg] for arg in args if arg in SWITCHES]
    if len(set(tasks)) > 1:
        sys.stderr.write(
            "assembleCoadd.py: error: --legacyCoadd and --warpCompareCoadd exclude each other.\n"
        )
        sys.exit(2)
    return [arg for arg in args if arg not in SWITCHES], tasks[0] if tasks else "safeClipAssembleCoadd"


def _arguments(args: Sequence[str] | None) -> list[str]:
    return list(sys.argv[1:] if args is None else args)
