"""Tests of the cards that values are taken from."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from lamella.errors import InputError, MissingPartError
from lamella.formats.arithmetic import parse_expression
from lamella.formats.cards import Cards, parse_condition

PATH = Path("night/x.fits")


def cards() -> Cards:
    image = fits.Header({"MAGZP": 26.0, "EMPTY": "", "NAME": " r band ", "TEXT": "30.5", "FLAG": False})
    image["NOTHING"] = None
    primary = fits.Header({"MAGZP": 1.0, "EXPTIME": 100.0, "NOTHING": 3})
    primary["HIERARCH ESO DET DIT"] = 4.0
    return Cards(PATH, "HDU SCI", (image, primary))


def test_the_header_of_the_image_is_believed_before_the_primary_one() -> None:
    assert cards().number("MAGZP") == 26.0
    assert cards().number("EXPTIME") == 100.0


def test_a_card_without_a_value_is_none() -> None:
    assert cards().get("EMPTY") is None
    assert cards().number("NOTHING") == 3.0


def test_blanks_around_texts_are_no_text_and_digits_are_a_number() -> None:
    assert cards().text("NAME") == "r band"
    assert cards().number("TEXT") == 30.5
    assert cards().number("ESO DET DIT") == 4.0


def test_a_missing_keyword_names_file_hdu_and_keyword() -> None:
    with pytest.raises(MissingPartError, match=r"night/x\.fits, HDU SCI, PHOTZP: found no such keyword"):
        cards().evaluate(parse_expression("PHOTZP + 1"))


@pytest.mark.parametrize("key", ["NAME", "FLAG"])
def test_a_card_that_is_no_number_is_an_error(key: str) -> None:
    with pytest.raises(InputError, match=f"HDU SCI, {key}: found .* expected a finite number"):
        cards().number(key)


def test_arithmetic_with_an_impossible_value_is_an_error_of_the_file() -> None:
    with pytest.raises(InputError, match=r"x\.fits, HDU SCI: found 'log10\(MAGZP - 26\)' with MAGZP = 26"):
        cards().evaluate(parse_expression("log10(MAGZP - 26)"))


@pytest.mark.parametrize(
    ("told", "value", "expected"),
    [
        (True, 0, True),
        (True, None, False),
        (False, None, True),
        (False, "x", False),
        (">0", 1, True),
        (">0", 0, False),
        (">0", "2", True),
        ("<=3.5", 3.5, True),
        (">0", "word", False),
        (">0", None, False),
        ("LCO.*", "lcogt", True),
        ("LCO", "LCOGT", False),
        ("r", " r ", True),
        ("T", True, True),
        (-32, -32, True),
        (-32, 16, False),
        ("16", 16, True),
    ],
)
def test_conditions(told: object, value: str | float | None, expected: bool) -> None:
    assert parse_condition(told).holds(value) is expected


@pytest.mark.parametrize("told", [None, [1], "(", ">", "<x", {}])
def test_what_is_no_condition_is_refused(told: object) -> None:
    with pytest.raises(ValueError, match=r"condition|expression|compares"):
        parse_condition(told)
