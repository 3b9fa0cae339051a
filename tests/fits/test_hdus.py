import bz2
import gzip
import lzma

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import UnreadableFileError
from lamella.fits import hdus as module
from lamella.fits.hdus import Container


@pytest.fixture
def file(tmp_path):
    image = fits.ImageHDU(np.arange(12, dtype=np.float32).reshape(3, 4))
    image.header["EXTTYPE"] = "IMAGE"
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(5, dtype=np.int32))])
    table.header["EXTTYPE"], table.header["AR_NAME"] = "ARCHIVE_DATA", "Thing"
    path = tmp_path / "file.fits"
    fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(path)
    return path


def test_headers_kinds_and_byte_ranges(file):
    container = Container(file)
    assert [unit.kind for unit in container.units] == ["", "IMAGE", "ARCHIVE_DATA"]
    assert [unit.size for unit in container.units] == [0, 48, 20]
    unit = container.find("IMAGE")
    assert unit is container.unit(1)
    pixels = np.frombuffer(container.read(unit.start, unit.size), ">f4")
    np.testing.assert_array_equal(pixels, np.arange(12))
    assert container.unit(2).label == "HDU 2 (Thing)"
    assert container.unit(2).is_table
    assert container.unit(3) is None
    assert container.find("MASK") is None


def test_headers_are_where_astropy_finds_them(file):
    container = Container(file)
    with fits.open(file) as hdus:
        expected = [(hdu._header_offset, hdu._data_offset, hdu.header["BITPIX"]) for hdu in hdus]
    assert [(unit.origin, unit.start, unit.cards["BITPIX"]) for unit in container.units] == expected
    unit = container.unit_at(expected[1][0])
    assert (unit.start, unit.shape, unit.whole("THEAP", 7)) == (expected[1][1], (3, 4), 7)
    assert unit.label == f"HDU at byte {unit.origin} (IMAGE)"
    for key, words in (("BITPIX", "found -32"), ("JSONADDR", "found None")):
        with pytest.raises(UnreadableFileError, match=f"{key}: {words}"):
            unit.whole(key)


@pytest.mark.parametrize("library", [gzip, bz2, lzma])
def test_a_compressed_file_reads_the_same_also_in_two_members(file, tmp_path, library):
    data = file.read_bytes()
    packed = tmp_path / "packed.fits.gz"
    packed.write_bytes(library.compress(data[:4000]) + library.compress(data[4000:]))
    plain, inflated = Container(file), Container(packed)
    assert [unit.start for unit in inflated.units] == [unit.start for unit in plain.units]
    assert inflated.read(0, len(data)) == data


def test_a_gzip_stream_that_ends_early_or_is_too_long_is_refused(file, tmp_path, monkeypatch):
    packed = tmp_path / "packed.fits.gz"
    data = gzip.compress(file.read_bytes())
    packed.write_bytes(data[:-20])
    with pytest.raises(UnreadableFileError, match="ended before the end-of-stream"):
        _ = Container(packed).units
    packed.write_bytes(data)
    monkeypatch.setattr(module, "_MAX_INFLATED", 3000)
    with pytest.raises(UnreadableFileError, match="more than"):
        _ = Container(packed).units


@pytest.mark.parametrize("size", [0, 100, 2880, 2881, 5760, 5800, 8639, 11520, 11530])
def test_a_file_that_is_cut_off_is_refused_or_complete_up_to_there(file, tmp_path, size):
    cut = tmp_path / "cut.fits"
    cut.write_bytes(file.read_bytes()[:size])
    whole = Container(file).units
    complete = [unit for unit in whole if -(-(unit.start + unit.size) // 2880) * 2880 <= size]
    ends_at_hdu = size in {-(-(unit.start + unit.size) // 2880) * 2880 for unit in whole}
    # Only the padding behind the last data may be missing.
    missing_padding = whole[-1].start + whole[-1].size <= size
    if missing_padding:
        assert len(Container(cut).units) == 3
    elif ends_at_hdu:
        assert len(Container(cut).units) == len(complete)
    else:
        with pytest.raises(UnreadableFileError, match=r"cut\.fits"):
            _ = Container(cut).units


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NAXIS1  =                    4", b"NAXIS1  =          40000000000"),
        (b"NAXIS1  =                    4", b"NAXIS1  =                   -4"),
        (b"NAXIS1  =                    4", b"NAXIS1  =                  4.5"),
        (b"BITPIX  =                  -32", b"BITPIX  =                   31"),
        (b"NAXIS   =                    2", b"NAXIS   =                    T"),
        (b"XTENSION= 'IMAGE   '", b"XTENSIOM= 'IMAGE   '"),
        (b"PCOUNT  =                    0", b"PCOUNT  =              9999999"),
        (b"SIMPLE  =", b"SIMPLF  ="),
    ],
)
def test_sizes_that_cannot_be_are_refused(file, old, new):
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new, 1))
    with pytest.raises(UnreadableFileError, match="HDU"):
        _ = Container(file).units


def test_cards_that_are_no_cards_do_not_hide_the_pixels(file):
    data = file.read_bytes().replace(b"EXTTYPE = 'IMAGE   '", b"EXTTYPE = \x01IMAGE   \xff", 1)
    file.write_bytes(data)
    unit = Container(file).unit(1)
    assert unit.size == 48
    assert unit.kind.startswith("?IMAGE")


def test_padding_at_the_end_is_no_hdu(file):
    file.write_bytes(file.read_bytes() + bytes(5760))
    assert len(Container(file).units) == 3
    file.write_bytes(file.read_bytes() + b"x" * 2880)
    # An HDU of blanks ends the file; what follows it is not looked at.
    assert len(Container(file).units) == 3


def test_absent_files_and_ranges_beyond_the_end(file, tmp_path):
    with pytest.raises(UnreadableFileError, match="No such file"):
        _ = Container(tmp_path / "none.fits").units
    container = Container(file)
    with pytest.raises(UnreadableFileError, match="bytes"):
        container.read(10, 10**12)
    with pytest.raises(UnreadableFileError):
        container.read(-1, 3)
