"""The grammar of data identifiers on the command line: ``visit=1..5:2^9 ccd=4``."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

__all__ = ("parse_id", "parse_values")

_MAX_VALUES = 1_000_000
"""Values, and combinations of them: more are a slip of the pen."""
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?::(\d+))?")


def parse_id(tokens: Sequence[str]) -> list[dict[str, str]]:
    """Return the data identifiers that one occurrence of ``--id`` stands for.

    Parameters
    ----------
    tokens
        ``KEY=VALUE`` each, where the value is as for `parse_values`.  The brackets of the
        manual's ``[KEY=VALUE …]`` may stand around them.

    Returns
    -------
    list
        The cross product of the values of all keys; the last key varies
        fastest.  Without tokens there is none.

    Raises
    ------
    ValueError
        Raised when a token is not ``KEY=VALUE``, a key stands there twice, or there are too many.
    """
    values: dict[str, list[str]] = {}
    for token in _without_brackets(tokens):
        key, equals, text = token.partition("=")
        if not equals or not key or not text:
            raise ValueError(f"{token!r} is not KEY=VALUE")
        if key in values:
            raise ValueError(f"{key} is given twice in one data identifier")
        values[key] = parse_values(text)
    if not values:
        return []
    if math.prod(map(len, values.values())) > _MAX_VALUES:
        raise ValueError(f"the values of {', '.join(values)} have more than {_MAX_VALUES} combinations")
    return [dict(zip(values, choice, strict=True)) for choice in itertools.product(*values.values())]


def _without_brackets(tokens: Sequence[str]) -> list[str]:
    """Return tokens without the brackets of the manual's ``[KEY=VALUE …]``."""
    text = " ".join(tokens)
    return text[1:-1].split() if text.startswith("[") and text.endswith("]") else list(tokens)


def parse_values(text: str) -> list[str]:
    """Return the values that a text stands for.

    Items are joined by ``^``.  ``a..b`` and ``a..b:stride`` with integers from 0
    are all numbers from a to b, both included; other items are one value as
    they are, so that the patch ``5,4`` is one.

    Raises
    ------
    ValueError
        Raised when a stride is 0, a range runs backwards or is too long, or an item is empty.
    """
    values: list[str] = []
    for item in text.split("^"):
        span = _RANGE.fullmatch(item)
        if span is None:
            values.append(item)
            continue
        first, last, stride = int(span[1]), int(span[2]), int(span[3] or 1)
        if stride < 1 or last < first:
            raise ValueError(f"{item!r} is not a range; expected first..last or first..last:stride")
        if (last - first) // stride >= _MAX_VALUES:
            raise ValueError(f"{item!r} is a range of more than {_MAX_VALUES} values")
        values.extend(str(number) for number in range(first, last + 1, stride))
    if not all(values):
        raise ValueError(f"{text!r} has an empty item")
    return values
