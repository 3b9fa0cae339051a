"""Texts that others wrote, as they may be shown: on a terminal, in a log, on a page.

A header, the name of a file or a cell of a table can hold what a terminal obeys: escape sequences that
change its title or delete lines, marks that turn the direction of writing.  Such characters are shown as
what they are; letters of all scripts stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ("visible", "visible_json")

_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tabulator and line feed
    "\xad\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb"  # without width
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # direction of writing
    "\u2028\u2029"  # ends of lines
    "\ud800-\udfff"  # halves of characters: bytes of names of files that are no text
    "\U000e0000-\U000e007f"  # tags
    "]"
)


def visible(text: str) -> str:
    r"""Return a text without characters that steer a terminal or that nobody sees.

    Parameters
    ----------
    text
        Any text; line feeds and tabulators stay.

    Returns
    -------
    str
        With escapes as Python writes them instead, such as ``\x1b``; a text of visible characters as it is.
    """
    return _shown(text, _escape)


def visible_json(text: str) -> str:
    """Return a text in JSON that stands for the same value, without such characters."""
    return _shown(text, _json_escape)


def _shown(text: str, escape: Callable[[re.Match[str]], str]) -> str:
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _json_escape(match: re.Match[str]) -> str:
    halves = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{halves[start : start + 4]}" for start in range(0, len(halves), 4))
