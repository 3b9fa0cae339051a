"""How much a command says, and its log: the options -q, -v and --log."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import platform
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import LamellaError, OutputError
from ..visible import visible
from .screen import echo

if TYPE_CHECKING:
    from .progress import Reporter

__all__ = ("LOG_ONLY", "Voice", "open_voice", "voice_options")

_LOG = logging.getLogger(__name__)
LOG_ONLY = {"log_only": True}
"""Marks a record (``extra``) of what the terminal gets in another form."""


def voice_options[F: Callable[..., Any]](function: F) -> F:
    """Add the options that say how much a command says; `open_voice` takes them from its context."""
    keep: dict[str, Any] = {"expose_value": False, "callback": _keep}
    options = (
        click.option("-q", "--quiet", is_flag=True, help="Say only what went wrong.", **keep),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            help="Say each step, one line each; with --log, note tiles.",
            **keep,
        ),
        click.option(
            "--log",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File to which a log is appended: the command, steps, warnings and errors, with the time.",
            **keep,
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    ctx.meta[f"{__name__}.{param.name}"] = value


@dataclasses.dataclass(frozen=True)
class Voice:
    """How much a command says."""

    quiet: bool = False
    verbose: bool = False
    log: Path | None = None
    as_json: bool = False
    """Whether standard output is for the result as JSON alone."""
    told: set[str] = dataclasses.field(default_factory=set)
    """What was said that is said once."""

    def say(self, text: str) -> None:
        """Print a result, unless nobody wants to hear of it, and log it."""
        _say("%s", text)
        if not self.quiet:
            echo(text, err=self.as_json)

    @contextlib.contextmanager
    def progress(self) -> Iterator[Reporter]:
        """Show how far the command is, while the context lasts."""
        from .progress import show_progress

        _clear_start()
        with show_progress(quiet=self.quiet, told=self.told) as reporter:
            yield reporter


@contextlib.contextmanager
def open_voice(ctx: click.Context, doing: str, *, as_json: bool = False) -> Iterator[Voice]:
    """Say at once that the command works, and log all that it says while the context lasts.

    Parameters
    ----------
    ctx
        Context of a command with `voice_options`.
    doing
        What it does first, e.g. ``"reading exposures"``.
    as_json
        Whether standard output is for the result as JSON alone.

    Raises
    ------
    OutputError
        Raised when the log cannot be written to.
    """
    given = {name: ctx.meta[f"{__name__}.{name}"] for name in ("quiet", "verbose", "log")}
    voice = Voice(**given, as_json=as_json)
    with _logging(voice):
        if not voice.quiet:
            _say_start(f"lamella: {__version__}, {ctx.info_name}: {doing} ...")
        try:
            yield voice
        finally:
            _clear_start()


_start = ""
"""What stands in the line of the terminal that will be overwritten."""


def _say_start(text: str) -> None:
    """Print a line before anything slow is imported; on a terminal it goes when there is more to say."""
    global _start
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        _start = text[:79]
        text = f"{_start}\r"
    else:
        text = f"{text}\n"
    sys.stderr.write(text)
    sys.stderr.flush()


def _clear_start() -> None:
    global _start
    if _start:
        sys.stderr.write(f"{' ' * len(_start)}\r")
        sys.stderr.flush()
        _start = ""


@contextlib.contextmanager
def _logging(voice: Voice) -> Iterator[None]:
    """Send what the package logs to the log and, if it is a warning or all is wanted, to the terminal."""
    package, root = logging.getLogger("lamella"), logging.getLogger()
    level, handlers = package.level, _handlers(voice)
    if voice.verbose or voice.log is not None:
        package.setLevel(logging.DEBUG if voice.verbose and voice.log else logging.INFO)
    for handler in handlers:
        root.addHandler(handler)
    logging.captureWarnings(voice.log is not None)
    try:
        with _visible_warnings(), _told_from_begin_to_end():
            yield
    finally:
        logging.captureWarnings(False)
        package.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


@contextlib.contextmanager
def _visible_warnings() -> Iterator[None]:
    """Have the texts of warnings of Python as they may be shown."""
    own = warnings.formatwarning

    def formatwarning(*args: Any, **options: Any) -> str:
        return visible(own(*args, **options))

    warnings.formatwarning = formatwarning
    try:
        yield
    finally:
        warnings.formatwarning = own


def _handlers(voice: Voice) -> list[logging.Handler]:
    terminal = _Terminal(logging.INFO if voice.verbose and not voice.quiet else logging.WARNING)
    if voice.log is None:
        return [terminal]
    try:
        file = logging.FileHandler(voice.log, encoding="utf-8")
    except OSError as err:
        raise OutputError(voice.log, reason=err.strerror or str(err)) from err
    file.setFormatter(_Lines())
    return [terminal, file]


class _Terminal(logging.Handler):
    """Prints records on standard error, above a bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, unless it is in the log only because it is printed in another form."""
        if getattr(record, "log_only", False):
            return
        from .console import Console

        _clear_start()
        time_of_day = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} "
        prefix = time_of_day if record.levelno < logging.WARNING else f"{record.levelname.capitalize()}: "
        Console(stderr=True, soft_wrap=True).print(
            f"{prefix}{self.format(record)}", highlight=False, markup=False
        )


class _Lines(logging.Formatter):
    """One line per record: time in UTC, level, text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = visible(" ".join(super().format(record).split()))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{stamp}.{int(record.msecs):03d}Z {record.levelname} {text}"


@contextlib.contextmanager
def _told_from_begin_to_end() -> Iterator[None]:
    start = time.monotonic()
    _say("lamella %s, Python %s, %s", __version__, platform.python_version(), platform.platform())
    _say("%s (in %s, process %d)", shlex.join(["lamella", *sys.argv[1:]]), Path.cwd(), os.getpid())
    try:
        yield
    except click.exceptions.Exit as err:
        _say("Ended with status %d after %.1f s.", err.exit_code, time.monotonic() - start)
        raise
    except (KeyboardInterrupt, click.Abort):
        _say("Interrupted after %.1f s.", time.monotonic() - start)
        raise
    except Exception as err:
        _LOG.error("%s", err, extra=LOG_ONLY, exc_info=not isinstance(err, LamellaError | OSError))
        _say("Failed after %.1f s.", time.monotonic() - start)
        raise
    else:
        _say("Ended well after %.1f s.", time.monotonic() - start)


def _say(text: str, *values: object) -> None:
    _LOG.info(text, *values, extra=LOG_ONLY)
