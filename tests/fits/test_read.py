from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import InputError, MissingPartError, ShapeError, UnreadableFileError
from lamella.fits.read import (
    header_number,
    image_shape,
    optional_number,
    read_cards,
    read_headers,
    read_image,
    read_images,
    read_rows,
    read_table,
    require_shape,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    image = np.arange(12000, dtype=">f4").reshape(100, 120)
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])], name="T")
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, name="SCI"), table]).writeto(path)
    return path


def test_an_image_comes_in_the_byte_order_of_the_machine(file: Path) -> None:
    data, header = read_image(file, "SCI")
    assert data.dtype == np.dtype("=f4")
    assert data.flags.c_contiguous
    assert data[3, 7] == 3 * 120 + 7
    assert image_shape(header) == (100, 120)


def test_images_are_read_in_order_and_do_not_share_memory(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "y.fits"
    fits.PrimaryHDU(np.full((2, 2), 7, dtype=">i2")).writeto(other)
    found = [image.pixels for image in read_images([(file, "SCI"), (other, 0), (file, 1)])]
    assert found[0][3, 7] == found[2][3, 7] == 3 * 120 + 7
    assert (found[1] == 7).all()
    found[0][...] = -1
    assert found[2][3, 7] == 3 * 120 + 7


def test_headers_are_all_read_or_as_many_as_wanted(file: Path) -> None:
    assert [h.get("EXTNAME") for h in read_headers(file)] == [None, "SCI", "T"]
    assert len(read_headers(file, limit=2)) == 2


def test_headers_are_read_again_when_the_file_has_changed(file: Path) -> None:
    assert len(read_headers(file)) == 3
    fits.HDUList([fits.PrimaryHDU()]).writeto(file, overwrite=True)
    assert len(read_headers(file)) == 1


@pytest.mark.parametrize(
    "options", [{"compression_type": "RICE_1"}, {"compression_type": "GZIP_1", "tile_shape": (5, 30)}]
)
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_headers_of_compressed_tiles_are_those_that_astropy_makes(
    tmp_path: Path, options: dict[str, object], kind: type
) -> None:
    hdu = fits.CompImageHDU(np.eye(20, 30, dtype=kind), name="S1", **options)
    hdu.header["CRVAL1"], hdu.header["TELESCOP"], hdu.header["HIERARCH a long key"] = 12.5, "T", "x"
    hdu.header["LONG"] = "many words " * 20
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "x.fits", checksum=True)
    (_, header) = read_headers(tmp_path / "x.fits")
    with fits.open(tmp_path / "x.fits") as hdus:
        expected = dict(hdus[1].header)
    assert {key: header[key] for key in expected} == expected
    assert set(header) == set(expected)


def _zip(data: bytes, path: Path, names: tuple[str, ...] = ("x.fits",)) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)


PACKED: dict[str, Callable[[bytes, Path], object]] = {
    "gzip": lambda data, path: path.write_bytes(gzip.compress(data)),
    "bzip2": lambda data, path: path.write_bytes(bz2.compress(data)),
    "xz": lambda data, path: path.write_bytes(lzma.compress(data)),
    "zip": _zip,
}


@pytest.mark.parametrize("form", PACKED)
def test_a_file_that_is_compressed_as_a_whole_reads_as_it_was(file: Path, form: str) -> None:
    packed = file.with_name("packed.fits")
    PACKED[form](file.read_bytes(), packed)
    assert [repr(header) for header in read_headers(packed)] == [
        repr(header) for header in read_headers(file)
    ]
    np.testing.assert_array_equal(read_image(packed, "SCI")[0], read_image(file, "SCI")[0])
    assert list(read_table(packed, "T")[0]["a"]) == [1, 2]
    assert read_rows(packed, 1, [slice(90, 92), slice(3, 4)])[2, 7] == 3 * 120 + 7


def test_a_zip_archive_of_two_files_is_refused(file: Path) -> None:
    packed = file.with_name("packed.fits")
    _zip(file.read_bytes(), packed, ("x.fits", "y.fits"))
    with pytest.raises(UnreadableFileError, match="zip archive of 2 files"):
        read_headers(packed)


