"""HDUs that are written piece by piece, as astropy reads them."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.fits.compression import submit_tiles
from lamella.fits.write import (
    BITPIX,
    Records,
    format_cards,
    write_hdu,
    write_image,
    write_ragged,
    write_tiles,
)

from .test_compression import plane_of

PRIMARY = [("SIMPLE", True, ""), ("BITPIX", 8, ""), ("NAXIS", 0, "")]


@pytest.mark.parametrize(
    "card",
    [
        ("NAXIS", 2, "number of array dimensions"),
        ("OFFSET", -12345678901, ""),
        ("ZIMAGE", True, ""),
        ("EXTEND", False, "nothing"),
        ("EXTNAME", "JSON", "extension name"),
        ("TTYPE1", "COMPRESSED_DATA", ""),
        ("DATAMODL", "https://lamella.invalid/schemas/lamella_patch_coadd-1.1.0", "Schema URL."),
    ],
)
@pytest.mark.filterwarnings("ignore:Card is too long, comment will be truncated")
def test_cards_are_those_of_astropy(card: tuple[str, bool | int | str, str]) -> None:
    assert format_cards([card]) == str(fits.Card(*card)).encode()


def test_a_value_is_not_cut() -> None:
    with pytest.raises(ValueError, match="too long"):
        format_cards([("DATAMODL", "x" * 69, "")])


@pytest.mark.parametrize("dtype", sorted(BITPIX, key=str))
@pytest.mark.parametrize("shape", [(7,), (5, 9), (700, 800), (3, 4, 5), (0,)])
def test_images_are_read_as_they_were(dtype: np.dtype, shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).normal(0, 50, shape).astype(dtype)
    with (tmp_path / "a.fits").open("wb") as stream:
        write_hdu(stream, format_cards(PRIMARY))
        place = write_image(stream, pixels, [("EXTNAME", "A", "")], format_cards([("BUNIT", "nJy", "")]))
        assert place.header + place.size == stream.tell()
    assert (tmp_path / "a.fits").stat().st_size % 2880 == 0
    with fits.open(tmp_path / "a.fits", memmap=False) as hdus:
        hdus.verify("exception")
        assert hdus["A"].header["BUNIT"] == "nJy"
        assert (hdus["A"]._header_offset, hdus["A"]._data_offset) == (place.header, place.data)
        if pixels.size:
            assert hdus["A"].data.astype(dtype).tobytes() == pixels.tobytes()
            assert hdus["A"].data.shape == shape


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("shape", [(5, 7), (300, 500), (1, 70_000), (70_000, 1)])
def test_astropy_reads_the_bits_of_tiles(shape: tuple[int, int], dtype: type, tmp_path: Path) -> None:
    plane = plane_of(shape, dtype)
    with (tmp_path / "a.fits").open("wb") as stream, ThreadPoolExecutor(1) as pool:
        tiles = submit_tiles(plane, pool)
        write_hdu(stream, format_cards(PRIMARY))
        write_tiles(stream, plane, tiles, [("EXTNAME", "A", "")], b"")
        write_hdu(
            stream,
            format_cards([("XTENSION", "IMAGE", ""), *PRIMARY[1:], ("PCOUNT", 0, ""), ("GCOUNT", 1, "")]),
        )
    with fits.open(tmp_path / "a.fits") as hdus:
        assert len(hdus) == 3
        assert isinstance(hdus["A"], fits.CompImageHDU)
        assert np.ascontiguousarray(hdus["A"].data).astype(dtype).tobytes() == plane.tobytes()


@pytest.mark.parametrize("size", [1, 2**31])
def test_rows_of_bytes_are_read_as_they_were(size: int) -> None:
    stream = io.BytesIO()
    rows = [b"first", b"", b"x" * 5000]
    write_hdu(stream, format_cards(PRIMARY))
    place = write_ragged(
        stream, Records("TEXT", 3, [rows[:2], rows[2:]], size), [], [("EXTNAME", "T", "")], b""
    )
    assert stream.tell() == place.header + place.size
    stream.seek(0)
    with fits.open(stream) as hdus:
        assert [row["TEXT"].tobytes() for row in hdus["T"].data] == rows
        assert hdus["T"].header["PCOUNT"] == 5005
        assert hdus["T"].header["TFORM1"].startswith("PB" if size == 1 else "QB")
