"""Messages of one cause, reported once with a count."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence

__all__ = ("by_cause", "cause_of", "merged", "told_once")

# Numbers as messages have them, also within words: "row 3", "e7.fits", "2.31 arcsec", "-1e-05".
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


def cause_of(message: str, path: str = "") -> str:
    """Return a message without the file name and numbers, in which messages of one cause differ.

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


def by_cause[T](items: Iterable[T], cause: Callable[[T], Hashable]) -> list[list[T]]:
    """Return things in groups of one cause, in the order of the first of each.

    Parameters
    ----------
    items
        The things.
    cause
        What is the same for all of a group, e.g. the `cause_of` a message.
    """
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(cause(item), []).append(item)
    return list(groups.values())


def merged(messages: Sequence[str]) -> str:
    """Return messages of one cause as one: of a number in which they differ, the range.

    Returns
    -------
    str
        E.g. ``"PSF FWHM > 1 arcsec (1.01 to 1.39)"`` of ``"PSF FWHM 1.01 arcsec > 1 arcsec"`` and
        ``"PSF FWHM 1.39 arcsec > 1 arcsec"``.  Messages that differ in more than one number, or in other
        words, are the first one with ``"(and the like)"``.
    """
    first = messages[0]
    if all(message == first for message in messages):
        return first
    numbers = [_NUMBER.findall(message) for message in messages]
    words = {tuple(_NUMBER.split(message)) for message in messages}
    columns = list(zip(*numbers, strict=False))
    varying = [index for index, column in enumerate(columns) if len(set(column)) > 1]
    if len(words) > 1 or len(varying) != 1:
        return f"{first.rstrip('.')} (and the like)"
    (index,) = varying
    ordered = sorted((number.rstrip(".") for number in columns[index]), key=float)
    before, after = _around(first, index)
    if not before.endswith(" ") or not (after.startswith(" ") or after in ("", ".")):  # of a name
        return f"{first.rstrip('.')} (and the like)"
    # The unit goes with the number where a limit follows, which has it, too.
    after = re.sub(r"^ [^\s<>]+(?= [<>] )", "", after)
    return f"{before.rstrip()}{after.rstrip('.')} ({ordered[0]} to {ordered[-1]})"


def _around(message: str, index: int) -> tuple[str, str]:
    """Return what stands before and after a number of a message."""
    match = list(_NUMBER.finditer(message))[index]
    return message[: match.start()], message[match.end() :]


def told_once(messages: Iterable[tuple[str, str]]) -> list[str]:
    """Return the first message of each cause, with the number of messages like it.

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
    groups = by_cause(messages, lambda pair: cause_of(*pair))
    told = []
    for (message, _), *like in groups:
        if others := len({other for other, _ in like} - {message}):
            stop, plural = "." if message.endswith(".") else "", "s" if others > 1 else ""
            message = f"{message.removesuffix('.')} (the same for {others} other{plural}){stop}"
        told.append(message)
    return told
