"""Names of files: plain names as they are, and never one file for two names."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.filenames import coadd_stem, file_word
from lamella.run.outputs import CoaddFiles

NAMES = st.text(st.characters(codec=None), max_size=30) | st.text("rRα/.~%,-0\u0301é", max_size=200)


@pytest.mark.parametrize(
    "name", ["r", "HSC-I", "LamellaSim", "r DECam SDSS c0002 6415.0", "i2", "N_708", "Ks"]
)
def test_plain_names_stay(name: str) -> None:
    assert file_word(name) == name
    assert coadd_stem(f"{name}-0-5,4") == f"{name}-0-5,4"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("r/X", "r~2FX"),
        ("Hα", "H~CE~B1"),
        ("a~b%2F", "a~7Eb~252F"),
        ("r-0-0,0", "r-0-0~2C0"),
        ("x\x00\n", "x~00~0A"),
        ("\udce9", "~ED~B3~A9"),
    ],
)
def test_other_characters(name: str, word: str) -> None:
    assert file_word(name) == word


@pytest.mark.parametrize("band", ["..", "../../etc/x", "/tmp/x", "a\\b", "x" * 255, "α" * 255, "CON", "-"])
def test_products_stay_in_their_folder(band: str, tmp_path: Path) -> None:
    files = CoaddFiles(tmp_path, f"{band}-0-0,0")
    for path in (*files.described(artifacts=True).values(), files.record):
        path.write_bytes(b"")
        assert path.resolve().parent == tmp_path.resolve()
        assert len(path.name) < 200


@settings(max_examples=200)
@given(NAMES, NAMES)
def test_two_names_are_two_files(one: str, other: str) -> None:
    words = file_word(one), file_word(other)
    assert (words[0] == words[1]) == (one == other)


@settings(max_examples=200)
@given(NAMES)
def test_no_file_system_changes_a_word(name: str) -> None:
    word = file_word(name)
    for form in ("NFC", "NFD", "NFKC"):
        assert unicodedata.normalize(form, word) == word
    assert re.fullmatch(r"[A-Za-z0-9 +.=@_~-]*", word)
    assert len(word) <= 80


@settings(max_examples=100)
@given(st.sampled_from(["α/β", "a,b", "r-0-0,0-A"]), st.sampled_from(["B", "A-0-0,0-B", "0,0"]), NAMES)
def test_band_and_instrument_are_told_apart(band: str, instrument: str, other: str) -> None:
    """No word has a comma, so that the first patch of a name ends the band."""
    assert not any("," in file_word(name) for name in (band, instrument, other))
