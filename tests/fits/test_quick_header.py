"""Values that are looked up fast are those of astropy."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.fits.quiet import lenient_header

CARDS = (
    "SIMPLE  =                    T / conforms",
    "BITPIX  =                  -32",
    "NAXIS   =                    2",
    "NAXIS1  =                  100",
    "OBJECT  = 'M 31    '           / a name",
    "QUOTED  = 'it''s  '",
    "EMPTY   = ''",
    "NOTHING =                      / no value",
    "REAL    =             1.5D+001",
    "SMALL   =                -.5E-3",
    "WHOLE   =                  007",
    "LONG    = 'begins &'",
    "CONTINUE  'and ends'",
    "DP1     = 'EXTVER: 1'",
    "DATE-OBS= '2026-03-01T03:12:00'",
    "HIERARCH ESO INS FILT1 NAME = 'r_SDSS  '",
    "HIERARCH SHORT = 5",
    "TWICE   =                    1",
    "TWICE   =                    2",
    "BADNAN  =                  NaN / no number of FITS",
    "COMMENT one = 1",
    "COMMENT two",
    "HISTORY done",
    "lower   =                    3",
)
KEYS = (
    *(
        "SIMPLE",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "OBJECT",
        "QUOTED",
        "EMPTY",
        "NOTHING",
        "REAL",
        "SMALL",
        "WHOLE",
    ),
    *("LONG", "DP1", "DP1.EXTVER", "DATE-OBS", "SHORT", "TWICE", "BADNAN", "COMMENT", "HISTORY", "ABSENT"),
    *("CONTINUE", "object", "Naxis1", "lower", "LOWER", "A.B", "ESO INS FILT1 NAME", ""),
    *("HIERARCH ESO INS FILT1 NAME", ("TWICE", 1)),
)


@pytest.fixture
def text() -> str:
    return "".join(f"{card:80}" for card in CARDS)


def plain(text: str) -> fits.Header:
    """Return what astropy makes of the cards, mended in the same way."""
    header = lenient_header(text, Path("x.fits"), "")
    header._quick = None  # type: ignore[attr-defined]
    return header


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_each_way_to_ask_gives_what_astropy_gives(text: str, key: str) -> None:
    quick, slow = lenient_header(text, Path("x.fits"), ""), plain(text)
    for _ in range(2):
        found, expected = quick.get(key, "none"), slow.get(key, "none")
        assert type(found) is type(expected)
        assert str(found) == str(expected)
        assert (key in quick) is (key in slow)
        if key in slow:
            assert str(quick[key]) == str(slow[key])
        else:
            with pytest.raises(KeyError, match="not found"):
                quick[key]


@pytest.mark.parametrize("change", ["set", "item", "delete", "update", "append", "insert", "rename", "clear"])
def test_a_header_that_is_changed_is_that_of_astropy(text: str, change: str) -> None:
    changes = {
        "set": lambda header: header.set("NAXIS1", 7),
        "item": lambda header: header.__setitem__("NAXIS1", 7),
        "delete": lambda header: header.__delitem__("NAXIS1"),
        "update": lambda header: header.update({"NAXIS1": 7, "NEW": 1}),
        "append": lambda header: header.append(("NEW", 1)),
        "insert": lambda header: header.insert(3, ("NEW", 1)),
        "rename": lambda header: header.rename_keyword("NAXIS1", "NEW"),
        "clear": lambda header: header.clear(),
    }
    quick, slow = lenient_header(text, Path("x.fits"), ""), plain(text)
    assert quick["NAXIS1"] == 100
    for header in (quick, slow):
        changes[change](header)
    assert [quick.get(key) for key in ("NAXIS1", "NEW")] == [slow.get(key) for key in ("NAXIS1", "NEW")]
    assert [*quick] == [*slow]


def test_keywords_are_those_of_astropy_in_their_order(text: str) -> None:
    quick, slow = lenient_header(text, Path("x.fits"), ""), plain(text)
    for _ in range(2):
        assert [*quick] == [*quick.keys()] == [*slow]
    assert "TWICE" in [*quick]
    quick["ADDED"] = 1
    assert [*quick][-1] == "ADDED"


def test_a_copy_can_be_changed_and_the_header_stays(text: str) -> None:
    header = lenient_header(text, Path("x.fits"), "")
    for other in (header.copy(), copy.copy(header), copy.deepcopy(header)):
        assert other["NAXIS1"] == 100
        other["NAXIS1"] = 5
        assert (other["NAXIS1"], header["NAXIS1"]) == (5, 100)


def test_it_is_written_as_any_header(text: str, tmp_path: Path) -> None:
    header = lenient_header(
        f"{'SIMPLE  =                    T':80}{'OBJECT  = ' + repr('M 31'):80}", tmp_path, ""
    )
    fits.writeto(tmp_path / "x.fits", np.zeros((2, 3)), header)
    assert fits.getheader(tmp_path / "x.fits")["OBJECT"] == "M 31"
