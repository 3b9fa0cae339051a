"""Files that are compressed as a whole, inflated only as far as they are read."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from .deflate import DeflateError, open_gzip

__all__ = ("MAGIC", "PACKED_ERRORS", "find_opener")

MAGIC = 6
"""First bytes of a file that tell how it is compressed."""

PACKED_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    DeflateError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,
)
"""What is raised for a file that cannot be inflated."""


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
