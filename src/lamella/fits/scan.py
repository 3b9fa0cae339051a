"""Headers of many files, each read once and no further than it was asked for."""

from __future__ import annotations

import collections
import functools
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

from ..errors import LamellaError, UnreadableFileError
from .hdus import Container, Unit

__all__ = ("header_texts",)


class _Scan:
    """Cards of the HDUs of a file, read as far as they have been asked for."""

    def __init__(self, path: Path, stamp: tuple[int, int]) -> None:
        self._path, self._lock = path, threading.Lock()
        self._texts: list[str] = []
        self._is_complete = False
        self._rest()

    def _rest(self) -> None:
        self._file, self._is_active = Container(self._path, in_order=True), False
        self._walk: Iterator[Unit] = iter(())

    def texts(self, limit: int | None) -> list[str]:
        """Return the cards of at most ``limit`` HDUs."""
        with self._lock:
            while not self._is_complete and (limit is None or len(self._texts) < limit):
                if not self._is_active:
                    self._activate()
                try:
                    with self._file:
                        unit = next(self._walk, None)
                except LamellaError:
                    self._rest()
                    raise
                self._is_complete = unit is None
                self._texts += [] if unit is None else [unit.image_text]
            return self._texts[:limit]

    def _activate(self) -> None:
        """Take the file up again behind the HDUs that are known."""
        self._walk = itertools.islice(self._file.walk(), len(self._texts), None)
        self._is_active = True
        _ACTIVE.append(self)
        if len(_ACTIVE) > _MAX_ACTIVE:
            _ACTIVE.popleft().shrink()

    def shrink(self) -> None:
        """Let the file go, and all cards but some of its first HDUs, if nobody reads it now."""
        if self._lock.acquire(blocking=False):
            sizes = itertools.accumulate(map(len, self._texts))
            kept = max(_FIRST, sum(size <= _KEPT for size in sizes))
            self._is_complete &= len(self._texts) <= kept
            del self._texts[kept:]
            self._rest()
            self._lock.release()


_MAX_ACTIVE = 16
"""Files that can be read on from where they were left."""
_FIRST, _KEPT = 2, 1 << 16
"""HDUs by which a file is recognised, and characters: what is kept of other files."""
_ACTIVE: collections.deque[_Scan] = collections.deque()
_scan_of = functools.lru_cache(maxsize=8192)(_Scan)


def header_texts(path: Path, limit: int | None) -> list[str]:
    """Return the cards of the headers of a file, without END, of at most ``limit`` HDUs.

    Those of images in compressed tiles are as they were before the compression.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, truncated, or not FITS.
    """
    try:
        stat = path.stat()
    except OSError as err:
        raise UnreadableFileError(path, found=err.strerror or str(err), expected="a FITS file") from err
    return _scan_of(path, (stat.st_mtime_ns, stat.st_size)).texts(limit)
