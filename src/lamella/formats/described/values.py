"""What a description says about one value of an exposure: where it stands, and how it is calculated."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import InputError, MissingPartError
from ...suggestions import nearest
from ..arithmetic import Expression, parse_expression
from ..cards import Cards, Condition, compile_pattern, parse_condition
from ..file_index import bare_name

__all__ = ("CardTable", "Cell", "Value", "parse_value", "visit_hash")

type Tables = Mapping[str, Callable[[Cards], float]]


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of an exposure table, and where its content comes from."""

    text: str
    origin: str
    """Kind and way, as in `lamella.data.origins.Origin`: ``"header MAGZP"``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value:
    """One way to a value; `alternatives` are tried after it.

    Attributes
    ----------
    expression
        Arithmetic on keywords; of a text, one keyword.
    literal
        A text that is the value itself.
    card, match, map, default
        A card; a pattern whose groups, joined, are taken; what the text becomes, by patterns that it must
        match as a whole; and the text that it becomes where no pattern does.
    name
        Pattern whose groups, joined, are the value in the name of the file.
    hash
        Whether the value is a number made from name and time of the exposure.
    when
        Conditions on cards under which this way is taken.
    alternatives
        Other ways, which are tried in order where a card is missing or a condition does not hold.
    """

    expression: Expression | None = None
    literal: str | None = None
    card: str | None = None
    match: re.Pattern[str] | None = None
    map: tuple[tuple[re.Pattern[str], str], ...] = ()
    default: str | None = None
    name: re.Pattern[str] | None = None
    hash: bool = False
    when: tuple[tuple[str, Condition], ...] = ()
    alternatives: tuple[Value, ...] = ()

    def number(self, cards: Cards, tables: Tables) -> Cell:
        """Return the cell of a number.

        It is the arithmetic itself where that can stand in an exposure table, so that a person can see and
        change it, and all digits of the number elsewhere.

        Raises
        ------
        MissingPartError
            Raised when no way leads to a value, as keywords are missing or no condition holds.
        InputError
            Raised when a card is no number, or the text of a card is not in the map.
        """
        return self._first(cards, lambda way: way._own_number(cards, tables))

    def text(self, cards: Cards) -> Cell:
        """Return the cell of a text.

        Raises
        ------
        MissingPartError, InputError
            As in `number`.
        """
        return self._first(cards, lambda way: way._own_text(cards))

    def _first(self, cards: Cards, get: Callable[[Value], Cell]) -> Cell:
        missing: list[str] = []
        for way in (self, *self.alternatives):
            if not all(condition.holds(cards.get(key)) for key, condition in way.when):
                missing += [f"{key} is not {condition.told!r}" for key, condition in way.when]
                continue
            if way.is_empty:
                continue
            try:
                return get(way)
            except MissingPartError as err:
                if len(self.alternatives) == 0:
                    raise
                missing.append(str(err).removeprefix(f"{cards.path}, ").split("; expected")[0])
        reasons = "; ".join(dict.fromkeys(missing)) or "no way to a value"
        raise MissingPartError(cards.path, where=cards.where, found=reasons, expected="one of these cards")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but alternatives."""
        return all(value is None for value in (self.expression, self.literal, self.card, self.name)) and not (
            self.hash
        )

    def _own_number(self, cards: Cards, tables: Tables) -> Cell:
        if self.expression is None:
            cell = self._own_text(cards)
            try:
                return Cell(cell.text if cell.text.isdecimal() else _digits(float(cell.text)), cell.origin)
            except ValueError:
                expected = "a number"
                raise InputError(
                    cards.path, where=cards.where, found=f"{cell.text!r} ({cell.origin})", expected=expected
                ) from None
        value = cards.evaluate(self.expression, tables)
        names = self.expression.names
        if not names:
            return Cell(self.expression.text, "description its word")
        origin = f"header {self.expression.text}"
        return Cell(_digits(value) if tables.keys() & set(names) else self.expression.text, origin)

    def _own_text(self, cards: Cards) -> Cell:
        if self.literal is not None:
            return Cell(self.literal, "description its word")
        if self.hash and self.name is None and self.card is None:
            return Cell(str(visit_hash(cards)), "assumed from the file's name and DATE-OBS")
        if self.name is not None:
            matched = self.name.search(bare_name(cards.path))
            if matched is None:
                expected = f"one that matches {self.name.pattern!r}"
                raise MissingPartError(cards.path, found="another name", expected=expected)
            return self._mapped(_joined(matched), cards, "file its name")
        key = self.card or (self.expression.text if self.expression is not None else "")
        return self._mapped(self._matched(cards.text(key), key, cards), cards, f"header {key}")

    def _matched(self, text: str, key: str, cards: Cards) -> str:
        if self.match is None:
            return text
        matched = self.match.search(text)
        if matched is None:
            where, expected = f"{cards.where}, {key}", f"a text that matches {self.match.pattern!r}"
            raise InputError(cards.path, where=where, found=repr(text), expected=expected)
        return _joined(matched)

    def _mapped(self, text: str, cards: Cards, origin: str) -> Cell:
        if self.hash:
            return Cell(str(_number_of(text.lower())), origin)
        for pattern, value in self.map:
            if pattern.fullmatch(text):
                return Cell(value, origin)
        if not self.map:
            return Cell(text, origin)
        if self.default is not None:
            return Cell(self.default, f"{origin} (any other)")
        expected = f"one of {', '.join(pattern.pattern for pattern, _ in self.map)}"
        raise InputError(cards.path, where=f"{cards.where}, {origin}", found=repr(text), expected=expected)


