"""Headers of astropy whose values are looked up fast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from astropy.io import fits

from .cards import Cards, parse_cards

__all__ = ("QuickHeader",)

_PLAIN = re.compile(r"[A-Z0-9_-]{1,8}")
_COMMENTARY = ("COMMENT", "HISTORY")
_RECORD = ": "
"""In a text it may be a record, whose fields astropy takes for keywords."""


class QuickHeader(fits.Header):  # type: ignore[misc]
    """A header that parses cards of the standard's simple form by itself, each when it is first asked for.

    astropy looks its configuration up for each value, which takes longer than to parse it.  Other cards, and
    all of a header that was changed, are left to it.
    """

    _quick: Cards | None = None
    _slow: frozenset[str] = frozenset()
    _known: dict[str, Any]
    _keywords: tuple[str, ...] = ()

    def speed_up(self, text: str, irregular: list[int]) -> None:
        """Take the values of cards from their text from now on, but for some of them.

        Parameters
        ----------
        text
            The cards, one behind the other, without END.
        irregular
            Numbers of cards that are left to astropy.
        """
        self._slow = frozenset((*_COMMENTARY, *(self.cards[number].keyword for number in irregular)))
        self._known, self._keywords = {}, ()
        self._quick = parse_cards(text)

    def __getitem__(self, key: Any) -> Any:
        value = self._lookup(key) if isinstance(key, str) else _UNKNOWN
        if value is _ABSENT:
            raise KeyError(f"Keyword {key!r} not found.")
        return super().__getitem__(key) if value is _UNKNOWN else value

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of a keyword, or a default."""
        value = self._lookup(key) if isinstance(key, str) else _UNKNOWN
        if value is _ABSENT:
            return default
        return super().get(key, default) if value is _UNKNOWN else value

    def __contains__(self, key: Any) -> bool:
        value = self._lookup(key) if isinstance(key, str) else _UNKNOWN
        return bool(super().__contains__(key)) if value is _UNKNOWN else value is not _ABSENT

    def __iter__(self) -> Iterator[str]:
        if self._quick is None:
            return iter(super().__iter__())
        self._keywords = self._keywords or tuple(super().__iter__())
        return iter(self._keywords)

    def keys(self) -> Iterator[str]:
        """Return the keywords, as `astropy.io.fits.Header.keys` does."""
        return iter(self)

    def _lookup(self, key: str) -> Any:
        if self._quick is None:
            return _UNKNOWN
        if key not in self._known:
            self._known[key] = self._parse(key.upper())
        return self._known[key]

    def _parse(self, key: str) -> Any:
        assert self._quick is not None
        if key in self._slow or not _PLAIN.fullmatch(key):
            return _UNKNOWN
        if key not in self._quick:
            return _ABSENT
        value = self._quick[key]
        return _UNKNOWN if isinstance(value, str) and _RECORD in value else value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._quick = None
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self._quick = None
        super().__delitem__(key)

    def append(self, *args: Any, **options: Any) -> None:
        """Append a card, as `astropy.io.fits.Header.append` does."""
        self._quick = None
        super().append(*args, **options)

    def insert(self, *args: Any, **options: Any) -> None:
        """Insert a card, as `astropy.io.fits.Header.insert` does."""
        self._quick = None
        super().insert(*args, **options)

    def update(self, *args: Any, **options: Any) -> None:
        """Change cards, as `astropy.io.fits.Header.update` does."""
        self._quick = None
        super().update(*args, **options)

    def set(self, *args: Any, **options: Any) -> None:
        """Change a card, as `astropy.io.fits.Header.set` does."""
        self._quick = None
        super().set(*args, **options)

    def rename_keyword(self, *args: Any, **options: Any) -> None:
        """Rename a card, as `astropy.io.fits.Header.rename_keyword` does."""
        self._quick = None
        super().rename_keyword(*args, **options)

    def clear(self) -> None:
        """Remove all cards."""
        self._quick = None
        super().clear()


_UNKNOWN, _ABSENT = object(), object()
