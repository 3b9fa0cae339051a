"""Tests of files of cards that override headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits

from lamella.errors import InputError, UnreadableFileError
from lamella.formats.head_files import override_cards, read_head

HEAD = """HISTORY   Astrometric solution by SCAMP version 2.10.0 (2020-12-01)
COMMENT   (c) 2010-2020 IAP/CNRS/SorbonneUniversit\xe9
EQUINOX =        2000.00000000 / Mean equinox
CTYPE1  = 'RA---TPV'           / WCS projection type for this axis
CRVAL1  =   1.500000000000E+02 / World coordinate on this axis
PV1_1   =   1.0
FLXSCALE=   1.250000000000E+00 / SCAMP relative flux scale
END
CTYPE1  = 'RA---TAN'
CRVAL1  =   1.6E+02
END
"""


@pytest.fixture
def head(tmp_path: Path) -> Path:
    path = tmp_path / "x.head"
    path.write_text(HEAD, encoding="latin-1")
    return path


def test_each_header_is_read_without_its_comments(head: Path) -> None:
    first, second = read_head(head)
    assert dict(first) == {
        "EQUINOX": 2000.0,
        "CTYPE1": "RA---TPV",
        "CRVAL1": 150.0,
        "PV1_1": 1.0,
        "FLXSCALE": 1.25,
    }
    assert second["CRVAL1"] == 160.0


def test_a_wcs_takes_the_place_of_the_whole_other_one(head: Path) -> None:
    header = fits.Header({"CTYPE1": "RA---TAN-SIP", "A_ORDER": 2, "A_2_0": 1e-4, "PC1_1": 1.0, "FILTER": "r"})
    merged = override_cards(header, head, 0)
    assert merged["CTYPE1"] == "RA---TPV"
    assert merged["FILTER"] == "r"
    assert not {"A_ORDER", "A_2_0", "PC1_1"} & set(merged)
    assert header["CTYPE1"] == "RA---TAN-SIP"


def test_cards_without_a_wcs_leave_that_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "x.head"
    path.write_text("FLXSCALE=   1.25\nEND\n")
    merged = override_cards(fits.Header({"CTYPE1": "RA---TAN", "FLXSCALE": 1.0}), path, 0)
    assert dict(merged) == {"CTYPE1": "RA---TAN", "FLXSCALE": 1.25}


def test_an_image_without_a_header_of_its_number_is_an_error(head: Path) -> None:
    with pytest.raises(InputError, match=r"x\.head: found 2 headers; expected one for image 3"):
        override_cards(fits.Header(), head, 2)


@pytest.mark.parametrize("text", ["", "END\n", "COMMENT nothing\nEND\n"])
def test_a_file_without_cards_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.head"
    path.write_text(text)
    with pytest.raises(UnreadableFileError, match="found no card"):
        read_head(path)


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_head(tmp_path / "y.head")
