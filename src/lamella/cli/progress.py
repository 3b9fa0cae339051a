"""Progress of a command: bars on a terminal, and elsewhere a line from time to time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ("Steps", "show_progress")

type Steps = Callable[[int, int], None]
"""Takes the number of steps that are done, and that of all."""

_PATIENCE = 1.0
"""Seconds after which a part of a command is worth a word."""
_EVERY = 10.0
"""Seconds between lines."""


@contextlib.contextmanager
def show_progress(*, quiet: bool = False, console: Console | None = None) -> Iterator[tuple[Steps, Steps]]:
    """Show how far measuring and coadding are, while the context lasts.

    Parameters
    ----------
    quiet
        Whether nothing is shown.
    console
        Where to; by default standard error.

    Yields
    ------
    tuple
        What is to be called with the progress of measuring, in exposures, and with that of coadding.  The
        first shows nothing in its first second; elsewhere than on a terminal it prints lines, and the second
        nothing.
    """
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    silent = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=silent) as progress:
        lines = None if quiet or console.is_terminal else console
        yield _Part(progress, "Measuring", _PATIENCE, lines), _Part(progress, "Coadding", 0.0, None)


class _Part:
    """The progress of one part of a command."""

    def __init__(self, progress: Progress, name: str, patience: float, lines: Console | None) -> None:
        self._progress, self._patience, self._lines, self._name = progress, patience, lines, name
        self._task = progress.add_task(name, visible=False)
        self._begin: float | None = None
        self._told = -_EVERY

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._begin is None:
            self._begin = now
            self._progress.reset(self._task, visible=False)
        if now - self._begin < self._patience:
            return
        self._progress.update(self._task, completed=done, total=total, visible=True)
        if self._lines is not None and now - self._begin - self._told >= _EVERY:
            self._told = now - self._begin
            self._lines.print(f"{self._name}: {done} of {total} exposures.", highlight=False)
