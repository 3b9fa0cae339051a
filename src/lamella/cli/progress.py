"""How far a command is: a bar on a terminal, and elsewhere a line from time to time."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..kernels.watch import watch
from ..report.wording import duration
from ..run.events import COMPILING
from ..run.progress import Progress as Step
from .console import Console

__all__ = ("PREFIX", "Reporter", "show_progress")

_LOG = logging.getLogger(__name__)
PREFIX = "lamella: "
"""With this begins what is told meanwhile where there is no terminal."""
_PATIENCE = 1.0
"""Seconds after which measuring is worth a word."""
_EVERY = 60.0
"""Seconds between lines, at least."""
_COMPILING = "Compiling kernels, first run only (about a minute)."


@contextlib.contextmanager
def show_progress(
    *, quiet: bool = False, console: Console | None = None, told: set[str] | None = None
) -> Iterator[Reporter]:
    """Show how far a command is, while the context lasts.

    Parameters
    ----------
    quiet
        Whether nothing is shown; it is logged all the same.
    console
        Where to; by default standard error.
    told
        What was said before, and is not said again.
    """
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    silent = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=silent, expand=True) as bars:
        reporter = Reporter(bars, None if quiet else console, told)
        with watch.heard(reporter.compiling):
            yield reporter


class Reporter:
    """Tells how far a command is; it may be called from several threads.

    Parameters
    ----------
    bars
        Shown on a terminal.
    console
        Gets lines; `None` for who wants none.
    told
        What was said before, and is not said again.
    """

    def __init__(self, bars: Progress, console: Console | None, told: set[str] | None = None) -> None:
        self._bars, self._console = bars, console
        self._said = set() if told is None else told
        self._compiling_since: float | None = None
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._told = time.monotonic()

    def measured(self, done: int, total: int) -> None:
        """Tell how many exposures are measured; nothing in the first second."""
        if self._since("measuring") >= _PATIENCE:
            _LOG.info("Measuring: %d of %d exposures.", done, total)
            self._show(
                "measuring", done, total, done / total if total else 1.0, unit="exposures", count=total
            )

    def stepped(self, stage: str, done: int, total: int) -> None:
        """Tell of a step of a stage, where there is one result only."""
        fraction = done / total if total else 1.0
        self._log("", stage, done, total)
        self._show(stage, done, total, fraction, unit="steps" if stage == "stacking" else "", count=total)

    def progressed(self, step: Step) -> None:
        """Tell of a step of a run."""
        if step.stage == COMPILING:
            self.compiling("")
            return
        self._log(f"{step.job}: ", step.stage, step.done, step.total)
        self._since("run")
        text = f"{step.job} {step.stage}"
        self._show(text, step.done, step.total, step.fraction, unit="visits", count=step.visits)

    def compiling(self, kernel: str) -> None:
        """Say, once, that kernels are compiled."""
        with self._lock:
            if self._compiling_since is None:
                self._compiling_since = time.monotonic()
            if _COMPILING in self._said:
                return
            self._said.add(_COMPILING)
        _LOG.info(_COMPILING)
        if self._console is not None:
            text = _COMPILING if self._console.is_terminal else PREFIX + _COMPILING
            self._bars.console.print(text, highlight=False, markup=False)

    def _log(self, job: str, stage: str, done: int, total: int) -> None:
        level = logging.DEBUG if stage == "stacking" and done < total else logging.INFO
        _LOG.log(level, "%s%s %d of %d", job, stage, done, total)

    def _since(self, part: str) -> float:
        """Return for how many seconds a part of the command goes on."""
        now = time.monotonic()
        return now - self._begun.setdefault(part, now)

    def _show(self, text: str, done: int, total: int, fraction: float, *, unit: str, count: int) -> None:
        if self._console is None:
            return
        if done:
            self._leave_out_compiling()
        elapsed = self._since("run" if unit == "visits" else text)
        pace = _pace(count * fraction / elapsed, unit) if elapsed > _PATIENCE and unit and fraction else ""
        what = f"{text} {done}/{total}"
        with self._lock:
            if self._console.is_terminal:
                self._move(what, fraction, pace)
            elif done > 0 and time.monotonic() - self._told >= _EVERY:
                self._told = time.monotonic()
                left = f"about {duration(elapsed * (1 - fraction) / fraction)} left" if fraction else ""
                facts = ", ".join(filter(None, (f"{fraction:.0%} of all", pace, left)))
                self._console.print(
                    f"{PREFIX}{what}; {facts}.", highlight=False, markup=False, soft_wrap=True
                )

    def _leave_out_compiling(self) -> None:
        """Have the time of compiling not count as that of the steps."""
        with self._lock:
            since, self._compiling_since = self._compiling_since, None
            if since is not None:
                now = time.monotonic()
                self._begun = {part: begin + now - max(begin, since) for part, begin in self._begun.items()}

    def _move(self, what: str, fraction: float, pace: str) -> None:
        if self._task is None:
            self._task = self._bars.add_task(what, total=1.0, pace=pace)
        self._bars.update(self._task, description=what, completed=fraction, pace=pace)


def _pace(per_second: float, unit: str) -> str:
    """Return a rate as text, e.g. ``"1.2 visits/s"``."""
    if per_second >= 0.1:
        return f"{per_second:.2g} {unit}/s" if per_second < 10 else f"{per_second:.0f} {unit}/s"
    return f"{60 * per_second:.2g} {unit}/min"
