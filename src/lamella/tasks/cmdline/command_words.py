"""The words of a command line as they were meant: options in files, typography of the manual's page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...texts import read_text

__all__ = ("command_words",)

_DASH = re.compile(r"[–—](?=[A-Za-z])")
"""What pages print for the two hyphens of an option."""
_MAX_DEPTH = 20
"""Files of options that may name each other."""


def command_words(args: Sequence[str], id_options: Sequence[str]) -> list[str]:
    """Return the words that the arguments of a command stand for.

    Parameters
    ----------
    args
        Arguments; ``@FILE`` stands for the words in a file, where ``#`` begins a comment.
    id_options
        Options that take ``KEY=VALUE …``; ``--id=KEY=VALUE KEY=VALUE`` and
        ``--id = KEY=VALUE`` are as ``--id KEY=VALUE``.

    Raises
    ------
    OSError
        Raised when a file cannot be read.
    ValueError
        Raised when a quotation in a file does not end, a file is no text, or files name each other.
    """
    words: list[str] = []
    for word in _in_files(args, 0):
        option, equals, rest = _DASH.sub("--", word, count=1).partition("=")
        if option in id_options and equals:
            words += [option, rest] if rest else [option]
        elif word == "=" and words and words[-1] in id_options:
            continue
        else:
            words.append(option + equals + rest if _DASH.match(word) else word)
    return words


def _in_files(args: Sequence[str], depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"more than {_MAX_DEPTH} files of options name each other")
    for word in args:
        if not word.startswith("@"):
            yield word
            continue
        for inner in _words_of(Path(word[1:])):
            yield from _in_files(inner, depth + 1)


def _words_of(path: Path) -> Iterator[list[str]]:
    """Yield the words of each line of a file."""
    lines = read_text(path, "options").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            yield shlex.split(line, comments=True)
        except ValueError as err:
            raise ValueError(f"{path}:{number}: {err}") from None
