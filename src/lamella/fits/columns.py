"""How the columns of a binary table are stored, from the cards of its header."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from .cards import Cards

__all__ = ("Column", "decode_text", "parse_column")

_FORMAT = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM]?)")
_TYPES = {
    "L": "S1",
    "X": "u1",
    "B": "u1",
    "I": ">i2",
    "J": ">i4",
    "K": ">i8",
    "A": "S1",
    "E": ">f4",
    "D": ">f8",
    "C": ">c8",
    "M": ">c16",
}
_DESCRIPTORS = {"P": ">i4", "Q": ">i8"}


@dataclasses.dataclass(frozen=True)
class Column:
    """How one column is stored."""

    number: int
    name: str
    code: str
    """Type of the elements."""
    count: int
    """Elements per row; for a column in the heap, 1."""
    descriptor: str = ""
    """``"P"`` or ``"Q"`` for a column whose elements lie in the heap."""
    shape: tuple[int, ...] | None = None
    """Shape of the elements of a row, slowest axis first, where the header gives one."""
    zero: int = 0
    """What is added to the numbers."""

    @property
    def field(self) -> tuple[str, str, int]:
        """Name, type and number of what a row itself holds, for a `numpy.dtype`."""
        if self.descriptor:
            return f"c{self.number}", _DESCRIPTORS[self.descriptor], 2
        return f"c{self.number}", _TYPES[self.code], self.size(self.count)

    @property
    def element(self) -> str:
        """Type of what is stored."""
        return _TYPES[self.code]

    def size[T: (int, np.ndarray)](self, count: T) -> T:
        """Return how many stored elements a number of values take; bits are packed."""
        return -(-count // 8) if self.code == "X" else count

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return values in the machine's byte order, and logical ones as bool."""
        order = values.dtype.newbyteorder("=")
        result: np.ndarray = values == b"T" if self.code == "L" else values.astype(order)
        return result if self.zero == 0 else result.astype(np.int64) + self.zero


def decode_text(data: bytes | bytearray) -> str:
    """Return a text without what follows a NUL, and without blanks at its end."""
    return data.split(b"\0", 1)[0].decode("utf-8", errors="replace").rstrip(" ")


def parse_column(cards: Cards, number: int) -> Column:
    """Return how a column is stored.

    Raises
    ------
    ValueError
        Raised when the header does not say so in a way that is understood.
    """
    form = cards.get(f"TFORM{number}")
    parsed = _FORMAT.match(form) if isinstance(form, str) else None
    name = str(cards.get(f"TTYPE{number}", f"column {number}")).strip()
    count = int(parsed[1] or 1) if parsed is not None else 0
    if parsed is None or count > 8 * int(cards["NAXIS1"]):
        raise ValueError(f"a column {name} with TFORM {form!r}")
    if parsed[2] in _DESCRIPTORS:
        if count != 1:
            raise ValueError(f"a column {name} with TFORM {form!r}")
        return Column(number, name, parsed[3] or "B", 1, descriptor=parsed[2])
    zero, scale = cards.get(f"TZERO{number}", 0), cards.get(f"TSCAL{number}", 1)
    if scale != 1 or not isinstance(zero, int | float) or not float(zero).is_integer() or abs(zero) > 2**62:
        raise ValueError(f"a column {name} of scaled numbers")
    text = cards.get(f"TDIM{number}")
    sizes = [int(size) for size in re.findall(r"\d{1,9}", text)] if isinstance(text, str) else []
    # A TDIM that does not fit is passed over.
    shape = tuple(reversed(sizes)) if sizes and math.prod(sizes) == count else None
    return Column(number, name, parsed[2], count, shape=shape, zero=int(zero))
