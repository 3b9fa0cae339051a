"""Files that are compressed as a whole, inflated only as far as they are read."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from .deflate import DeflateError, open_gzip

__all__ = ("MAGIC", "PACKED_ERRORS", "Stored", "find_opener")

MAGIC = 6
"""First bytes of a file that tell how it is compressed."""

PACKED_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    DeflateError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    # Of ZIP: an encrypted member, names and sizes that make no sense.
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
    struct.error,
)
"""What is raised for a file that cannot be inflated."""

_STEP = 1 << 16
"""Bytes that are read at a time: those that inflate ask for more than headers need."""


class Stored(io.RawIOBase):
    """The bytes of a file as they are stored, for those that inflate them.

    Parameters
    ----------
    fill
        Fills a buffer with the bytes from a position on, and returns their number.
    size
        Size of the file in bytes.
    """

    def __init__(self, fill: Callable[[int, memoryview], int], size: int) -> None:
        self._fill, self._size, self._position = fill, size, 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read from anywhere."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as one step goes, and return the number of bytes."""
        count = self._fill(self._position, memoryview(buffer).cast("B")[:_STEP])
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, counted as in `io.IOBase.seek`, and return it."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position


def _open_zip(stored: io.RawIOBase) -> Any:
    archive = zipfile.ZipFile(stored)
    if len(archive.namelist()) != 1:
        raise zipfile.BadZipFile(f"a zip archive of {len(archive.namelist())} files")
    return archive.open(archive.namelist()[0])


_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": open_gzip,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"PK\x03\x04": _open_zip,
}


def find_opener(magic: bytes) -> Callable[[Any], Any] | None:
    """Return what opens a file that is compressed as a whole, or `None` when it is not.

    Parameters
    ----------
    magic
        First bytes of the file.

    Returns
    -------
    callable or None
        Takes the file, which must be able to seek, and returns a binary file
        that reads and seeks, backward by starting again.
    """
    return next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), None)
