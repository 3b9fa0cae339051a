"""Headers and bytes of FITS files, read without astropy, which takes some milliseconds for each header."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from os import PathLike, fspath
from typing import Any, Self

import numpy as np

from ..errors import UnreadableFileError

__all__ = (
    "BEGINNING",
    "BLOCK",
    "CARD",
    "Cards",
    "RawFile",
    "place_type",
    "primary_cards",
    "read_cards",
    "read_places",
    "walk_headers",
    "whole_number",
)

BEGINNING = b"SIMPLE  ="
"""What every FITS file begins with."""
BLOCK = 2880
"""Headers and data are filled up to a multiple of this."""
CARD = 80
"""Size of a card in a header."""
_MAX_HEADER_BLOCKS = 1000
_MAX_HDUS = 1000

type Cards = dict[str, int | str]
"""The whole numbers and short texts of a header; of other values, their text."""


class RawFile:
    """A file, and reads that are complete or fail.

    Used as a context manager, it is closed at the end.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UnreadableFileError
        Raised when it cannot be opened, and by its methods when it ends too early.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        try:
            self.descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as err:
            raise self.damage(err.strerror or str(err), "a FITS file") from err
        self.size = os.fstat(self.descriptor).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        os.close(self.descriptor)

    def damage(self, found: str, expected: str, where: str = "") -> UnreadableFileError:
        """Return an error about this file."""
        return UnreadableFileError(self.path, where=where, found=found, expected=expected)

    def read(self, offset: int, buffer: Any, where: str) -> None:
        """Fill a buffer from an offset on."""
        view = memoryview(buffer).cast("B")
        try:
            while view:
                count = os.preadv(self.descriptor, [view], offset)
                if count == 0:
                    raise self.damage(f"the end at byte {offset}", f"{len(view)} bytes more", where)
                view, offset = view[count:], offset + count
        except UnreadableFileError:
            raise
        except OSError as err:
            raise self.damage(err.strerror or str(err), "readable data", where) from err

    def read_bytes(self, offset: int, count: int, where: str) -> bytearray:
        """Return bytes from an offset on."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise self.damage(f"a file of {self.size} bytes", f"data up to byte {offset + count}", where)
        data = bytearray(count)
        self.read(offset, data, where)
        return data


def primary_cards(path: str | PathLike[str]) -> Cards | None:
    """Return the cards of the first header of a file, as `read_cards` does.

    `None` when the file is absent or damaged, is not FITS, or is compressed as a whole.
    """
    try:
        with RawFile(path) as file:
            if file.read_bytes(0, len(BEGINNING), "header") != BEGINNING:
                return None
            return read_cards(file, 0)[0]
    except UnreadableFileError:
        return None


def walk_headers(file: RawFile) -> Iterator[tuple[Cards, int]]:
    """Iterate over the headers of a file, as `read_cards` gives them.

    Raises
    ------
    UnreadableFileError
        Raised when a header is damaged.
    """
    position = 0
    for _ in range(_MAX_HDUS):
        if position + BLOCK > file.size:
            return
        cards, start = read_cards(file, position)
        yield cards, start
        position = start + -(-_data_size(file, cards) // BLOCK) * BLOCK


def read_cards(file: RawFile, position: int) -> tuple[Cards, int]:
    """Return the whole numbers and short texts of a header, and where its data begin."""
    cards: Cards = {}
    where = f"header at byte {position}"
    for _ in range(_MAX_HEADER_BLOCKS):
        block = bytes(file.read_bytes(position, BLOCK, where)).decode("latin-1")
        position += BLOCK
        for start in range(0, BLOCK, CARD):
            card = block[start : start + CARD]
            if card.rstrip() == "END":
                return cards, position
            if card[8:10] == "= ":
                _note(cards, card)
    raise file.damage("a header without an end", "END", where)


def _note(cards: Cards, card: str) -> None:
    value = card[10:]
    if value.lstrip().startswith("'"):
        cards[card[:8].rstrip()] = value.split("'")[1].rstrip()
        return
    text = value.split("/")[0].strip()
    # Numbers that are not whole are of no interest, but that they are there may be.
    cards[card[:8].rstrip()] = int(text) if text.lstrip("+-").isdigit() else text


def whole_number(file: RawFile, cards: Cards, key: str, default: int | None = None) -> int:
    """Return a number that is not negative.

    Raises
    ------
    UnreadableFileError
        Raised when there is none under this keyword.
    """
    value = cards.get(key, default)
    if not isinstance(value, int) or value < 0:
        where = f"{cards.get('EXTNAME', 'primary')}, {key}"
        raise file.damage(repr(value), "a whole number that is not negative", where)
    return value


def place_type(cards: Cards, column: str) -> np.dtype[Any] | None:
    """Return how a table says where its rows lie, if it is one of a single column of bytes of any number."""
    form = str(cards.get("TFORM1", "")).lstrip("1")
    if cards.get("TTYPE1") != column or cards.get("TFIELDS") != 1 or form[:2] not in ("PB", "QB"):
        return None
    return np.dtype(">i4" if form.startswith("P") else ">i8")


def read_places(
    file: RawFile, cards: Cards, start: int, kind: np.dtype[Any], where: str
) -> tuple[np.ndarray, int]:
    """Read where the rows of a table of bytes lie.

    Parameters
    ----------
    file, cards, start
        The file, the header of the table, and where its data begin.
    kind
        What `place_type` says.
    where
        Name of the table, for errors.

    Returns
    -------
    tuple
        Size and offset of each row, int64 of shape (rows, 2), and the byte of
        the file from which offsets count.

    Raises
    ------
    UnreadableFileError
        Raised when the file ends before.
    """
    table = file.read_bytes(start, 2 * kind.itemsize * whole_number(file, cards, "NAXIS2"), where)
    places = np.frombuffer(table, kind).reshape(-1, 2).astype(np.int64)
    return places, start + whole_number(file, cards, "THEAP", len(table))


def _data_size(file: RawFile, cards: Cards) -> int:
    axes = whole_number(file, cards, "NAXIS")
    if axes == 0:
        return 0
    pixels = math.prod(whole_number(file, cards, f"NAXIS{axis + 1}") for axis in range(axes))
    width = abs(int(cards["BITPIX"])) // 8 if isinstance(cards.get("BITPIX"), int) else 0
    return width * (pixels + whole_number(file, cards, "PCOUNT", 0)) * whole_number(file, cards, "GCOUNT", 1)
