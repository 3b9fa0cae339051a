"""Files that are compressed as a whole and damaged, or no files, are one typed error."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import UnreadableFileError
from lamella.fits.read import read_headers, read_image


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
