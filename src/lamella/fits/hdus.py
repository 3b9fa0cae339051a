"""FITS files, opened at one door: headers are scanned, and bytes of the data are read.

Nothing here trusts a size that a header states: each is compared with the size
of the file before a byte is read or allocated.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import re
import threading
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Self

from astropy.io import fits

from ..errors import InputError, MissingPartError, UnreadableFileError
from .cards import BEGINNING, BLOCK, CARD, Cards, parse_cards
from .read import Header, quiet_astropy

__all__ = ("Container", "Unit", "primary_cards")

_END = b"END" + b" " * 77
_MAX_HEADER = 4_000_000
"""Bytes of a header; more is damage."""
_MAX_UNITS = 10_000
_MAX_AXES = 999
_MAX_INFLATED = 1 << 29
"""Bytes of a file that is gzipped as a whole."""
_UNPRINTABLE = re.compile(rb"[^ -~]")
_GZIP = b"\x1f\x8b"
_BITPIX = frozenset({8, 16, 32, 64, -32, -64})
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
        """Values of the header; do not change them."""
        return parse_cards(self.text)

    @functools.cached_property
    def header(self) -> Header:
        """All cards as astropy has them; do not change them.

        Raises
        ------
        UnreadableFileError
            Raised when one cannot be parsed.
        """
        with quiet_astropy():
            header = fits.Header.fromstring(self.text)
            for number, card in enumerate(header.cards):
                try:
                    # An unquoted NaN and the like become texts; that is no error of the pixels.
                    with contextlib.suppress(fits.VerifyError):
                        card.value  # noqa: B018
                        continue
                    card.verify("silentfix")
                except (ValueError, fits.VerifyError) as err:
                    raise self.damage(
                        "what is no card of FITS", "a keyword and a value", f"card {number}"
                    ) from err
        return header

    @functools.cached_property
    def size(self) -> int:
        """Bytes of the data, without padding."""
        bits, axes = self.cards.get("BITPIX"), self.whole("NAXIS")
        if bits not in _BITPIX or axes > _MAX_AXES:
            raise self.damage(f"BITPIX {bits}, NAXIS {axes}", "those of FITS")
        if axes == 0:
            return 0
        pixels = math.prod(self.whole(f"NAXIS{axis}") for axis in range(1, axes + 1))
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
    def shape(self) -> tuple[int, int] | None:
        """Shape (y, x) of the 2-d image, compressed or not; `None` when it is none."""
        prefix = "Z" if self.is_compressed else ""
        is_image = self.is_compressed or self.cards.get("XTENSION", "IMAGE") == "IMAGE"
        if not is_image or self.cards.get(f"{prefix}NAXIS") != 2:
            return None
        return self.whole(f"{prefix}NAXIS2"), self.whole(f"{prefix}NAXIS1")

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
        The file, as it is or gzipped as a whole; in that case it is inflated
        into memory when it is first used.

    Raises
    ------
    UnreadableFileError
        Raised, when something is asked for, when the file is absent, is not
        FITS, or ends before its headers say.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._descriptor, self._users = -1, 0

    def __repr__(self) -> str:
        return f"Container({str(self.path)!r})"

    def __enter__(self) -> Self:
        with _OPENING:
            if not self._users:
                try:
                    self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                except OSError as err:
                    raise self._unreadable(err) from err
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

    @functools.cached_property
    def is_gzipped(self) -> bool:
        """Whether the file is gzipped as a whole."""
        try:
            with self:
                return os.pread(self._descriptor, len(_GZIP), 0) == _GZIP
        except UnreadableFileError:
            raise
        except OSError as err:
            raise self._unreadable(err) from err

    @functools.cached_property
    def size(self) -> int:
        """Size of the (inflated) file in bytes."""
        if self._inflated is not None:
            return len(self._inflated)
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
            if index and not self.read(position, min(max(self.size - position, 0), BLOCK)).strip(b"\0 "):
                return  # nothing but padding follows
            unit = self.unit_at(position, index)
            yield unit
            position = unit.start + -(-unit.size // BLOCK) * BLOCK
        raise self.damage(f"more than {_MAX_UNITS} HDUs", "fewer")

    def unit_at(self, position: int, index: int = -1) -> Unit:
        """Return the HDU whose header begins at a byte."""
        first = b"XTENSION" if position else BEGINNING[:8]
        where = f"HDU {index}" if index >= 0 else f"HDU at byte {position}"
        text, start = bytearray(), position
        while not text.endswith(_END):
            block = self.read(start, BLOCK, where)
            if not text and not block.startswith(first):
                raise self.damage("bytes that are no FITS header", first.decode().strip(), where)
            if len(text) > _MAX_HEADER:
                raise self.damage(f"a header without an end in {_MAX_HEADER} bytes", "END", where)
            end = next((n for n in range(0, BLOCK, CARD) if block.startswith(_END, n)), BLOCK)
            text += block[: end + CARD]
            start += BLOCK
        cards = _UNPRINTABLE.sub(b"?", bytes(text[:-CARD])).decode("ascii")
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
        if self._inflated is not None:
            view[:] = self._inflated[start : start + len(view)]
            return
        while view:
            try:
                count = os.preadv(self._descriptor, [view], start)
            except OSError as err:
                raise self._unreadable(err) from err
            if count == 0:
                raise self.damage(f"the end at byte {start}", f"{len(view)} bytes more", where)
            view, start = view[count:], start + count

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
    def _inflated(self) -> bytes | None:
        """The whole file when it is gzipped, else `None`."""
        if not self.is_gzipped:
            return None
        try:
            data = self.path.read_bytes()
            pieces: list[bytes] = []
            left = _MAX_INFLATED
            while data:
                # A gzip file may consist of several members.
                inflater = zlib.decompressobj(wbits=31)
                pieces.append(inflater.decompress(data, left))
                if not inflater.eof:
                    stated = "more than 512 MB" if inflater.unconsumed_tail else "the end of a gzip stream"
                    raise self.damage(stated, "a complete gzipped FITS file of at most 512 MB")
                left = max(left - len(pieces[-1]), 1)
                data = inflater.unused_data.lstrip(b"\0")
            return b"".join(pieces)
        except UnreadableFileError:
            raise
        except (OSError, zlib.error) as err:
            raise self._unreadable(err) from err


def primary_cards(path: str | PathLike[str]) -> Cards | None:
    """Return the values of the first header of a file.

    `None` when the file is absent or damaged, is not FITS, or is compressed as a whole.
    """
    container = Container(path)
    try:
        with container:
            return None if container.is_gzipped else container.unit_at(0, 0).cards
    except UnreadableFileError:
        return None
