"""FITS files, opened at one door: headers are scanned, and bytes of the data are read.

Nothing here trusts a size that a header states: each is compared with the size
of the file before a byte is read or allocated.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import math
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.io import fits

from ..errors import InputError, LamellaError, MissingPartError, UnreadableFileError
from ..texts import require_file
from .cards import BEGINNING, BLOCK, CARD, Cards, image_text
from .datasum import compare_datasum
from .packed import MAGIC, PACKED_ERRORS, Stored, find_opener
from .quiet import Header, lenient_header, quiet_astropy

__all__ = ("PIXEL_TYPES", "Container", "Unit", "primary_cards")

_NAMES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
PIXEL_TYPES = {bits: np.dtype(name) for bits, name in _NAMES.items()}
"""Types of pixels, as they are stored, by BITPIX."""

_END = b"END" + b" " * 77
_MAX_HEADER = 4_000_000
"""Bytes of a header; more is damage."""
_MAX_UNITS = 10_000
_MAX_AXES = 999
_MAX_FIELDS = 10_000
_MAX_INFLATED = 1 << 29
"""Bytes of a file that is compressed as a whole, and held."""
_MAX_INTACT = 4096
_INTACT: dict[tuple[str, int, int, int, int], None] = {}
"""States of files, compressed as a whole, whose checksums this process found to be right: the last ones."""
_UNPRINTABLE = re.compile(rb"[^ -~]")
# One lock for all files, so that a container can be pickled.
_OPENING = threading.Lock()


@dataclasses.dataclass(frozen=True, eq=False)
class Unit:
    """One HDU: its header, and the bytes of its data.

    Attributes
    ----------
    container
        The file.
    index
        Number, the primary HDU being 0; -1 where headers before it were not read.
    text
        Cards of the header as they stand in the file, without END.
    origin, start
        First byte of the header, and of the data, in the file.
    """

    container: Container
    index: int
    text: str = dataclasses.field(repr=False)
    origin: int
    start: int

    @functools.cached_property
    def cards(self) -> Cards:
        """Values of the header."""
        return Cards(self.text)

    @functools.cached_property
    def header(self) -> Header:
        """All cards as astropy has them; do not change them.

        Raises
        ------
        UnreadableFileError
            Raised when one cannot be parsed.
        """
        return lenient_header(self.text, self.container.path, self.label)

    @property
    def image_text(self) -> str:
        """Cards of the header, those of an image in compressed tiles as they were before the compression."""
        return image_text(self.text, self.cards) if self.is_compressed else self.text

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the HDU alone with astropy, as if it were in a file of its own; numbers are left as stored.

        Raises
        ------
        UnreadableFileError
            Raised when astropy, or what is done with the HDU, fails.
        """
        stored = self.container.read(self.origin, self.start + self.size - self.origin, self.label)
        self.compare_datasum(memoryview(stored)[self.start - self.origin :])
        padding = b"\0" * (-len(stored) % BLOCK)
        primary = fits.PrimaryHDU().header.tostring().encode("ascii") if self.origin else b""
        stream = io.BytesIO(primary + stored + padding)
        try:
            with quiet_astropy(), fits.open(stream, memmap=False, do_not_scale_image_data=True) as hdus:
                yield hdus[-1]
        except (LamellaError, MemoryError):
            raise
        except Exception as err:
            # The decoders have errors of their own, and let those of struct, zlib and numpy through.
            reason = " ".join(str(err).split())[:200].rstrip(".") or type(err).__name__
            raise self.damage(reason, "a compressed image") from err

    def compare_datasum(self, data: Any) -> None:
        """Compare all bytes of the data with DATASUM, see `lamella.fits.datasum`."""
        if "DATASUM" in self.cards:
            compare_datasum(self.cards["DATASUM"], data, f"{self.container.path.name}, {self.label}")

    @functools.cached_property
    def size(self) -> int:
        """Bytes of the data, without padding."""
        bits, axes = self.cards.get("BITPIX"), self.whole("NAXIS")
        for key, limit in (("NAXIS", _MAX_AXES), ("ZNAXIS", _MAX_AXES), ("TFIELDS", _MAX_FIELDS)):
            if self.whole(key, 0) > limit:
                raise self.damage(f"{key} is {self.cards[key]}", f"at most {limit}")
        if self.is_compressed:
            _ = self.axes  # of the image, which nothing else compares with the file
        if bits not in PIXEL_TYPES:
            raise self.damage(f"BITPIX {bits}", "one of FITS")
        if axes == 0:
            return 0
        # The first axis of random groups has no length.
        first = 2 if self.cards.get("GROUPS") is True and self.cards.get("NAXIS1") == 0 else 1
        pixels = math.prod(self.whole(f"NAXIS{axis}") for axis in range(first, axes + 1))
        return abs(int(bits)) // 8 * self.whole("GCOUNT", 1) * (self.whole("PCOUNT", 0) + pixels)

    @property
    def kind(self) -> str:
        """EXTTYPE, e.g. ``"IMAGE"``, ``"MASK"`` or ``"ARCHIVE_INDEX"``; empty when there is none."""
        return str(self.cards.get("EXTTYPE", "")).strip().upper()

    @property
    def name(self) -> str:
        """Name of the class or the plane: AR_NAME, else EXTNAME, else an empty text."""
        return str(self.cards.get("AR_NAME", self.cards.get("EXTNAME", ""))).strip()

    @property
    def is_compressed(self) -> bool:
        """Whether it is an image in compressed tiles, in the guise of a table."""
        return self.cards.get("ZIMAGE") is True

    @property
    def is_table(self) -> bool:
        """Whether it is a binary table, and not a compressed image in the guise of one."""
        return self.cards.get("XTENSION") == "BINTABLE" and not self.is_compressed

    @property
    def axes(self) -> tuple[int, ...]:
        """Shape (..., y, x) of the image, compressed or not; empty when it is none."""
        prefix = "Z" if self.is_compressed else ""
        is_image = self.is_compressed or self.cards.get("XTENSION", "IMAGE") == "IMAGE"
        count = self.whole(f"{prefix}NAXIS") if is_image else 0
        return tuple(self.whole(f"{prefix}NAXIS{axis}") for axis in range(count, 0, -1))

    @property
    def shape(self) -> tuple[int, int] | None:
        """Shape (y, x) of the 2-d image, compressed or not; `None` when it is none."""
        axes = self.axes
        return (axes[0], axes[1]) if len(axes) == 2 else None

    @property
    def has_data(self) -> bool:
        """Whether its header says that data follow."""
        return bool(self.cards.get("NAXIS", 0) != 0)

    @property
    def label(self) -> str:
        """Name in messages."""
        name, index = self.name or self.kind, str(self.index) if self.index >= 0 else f"at byte {self.origin}"
        return f"HDU {index} ({name})" if name else f"HDU {index}"

    def whole(self, key: str, default: int | None = None) -> int:
        """Return a number of the header that is not negative.

        Raises
        ------
        UnreadableFileError
            Raised when there is none under this keyword.
        """
        value = self.cards.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.damage(repr(value), "a whole number that is not negative", key)
        return value

    def damage(self, found: str, expected: str, where: str = "") -> UnreadableFileError:
        """Return an error about damage to this HDU, or to a card, column or tile of it."""
        return self.container.damage(found, expected, self._within(where))

    def problem(self, found: str, expected: str, where: str = "") -> InputError:
        """Return an error about this HDU, or a card or column of it, that is not what it must be."""
        return self.container.problem(found, expected, self._within(where))

    def _within(self, where: str) -> str:
        return f"{self.label}, {where}" if where else self.label


