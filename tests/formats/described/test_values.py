"""Tests of the ways to values."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from lamella.errors import InputError, MissingPartError
from lamella.formats.cards import Cards
from lamella.formats.described.sections import parse_table
from lamella.formats.described.values import Cell, parse_value, visit_hash

CARDS = Cards(
    Path("night/x_0042_r.fits.fz"),
    "HDU 1",
    (
        fits.Header(
            {"MAGZP": 26.0, "FILTER": "gp", "EXPTIME": 30.0, "UNIT": "ELECTRONS/S", "LONG": "r DECam"}
        ),
    ),
)
TABLES = {"ab_offset": parse_table({"card": "FILTER", "gp": 0.5, "Ks?": 1.8})}


@pytest.mark.parametrize(
    ("told", "cell"),
    [
        (25, Cell("25", "description its word")),
        ("MAGZP", Cell("MAGZP", "header MAGZP")),
        ("MAGZP - 1", Cell("MAGZP - 1", "header MAGZP - 1")),
        ("MAGZP + ab_offset", Cell("26.5", "header MAGZP + ab_offset")),
        (["PHOTZP", "MAGZP"], Cell("MAGZP", "header MAGZP")),
        ({"is": "7"}, Cell("7", "description its word")),
        ({"name": r"_(\d+)_"}, Cell("0042", "file its name")),
        ({"card": "FILTER", "map": {"gp": "3.5"}}, Cell("3.5", "header FILTER")),
        (
            [{"when": {"UNIT": "electrons"}, "value": "1"}, {"when": {"UNIT": ".*/s"}, "value": "EXPTIME"}],
            Cell("EXPTIME", "header EXPTIME"),
        ),
        ([{"when": {"UNIT": "x"}, "value": "1"}, 2.5], Cell("2.5", "description its word")),
    ],
)
def test_numbers(told: object, cell: Cell) -> None:
    assert parse_value(told).number(CARDS, TABLES) == cell


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("FILTER", "gp"),
        ({"is": "unknown"}, "unknown"),
        ({"card": "FILTER", "map": {"g.*": "g", "r.*": "r"}}, "g"),
        ({"card": "FILTER", "map": {"r.*": "r"}, "default": "other"}, "other"),
        ({"card": "LONG", "match": r"^\w+"}, "r"),
        ({"card": "LONG", "match": r"^(\w)\w*", "map": {"r": "R"}}, "R"),
        ({"name": r"_([a-z])\.fits", "map": {"r": "rp"}}, "rp"),
        ([{"card": "BAND"}, {"card": "FILTER"}], "gp"),
    ],
)
def test_texts(told: object, text: str) -> None:
    assert parse_value(told).text(CARDS).text == text


def test_a_text_that_the_map_lacks_is_an_error_with_what_it_has() -> None:
    with pytest.raises(InputError, match=r"HDU 1, header FILTER: found 'gp'; expected one of r\.\*, z"):
        parse_value({"card": "FILTER", "map": {"r.*": "r", "z": "z"}}).text(CARDS)


def test_where_no_way_leads_to_a_value_all_are_told() -> None:
    ways = parse_value(["PHOTZP", {"when": {"UNIT": "adu"}, "value": "MAGZP"}])
    with pytest.raises(MissingPartError, match=r"PHOTZP: found no such keyword; UNIT is not 'adu'"):
        ways.number(CARDS, {})


def test_a_card_that_a_table_lacks_is_an_error() -> None:
    table = parse_table({"card": "FILTER", "r": 0.1})
    with pytest.raises(InputError, match="HDU 1, FILTER: found 'gp'; expected one of r"):
        table(CARDS)
    assert parse_table({"card": "FILTER", "r": 0.1, "default": 2})(CARDS) == 2


def test_the_number_of_a_visit_without_one_depends_on_name_and_date_and_not_on_folder_or_compression() -> (
    None
):
    def number(name: str, date: str) -> int:
        return visit_hash(Cards(Path(name), "", (fits.Header({"DATE-OBS": date}),)))

    assert number("a/x.fits", "2024-01-01") == number("b/x.fits.gz", "2024-01-01") > 0
    headers = (fits.Header({"CRVAL1": 1.0}), fits.Header({"CRVAL1": 2.0}))
    assert len({visit_hash(Cards(Path("light_001.fits"), "", (header,))) for header in headers}) == 2
    assert len({number("x.fits", "2024-01-01"), number("y.fits", "2024-01-01"), number("x.fits", "2")}) == 3
    assert parse_value({"hash": True}).number(CARDS, {}).text == str(visit_hash(CARDS))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([], "empty list"),
        (True, "is no number"),
        ({"crad": "X"}, r"unknown word 'crad'.*did you mean card\?"),
        ({"card": "X", "is": "3"}, "is and card; expected one of"),
        ({"when": {"X": 1}}, "no way to a value"),
        ({"is": "x", "map": {"a": "b"}}, "map without"),
        ({"card": "X", "default": "b"}, "default without map"),
        ({"card": "X", "map": "b"}, "expected a table"),
        ({"card": "X", "map": {"(": "b"}}, "no regular expression"),
        ({"value": "1 +"}, "no arithmetic"),
        ({"hash": False}, "must be true"),
        ({"is": "x", "hash": True}, "is and hash; expected one of"),
        ({"card": "X", "hash": True, "map": {"a": "b"}}, "hash and map"),
    ],
)
def test_what_is_no_value_is_refused(told: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_value(told)


def test_the_number_of_a_text_is_that_of_its_characters_alone() -> None:
    def number(name: str) -> str:
        way = parse_value({"name": r"^(\w+_\w+)_ccd", "hash": True})
        return way.number(Cards(Path(name), "", (fits.Header(),)), {}).text

    assert number("night/v7_0a_ccd1.fits") == number("v7_0A_ccd2.fits.gz") != number("v7_0b_ccd1.fits")
    assert 0 < int(number("v7_0a_ccd1.fits")) < 2**31
    assert parse_value({"card": "LONG", "hash": True}).number(CARDS, {}).origin == "header LONG"


def test_the_groups_of_a_pattern_are_joined() -> None:
    assert parse_value({"name": r"(\d\d)(\d+)_r"}).number(CARDS, {}) == Cell("0042", "file its name")
    assert parse_value({"card": "LONG", "match": r"^(\w) (\w+)(x)?"}).text(CARDS).text == "rDECam"
