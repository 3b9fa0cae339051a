"""Binary tables as afw writes them: some rows at a time, with typed access to their fields.

Flags are packed into one bit column and named by TFLAGn, points and boxes are
spread over columns ``name_x`` and ``name_y`` (one column of two numbers in old
files), and arrays and texts of any length lie in the heap.  Each length is
compared with the size of the HDU before anything is allocated.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from lsst.images import Box

from ..errors import MissingPartError
from .columns import Column, decode_text, parse_column
from .hdus import Unit
from .text import OWN_CARD, from_fits

__all__ = ("Row", "Rows", "Table")

_MAX_COLUMNS = 10_000


class Table:
    """A binary table in a file.

    Parameters
    ----------
    unit
        HDU of the table.

    Raises
    ------
    UnreadableFileError
        Raised when the HDU is not a table, or contradicts itself.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        if unit.cards.get("XTENSION") != "BINTABLE":
            raise unit.damage("something else", "a binary table")
        self._columns = self._read_columns()
        self._width, self._count = unit.whole("NAXIS1"), unit.whole("NAXIS2")
        heap = unit.cards.get("THEAP", self._width * self._count)
        self._heap = heap if isinstance(heap, int) and 0 <= heap <= unit.size else unit.size

    @property
    def name(self) -> str:
        """Class of the objects in the table (AR_NAME), or name of the HDU."""
        return self.unit.name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns; that of packed flags is ``flags``."""
        return tuple(self._columns)

    @functools.cached_property
    def flags(self) -> dict[str, int]:
        """Names of the flags that are packed into the column ``flags``, and their bits."""
        packed = self._columns.get("flags")
        count = packed.count if packed is not None and packed.code == "X" else 0
        names = (str(self.unit.cards.get(f"TFLAG{bit + 1}", "")).strip() for bit in range(count))
        return {name: bit for bit, name in enumerate(names) if name}

    def __len__(self) -> int:
        return self._count

    def rows(self, start: int = 0, count: int | None = None) -> Rows:
        """Read some rows.

        Raises
        ------
        InputError
            Raised when there are fewer.
        """
        count = len(self) - start if count is None else count
        if start < 0 or count < 0 or start + count > len(self):
            self.fail(found=f"{len(self)} rows", expected=f"rows {start} to {start + count - 1}")
        first = self.unit.start + start * self._width
        data = self.unit.container.read(first, count * self._width, self.unit.label)
        return Rows(self, np.frombuffer(data, dtype=self._dtype, count=count))

    def fail(self, *, found: str, expected: str, column: str = "") -> NoReturn:
        """Raise an `InputError` about this table."""
        raise self.unit.problem(found, expected, column)

    @functools.cached_property
    def _dtype(self) -> np.dtype[Any]:
        dtype = np.dtype([column.field for column in self._columns.values()])
        if dtype.itemsize != self._width:
            raise self.unit.damage(f"columns of {dtype.itemsize} bytes in rows of {self._width}", "the same")
        return dtype

    def _read_columns(self) -> dict[str, Column]:
        header = self.unit.cards
        count = header.get("TFIELDS")
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= _MAX_COLUMNS:
            raise self.unit.damage(f"TFIELDS {count!r}", "a number of columns")
        if header.get("BITPIX") != 8 or header.get("NAXIS") != 2 or header.get("GCOUNT", 1) != 1:
            raise self.unit.damage("an unusual BITPIX, NAXIS or GCOUNT", "8, 2 and 1")
        try:
            columns = [parse_column(header, number) for number in range(1, count + 1)]
        except (ValueError, OverflowError) as err:
            raise self.unit.damage(str(err), "columns of FITS") from err
        by_name = {column.name: column for column in columns}
        if len(by_name) != len(columns):
            raise self.unit.damage("two columns of one name", "names that differ")
        return by_name


class Rows:
    """Some rows of a table, in memory; what lies in the heap is read when it is asked for."""

    def __init__(self, table: Table, data: np.ndarray) -> None:
        self.table = table
        self._data = data
        self._cache: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Row]:
        return (Row(self, index) for index in range(len(self)))

    def __getitem__(self, index: int) -> Row:
        if not 0 <= index < len(self):
            self.table.fail(found=f"{len(self)} rows", expected=f"row {index}")
        return Row(self, index)

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a column or a flag of this name."""
        return name in self.table.names or name in self.table.flags

    def column(self, name: str) -> Any:
        """Return one column, or one flag.

        Returns
        -------
        `numpy.ndarray` | `list`
            For numbers an array of shape (rows,) or (rows, elements) in the
            machine's byte order; bool for flags and logical columns; `str`
            elements for texts.  For a column in the heap, a list of arrays of
            shape (elements,) or of texts.

        Raises
        ------
        MissingPartError
            Raised when there is neither.
        UnreadableFileError
            Raised when an array does not lie within the heap.
        """
        if name not in self._cache:
            self._cache[name] = self._read(name)
        return self._cache[name]

    def _read(self, name: str) -> Any:
        column = self.table._columns.get(name)
        if column is None:
            return self._read_flag(name)
        values = self._data[f"c{column.number}"]
        if column.descriptor:
            return self._from_heap(column)
        if column.code == "X":
            return np.unpackbits(values.reshape(len(self), -1), axis=1)[:, : column.count].astype(bool)
        if column.code == "A":
            return np.array(
                [self._text(row.tobytes()) for row in values.reshape(len(self), -1)], dtype=object
            )
        values = column.decode(values)
        if column.shape is not None:
            return values.reshape(len(self), *column.shape)
        return values.reshape(len(self)) if column.count == 1 else values.reshape(len(self), -1)

    def _text(self, data: bytes | bytearray) -> str:
        text = decode_text(data)
        is_own = OWN_CARD in self.table.unit.container.units[0].cards
        return from_fits(text) if is_own else text

    def _read_flag(self, name: str) -> np.ndarray:
        bit = self.table.flags.get(name)
        if bit is None:
            path, where = self.table.unit.container.path, f"{self.table.unit.label}, {name}"
            raise MissingPartError(
                path, where=where, found="no such column", expected="a column of this name"
            )
        flags: np.ndarray = self.column("flags")[:, bit]
        return flags

    def heap_ranges(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return where each row of a column in the heap begins and ends, in bytes of the file.

        Raises
        ------
        UnreadableFileError
            Raised when an array does not lie within the heap.
        """
        column, unit = self.table._columns[name], self.table.unit
        counts, starts = self._data[f"c{column.number}"].reshape(-1, 2).astype(np.int64).T
        room = max(unit.size - self.table._heap, 0)
        # Sizes are compared before they are multiplied, or they could run over.
        held = not counts.size or (
            min(counts.min(), starts.min()) >= 0 and max(counts.max(), starts.max()) <= room * 8
        )
        sizes = column.size(counts) * np.dtype(column.element).itemsize if held else counts
        if not held or (starts + sizes > room)[counts > 0].any():
            raise unit.damage("data that lie outside of the HDU", "a range within its heap", name)
        starts = unit.start + self.table._heap + np.where(counts > 0, starts, 0)
        return starts, starts + sizes

    def _from_heap(self, column: Column) -> list[Any]:
        """Return arrays or texts."""
        starts, stops = self.heap_ranges(column.name)
        filled = stops > starts
        # One reading for all; empty ones do not count.
        first = int(starts[filled].min()) if filled.any() else 0
        size = int(stops[filled].max()) - first if filled.any() else 0
        data = self.table.unit.container.read(first, size, self.table.unit.label)
        pieces = (data[a - first : b - first] if b > a else b"" for a, b in zip(starts, stops, strict=True))
        if column.code == "A":
            return [self._text(piece) for piece in pieces]
        return [column.decode(np.frombuffer(piece, dtype=column.element)) for piece in pieces]


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table; each method raises `InputError` when a field is not what it is asked to be."""

    rows: Rows
    index: int

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    def value(self, name: str) -> Any:
        """Return a field as `Rows.column` gives it."""
        return self.rows.column(name)[self.index]

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number, or the default when there is no such column."""
        if default is not None and name not in self:
            return default
        value = self.value(name)
        if np.ndim(value) != 0 or not isinstance(value, np.integer):
            self._fail(name, value, "a whole number")
        return int(value)

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number, which may be NaN, or the default when there is no such column."""
        if default is not None and name not in self:
            return default
        value = self.value(name)
        if np.ndim(value) != 0 or not isinstance(value, np.integer | np.floating):
            self._fail(name, value, "a number")
        return float(value)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text without blanks at its end, or the default when there is no such column."""
        if default is not None and name not in self:
            return default
        value = self.value(name)
        if not isinstance(value, str):
            self._fail(name, value, "a text")
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Return a flag, or the default when there is no such flag."""
        if default is not None and name not in self:
            return default
        value = self.value(name)
        if not isinstance(value, bool | np.bool_):
            self._fail(name, value, "a flag")
        return bool(value)

    def array(self, name: str) -> np.ndarray:
        """Return numbers of shape (elements,), also where there is only one; bytes are ``uint8``."""
        value: np.ndarray = np.atleast_1d(self.value(name))
        if value.dtype.kind not in "iuf":
            self._fail(name, value, "numbers")
        return value

    def point(self, name: str) -> tuple[float, float]:
        """Return (x, y) from columns ``name_x`` and ``name_y``, or from one column of two numbers."""
        if f"{name}_x" in self:
            return self.number(f"{name}_x"), self.number(f"{name}_y")
        pair = self.array(name)
        if pair.size != 2:
            self._fail(name, pair, "two numbers")
        return float(pair.flat[0]), float(pair.flat[1])

    def box(self, name: str) -> Box | None:
        """Return a box from its first and last pixels, ``name_min`` and ``name_max``; `None` when empty."""
        (x0, y0), (x1, y1) = self.point(f"{name}_min"), self.point(f"{name}_max")
        if x1 < x0 or y1 < y0:
            return None
        return Box.factory[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1]

    def _fail(self, name: str, value: Any, expected: str) -> NoReturn:
        stated = f"{value!r}" if np.ndim(value) == 0 else f"an array of shape {np.shape(value)}"
        self.rows.table.fail(found=stated, expected=expected, column=name)
