"""HDUs of archives, written piece by piece.

astropy makes an HDU in memory, checks it, and copies its data a few times; for a
small image that takes longer than all the rest.  Here the data of an HDU go into
the file as they become ready, and its header when their size is known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import IO, NamedTuple

import numpy as np
from astropy.io import fits

from .cards import BLOCK, CARD
from .compression import Tiles

__all__ = (
    "BITPIX",
    "Card",
    "Place",
    "Records",
    "dump_header",
    "format_cards",
    "write_hdu",
    "write_image",
    "write_ragged",
    "write_tiles",
)

BITPIX = {
    np.dtype(np.uint8): 8,
    np.dtype(np.int16): 16,
    np.dtype(np.int32): 32,
    np.dtype(np.int64): 64,
    np.dtype(np.float32): -32,
    np.dtype(np.float64): -64,
}
"""The types of pixels that FITS has, in the byte order of the machine."""
_PIXELS_AT_A_TIME = 1 << 18
_MAX_SHORT = 2**31 - 1
_OVERHEAD = 1.01
"""Noise grows by less than this when it is compressed."""

type Card = tuple[str, bool | int | str, str]
"""Keyword, value and comment, each without quotes."""


class Place(NamedTuple):
    """Where an HDU is in a file, in bytes."""

    header: int
    data: int
    data_size: int
    """With what fills up the last block."""

    @property
    def size(self) -> int:
        """Size of header and data."""
        return self.data + self.data_size - self.header


def format_cards(cards: Iterable[Card]) -> bytes:
    """Return cards as they stand in a header."""
    return b"".join(_format_card(*card) for card in cards)


def _format_card(key: str, value: bool | int | str, comment: str) -> bytes:
    if isinstance(value, str):
        text = f"'{value:<8}'".ljust(20)
    else:
        text = ("FT"[value] if isinstance(value, bool) else str(value)).rjust(20)
    card = f"{key:<8}= {text}"
    if len(card) > CARD:
        raise ValueError(f"This card is too long: {card}")
    # A comment may be cut.
    return (card + (f" / {comment}" if comment else "")).ljust(CARD)[:CARD].encode("ascii")


def dump_header(header: fits.Header) -> bytes:
    """Return a header of astropy as it stands in a file, without END."""
    text: str = header.tostring(endcard=False, padding=False)
    return text.encode("ascii")


def write_hdu(stream: IO[bytes], cards: bytes, data: bytes = b"") -> Place:
    """Write an HDU whose data are there.

    Parameters
    ----------
    stream
        The file, at its end.
    cards
        The header, without END.
    data
        Its data.
    """
    start = stream.tell()
    begin = start + stream.write(_close_header(cards))
    stream.write(data)
    return _finish(stream, start, begin)


def write_image(stream: IO[bytes], pixels: np.ndarray, name: Sequence[Card], cards: bytes) -> Place:
    """Write an image as it is.

    Parameters
    ----------
    stream
        The file, at its end.
    pixels
        Of a type in `BITPIX`.
    name
        Cards that name the extension.
    cards
        The rest of the header.
    """
    structure: list[Card] = [
        ("XTENSION", "IMAGE", "Image extension"),
        ("BITPIX", BITPIX[pixels.dtype], "array data type"),
        ("NAXIS", pixels.ndim, "number of array dimensions"),
        *((f"NAXIS{axis}", size, "") for axis, size in enumerate(reversed(pixels.shape), 1)),
        ("PCOUNT", 0, "number of parameters"),
        ("GCOUNT", 1, "number of groups"),
    ]
    start = stream.tell()
    begin = start + stream.write(_close_header(format_cards([*structure, *name]) + cards))
    rows = max(_PIXELS_AT_A_TIME // max(pixels[:1].size, 1), 1)
    for first in range(0, len(pixels), rows):
        stream.write(np.ascontiguousarray(pixels[first : first + rows], pixels.dtype.newbyteorder(">")).data)
    return _finish(stream, start, begin)


def write_tiles(
    stream: IO[bytes], pixels: np.ndarray, tiles: Tiles, name: Sequence[Card], cards: bytes
) -> Place:
    """Write an image in compressed tiles.

    Parameters
    ----------
    stream
        The file, at its end; one can go back in it.
    pixels, tiles
        float32 or int32 of shape (y, x), and its tiles, which may not be ready yet.
    name
        Cards that name the extension.
    cards
        The rest of the header.
    """
    height, width = pixels.shape
    image: list[Card] = [
        ("ZIMAGE", True, ""),
        ("ZBITPIX", BITPIX[pixels.dtype], ""),
        ("ZNAXIS", 2, ""),
        ("ZNAXIS1", width, ""),
        ("ZNAXIS2", height, ""),
        ("ZTILE1", width, ""),
        ("ZTILE2", tiles.rows, ""),
        ("ZCMPTYPE", "GZIP_2", ""),
    ]
    blocks = (job.result() for job in tiles.jobs)
    records = Records("COMPRESSED_DATA", tiles.number, blocks, pixels.nbytes)
    return write_ragged(stream, records, image, name, cards)


@dataclasses.dataclass(frozen=True)
class Records:
    """A table of one column, with bytes of any number in each row."""

    column: str
    count: int
    """Number of rows."""
    blocks: Iterable[Sequence[bytes]]
    """The rows, some at a time."""
    size: int
    """Bytes before they were compressed."""


def write_ragged(
    stream: IO[bytes], records: Records, between: Sequence[Card], name: Sequence[Card], cards: bytes
) -> Place:
    """Write a table of bytes of any number.

    Parameters
    ----------
    stream
        The file, at its end; one can go back in it.
    records
        The rows.
    between
        Cards that say what the table stands for.
    name
        Cards that name the extension.
    cards
        The rest of the header.
    """
    letter, integer = ("P", ">i4") if records.size * _OVERHEAD < _MAX_SHORT else ("Q", ">i8")
    table = np.zeros((records.count, 2), integer)

    def header() -> bytes:
        structure: list[Card] = [
            ("XTENSION", "BINTABLE", "binary table extension"),
            ("BITPIX", 8, "array data type"),
            ("NAXIS", 2, "number of array dimensions"),
            ("NAXIS1", table.nbytes // len(table), "length of dimension 1"),
            ("NAXIS2", len(table), "length of dimension 2"),
            ("PCOUNT", int(table[:, 0].sum(dtype=np.int64)), "number of group parameters"),
            ("GCOUNT", 1, "number of groups"),
            ("TFIELDS", 1, "number of table fields"),
            ("TTYPE1", records.column, ""),
            ("TFORM1", f"{letter}B({table[:, 0].max()})", ""),
        ]
        return _close_header(format_cards([*structure, *between, *name]) + cards)

    # What is not known yet is put in its place when it is.
    start = stream.tell()
    begin = start + stream.write(header())
    stream.write(table.tobytes())
    row = offset = 0
    for block in records.blocks:
        for data in block:
            table[row] = len(data), offset
            stream.write(data)
            row, offset = row + 1, offset + len(data)
    written = _finish(stream, start, begin)
    stream.seek(start)
    stream.write(header() + table.tobytes())
    stream.seek(0, 2)
    return written


def _close_header(cards: bytes) -> bytes:
    size = len(cards) + CARD
    return (cards + b"END").ljust(size + -size % BLOCK)


def _finish(stream: IO[bytes], start: int, begin: int) -> Place:
    """Fill up the last block."""
    size = stream.tell() - begin
    fill = -size % BLOCK
    stream.write(bytes(fill))
    return Place(start, begin, size + fill)
