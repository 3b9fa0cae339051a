"""What the processes of a run tell the one that started them: steps, and records of the log."""

from __future__ import annotations

import contextlib
import copy
import logging
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from ..kernels.watch import watch

__all__ = ("COMPILED", "COMPILING", "Post", "Relay", "open_post")

COMPILING = "compiling"
"""The stage of a process that compiles kernels."""
COMPILED = "compiled"
"""Not a stage: the number of a process, and the milliseconds that it has compiled for so far."""
_LONGEST_TEXT = 600
"""Characters of a record: what is shorter than a block of the pipe is never mixed with what others write."""


class Relay:
    """A function that can be sent to the processes of `lamella.run.execute.run_in_processes`.

    Called in one of them, it is called here, in a thread; in the processes of others it does nothing.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function

    def __call__(self, *values: str | int) -> None:
        """Call the function."""
        self.function(*values)

    def __reduce__(self) -> tuple[Callable[..., Relay], tuple[()]]:
        return _relay_there, ()


class Post:
    """The end of a pipe to which all processes of a pool write."""

    def __init__(self, pipe: Connection, level: int) -> None:
        self._pipe = pipe
        self._level = level

    def open(self) -> None:
        """Have this process tell its steps, its compilations and its log to the one that started it."""
        global _post
        _post = self
        logging.getLogger().addHandler(_Forwarder(self, self._level))
        logging.getLogger("lamella").setLevel(self._level)
        watch.listen(lambda kernel: self.send(("", COMPILING, 0, 0)))

    def send(self, message: object) -> None:
        """Send a message; nobody may be there any more."""
        with contextlib.suppress(OSError):
            self._pipe.send(message)


_post: Post | None = None


def _relay_there() -> Relay:
    return Relay(_send_there)


def _send_there(*values: str | int) -> None:
    if _post is not None:
        _post.send(values)


class _Forwarder(logging.Handler):
    """Sends records of the log."""

    def __init__(self, post: Post, level: int) -> None:
        super().__init__(level)
        self._post = post

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record with its message as text."""
        plain = copy.copy(record)
        plain.msg, plain.args = self.format(record)[:_LONGEST_TEXT], None
        plain.exc_info = plain.exc_text = plain.stack_info = None
        self._post.send(plain)


@contextlib.contextmanager
def open_post(relay: Relay | None) -> Iterator[Post]:
    """Give what processes need to write to this one, and listen to them while the context lasts.

    Parameters
    ----------
    relay
        Gets the steps of the processes.
    """
    reading, writing = multiprocessing.Pipe(duplex=False)
    listener = threading.Thread(target=_listen, args=(reading, relay), daemon=True)
    listener.start()
    post = Post(writing, logging.getLogger("lamella").getEffectiveLevel())
    try:
        yield post
    finally:
        post.send(None)
        listener.join()
        writing.close()
        reading.close()


def _listen(pipe: Connection, relay: Relay | None) -> None:
    while (message := _receive(pipe)) is not None:
        if isinstance(message, logging.LogRecord):
            logging.getLogger(message.name).handle(message)
        elif relay is not None and isinstance(message, tuple):
            relay(*message)


def _receive(pipe: Connection) -> object:
    """Return the next message; `None` when there is no other."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None
