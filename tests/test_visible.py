"""Texts as they may be shown: nothing that steers a terminal, and every script."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.visible import visible, visible_json

TEXTS = st.text(st.characters(codec=None), max_size=40)
STEERING = {"L", "R", "AL", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("M31, r band", "M31, r band"),
        ("Hα Ω 日本 é", "Hα Ω 日本 é"),
        ("שלום می‌خواهم", "שלום می‌خواهم"),
        ("one\ttwo\nthree", "one\ttwo\nthree"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\x7f\x00", r"a\rb\x7f\x00"),
        ("\u202etxt.fits", r"\u202etxt.fits"),
        ("a\u2066b\u061cc", r"a\u2066b\u061cc"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("a\u2028b", r"a\u2028b"),
        ("\udce9.fits", r"\udce9.fits"),
        ("\U000e0041", r"\U000e0041"),
        (r"C:\x1b", r"C:\x1b"),
    ],
)
def test_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@settings(max_examples=50)
@given(TEXTS)
def test_nothing_steers_a_terminal(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()
    for character in shown:
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in STEERING - {"L", "R", "AL"}


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_letters_stay(text: str) -> None:
    kept = [letter for letter in text if letter.isprintable()]
    assert visible("".join(kept)) == "".join(kept)


@settings(max_examples=50)
@given(st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_json_keeps_its_value(value: dict[str, str]) -> None:
    shown = visible_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert visible(shown) == shown
