"""Tests of the passband of a plain image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamella.formats.cards import Cards
from lamella.formats.plain.bands import band_of


def band(cards: dict[str, Any], name: str = "img001.fits") -> str:
    return band_of(Cards(Path(name), "PRIMARY", (cards,))).text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"FILTER": "r DECam SDSS c0002 6415.0 1480.0"}, "r"),
        ({"FILTER": "SDSS r / new"}, "SDSS_r_new"),
        ({"FILTER": 2}, "2"),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}, "F814W"),
        ({"FILTER1": "open1-6", "FILTER2": "r_G0303"}, "r_G0303"),
        ({"FILTER1": "POL0V", "FILTER2": "F606W"}, "POL0V+F606W"),
        ({"FILTER1": "V", "FILTER2": "V", "FILTER3": "Clear"}, "V"),
        ({"FILTER1": "Ha", "FILTER2": 5}, "Ha"),
        ({"FILTER01": "W-S-R+"}, "W-S-R+"),
        ({"ALFLTNM": "Open", "FAFLTNM": "r'_SDSS 625_140", "FBFLTNM": "Open"}, "r'_SDSS_625_140"),
        ({"FLT_ID": "r SDSS", "GRM_ID": "OPEN"}, "r"),
        ({"ESO INS FILT1 NAME": "r_SDSS", "ESO INS FILT1 ID": "FILT_454", "ESO INS FILT1 NO": 3}, "r_SDSS"),
        ({"DWFILNAM": "R", "FILENAME": "i_001.fits"}, "R"),
        ({"REDFILT": "I"}, "I"),
        ({"FILTPOS": "r", "FILTDATE": "2020-01-01", "FILTER": "N/A", "FILTNAM": "g"}, "g"),
        ({"FILTER": "Clear"}, "clear"),
        ({"FILTER1": "OPEN", "FILTER2": "air"}, "clear"),
        ({"FILTER": "none"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_band_is_what_is_in_the_beam(cards: dict[str, Any], expected: str) -> None:
    assert band(cards) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m31_g_001.fits", "g"),
        ("m31-r-1.fit.gz", "r"),
        ("ngc1.Ha.fits", "Ha"),
        ("x_f606w_drz_sci.fits", "f606w"),
        ("a_b_001.fits", "unknown"),
        ("m31_g_r.fits", "unknown"),
        ("img001.fits", "unknown"),
    ],
)
def test_without_a_card_the_name_tells_bands_apart(name: str, expected: str) -> None:
    assert band({}, name) == expected
    assert band({"FILTER": "V"}, name) == "V"
