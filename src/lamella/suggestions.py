"""The word that somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ("nearest",)


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``"; did you mean band?"`` for the most similar of some words, else an empty text.

    Case, underscores and hyphens do not count.
    """
    by_letters = {_letters(other): other for other in words}
    close = difflib.get_close_matches(_letters(word), by_letters, n=1)
    return f"; did you mean {by_letters[close[0]]}?" if close else ""


def _letters(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