@pytest.mark.parametrize("form", ["gzip", "bzip2", "xz"])
def test_headers_are_inflated_no_further_than_they_go(tmp_path: Path, form: str) -> None:
    noise = np.random.default_rng(1).normal(size=(700, 700)).astype(np.float32)
    images = [fits.ImageHDU(noise[:5], name="A"), fits.ImageHDU(noise, name="B")]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(tmp_path / "x.fits")
    packed = tmp_path / "packed.fits"
    PACKED[form]((tmp_path / "x.fits").read_bytes(), packed)
    # What is not needed is not there: bzip2 has blocks of 900 kB, of which the first is needed.
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size * 2 // 3])
    assert [header.get("EXTNAME") for header in read_headers(packed, limit=3)] == [None, "A", "B"]
    for _ in range(2):
        with pytest.raises(UnreadableFileError, match="packed"):
            read_headers(packed)
        with pytest.raises(UnreadableFileError, match="packed"):
            read_image(packed, "A")  # whether its pixels are right is told by a checksum at the end
        assert len(read_headers(packed, limit=3)) == 3


def test_files_are_recognised_again_without_being_read(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.fits" for number in range(40)]
    for path in paths:
        PACKED["gzip"](file.read_bytes(), path)
        assert len(read_cards(path, limit=2)) == 2
    monkeypatch.setattr(os, "preadv", None)
    for path in paths:
        assert read_cards(path, limit=2)[1]["NAXIS2"] == read_headers(path, limit=2)[1]["NAXIS2"] == 100
    monkeypatch.undo()
    # Further headers are read when they are asked for, also of a file that was left long ago.
    assert [len(read_headers(path)) for path in paths] == [3] * 40


@pytest.mark.parametrize("form", [None, "gzip"])
def test_nothing_is_read_twice_for_headers(
    tmp_path: Path, form: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(1).normal(size=(300, 300)).astype(np.float32)
    path = tmp_path / "x.fits"
    fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(noise) for _ in range(3))]).writeto(path)
    if form is not None:
        PACKED[form](path.read_bytes(), path)
    ranges: list[range] = []

    def note(descriptor: int, buffers: list[memoryview], start: int) -> int:
        count = preadv(descriptor, buffers, start)
        ranges.append(range(start, start + count))
        return count

    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", note)
    assert len(read_headers(path, limit=2)) == 2
    first = sum(map(len, ranges))
    assert len(read_headers(path)) == 4
    assert len(read_headers(path, limit=3)) == 3
    ends = sorted((piece.start, piece.stop) for piece in ranges if len(piece) > 6)
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(ends))
    assert first < 0.5 * path.stat().st_size
    if form is None:
        assert sum(map(len, ranges)) < 0.05 * path.stat().st_size


@pytest.mark.parametrize("cut", [0, 1000, 2880 + 50, 5760 + 400])
def test_a_file_that_is_cut_off_is_unreadable(file: Path, cut: int) -> None:
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(UnreadableFileError, match=r"x\.fits, HDU [01].*: found .*; expected ") as caught:
        read_headers(file)
    assert caught.value.path == str(file)


def test_a_compressed_file_that_is_cut_off_is_unreadable(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(size=(200, 200)).astype(np.float32)
    plain = tmp_path / "x.fits"
    fits.PrimaryHDU(noise).writeto(plain)
    path = tmp_path / "x.fits.gz"
    packed = gzip.compress(plain.read_bytes())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UnreadableFileError):
        read_image(path, 0)


@pytest.mark.parametrize("content", [b"not FITS at all", b"\x1f\x8b broken gzip"])
def test_a_file_that_is_not_fits_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.fits"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError):
        read_headers(path)


def test_a_file_that_is_absent_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_headers(tmp_path / "absent.fits")


def test_a_missing_hdu_names_those_that_are_there(file: Path) -> None:
    with pytest.raises(MissingPartError, match="HDU MASK: found only HDUs 0 PRIMARY, 1 SCI, 2 T"):
        read_image(file, "MASK")


