"""Headers that are read without astropy."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import UnreadableFileError
from lamella.fits.cards import RawFile, primary_cards, read_cards, walk_headers, whole_number


@pytest.fixture
def path(tmp_path: Path) -> Path:
    primary = fits.PrimaryHDU()
    primary.header["OBSERVER"] = ("Leavitt", "who / what")
    primary.header["VISIT"] = (-12, "a number")
    primary.header["EXPTIME"] = 1.5
    primary.header["HISTORY"] = "nothing"
    image = fits.ImageHDU(np.zeros((50, 60), np.float64), name="A")
    image.header.extend((f"KEY{n}", n) for n in range(100))
    table = fits.BinTableHDU.from_columns([fits.Column("X", "PB", array=np.array([[1, 2], [3]], object))])
    fits.HDUList([primary, image, table, fits.ImageHDU(name="LAST")]).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


def test_whole_numbers_and_texts_of_the_first_header(path: Path) -> None:
    cards = primary_cards(path)
    assert cards is not None
    assert (cards["OBSERVER"], cards["VISIT"], cards["EXPTIME"]) == ("Leavitt", -12, "1.5")
    assert "HISTORY" not in cards


def test_headers_are_where_astropy_finds_them(path: Path) -> None:
    with fits.open(path) as hdus, RawFile(path) as file:
        expected = [(hdu.name, hdu._header_offset, hdu._data_offset) for hdu in hdus]
        found = [(cards.get("EXTNAME", ""), start) for cards, start in walk_headers(file)]
        assert found == [(name.replace("PRIMARY", ""), data) for name, _, data in expected]
        cards, start = read_cards(file, expected[1][1])
        assert (cards["KEY99"], start) == (99, expected[1][2])
        assert whole_number(file, cards, "NAXIS1") == 60
        assert whole_number(file, cards, "THEAP", 7) == 7


def test_a_number_that_is_missing_or_negative_is_damage(path: Path) -> None:
    with RawFile(path) as file:
        with pytest.raises(UnreadableFileError, match=r"a\.fits, primary, VISIT: found -12"):
            whole_number(file, {"VISIT": -12}, "VISIT")
        with pytest.raises(UnreadableFileError, match="JSONADDR: found None"):
            whole_number(file, {}, "JSONADDR")


@pytest.mark.parametrize("content", [None, b"", b"SIMPLE  =", b"\x1f\x8b" * 5000, b"SIMPLE  =" + b" " * 5000])
def test_nothing_is_said_of_other_files(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "b.fits").write_bytes(content)
    assert primary_cards(tmp_path / "b.fits") is None


def test_a_header_that_is_cut_is_damage(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:6000])
    with RawFile(path) as file, pytest.raises(UnreadableFileError, match="6000 bytes"):
        list(walk_headers(file))
