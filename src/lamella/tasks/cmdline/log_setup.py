"""The log of a command: levels by component, a short and a long form, a label for the data."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import logging
import sys
from collections.abc import Iterator
from typing import TextIO

from ...visible import visible

__all__ = ("LEVELS", "LogSettings", "label", "parse_level", "python_level", "set_up_log")

LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
"""Levels by their names on the command line."""

_OURS = ("lamella", "lsst", "timer")
"""What a level without a component is for: other packages would drown it."""

_SHORT = "%(name)s %(levelname)s: %(message)s"
_LONG = "%(levelname)-5s %(asctime)s %(name)s (%(label)s)(%(filename)s:%(lineno)d)- %(message)s"

_LABEL: contextvars.ContextVar[str] = contextvars.ContextVar("label", default="")


@dataclasses.dataclass(frozen=True)
class LogSettings:
    """Levels and form of the log; picklable, for the processes of a run.

    Parameters
    ----------
    levels
        Pairs of a component and a level; the component "" is everything of ours.
    long
        Whether to write times, labels and places in the code.
    """

    levels: tuple[tuple[str, int], ...] = ()
    long: bool = False


def parse_level(text: str) -> tuple[str, int]:
    """Return the component and the level of ``LEVEL`` or ``COMPONENT=LEVEL``.

    Raises
    ------
    ValueError
        Raised when there is no such level.
    """
    component, _, name = text.rpartition("=")
    level = LEVELS.get(name.lower().removesuffix("ing"))
    if level is None:
        raise ValueError(f"{name!r} is not a log level; there are: {', '.join(LEVELS)}")
    return component, level


def python_level(level: int) -> int:
    """Return a level of Python for one of Python, or one of the manual's time, where DEBUG is 10000."""
    return level // 1000 if level >= 1000 else level


def set_up_log(settings: LogSettings) -> None:
    """Write the log of this process to its standard error, as the settings say.

    The task ``assembleCoadd`` logs as ``lamella.assembleCoadd``: a component is
    found by either name.  The component ``.`` is every package.
    """
    logging.addLevelName(LEVELS["trace"], "TRACE")
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _CommandHandler)]:
        root.removeHandler(handler)
    root.addHandler(_CommandHandler(_LONG if settings.long else _SHORT))
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("lsst.utils.packages").setLevel(logging.ERROR)  # warns that eups is absent, as it is
    for component, level in settings.levels:
        names = (component, f"lamella.{component}") if component else _OURS
        for name in ("root",) if component == "." else names:
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def label(text: str) -> Iterator[None]:
    """Label the messages of a block with the data that it works on."""
    token = _LABEL.set(text)
    try:
        yield
    finally:
        _LABEL.reset(token)


class _CommandHandler(logging.Handler):
    """Writes to what is standard error at the moment, as tests and notebooks exchange it."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(form))

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        record.label = _LABEL.get()
        try:
            self.stream.write(visible(self.format(record)) + "\n")
        except Exception:
            self.handleError(record)