class Container:
    """A FITS file whose headers are scanned, and whose data can be read.

    Used as a context manager, it keeps the file open, which makes many reads
    faster; otherwise the file is opened for each read and closed again.  It can
    be kept, and used by several threads.

    Parameters
    ----------
    path
        The file, as it is or compressed as a whole (gzip, bzip2, xz, or zip);
        in that case it is inflated into memory when it is first used.
    in_order
        Whether it is read from its beginning to its end, by one thread: then
        what is compressed as a whole is inflated only as far as it is read, and
        is not held.

    Raises
    ------
    UnreadableFileError
        Raised, when something is asked for, when the file is absent, is not
        FITS, or ends before its headers say.
    """

    def __init__(self, path: str | PathLike[str], *, in_order: bool = False) -> None:
        self.path, self.in_order = Path(path), in_order
        self._descriptor, self._users = -1, 0
        self._stamp: tuple[int, int, int] | None = None

    def __repr__(self) -> str:
        return f"Container({str(self.path)!r})"

    def __enter__(self) -> Self:
        with _OPENING:
            if not self._users:
                require_file(self.path, "a FITS file")
                try:
                    self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                except OSError as err:
                    raise self._unreadable(err) from err
                # What is known of where things lie holds for the file that was first opened alone.
                stat = os.fstat(self._descriptor)
                stamp = stat.st_ino, stat.st_size, stat.st_mtime_ns
                if (self._stamp or stamp) != stamp:
                    os.close(self._descriptor)
                    raise self.damage("another file than before", "one that is left alone while it is read")
                self._stamp = stamp
            self._users += 1
        return self

    def __exit__(self, *problem: object) -> None:
        with _OPENING:
            self._users -= 1
            if not self._users:
                os.close(self._descriptor)

    @functools.cached_property
    def units(self) -> tuple[Unit, ...]:
        """All HDUs in order."""
        with self:
            return tuple(self.walk())

    @property
    def primary(self) -> Header:
        """Header of the primary HDU."""
        return self.units[0].header

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed as a whole."""
        return self._opener is not None

    @functools.cached_property
    def size(self) -> int:
        """Size of the (inflated) file in bytes; `sys.maxsize` where only its end tells."""
        if self.is_packed:
            return sys.maxsize if self.in_order else len(self._inflated)
        with self:
            return os.fstat(self._descriptor).st_size

    def unit(self, index: int) -> Unit | None:
        """Return the HDU of a number (the primary HDU is 0), or `None` when there is none."""
        return self.units[index] if 0 <= index < len(self.units) else None

    def find(self, kind: str) -> Unit | None:
        """Return the first HDU with this EXTTYPE, or `None`."""
        return next((unit for unit in self.units if unit.kind == kind), None)

    def walk(self) -> Iterator[Unit]:
        """Iterate over the HDUs in order; headers behind the last one asked for are not read."""
        position = 0
        for index in range(_MAX_UNITS):
            block = bytearray(BLOCK)
            if position > self.size:
                raise self.damage(f"a file of {self.size} bytes", f"data up to byte {position}")
            with self:
                del block[self._fill_some(position, memoryview(block)) :]
            if index and not block.strip(b"\0 "):
                return  # nothing but padding follows
            unit = self._scan(position, index, block)
            yield unit
            position = unit.start + -(-unit.size // BLOCK) * BLOCK
        raise self.damage(f"more than {_MAX_UNITS} HDUs", "fewer")

    def unit_at(self, position: int) -> Unit:
        """Return the HDU whose header begins at a byte."""
        return self._scan(
            position, -1 if position else 0, self.read(position, BLOCK, f"HDU at byte {position}")
        )

    def _scan(self, position: int, index: int, block: bytearray) -> Unit:
        """Return the HDU whose header begins at a byte, with the block that stands there."""
        first = b"XTENSION" if position else BEGINNING[:8]
        where = f"HDU {index}" if index >= 0 else f"HDU at byte {position}"
        if not block.startswith(first):
            content = "bytes that are no FITS header" if block else "an empty file"
            raise self.damage(content, first.decode().strip(), where)
        text, start = bytearray(), position
        while True:
            if len(block) < BLOCK:
                raise self.damage(f"the end at byte {start + len(block)}", "a complete header", where)
            end = next((n for n in range(0, BLOCK, CARD) if block.startswith(_END, n)), BLOCK)
            text += block[:end]
            start += BLOCK
            if end < BLOCK:
                break
            if len(text) > _MAX_HEADER:
                raise self.damage(f"a header without an end in {_MAX_HEADER} bytes", "END", where)
            block = self.read(start, BLOCK, where)
        cards = _UNPRINTABLE.sub(b"?", bytes(text)).decode("ascii")
        unit = Unit(self, index, cards, position, start)
        if start + unit.size > self.size:
            raise unit.damage(f"a file of {self.size} bytes", f"data up to byte {start + unit.size}")
        return unit

    def read(self, start: int, count: int, where: str = "") -> bytearray:
        """Return ``count`` bytes of the (inflated) file from ``start`` on.

        Raises
        ------
        UnreadableFileError
            Raised when the file has fewer.
        """
        if start < 0 or count < 0 or start + count > self.size:
            raise self.damage(f"a file of {self.size} bytes", f"data up to byte {start + count}", where)
        data = bytearray(count)
        self.fill(start, data, where)
        return data

    def fill(self, start: int, buffer: Any, where: str = "") -> None:
        """Fill a buffer with the bytes of the (inflated) file from ``start`` on.

        Raises
        ------
        UnreadableFileError
            Raised when the file ends before the buffer is full.
        """
        with self:
            self.fill_open(start, buffer, where)

    def fill_open(self, start: int, buffer: Any, where: str = "") -> None:
        """Fill a buffer as `fill` does, while the file is kept open."""
        view = memoryview(buffer).cast("B")
        count = self._fill_some(start, view)
        if count < len(view):
            raise self.damage(f"the end at byte {start + count}", f"{len(view) - count} bytes more", where)

    def _fill_some(self, start: int, view: memoryview) -> int:
        """Fill a buffer as far as the file goes, and return the number of bytes."""
        if not self.is_packed:
            return self._fill_stored(start, view)
        if not self.in_order:
            held = memoryview(self._inflated)[start : start + len(view)]
            view[: len(held)] = held
            return len(held)
        try:
            end, count = self._inflating.seek(start), 0
            if end < start:
                raise self.damage(f"the end at byte {end}", f"data up to byte {start}")
            while step := self._inflating.readinto(view[count:]):
                count += step
            return count
        except PACKED_ERRORS as err:
            raise self._unreadable(err) from err

    def _fill_stored(self, start: int, view: memoryview) -> int:
        """Fill a buffer as `_fill_some` does, with the bytes as they are stored."""
        count = 0
        with self:
            try:
                while step := os.preadv(self._descriptor, [view[count:]], start + count):
                    count += step
            except OSError as err:
                raise self._unreadable(err) from err
        return count

    def check_packed(self) -> None:
        """Inflate what is left of a file that is read in order, up to the checksum at its end.

        A file that held what it should is not inflated again to its end in this process, as long as
        its state is the same: it may hold some sixty images that are read one by one.

        Raises
        ------
        UnreadableFileError
            Raised when the file holds other bytes than those that were compressed.
        """
        if not self.is_packed or not self.in_order:
            return  # what is held was inflated to its end
        with self:
            stat = os.fstat(self._descriptor)
        state = str(self.path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
        if state in _INTACT:
            return
        try:
            rest = bytearray(1 << 16)
            while self._inflating.readinto(rest):
                pass
        except PACKED_ERRORS as err:
            raise self._unreadable(err) from err
        _INTACT[state] = None
        while len(_INTACT) > _MAX_INTACT:
            _INTACT.pop(next(iter(_INTACT), state), None)

    def damage(self, found: str, expected: str, where: str = "") -> UnreadableFileError:
        """Return an error about this file."""
        return UnreadableFileError(self.path, where=where, found=found, expected=expected)

    def problem(
        self, found: str, expected: str, where: str = "", *, kind: type[InputError] = InputError
    ) -> InputError:
        """Return an error about this file, which is not what it must be."""
        return kind(self.path, where=where, found=found, expected=expected)

    def missing(self, found: str, expected: str, where: str = "") -> MissingPartError:
        """Return an error about something that this file lacks."""
        return MissingPartError(self.path, where=where, found=found, expected=expected)

    def _unreadable(self, err: Exception) -> UnreadableFileError:
        reason = getattr(err, "strerror", None) or " ".join(str(err).split()).rstrip(".")
        return self.damage(reason or type(err).__name__, "a complete FITS file")

    @functools.cached_property
    def _opener(self) -> Callable[[Any], Any] | None:
        magic = bytearray(MAGIC)
        self._fill_stored(0, memoryview(magic))
        return find_opener(bytes(magic))

    def _open_packed(self) -> Any:
        """Return a file object of what is compressed."""
        assert self._opener is not None
        try:
            return self._opener(Stored(self._fill_stored, self.path.stat().st_size))
        except PACKED_ERRORS as err:
            raise self._unreadable(err) from err

    _inflating = functools.cached_property(_open_packed)
    """What is compressed, of a file that is read in order."""

    @functools.cached_property
    def _inflated(self) -> bytes:
        """The whole of a file that is compressed."""
        try:
            data: bytes = self._open_packed().read(_MAX_INFLATED + 1)
        except PACKED_ERRORS as err:
            raise self._unreadable(err) from err
        if len(data) > _MAX_INFLATED:
            raise self.damage("more than 512 MB", "a compressed FITS file of at most 512 MB")
        return data


def primary_cards(path: str | PathLike[str]) -> Cards:
    """Return the values of the first header of a file.

    There are none when the file is absent or damaged, is not FITS, or is compressed as a whole.
    """
    container = Container(path)
    try:
        with container:
            return Cards("") if container.is_packed else container.unit_at(0).cards
    except UnreadableFileError:
        return Cards("")