def test_tables_and_images_are_not_taken_for_each_other(file: Path) -> None:
    with pytest.raises(InputError, match="expected a 2-d image"):
        read_image(file, "T")
    with pytest.raises(InputError, match="expected a 2-d image"):
        read_image(file, 0)
    with pytest.raises(InputError, match="expected a 2-d image"):
        read_rows(file, 2, [slice(0, 1)])
    with pytest.raises(InputError, match="found an image; expected a binary table"):
        read_table(file, "SCI")
    assert list(read_table(file, "T")[0]["a"]) == [1, 2]


def test_an_unquoted_nan_in_a_header_is_not_a_number(tmp_path: Path) -> None:
    path = tmp_path / "x.fits"
    fits.PrimaryHDU(header=fits.Header({"CRVAL1": 1.5, "EXPTIME": "53.9"})).writeto(path)
    content = path.read_bytes()
    start = content.index(b"CRVAL1")
    card = b"CRVAL1  =                  NaN".ljust(80)
    path.write_bytes(content[:start] + card + content[start + 80 :])
    header = read_headers(path)[0]
    assert optional_number(header, "CRVAL1") is None
    with pytest.raises(InputError, match="CRVAL1: found 'NaN'; expected a finite number"):
        header_number(header, "CRVAL1", path=path)
    with pytest.raises(MissingPartError, match="SKY"):
        header_number(header, "SKY", path=path)
    assert header_number(header, "EXPTIME", path=path) == 53.9


def test_headers_of_other_things_describe_no_image(file: Path) -> None:
    assert image_shape(fits.Header({"NAXIS": 0})) is None
    assert image_shape(fits.Header({"NAXIS": 3, "NAXIS1": 4, "NAXIS2": 4, "NAXIS3": 2})) is None
    assert image_shape(read_headers(file)[2]) is None


def test_a_tile_compressed_image_has_the_shape_of_the_image(tmp_path: Path) -> None:
    path = tmp_path / "x.fits.fz"
    hdu = fits.CompImageHDU(np.zeros((20, 30), dtype=np.int32), name="S1", compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    assert image_shape(read_headers(path)[1]) == (20, 30)
    assert read_image(path, "S1")[0].shape == (20, 30)


def test_shapes_that_differ_are_named() -> None:
    with pytest.raises(ShapeError, match=r"weight has shape \(2, 3\); expected \(3, 3\)"):
        require_shape("weight", np.zeros((2, 3)), (3, 3))


@pytest.mark.parametrize("hdu", [0, 1, 2])
@pytest.mark.parametrize("compress", [False, True])
def test_more_axes_than_there_can_be_are_an_error_and_no_endless_loop(
    file: Path, hdu: int, compress: bool
) -> None:
    """astropy counts up to the number of axes that a header states."""
    content, start = file.read_bytes(), 0
    for _ in range(hdu + 1):
        start = content.index(b"NAXIS   =", start + 1)
    content = content[:start] + b"NAXIS   =  4611686018427387904".ljust(80) + content[start + 80 :]
    path = file.with_name("y.fits.gz" if compress else "y.fits")
    path.write_bytes(gzip.compress(content) if compress else content)
    with pytest.raises(UnreadableFileError, match="NAXIS is 4611686018427387904"):
        read_headers(path)


def test_a_header_that_astropy_fails_on_is_an_error_with_its_name(file: Path) -> None:
    content = file.read_bytes()
    place = content.index(b"BITPIX", 2880)
    file.write_bytes(content[:place] + b"BITPIY" + content[place + 6 :])
    with pytest.raises(UnreadableFileError, match=r"x\.fits"):
        read_headers(file)


@pytest.mark.parametrize("value", ["nan", "-1", "T", "'100'", "-+2"])
def test_axes_of_compressed_images_are_numbers(value: str, tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.ones((20, 20), np.float32))]).writeto(path)
    content = path.read_bytes()
    start = content.index(b"ZNAXIS1 = ") + 10
    path.write_bytes(content[:start] + f"{value:>20}".ljust(70).encode() + content[start + 70 :])
    with pytest.raises(UnreadableFileError, match=r"HDU 1.*ZNAXIS1"):
        read_headers(path)
