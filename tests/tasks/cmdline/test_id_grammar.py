from __future__ import annotations

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from hypothesis import given
from hypothesis import strategies as st

from lamella.tasks.cmdline.id_grammar import parse_id, parse_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5,4", ["5,4"]),
        ("5,4^6,4", ["5,4", "6,4"]),
        ("1..3", ["1", "2", "3"]),
        ("1..8:3^20", ["1", "4", "7", "20"]),
        ("7..7", ["7"]),
        ("HSC-I", ["HSC-I"]),
        ("-1..3", ["-1..3"]),
        ("a..b", ["a..b"]),
        ("2020-01-01^2020-01-02", ["2020-01-01", "2020-01-02"]),
    ],
)
def test_values(text: str, values: list[str]) -> None:
    assert parse_values(text) == values


@pytest.mark.parametrize("text", ["3..1", "1..3:0", "1^^2", "", "1^"])
def test_wrong_values(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|empty"):
        parse_values(text)


def test_later_keys_vary_fastest() -> None:
    found = parse_id(["visit=1..2", "ccd=4^5"])
    assert found == [
        {"visit": "1", "ccd": "4"},
        {"visit": "1", "ccd": "5"},
        {"visit": "2", "ccd": "4"},
        {"visit": "2", "ccd": "5"},
    ]
    assert list(found[0]) == ["visit", "ccd"]


@pytest.mark.parametrize("line", ["patch=5,4 tract=0", "[patch=5,4 tract=0]", "[ patch=5,4 tract=0 ]"])
def test_the_brackets_of_the_manual(line: str) -> None:
    assert parse_id(line.split()) == [{"patch": "5,4", "tract": "0"}]


def test_too_many_values() -> None:
    with pytest.raises(ValueError, match="a range of more than 1000000 values"):
        parse_values("1..1000000000000")
    with pytest.raises(ValueError, match="visit, ccd have more than 1000000 combinations"):
        parse_id(["visit=1..10000", "ccd=0..103"])


def test_no_tokens_are_no_identifier() -> None:
    assert parse_id([]) == []


def test_value_with_an_equals_sign() -> None:
    assert parse_id(["name=a=b"]) == [{"name": "a=b"}]


@pytest.mark.parametrize("tokens", [["visit"], ["visit="], ["=1"], ["visit=1", "visit=2"]])
def test_wrong_tokens(tokens: list[str]) -> None:
    with pytest.raises(ValueError, match=r"KEY=VALUE|twice"):
        parse_id(tokens)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9))
def test_ranges_include_both_ends(first: int, length: int, stride: int) -> None:
    found = [int(value) for value in parse_values(f"{first}..{first + length}:{stride}")]
    assert found == list(range(first, first + length + 1, stride))
