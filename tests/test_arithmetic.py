"""Constants are calculated as Python does, in bounded time and memory."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest

from lamella.arithmetic import constant


def value_of(text: str) -> Any:
    return constant(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0/60", 1.0 / 60),
        ("2*3600", 7200),
        ("-(3 + 4) % 5", -(3 + 4) % 5),
        ("7 // 2", 3),
        ("2**10", 1024),
        ("2**-1", 0.5),
        ("1**10**9", 1),
        ("10.0**-3", 10.0**-3),
        ("True", True),
        ("None", None),
        ("'a' + 'b'", "ab"),
        ("[1, 2] + [3]", [1, 2, 3]),
        ("(1, -2.5)", (1, -2.5)),
        ("{'a': 1/2, 'b': {1, 2}}", {"a": 0.5, "b": {1, 2}}),
        ("float('inf')", math.inf),
        ("-float('inf')", -math.inf),
    ],
)
def test_values(text: str, value: Any) -> None:
    result = value_of(text)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9**9**9", "has no value|too large"),
        ("10**400", "has no value|too large"),
        ("*".join(["10**300"] * 3), "too large"),
        ("1/0", "division by zero"),
        ("'a' * 1000000", "not arithmetic on numbers"),
        ("[0] * 1000000", "not arithmetic on numbers"),
        ("'%s' % 1", "not arithmetic on numbers"),
        ("1 + 'a'", "not arithmetic on numbers"),
        ("[1] + (2,)", "has no value"),
        ("1 << 1000000", "is not a literal"),
        ("abs(-1)", "is not a literal"),
        ("f'{1}'", "is not a literal"),
        ("1j", "is not a literal"),
        ("x", "x is not a literal"),
        ("{**{}}", "is not a literal"),
        ("float('a')", "could not convert"),
        ("1" + "+1" * 5000, "too deep"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        value_of(text)


def test_texts_do_not_grow_without_end() -> None:
    long = "a" * 60_000
    with pytest.raises(ValueError, match="too large"):
        constant(ast.parse("x + x", mode="eval").body, lambda _: long)
