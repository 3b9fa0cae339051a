"""Files that are compressed as a whole and damaged, or no files, are one typed error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import UnreadableFileError
from lamella.fits.read import read_headers, read_image, read_images


def zipped() -> bytes:
    stream = io.BytesIO()
    fits.PrimaryHDU(np.arange(12.0).reshape(3, 4)).writeto(stream)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.fits", stream.getvalue())
    return packed.getvalue()


def with_byte(content: bytes, index: int, value: int) -> bytes:
    return content[:index] + bytes([value]) + content[index + 1 :]


def encrypted(content: bytes) -> bytes:
    """Set the flag of an encrypted member at its beginning, and in the directory at the end."""
    for start, offset in ((content.index(b"PK\x03\x04"), 6), (content.index(b"PK\x01\x02"), 8)):
        content = with_byte(content, start + offset, content[start + offset] | 1)
    return content


def test_an_encrypted_zip_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(zipped())
    assert read_image(path, 0)[0].shape == (3, 4)
    locked = tmp_path / "locked.fits"
    locked.write_bytes(encrypted(zipped()))
    with pytest.raises(UnreadableFileError, match="encrypted"):
        read_headers(locked)


def test_damaged_zips_are_one_error_or_read(tmp_path: Path) -> None:
    content = zipped()
    random = np.random.default_rng(20)
    refused: list[tuple[str, str]] = []
    for number in range(150):
        path = tmp_path / f"{number}.fits"
        index = int(random.integers(4, len(content)))
        changed = with_byte(content, index, int(random.integers(256)))
        path.write_bytes(changed if number % 3 else content[:index])
        try:
            read_image(path, 0)
        except UnreadableFileError as err:
            refused.append((err.path, str(path)))
    assert len(refused) >= 50  # all that were cut off
    assert all(named == path for named, path in refused)


def test_a_pipe_is_no_exposure(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    os.mkfifo(path)
    with pytest.raises(UnreadableFileError, match="found a pipe; expected a FITS file"):
        read_headers(path)


def zip_of(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.fits", content)
    return packed.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zip_of])
def test_flipped_bits_never_give_other_pixels(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Of three images two are read: the checksum of the whole lies behind what is not asked for."""
    noise = np.random.default_rng(20).normal(100, 5, (3, 60, 50)).astype(np.float32)
    stream, names = io.BytesIO(), "ABC"
    images = [fits.ImageHDU(pixels, name=name) for pixels, name in zip(noise, names, strict=True)]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(stream)
    packed, random = pack(stream.getvalue()), np.random.default_rng(3)
    refused = 0
    for number in range(40):
        path, index = tmp_path / f"{number}.fits", int(random.integers(len(packed)))
        path.write_bytes(with_byte(packed, index, packed[index] ^ (1 << int(random.integers(8)))))
        try:
            pixels = [image.pixels for image in read_images([(path, "A"), (path, "B")])]
        except UnreadableFileError:
            refused += 1
        else:
            np.testing.assert_array_equal(pixels, noise[:2])
    assert refused > 30


def test_an_intact_file_is_inflated_to_its_end_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, path = io.BytesIO(), tmp_path / "a.fits.gz"
    fits.HDUList([fits.PrimaryHDU(np.zeros((9, 9))), fits.ImageHDU(np.ones((9, 9)))]).writeto(stream)
    packed = gzip.compress(stream.getvalue())
    path.write_bytes(packed)
    read_image(path, 0)
    inflated: list[object] = []
    monkeypatch.setattr("lamella.fits.hdus._INTACT", Recorder(inflated))
    read_image(path, 0)
    read_image(path, 0)
    assert len(inflated) == 1
    path.write_bytes(with_byte(packed, len(packed) - 6, packed[-6] ^ 1))
    with pytest.raises(UnreadableFileError, match="CRC"):
        read_image(path, 0)


class Recorder(dict[object, None]):
    """A memory that tells what is put into it."""

    def __init__(self, told: list[object]) -> None:
        super().__init__()
        self._told = told

    def __setitem__(self, key: object, value: None) -> None:
        self._told.append(key)
        super().__setitem__(key, value)