@dataclasses.dataclass(frozen=True)
class CardTable:
    """Numbers by the text of a card, e.g. what turns Vega magnitudes into those of AB, by filter."""

    card: str
    numbers: tuple[tuple[re.Pattern[str], float], ...]
    default: float | None = None

    def __call__(self, cards: Cards) -> float:
        """Return the number for some headers.

        Raises
        ------
        MissingPartError
            Raised when there is no such card.
        InputError
            Raised when its text is not in the table.
        """
        text = cards.text(self.card)
        for pattern, number in self.numbers:
            if pattern.fullmatch(text):
                return number
        if self.default is not None:
            return self.default
        expected = f"one of {', '.join(pattern.pattern for pattern, _ in self.numbers)}"
        raise InputError(cards.path, where=f"{cards.where}, {self.card}", found=repr(text), expected=expected)


def _joined(matched: re.Match[str]) -> str:
    """Return the groups of a match, one after another: day and number of an exposure are its visit."""
    return "".join(group or "" for group in matched.groups()) if matched.re.groups else matched[0]


_TIMES = ("DATE-OBS", "MJD-OBS", "DATE-BEG", "MJD-BEG", "TIME-OBS", "UT", "JD")
_PLACES = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")


def visit_hash(cards: Cards) -> int:
    """Return a number below 2^31 for the visit of a file that has none: the same wherever the file lies.

    It is made from the name and the time of the exposure; without a time, from its place on the sky, as names
    such as ``light_001.fits`` come again each night.
    """
    times = [str(cards.get(key) or "") for key in _TIMES]
    places = [] if any(times) else [str(cards.get(key) or "") for key in _PLACES]
    told = "|".join((bare_name(cards.path), *times, *places))
    return _number_of(told)


def _number_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % (2**31 - 1) + 1


_KEYS = ("is", "value", "card", "match", "map", "default", "name", "hash", "when")
_WAYS = ("is", "value", "card", "name", "hash")


def parse_value(told: object) -> Value:
    """Make a value from what stands in a description.

    Parameters
    ----------
    told
        A number; a text, which is a keyword or arithmetic; a table with ``is`` (a literal), ``value``
        (arithmetic), ``card`` (with ``match``, ``map`` and ``default``), ``name`` (a pattern for the file's
        name) or ``hash`` (of the file's name and date, or of the text of ``name`` or ``card`` beside it),
        each with ``when`` (conditions on cards); or a list of these, tried in order.

    Raises
    ------
    ValueError
        Raised when it is none of these; the message says what is wrong.
    """
    if isinstance(told, list):
        if not told:
            raise ValueError("an empty list of alternatives")
        return Value(alternatives=tuple(parse_value(way) for way in told))
    if isinstance(told, dict):
        return _parse_way(told)
    if isinstance(told, bool) or not isinstance(told, str | int | float):
        raise ValueError(f"{told!r} is no number, keyword, arithmetic, table or list")
    return Value(expression=parse_expression(told if isinstance(told, str) else repr(told)))


def _parse_way(told: dict[str, Any]) -> Value:
    for key in told:
        if key not in _KEYS:
            raise ValueError(f"the unknown word {key!r}; expected {', '.join(_KEYS)}{nearest(key, _KEYS)}")
    ways = [key for key in _WAYS if key in told]
    if len(ways) != 1 and ways not in (["card", "hash"], ["name", "hash"]):
        raise ValueError(f"{' and '.join(ways) or 'no way to a value'}; expected one of {', '.join(_WAYS)}")
    if extra := [key for key in ("match",) if key in told and "card" not in told]:
        raise ValueError(f"{extra[0]} without card")
    if "map" in told and not {"card", "name"} & told.keys():
        raise ValueError("map without card or name")
    if "default" in told and "map" not in told:
        raise ValueError("default without map")
    if "hash" in told and told["hash"] is not True:
        raise ValueError("hash must be true")
    if "hash" in told and "map" in told:
        raise ValueError("hash and map; expected one of them")
    return Value(
        expression=parse_value(told["value"]).expression if "value" in told else None,
        literal=_text(told["is"]) if "is" in told else None,
        card=_text(told["card"]) if "card" in told else None,
        match=compile_pattern(told["match"]) if "match" in told else None,
        map=tuple((compile_pattern(pattern), _text(value)) for pattern, value in _table(told, "map").items()),
        default=_text(told["default"]) if "default" in told else None,
        name=compile_pattern(told["name"]) if "name" in told else None,
        hash="hash" in told,
        when=tuple((key, parse_condition(value)) for key, value in _table(told, "when").items()),
    )


def _table(told: dict[str, Any], key: str) -> dict[str, Any]:
    table = told.get(key, {})
    if not isinstance(table, dict):
        raise ValueError(f"{key} is {table!r}; expected a table")
    return table


def _text(told: object) -> str:
    if isinstance(told, bool) or not isinstance(told, str | int | float):
        raise ValueError(f"{told!r} is no text and no number")
    return str(told)


def _digits(value: float) -> str:
    """Return a number with all its digits; a whole one, such as that of a detector, without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
