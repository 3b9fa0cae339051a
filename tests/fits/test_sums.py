"""Checksums of the pieces of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from lamella.errors import UnreadableFileError
from lamella.fits.hdus import Container
from lamella.fits.planes_by_box import open_plane, open_planes
from lamella.fits.sums import PIECE, append_sums, check_unit, read_sums

SHAPE = (150, 230)
"""More than two pieces, the last of which is a part."""
RNG = np.random.default_rng(20)
IMAGE = RNG.normal(size=SHAPE).astype(np.float32)
MASK = RNG.integers(0, 2**20, SHAPE, dtype=np.int32)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sums") / "bare.fits"
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=np.arange(5))], name="TABLE")
    images = [fits.ImageHDU(IMAGE, name="IMAGE"), fits.ImageHDU(MASK, name="MASK")]
    fits.HDUList([fits.PrimaryHDU(), *images, table]).writeto(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def path(bare: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("sums") / "a.fits"
    file.write_bytes(bare)
    append_sums(file)
    return file


def test_the_table_lies_behind_what_was_there(bare: bytes, path: Path) -> None:
    assert path.read_bytes().startswith(bare)
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "IMAGE", "MASK", "TABLE", "CHECKSUMS"]
        rows = hdus["CHECKSUMS"].data
    planes = -(-IMAGE.nbytes // PIECE)
    assert len(rows) == 4 + 2 * planes + 1
    assert list(rows["START"]) == sorted(set(rows["START"]))


@settings(max_examples=30, deadline=None)
@given(
    rows=st.tuples(st.integers(0, SHAPE[0]), st.integers(0, SHAPE[0])).map(sorted),
    columns=st.tuples(st.integers(0, SHAPE[1]), st.integers(0, SHAPE[1])).map(sorted),
)
def test_a_box_that_is_checked_is_its_slice(
    rows: list[int], columns: list[int], path: Path, bare: bytes
) -> None:
    file = Container(path)
    planes = open_planes(file, ("IMAGE", "MASK"), read_sums(file, len(bare)))
    assert planes is not None
    y, x = slice(*rows), slice(*columns)
    for name, expected in (("IMAGE", IMAGE), ("MASK", MASK)):
        box = np.zeros((y.stop - y.start, x.stop - x.start), expected.dtype)
        planes[name].read(y, x, box)
        np.testing.assert_array_equal(box, expected[y, x])


def test_a_flipped_bit_is_told_or_hurts_nothing(bare: bytes, path: Path, tmp_path: Path) -> None:
    content, random, told = path.read_bytes(), np.random.default_rng(1), 0
    damaged = tmp_path / "damaged.fits"
    for index in map(int, random.integers(len(content), size=60)):
        flipped = bytearray(content)
        flipped[index] ^= 1 << int(random.integers(8))
        damaged.write_bytes(flipped)
        try:
            texts, data = all_of(damaged, len(bare))
        except UnreadableFileError as err:
            told += err.path == str(damaged)
        else:  # what fills a block, or a comment in the header of the table of checksums
            assert (texts, data) == all_of(path, len(bare))
    assert told > 50


def all_of(path: Path, end: int) -> tuple[list[str], list[bytes]]:
    """Return headers and data before the checksums, when they are right."""
    with Container(path) as file:
        sums = read_sums(file, end)
        units = [unit for unit in file.walk() if unit.origin < end]
        for unit in units:
            check_unit(unit, sums)
        return [unit.text for unit in units], [bytes(file.read(unit.start, unit.size)) for unit in units]


def test_only_the_pieces_of_a_box_are_compared(bare: bytes, path: Path, tmp_path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"IMAGE   '") // 2880 * 2880 + 2880 + PIECE] ^= 4
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(content)
    file, rows = Container(damaged), PIECE // (4 * SHAPE[1])
    plane = open_plane(file.units[1], read_sums(file, len(bare)))
    out = np.zeros((rows, SHAPE[1]), np.float32)
    plane.read(slice(0, rows), slice(0, SHAPE[1]), out)
    np.testing.assert_array_equal(out, IMAGE[:rows])
    out = np.zeros((1, 5), np.float32)
    with pytest.raises(UnreadableFileError, match=f"HDU 1 .IMAGE., row {rows}: .*checksum"):
        plane.read(slice(rows + 1, rows + 2), slice(0, 5), out)


def test_files_without_checksums_are_read(bare: bytes, tmp_path: Path) -> None:
    path = tmp_path / "old.fits"
    path.write_bytes(bare)
    assert read_sums(Container(path), len(bare)) is None


def test_checksums_that_are_cut_off_are_told(bare: bytes, path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(path.read_bytes()[:-2880])
    with pytest.raises(UnreadableFileError, match=r"damaged\.fits"):
        read_sums(Container(damaged), len(bare))


def test_the_time_of_writing_is_no_part_of_a_checksum(tmp_path: Path) -> None:
    tables = []
    for date in ("2026-01-01T00:00:00.000", "2027-12-31T23:59:59.999"):
        path = tmp_path / "a.fits"
        fits.PrimaryHDU(IMAGE, fits.Header({"DATE": date})).writeto(path, overwrite=True)
        end = path.stat().st_size
        append_sums(path)
        tables.append(path.read_bytes()[end:])
    assert tables[0] == tables[1]
