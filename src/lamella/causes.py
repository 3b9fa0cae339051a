"""Messages that have one cause: told once, with a count."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ("cause_of", "told_once")

# Numbers as messages have them, also within words: "row 3", "e7.fits", "2.31 arcsec", "-1e-05".
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


def cause_of(message: str, path: str = "") -> str:
    """Return a message without what differs between alike ones: the file it is about, and numbers.

    Parameters
    ----------
    message
        What went wrong.
    path
        The file that it went wrong with; its name counts wherever the message has it.
    """
    name = path.rpartition("/")[2]
    for text in (path, name):
        if text:
            # As a word of its own: a file may be called "a".
            message = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", "*", message)
    return _NUMBER.sub("#", message)


def told_once(messages: Iterable[tuple[str, str]]) -> list[str]:
    """Return messages of which each cause is told once, with the number of those that are like it.

    Parameters
    ----------
    messages
        Pairs of a message and the file that it is about; the file may be empty.

    Returns
    -------
    list of str
        The first message of each cause, in the order of these, e.g. ``"t.csv, row 1, column
        'visit': found an empty cell; expected a number (the same for 59 others)."``.
    """
    alike: dict[str, list[str]] = {}
    for message, path in messages:
        alike.setdefault(cause_of(message, path), []).append(message)
    return [_with_count(group[0], len(set(group)) - 1) for group in alike.values()]


def _with_count(message: str, others: int) -> str:
    if not others:
        return message
    stop = "." if message.endswith(".") else ""
    return f"{message.removesuffix('.')} (the same for {others} other{'s' if others > 1 else ''}){stop}"
