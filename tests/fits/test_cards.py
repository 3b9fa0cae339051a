"""Cards that are parsed without astropy."""

from pathlib import Path

import pytest
from astropy.io import fits

from lamella.fits.cards import Cards
from lamella.fits.hdus import primary_cards


def test_values_are_those_of_astropy() -> None:
    header = fits.Header()
    header["OBSERVER"] = ("O'Leavitt / x", "who / what")
    header["VISIT"] = (-12, "a number")
    header["EXPTIME"], header["SMALL"], header["GOOD"], header["BAD"] = 1.5, -1e-300, True, False
    header["EMPTY"], header["HIERARCH AFW_TABLE_VERSION"] = "", 3
    header["LONG"] = "many words " * 20 + "'s"
    header["AFTER"] = "&"
    header["HISTORY"] = "nothing"
    cards = Cards(header.tostring(endcard=False, padding=False))
    assert cards == {key: value for key, value in header.items() if key != "HISTORY"}
    assert [type(value) for value in cards.values()] == [type(header[key]) for key in cards]


def test_what_is_no_value_is_a_text_and_the_first_of_two_counts() -> None:
    text = "".join(card.ljust(80) for card in ("A       = 1_000 / x", "B       = 'open", "A       = 7"))
    assert Cards(text) == {"A": "1_000", "B": "'open"}


@pytest.mark.parametrize("content", [None, b"", b"SIMPLE  =", b"\x1f\x8b" * 5000, b"SIMPLE  =" + b" " * 5000])
def test_nothing_is_said_of_other_files(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "b.fits").write_bytes(content)
    assert not primary_cards(tmp_path / "b.fits")
