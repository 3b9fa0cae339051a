"""What a FITS file holds, told from its headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import UnreadableFileError
from lamella.formats.contents import contents_of


def write(path: Path, *hdus: fits.hdu.base.ExtensionHDU, **cards: object) -> Path:
    primary = fits.PrimaryHDU()
    primary.header.update(cards)
    fits.HDUList([primary, *hdus]).writeto(path)
    return path


def test_hdus_cards_and_the_wcs_are_told(tmp_path: Path) -> None:
    image = fits.ImageHDU(np.zeros((4, 6), np.uint16), name="SCI")
    image.header.update(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", CPDIS1="Lookup", BUNIT="adu")
    second = fits.ImageHDU(np.zeros((4, 6), np.float32), name="SCI", ver=2)
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2, 3])], name="CAT")
    contents = contents_of(write(tmp_path / "a.fits", image, second, table, MAGZPT=25.5, FILTER="r"))
    empty, first, other, rows = contents.hdus
    assert empty.holds == "no data"
    assert (first.name, first.holds, first.unit) == ("SCI", "6×4 uint16", "adu")
    assert first.wcs == "RA---TAN-SIP with lookup tables"
    assert (other.name, other.holds, other.wcs) == ("SCI,2", "6×4 float32", "")
    assert rows.holds == "table of 3 rows"
    assert [(card.keyword, card.value, card.hdu) for card in contents.stated("zero point")] == [
        ("MAGZPT", "25.5", 0)
    ]
    assert contents.subjects == ("zero point", "filter")
    assert contents.missing == ()
    assert "HDU 1 SCI: 6×4 uint16" in str(contents)
    assert "MAGZPT = 25.5, FILTER = r" in str(contents)


def test_a_card_that_several_hdus_repeat_is_told_once(tmp_path: Path) -> None:
    hdus = [fits.ImageHDU(np.zeros((2, 2)), fits.Header({"GAIN": gain})) for gain in (2.0, 2.0, 3.0)]
    cards = contents_of(write(tmp_path / "a.fits", *hdus)).stated("gain")
    assert [(card.value, card.hdu) for card in cards] == [("2.0", 1), ("3.0", 3)]


@pytest.mark.parametrize("axes", [(), (5,)])
def test_a_file_without_an_image_lacks_one(tmp_path: Path, axes: tuple[int, ...]) -> None:
    hdus = [fits.ImageHDU(np.zeros(axes))] if axes else []
    assert contents_of(write(tmp_path / "a.fits", *hdus)).missing == ("an image",)


def test_a_file_of_flags_alone_lacks_its_image(tmp_path: Path) -> None:
    flags = fits.ImageHDU(np.zeros((5, 6)), name="MASKBITS")
    (missing,) = contents_of(write(tmp_path / "a.fits", flags)).missing
    assert missing.startswith("an image of the sky (HDU 1 MASKBITS has the name of")


def test_a_cube_lacks_an_image_and_is_told_what_to_do(tmp_path: Path) -> None:
    (missing,) = contents_of(write(tmp_path / "a.fits", fits.ImageHDU(np.zeros((5, 6, 7))))).missing
    assert missing.startswith("a 2-d image (a plane of a cube")


def test_an_image_without_a_wcs_lacks_it(tmp_path: Path) -> None:
    assert contents_of(write(tmp_path / "a.fits", fits.ImageHDU(np.zeros((2, 2))))).missing == (
        "a celestial WCS",
    )


def test_a_file_that_is_not_fits_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_text("no")
    with pytest.raises(UnreadableFileError, match=r"a\.fits"):
        contents_of(tmp_path / "a.fits")
