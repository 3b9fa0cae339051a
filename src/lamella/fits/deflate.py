"""The library that compresses and inflates tiles: isal where it is installed, else zlib-ng, else zlib.

On float planes isal compresses some ten times faster than zlib at its lowest
level, and that again several times faster than at the highest, which astropy
uses; the files differ in size by a few per cent.  All read the files of all.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ("DeflateError", "deflate", "inflate", "library_name", "open_gzip")

_LIBRARIES = ("isal.isal_zlib", "zlib_ng.zlib_ng", "zlib")
_FILES = {
    "isal": ("isal.igzip", "IGzipFile"),
    "zlib_ng": ("zlib_ng.gzip_ng", "GzipNGFile"),
    "zlib": ("gzip", "GzipFile"),
}
_GZIP = 31
_LEVEL = 1


def _find_library() -> Any:
    for name in _LIBRARIES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise AssertionError("Python has zlib.")


_library = _find_library()

DeflateError: type[Exception] = _library.error
"""What is raised for bytes that cannot be inflated."""


def library_name() -> str:
    """Return the package in use: ``"isal"``, ``"zlib_ng"`` or ``"zlib"``."""
    return str(_library.__name__).split(".")[0]


def deflate(data: bytes | bytearray | memoryview) -> bytes:
    """Return the bytes of a gzip file that holds some data."""
    compressed: bytes = _library.compress(data, _LEVEL, wbits=_GZIP)
    return compressed


def inflate(data: bytes | bytearray | memoryview, size: int) -> bytes:
    """Return the content of a gzip file, up to one byte more than expected.

    Parameters
    ----------
    data
        The file.
    size
        Expected number of bytes; more than that are not inflated, however many the file holds.

    Raises
    ------
    DeflateError
        Raised when the data are no gzip file, or are damaged.
    """
    inflater = _library.decompressobj(wbits=_GZIP)
    inflated: bytes = inflater.decompress(data, size + 1)
    if len(inflated) <= size and not inflater.eof:
        raise DeflateError("the end of a gzip stream is missing")
    return inflated


def open_gzip(stored: Any) -> Any:
    """Return a file object that reads what a gzip file holds."""
    module, name = _FILES[library_name()]
    return getattr(importlib.import_module(module), name)(fileobj=stored, mode="rb")
