"""The HDUs of an afw-written file: found by scanning headers, read by the byte range.

Nothing here trusts a size that a header states: each is compared with the size
of the file before a byte is read or allocated.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import NoReturn

from astropy.io import fits

from ..errors import UnreadableFileError
from .cards import BLOCK, CARD
from .read import Header, quiet_astropy

__all__ = ("Container", "Unit")

_END = b"END" + b" " * 77
_MAX_HEADER = 4_000_000
"""Bytes of a header; more is damage."""
_MAX_UNITS = 10_000
_MAX_INFLATED = 1 << 29
"""Bytes of a file that is gzipped as a whole."""
_UNPRINTABLE = re.compile(rb"[^ -~]")
_GZIP = b"\x1f\x8b"
_BITPIX = frozenset({8, 16, 32, 64, -32, -64})


@dataclasses.dataclass(frozen=True, eq=False)
class Unit:
    """One HDU: its header, and where its data lie.

    Attributes
    ----------
    index
        Number, the primary HDU being 0.
    header
        All cards; do not change them.
    origin
        First byte of the header in the file.
    start, size
        First byte of the data in the file, and their number, without padding.
    """

    index: int
    header: Header
    origin: int
    start: int
    size: int

    @property
    def kind(self) -> str:
        """EXTTYPE, e.g. ``"IMAGE"``, ``"MASK"`` or ``"ARCHIVE_INDEX"``; empty when there is none."""
        return str(self.header.get("EXTTYPE", "")).strip().upper()

    @property
    def name(self) -> str:
        """Name of the class or the plane: AR_NAME, else EXTNAME, else an empty text."""
        return str(self.header.get("AR_NAME", self.header.get("EXTNAME", ""))).strip()

    @property
    def is_table(self) -> bool:
        """Whether it is a binary table, and not a compressed image in the guise of one."""
        return self.header.get("XTENSION") == "BINTABLE" and not self.header.get("ZIMAGE")

    @property
    def has_data(self) -> bool:
        """Whether its header says that data follow."""
        return bool(self.header.get("NAXIS", 0) != 0)

    @property
    def label(self) -> str:
        """How it is named in messages."""
        name = self.name or self.kind
        return f"HDU {self.index} ({name})" if name else f"HDU {self.index}"


class Container:
    """A FITS file whose headers have been read, and whose data can be.

    Parameters
    ----------
    path
        The file, as it is or gzipped as a whole.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent, is not FITS, or ends before its headers say.

    Notes
    -----
    The file is opened for each read and closed again, so that a container can
    be kept, and used by several threads.  One that is gzipped as a whole is
    inflated into memory when it is first used.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Container({str(self.path)!r})"

    @functools.cached_property
    def units(self) -> tuple[Unit, ...]:
        """All HDUs in order."""
        with quiet_astropy():
            return tuple(self._scan())

    @property
    def primary(self) -> Header:
        """Header of the primary HDU."""
        return self.units[0].header

    def unit(self, index: int) -> Unit | None:
        """Return the HDU of a number (the primary HDU is 0), or `None` when there is none."""
        return self.units[index] if 0 <= index < len(self.units) else None

    def find(self, kind: str) -> Unit | None:
        """Return the first HDU with this EXTTYPE, or `None`."""
        return next((unit for unit in self.units if unit.kind == kind), None)

    def read(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes of the (inflated) file from ``start`` on.

        Raises
        ------
        UnreadableFileError
            Raised when the file has fewer.
        """
        if start < 0 or count < 0 or start + count > self._size:
            self._fail(f"{self._size} bytes", f"at least {start + count}")
        if self._inflated is not None:
            return self._inflated[start : start + count]
        try:
            with self.path.open("rb") as stream:
                stream.seek(start)
                data = stream.read(count)
        except OSError as err:
            raise self._unreadable(err) from err
        if len(data) != count:
            self._fail(f"the end at byte {start + len(data)}", f"at least {start + count} bytes")
        return data

    def _fail(self, found: str, expected: str, where: str = "") -> NoReturn:
        raise UnreadableFileError(self.path, where=where, found=found, expected=expected)

    def _unreadable(self, err: Exception) -> UnreadableFileError:
        reason = (
            getattr(err, "strerror", None) or " ".join(str(err).split()).rstrip(".") or type(err).__name__
        )
        return UnreadableFileError(self.path, found=reason, expected="a complete FITS file")

    @functools.cached_property
    def _inflated(self) -> bytes | None:
        """The whole file when it is gzipped, else `None`."""
        try:
            with self.path.open("rb") as stream:
                if stream.read(2) != _GZIP:
                    return None
                stream.seek(0)
                return self._inflate(stream.read())
        except (OSError, EOFError, zlib.error) as err:
            if isinstance(err, UnreadableFileError):
                raise
            raise self._unreadable(err) from err

    def _inflate(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        left = _MAX_INFLATED
        while data:
            # A gzip file may consist of several members.
            inflater = zlib.decompressobj(wbits=31)
            piece = inflater.decompress(data, left)
            if not inflater.eof:
                found = "more than 512 MB" if inflater.unconsumed_tail else "the end of a gzip stream"
                self._fail(found, "a complete gzipped FITS file of at most 512 MB")
            pieces.append(piece)
            left = max(left - len(piece), 1)
            data = inflater.unused_data.lstrip(b"\0")
        return b"".join(pieces)

    @functools.cached_property
    def _size(self) -> int:
        if self._inflated is not None:
            return len(self._inflated)
        try:
            return self.path.stat().st_size
        except OSError as err:
            raise self._unreadable(err) from err

    def _scan(self) -> Iterator[Unit]:
        position = 0
        for index in range(_MAX_UNITS):
            if index and self._is_over(position):
                return
            header, start = self._header(position, index)
            size = self._data_size(header, index)
            if start + size > self._size:
                self._fail(f"a file of {self._size} bytes", f"data up to byte {start + size}", f"HDU {index}")
            yield Unit(index, header, position, start, size)
            position = start + -(-size // BLOCK) * BLOCK
        self._fail(f"more than {_MAX_UNITS} HDUs", "fewer")

    def _is_over(self, position: int) -> bool:
        """Tell whether nothing but padding follows."""
        rest = self.read(position, min(max(self._size - position, 0), BLOCK))
        return not rest.strip(b"\0 ")

    def _header(self, position: int, index: int) -> tuple[Header, int]:
        """Return the header at a position, and where its data begin."""
        first = b"XTENSION" if index else b"SIMPLE  "
        text, stop = bytearray(), position
        while True:
            block = self.read(stop, BLOCK)
            if not text and not block.startswith(first):
                self._fail("bytes that are no FITS header", first.decode().strip(), f"HDU {index}")
            text += block
            stop += BLOCK
            cards = [block[n : n + CARD] for n in range(0, BLOCK, CARD)]
            if _END in cards:
                del text[len(text) - BLOCK + cards.index(_END) * CARD :]
                return self._parse(bytes(text), index), stop
            if len(text) > _MAX_HEADER:
                self._fail(f"a header without an end in {_MAX_HEADER} bytes", "END", f"HDU {index}")

    def _parse(self, text: bytes, index: int) -> Header:
        header = fits.Header.fromstring(_UNPRINTABLE.sub(b"?", text).decode("ascii"))
        for number, card in enumerate(header.cards):
            try:
                # An unquoted NaN and the like become texts; that is no error of the pixels.
                with contextlib.suppress(fits.VerifyError):
                    card.value  # noqa: B018
                    continue
                card.verify("silentfix")
            except (ValueError, fits.VerifyError) as err:
                self._unparsable(index, number, err)
        return header

    def _unparsable(self, index: int, number: int, err: Exception) -> NoReturn:
        where = f"HDU {index}, card {number}"
        found, expected = "what is no card of FITS", "a keyword and a value"
        raise UnreadableFileError(self.path, where=where, found=found, expected=expected) from err

    def _data_size(self, header: Header, index: int) -> int:
        """Return the number of bytes that a header says its data have."""
        where = f"HDU {index}"

        def whole(key: str, default: int | None = None) -> int:
            value = header.get(key, default)
            if isinstance(value, bool) or not isinstance(value, int) or (value < 0 and key != "BITPIX"):
                self._fail(repr(value), "a whole number", f"{where}, {key}")
            return int(value)

        bits, axes = whole("BITPIX"), whole("NAXIS")
        if bits not in _BITPIX or axes > 999:
            self._fail(f"BITPIX {bits}, NAXIS {axes}", "those of FITS", where)
        if axes == 0:
            return 0
        pixels = 1
        for axis in range(1, axes + 1):
            pixels *= whole(f"NAXIS{axis}")
        return abs(bits) // 8 * whole("GCOUNT", 1) * (whole("PCOUNT", 0) + pixels)
