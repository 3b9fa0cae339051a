"""DATASUM is the sum that astropy makes, and data that differ from theirs are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from lamella.fits.datasum import STALE_SUM, collect_stale_sums, data_sum
from lamella.fits.read import read_image, read_images, read_table

NOISE = np.random.default_rng(2).normal(100, 3, (70, 90)).astype(np.float32)


@given(st.binary(max_size=100), st.sampled_from([0, 1, 3]))
def test_the_sum_is_that_of_astropy(content: bytes, steps: int) -> None:
    content = content + bytes(range(256)) * 256 * steps
    padded = np.frombuffer(content.ljust(-(-len(content) // 4) * 4, b"\0"), np.uint8)
    assert data_sum(content) == int(fits.ImageHDU()._compute_checksum(padded))


def write(path: Path, form: str, *, stale: bool) -> Path:
    header = fits.Header()
    image = {
        "plain": lambda: fits.ImageHDU(NOISE, header, name="SCI"),
        "tiles": lambda: fits.CompImageHDU(
            NOISE.astype(np.int16), header, name="SCI", compression_type="RICE_1"
        ),
        "scaled": lambda: fits.ImageHDU(NOISE.astype(np.uint16), header, name="SCI"),
    }[form]()
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=np.arange(5))], name="TAB")
    fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(path, checksum=True)
    if stale:
        content = bytearray(path.read_bytes())
        for unit in ("SCI", "TAB"):
            with fits.open(path, disable_image_compression=True) as hdus:
                start, end = hdus[unit].fileinfo()["datLoc"], hdus[unit].fileinfo()["datSpan"]
            content[start + min(19, end - 1)] ^= 1
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", ["plain", "tiles", "scaled"])
@pytest.mark.parametrize("stale", [False, True])
def test_an_image_that_differs_from_its_sum_is_told(form: str, stale: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", form, stale=stale)
    with collect_stale_sums() as notes:
        try:
            read_images([(path, "SCI"), (path, "SCI")])
        except OSError:
            assert (stale, form) == (True, "tiles")
    assert len(notes) == stale
    assert all(note.startswith(STALE_SUM) and "a.fits, HDU 1 (SCI)" in note for note in notes)


def test_a_table_that_differs_from_its_sum_is_told(tmp_path: Path) -> None:
    for stale in (False, True):
        path = write(tmp_path / f"{stale}.fits", "plain", stale=stale)
        with collect_stale_sums() as notes:
            read_table(path, "TAB")
        assert [STALE_SUM in note for note in notes] == [True] * stale


@pytest.mark.parametrize("card", ["no number", "²", "1" * 6000, "", 5])
def test_a_card_that_is_no_sum_states_nothing(card: object, tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(NOISE)
    hdu.header["DATASUM"] = "0"
    hdu.writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    text = f"DATASUM = {card}" if isinstance(card, int) else f"DATASUM = '{card}'"[:80]
    old = content[content.index(b"DATASUM") :][:80]
    (tmp_path / "a.fits").write_bytes(content.replace(old, text.encode("latin-1").ljust(80)[:80]))
    with collect_stale_sums() as notes:
        read_image(tmp_path / "a.fits", 0)
    assert bool(notes) is (card == 5)
