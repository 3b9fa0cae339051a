from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import LamellaError, MissingPartError, ProjectionError, UnreadableFileError
from lamella.formats.grid_file import skymap_from_image, split_hdu

SHAPE = (40, 50)


@pytest.fixture
def image(tmp_path: Path, tan_cards: Any) -> Path:
    """A file whose second image has the WCS of another pointing."""
    other = tan_cards((30, 20))
    other["CRVAL1"] += 1.0
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(np.zeros(SHAPE, np.float32), tan_cards(SHAPE), name="WEIGHT"),
        fits.CompImageHDU(np.zeros(SHAPE, np.float32), tan_cards(SHAPE), name="SCI"),
        fits.ImageHDU(np.zeros((30, 20), np.float32), other, name="SCI2"),
        fits.ImageHDU(np.zeros(7, np.float32), name="LIST"),
        fits.ImageHDU(np.zeros((3, 4), np.float32), name="BARE"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


def test_the_first_image_or_the_hdu_that_is_named(image: Path) -> None:
    first, named = skymap_from_image(image)[0], skymap_from_image(image, "sci2")[0]
    assert first.bbox.shape == SHAPE
    assert named.bbox.shape == (30, 20)
    assert named.center.ra.deg - first.center.ra.deg == pytest.approx(1.0, abs=1e-2)
    assert skymap_from_image(image, 3) == skymap_from_image(image, "SCI2")


def test_a_text_of_cards_is_the_grid_of_its_image(image: Path, tmp_path: Path) -> None:
    header = fits.getheader(image, "SCI2")
    for end in (True, False):
        path = tmp_path / f"grid{end}.hdr"
        header.totextfile(path, endcard=end)
        assert skymap_from_image(path) == skymap_from_image(image, "SCI2")


@pytest.mark.parametrize(
    ("hdu", "error", "words"),
    [
        ("SCI9", MissingPartError, "HDU SCI9: found only HDUs 0, 1 WEIGHT"),
        ("LIST", MissingPartError, "no 2-d image; expected a grid of pixels"),
        (0, MissingPartError, "no 2-d image"),
        ("BARE", ProjectionError, "no projection to the sky"),
    ],
)
def test_what_is_no_grid_is_told(image: Path, hdu: str | int, error: type[LamellaError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        skymap_from_image(image, hdu)
    assert str(image) in str(caught.value)


def test_other_files_are_no_grids(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"none\.fits"):
        skymap_from_image(tmp_path / "none.fits")
    (tmp_path / "a.txt").write_text("x = 3\n")
    with pytest.raises(LamellaError, match=r"a\.txt"):
        skymap_from_image(tmp_path / "a.txt")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)))
    with pytest.raises(LamellaError, match=r"b\.bin"):
        skymap_from_image(tmp_path / "b.bin")


def test_a_comma_parts_file_and_hdu(tmp_path: Path) -> None:
    assert split_hdu("a.fits") == (Path("a.fits"), None)
    assert split_hdu("b,c/a.fits,SCI") == (Path("b,c/a.fits"), "SCI")
    assert split_hdu("a.fits,2") == (Path("a.fits"), 2)
    odd = tmp_path / "a,1"
    odd.touch()
    assert split_hdu(str(odd)) == (odd, None)
