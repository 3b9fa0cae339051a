"""Checksums of the pieces of a file, in a table behind all that it holds.

The checksums that FITS knows are of whole HDUs, and a box of an image is a small
part of one.  The table has a row for each header, for the data of tables, and for
each 64 kB of an image that is not compressed; tiles of GZIP have a checksum of
their own.  Whoever reads a piece compares it.  XXH3 with 64 bits is a hash, and no
code that is sure to notice few changed bits: of changed pieces, whatever the change,
one in 2**64 would have the same value.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import xxhash

from .hdus import Container, Unit
from .write import Card, format_cards, write_hdu

__all__ = ("PIECE", "ImageSums", "PieceSums", "append_sums", "check_unit", "read_sums")

PIECE = 1 << 16
"""Bytes of an image that have one checksum: a few rows, because whole pieces are read for a box."""
_NAME = "CHECKSUMS"
_OWN = "ROWSUM"
"""Card with the checksum of the table itself."""
_DATE = re.compile(rb"DATE    =.{71}", re.DOTALL)
_ROWS = np.dtype([("START", ">i8"), ("SIZE", ">i8"), ("XXH3_64", ">i8")])


def _sum_of(content: Any) -> int:
    """Return the checksum of bytes as the signed number of 64 bits that FITS can hold."""
    value = xxhash.xxh3_64_intdigest(content)
    return value - 2**64 if value >> 63 else value


@dataclasses.dataclass(frozen=True, eq=False)
class PieceSums:
    """Checksums of the pieces of a file.

    Attributes
    ----------
    starts, sizes, sums
        int64, shape (pieces,): first byte, bytes, and checksum of each, in the order of the file.
    """

    starts: np.ndarray
    sizes: np.ndarray
    sums: np.ndarray

    @property
    def end(self) -> int:
        """First byte behind all pieces; what somebody appended later has no checksums."""
        return int(self.starts[-1] + self.sizes[-1]) if len(self.starts) else 0

    def of(self, start: int, size: int) -> list[int]:
        """Return the checksums of the pieces that begin in a part of the file; none where it has none."""
        first, stop = np.searchsorted(self.starts, (start, start + size))
        sums: list[int] = self.sums[first:stop].tolist()
        return sums


class ImageSums:
    """Checksums of the pieces of an image, and which of them were found to be right; for several threads.

    A piece is compared when it is first read, and not again: many readers come back to it.

    Parameters
    ----------
    unit
        HDU of the image, which is not compressed.
    sums
        Checksums of the file.
    """

    def __init__(self, unit: Unit, sums: PieceSums) -> None:
        self._unit, self._sums = unit, sums.of(unit.start, unit.size)
        self._intact = bytearray(len(range(0, unit.size, PIECE)))

    def are_intact(self, begin: int, end: int) -> bool:
        """Return whether all pieces of some bytes of the image are known to be right."""
        return 0 not in self._intact[begin // PIECE : -(-end // PIECE)]

    def first_byte(self, begin: int) -> int:
        """Return where reading must begin for some bytes: with the piece, unless it is known to be right."""
        piece = begin // PIECE
        return begin if self._intact[piece] else piece * PIECE

    def check(self, begin: int, content: np.ndarray) -> None:
        """Compare the whole pieces among some bytes that are not known to be right yet.

        Parameters
        ----------
        begin
            Number of the first of the bytes, in the image.
        content
            Bytes; they end with a piece.

        Raises
        ------
        UnreadableFileError
            Raised when a piece and its checksum differ.
        """
        for piece in range(begin // PIECE, -(-(begin + content.size) // PIECE)):
            if self._intact[piece]:
                continue
            start = piece * PIECE
            if [_sum_of(content[start - begin : start - begin + PIECE])] != self._sums[piece : piece + 1]:
                width = self._unit.axes[-1] * abs(self._unit.cards["BITPIX"]) // 8
                _fail(self._unit, "bytes", f"row {start // width}")
            self._intact[piece] = 1


def append_sums(path: str | PathLike[str]) -> None:
    """Append the checksums of all pieces to a file that is complete otherwise.

    Parameters
    ----------
    path
        The file, whose last HDU fills its blocks; nobody else has it open.
    """
    rows = []
    with Container(path) as file:
        for unit in file.walk():
            for start, size in _pieces(unit):
                rows.append((start, size, _sum_of(_read(unit, start, size))))
    table = np.array(rows, _ROWS)
    structure: list[Card] = [
        ("XTENSION", "BINTABLE", "binary table extension"),
        ("BITPIX", 8, "array data type"),
        ("NAXIS", 2, "number of array dimensions"),
        ("NAXIS1", _ROWS.itemsize, "length of dimension 1"),
        ("NAXIS2", len(table), "length of dimension 2"),
        ("PCOUNT", 0, "number of group parameters"),
        ("GCOUNT", 1, "number of groups"),
        ("TFIELDS", len(_ROWS.names or ()), "number of table fields"),
    ]
    for number, name in enumerate(_ROWS.names or (), 1):
        structure += [(f"TTYPE{number}", name, ""), (f"TFORM{number}", "K", "")]
    structure += [
        ("EXTNAME", _NAME, "of the bytes of this file before"),
        (_OWN, _sum_of(table.tobytes()), "XXH3 of the rows, 64 bits, signed"),
    ]
    with Path(path).open("ab") as stream:
        write_hdu(stream, format_cards(structure), table.tobytes())


def _pieces(unit: Unit) -> Iterator[tuple[int, int]]:
    """Iterate over the pieces of an HDU, first byte and size of each."""
    yield unit.origin, unit.start - unit.origin
    if unit.cards.get("XTENSION") == "BINTABLE":
        # Of compressed tiles, the table of their places; each has a checksum.
        size = unit.whole("NAXIS1") * unit.whole("NAXIS2") if unit.is_compressed else unit.size
        if size:
            yield unit.start, size
        return
    for first in range(0, unit.size, PIECE):
        yield unit.start + first, min(PIECE, unit.size - first)


def read_sums(file: Container, start: int) -> PieceSums | None:
    """Read the checksums of a file.

    Parameters
    ----------
    file
        The file.
    start
        Byte behind its last other HDU.

    Returns
    -------
    PieceSums or None
        `None` when the file ends there, as those of lamella 0.1.0 and of `lsst.images` do.

    Raises
    ------
    UnreadableFileError
        Raised when something else is there, or the table is damaged.
    """
    if start >= file.size:
        return None
    unit = file.unit_at(start)
    if unit.name != _NAME or unit.whole("NAXIS1") != _ROWS.itemsize:
        raise file.damage(f"{unit.label} at byte {start}", f"the table {_NAME}, or the end")
    data = file.read(unit.start, _ROWS.itemsize * unit.whole("NAXIS2"), unit.label)
    if _sum_of(data) != unit.cards.get(_OWN):
        _fail(unit, "rows")
    rows = np.frombuffer(data, _ROWS)
    return PieceSums(*(rows[name].astype(np.int64) for name in ("START", "SIZE", "XXH3_64")))


def check_unit(unit: Unit, sums: PieceSums | None, *, data: bool = True) -> None:
    """Compare the header and the data of an HDU with their checksums.

    Parameters
    ----------
    unit
        The HDU.
    sums
        Those of its file; `None` where there are none.
    data
        Whether the data are compared, too; of an image in compressed tiles, only the table of their places.

    Raises
    ------
    UnreadableFileError
        Raised when they differ, or a checksum is missing.
    """
    if sums is None or unit.origin >= sums.end:
        return
    pieces = _pieces(unit) if data or unit.is_compressed else itertools.islice(_pieces(unit), 1)
    for start, size in pieces:
        if [_sum_of(_read(unit, start, size))] != sums.of(start, 1):
            _fail(unit, "bytes")


def _read(unit: Unit, start: int, size: int) -> bytes | bytearray:
    """Return a piece; a header without the time of writing, so that equal files have equal checksums."""
    content = unit.container.read(start, size, unit.label)
    return content if start != unit.origin else _DATE.sub(b"", content)


def _fail(unit: Unit, what: str, where: str = "") -> NoReturn:
    raise unit.damage(f"{what} and their checksum differ", "what was written", where)
