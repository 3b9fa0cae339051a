"""What may stand behind the words of a description: values, HDUs, patterns, flags and tables."""

from __future__ import annotations

import re
from typing import Annotated

import pydantic

from ...planes import STANDARD_PLANES, plane_name, suggestion
from ..cards import Condition, compile_pattern, parse_condition
from ..table_flags import HARMLESS
from .values import CardTable, Value, parse_value

__all__ = (
    "BitPlanes",
    "Conditions",
    "Hdu",
    "Number",
    "Pattern",
    "Planes",
    "SiblingHdu",
    "Text",
    "parse_companion",
    "parse_literal_value",
    "parse_plane",
    "parse_plane_name",
    "parse_table",
    "without_groups",
)


def _parse_text_value(told: object) -> Value:
    """Make a value that is a text: of arithmetic, nothing but a keyword."""
    value = parse_value(told)
    for way in (value, *value.alternatives):
        if way.expression is not None and not way.expression.is_keyword:
            raise ValueError(f"{way.expression.text!r} is no keyword; a text that is meant is {{is = '...'}}")
    return value


def parse_literal_value(told: object) -> Value:
    """Make a value that is a text, of which a bare one is meant itself."""
    return Value(literal=told) if isinstance(told, str) else _parse_text_value(told)


def _parse_hdu(told: object) -> int | re.Pattern[str]:
    if isinstance(told, int) and not isinstance(told, bool) and told >= 0:
        return told
    return compile_pattern(told)


def _parse_template(told: object) -> int | str:
    """Return an index, or a pattern of EXTNAME that may have groups of the image's (``\\1``) in it."""
    if isinstance(told, str):
        compile_pattern(without_groups(told))
        return told
    index = _parse_hdu(told)
    assert isinstance(index, int)
    return index


def without_groups(template: str) -> str:
    """Return a pattern with a letter for each group of another text that it has in it."""
    return re.sub(r"\\\d", "x", template)


def parse_companion(told: object) -> object:
    """Return the table of a companion, which may be told by its replacement alone."""
    return {"replace": told} if isinstance(told, list) else told


def parse_plane(told: object) -> object:
    """Return the table of a plane, which may be told by its HDU alone."""
    return {"hdu": told} if isinstance(told, str | int) and not isinstance(told, bool) else told


def _parse_planes(told: object, *, bits: bool = False) -> dict[str, tuple[int, ...] | None]:
    """Return the numbers of each mask plane; `None` for all others (``'*'``)."""
    if not isinstance(told, dict):
        raise ValueError(f"{told!r} is no table of mask planes")
    planes: dict[str, tuple[int, ...] | None] = {}
    for name, numbers in told.items():
        if plane_name(name) not in STANDARD_PLANES and name != HARMLESS:
            raise ValueError(f"the unknown plane {name}; expected one of lamella's planes{suggestion(name)}")
        if numbers == "*":
            if name != HARMLESS:
                raise ValueError(f"'*' for {name}; only {HARMLESS} may be all others")
            planes[name] = None
            continue
        values = [_parse_bits(number) for number in (numbers if isinstance(numbers, list) else [numbers])]
        if bits and any(value > 63 for value in values):
            raise ValueError(f"{name} has a bit above 63")
        known = plane_name(name)  # both spellings may be there
        planes[known] = (planes.get(known) or ()) + tuple(1 << value if bits else value for value in values)
    return planes


def _parse_bits(told: object) -> int:
    try:
        value = int(told, 0) if isinstance(told, str) else told
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise ValueError(f"{told!r} is no whole number from 0 to 2^64 - 1")
    return value


def parse_plane_name(told: object) -> str:
    """Return lamella's name of a mask plane, or raise a `ValueError` where it is none."""
    if not isinstance(told, str) or plane_name(told) not in STANDARD_PLANES:
        raise ValueError(f"the unknown plane {told}{suggestion(str(told))}")
    return plane_name(told)


def parse_table(told: object) -> CardTable:
    """Make a table of numbers by the text of a card.

    Raises
    ------
    ValueError
        Raised when there is no ``card``, or something else than numbers; the message says what.
    """
    if not isinstance(told, dict) or not isinstance(told.get("card"), str):
        raise ValueError("a table needs a word card, which names the card")
    numbers = {key: value for key, value in told.items() if key != "card"}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{value!r} for {key} is no number")
    default = numbers.pop("default", None)
    return CardTable(told["card"], tuple((compile_pattern(key), numbers[key]) for key in numbers), default)


type Number = Annotated[Value, pydantic.PlainValidator(parse_value)]
type Text = Annotated[Value, pydantic.PlainValidator(_parse_text_value)]
type Pattern = Annotated[re.Pattern[str], pydantic.PlainValidator(compile_pattern)]
type Hdu = Annotated[int | re.Pattern[str], pydantic.PlainValidator(_parse_hdu)]
type SiblingHdu = Annotated[int | str, pydantic.PlainValidator(_parse_template)]
type Planes = Annotated[dict[str, tuple[int, ...] | None], pydantic.PlainValidator(_parse_planes)]
type BitPlanes = Annotated[
    dict[str, tuple[int, ...] | None], pydantic.PlainValidator(lambda told: _parse_planes(told, bits=True))
]
type Conditions = dict[str, Annotated[Condition, pydantic.PlainValidator(parse_condition)]]
