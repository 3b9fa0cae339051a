"""The cards that values are taken from: those of an image's header, then those of the primary header."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from astropy.io.fits.card import Undefined

from ..errors import InputError, MissingPartError
from ..fits.read import Header
from .arithmetic import Expression

__all__ = ("Cards", "Condition", "compile_pattern", "parse_condition")

type Plain = str | int | float | bool
"""What a card may hold."""


@dataclasses.dataclass(frozen=True)
class Cards:
    """Cards of some headers of a file: of two with a card, the first is believed."""

    path: Path
    where: str
    """The HDU, for messages."""
    headers: tuple[Header, ...]

    def get(self, key: str) -> Plain | None:
        """Return the value of a card; `None` where there is none, or one without a value."""
        for header in self.headers:
            value = header.get(key)
            if value is not None and not isinstance(value, Undefined) and value != "":
                return value.strip() if isinstance(value, str) else value
        return None

    def text(self, key: str) -> str:
        """Return the value of a card as a text.

        Raises
        ------
        MissingPartError
            Raised when there is no such card.
        """
        value = self.get(key)
        if value is None:
            raise MissingPartError(self.path, where=self._at(key), found="no such keyword", expected="one")
        return str(value)

    def number(self, key: str) -> float:
        """Return the number of a card; a text that spells a number is one.

        Raises
        ------
        MissingPartError
            Raised when there is no such card.
        InputError
            Raised when it is no finite number.
        """
        text = self.text(key)
        try:
            number = math.nan if isinstance(self.get(key), bool) else float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(self.path, where=self._at(key), found=repr(text), expected="a finite number")
        return number

    def evaluate(self, expression: Expression, tables: Mapping[str, Callable[[Cards], float]] = {}) -> float:
        """Return the value of arithmetic on these cards.

        Parameters
        ----------
        expression
            The arithmetic.
        tables
            Further names that it may have, and what gives their numbers.

        Raises
        ------
        MissingPartError
            Raised when a keyword is missing.
        InputError
            Raised when a card is no number, or the value is not finite.
        """

        def number(name: str) -> float:
            return tables[name](self) if name in tables else self.number(name)

        try:
            return expression.evaluate(number)
        except InputError:
            raise
        except ValueError as err:
            raise InputError(self.path, where=self.where, found=str(err), expected="a finite number") from err

    def _at(self, key: str) -> str:
        return f"{self.where}, {key}" if self.where else key


@dataclasses.dataclass(frozen=True)
class Condition:
    """What a card must be: there or not, beyond a number, or a text."""

    told: str | bool | float
    """As it was written."""

    def holds(self, value: Plain | None) -> bool:
        """Return whether a value of a card, `None` where there is none, is as it must be."""
        if isinstance(self.told, bool):
            return (value is not None) is self.told
        if value is None:
            return False
        if not isinstance(self.told, str):
            return _as_number(value) == self.told
        compared = _COMPARISON.fullmatch(self.told)
        if compared is not None:
            number = _as_number(value)
            return number is not None and _COMPARE[compared[1]](number, float(compared[2]))
        text = {True: "T", False: "F"}[value] if isinstance(value, bool) else str(value).strip()
        return re.fullmatch(self.told, text, re.IGNORECASE) is not None


_COMPARISON = re.compile(r"\s*(<=|>=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*", re.ASCII)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _as_number(value: Plain) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except ValueError:
        return None


def parse_condition(told: object) -> Condition:
    """Make a condition from what stands in a description.

    Parameters
    ----------
    told
        ``true`` or ``false`` (the card exists, or not), a number, a comparison such as ``'>0'``, or a
        regular expression that the whole text of the card must match, in any case of letters.

    Raises
    ------
    ValueError
        Raised when it is none of these.
    """
    if isinstance(told, bool | int | float):
        return Condition(told)
    if not isinstance(told, str):
        raise ValueError(f"{told!r} is no condition; expected true, false, a number, '>0' or a pattern")
    if told.lstrip().startswith(("<", ">")) and not _COMPARISON.fullmatch(told):
        raise ValueError(f"{told!r} compares with no number")
    if not _COMPARISON.fullmatch(told):
        compile_pattern(told)
    return Condition(told)


def compile_pattern(text: object) -> re.Pattern[str]:
    """Compile a regular expression that disregards the case of letters.

    Raises
    ------
    ValueError
        Raised when it is none; the message says why.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no text")
    try:
        return re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as err:
        raise ValueError(f"{text!r} is no regular expression: {err}") from None
