"""Archives as afw lays them out, written: an index of objects, and the tables that hold their rows."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import IO, Any

import numpy as np
from astropy.io import fits

from ...fits.text import to_fits
from ...fits.write import dump_header, write_hdu

__all__ = ("Field", "OutputArchive", "Part", "box_fields", "box_values", "links", "point_fields")

_VERSION = 3
"""Layout of the tables (AFW_TABLE_VERSION): columns of points are spread over two."""
_NUMBERS = {"J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_NAME_LENGTH = 64


@dataclasses.dataclass(frozen=True)
class Field:
    """A column of a table.

    Attributes
    ----------
    name, doc, unit
        What the header says of it.
    code
        Type of the elements: ``"J"``, ``"K"``, ``"E"`` or ``"D"`` for numbers,
        ``"A"`` for text, ``"B"`` for bytes, ``"X"`` for a flag.
    count
        Elements in a row; 0 when each row has its own number, which texts and bytes may have.
    kind
        What afw takes the column for (TCCLS); by default it follows from the rest.
    """

    name: str
    code: str
    doc: str
    unit: str = ""
    count: int = 1
    kind: str = ""

    @property
    def template(self) -> str:
        """What the header says that afw takes the column for."""
        if self.kind:
            return self.kind
        if self.code == "A":
            return "String"
        return "Scalar" if self.count == 1 and self.code in _NUMBERS else "Array"


@dataclasses.dataclass(frozen=True)
class Part:
    """What an object has in one table: columns, and rows of values by the names of the columns."""

    fields: tuple[Field, ...]
    rows: Sequence[Mapping[str, Any]]


def point_fields(name: str, doc: str, code: str = "J") -> tuple[Field, Field]:
    """Return the two columns of a point in pixels."""
    return Field(f"{name}_x", code, doc, "pixel"), Field(f"{name}_y", code, doc, "pixel")


def box_fields(doc: str = "bbox {}imum point") -> tuple[Field, ...]:
    """Return the four columns of a box: its first and its last pixel."""
    return (*point_fields("bbox_min", doc.format("min")), *point_fields("bbox_max", doc.format("max")))


def box_values(box: Any) -> dict[str, int]:
    """Return the values of the columns of a box; `None` is the empty one."""
    if box is None:
        return {"bbox_min_x": 0, "bbox_min_y": 0, "bbox_max_x": -1, "bbox_max_y": -1}
    return {
        "bbox_min_x": box.x.start,
        "bbox_min_y": box.y.start,
        "bbox_max_x": box.x.stop - 1,
        "bbox_max_y": box.y.stop - 1,
    }


def links(**docs: str) -> tuple[Field, ...]:
    """Return columns that refer to other objects by number."""
    return tuple(Field(name, "J", f"archive ID for {doc} object") for name, doc in docs.items())


class _Table:
    """Rows of objects of one class, which have the same columns."""

    def __init__(self, name: str, number: int, fields: tuple[Field, ...]) -> None:
        self.name = name
        self.number = number
        self.flags = [field for field in fields if field.code == "X"]
        self.columns = [field for field in fields if field.code != "X"]
        self.longest = dict.fromkeys((field.name for field in self.columns), 0)
        self.data = bytearray()
        self.heap = bytearray()
        self.count = 0

    def append(self, row: Mapping[str, Any]) -> None:
        if self.flags:
            bits = [bool(row[flag.name]) for flag in self.flags]
            self.data += np.packbits(bits).tobytes()
        for field in self.columns:
            value = row[field.name]
            if field.code in _NUMBERS:
                numbers = np.asarray(value, dtype=_NUMBERS[field.code]).ravel()
                if numbers.size != field.count:
                    raise ValueError(f"{field.name} has {numbers.size} numbers instead of {field.count}.")
                self.data += numbers.tobytes()
                continue
            raw = to_fits(value).encode("ascii") if isinstance(value, str) else bytes(value)
            if field.count:
                if len(raw) > field.count:
                    raise ValueError(f"{field.name} {value!r} is longer than {field.count} bytes.")
                self.data += raw.ljust(field.count, b"\0")
            else:
                self.data += struct.pack(">qq", len(raw), len(self.heap))
                self.heap += raw
                self.longest[field.name] = max(self.longest[field.name], len(raw))
        self.count += 1

    def header(self, kind: str) -> fits.Header:
        forms: list[tuple[str, Field | None]] = [(f"{len(self.flags)}X", None)] if self.flags else []
        for field in self.columns:
            fixed = field.code in _NUMBERS or field.count
            form = f"{field.count}{field.code}" if fixed else f"1Q{field.code}({self.longest[field.name]})"
            forms.append((form, field))
        sizes = (np.dtype(_NUMBERS.get(field.code, "u1")).itemsize * field.count for field in self.columns)
        descriptors = 16 * sum(field.count == 0 for field in self.columns)
        width = -(-len(self.flags) // 8) + sum(sizes) + descriptors
        header = fits.Header()
        for key, value in {
            "XTENSION": "BINTABLE",
            "BITPIX": 8,
            "NAXIS": 2,
            "NAXIS1": len(self.data) // self.count if self.count else width,
            "NAXIS2": self.count,
            "PCOUNT": len(self.heap),
            "GCOUNT": 1,
            "TFIELDS": len(forms),
        }.items():
            header[key] = value
        for number, (form, column) in enumerate(forms, start=1):
            _describe(header, number, form, column)
        if self.flags:
            header["FLAGCOL"] = (1, "Column number for the bitflags.")
        for bit, flag in enumerate(self.flags, start=1):
            header[f"TFLAG{bit}"], header[f"TFDOC{bit}"] = flag.name, flag.doc
        header["EXTTYPE"] = kind
        header["EXTNAME"] = self.name or kind
        header["AR_CATN"] = (self.number, "number of this table in the archive")
        if self.name:
            header["AR_NAME"] = (self.name, "class of the objects in this table")
        header["HIERARCH AFW_TABLE_VERSION"] = _VERSION
        return header

    def write(self, stream: IO[bytes], header: fits.Header) -> None:
        write_hdu(stream, dump_header(header), bytes(self.data + self.heap))


def _describe(header: fits.Header, number: int, form: str, field: Field | None) -> None:
    """Add the cards of one column; `None` is that of the flags."""
    header[f"TTYPE{number}"] = "flags" if field is None else field.name
    header[f"TFORM{number}"] = form
    if field is None:
        header.comments[f"TTYPE{number}"] = "bits for all Flag fields; see also TFLAGn"
        return
    header[f"TDOC{number}"] = field.doc
    if field.unit:
        header[f"TUNIT{number}"] = field.unit
    header[f"TCCLS{number}"] = field.template


class OutputArchive:
    """Collects objects, and writes them.

    Objects of one class whose columns are the same share a table, as in afw.
    An object must be added after those that it refers to.
    """

    _INDEX = (
        Field("id", "J", "Archive ID of the object that the rows belong to"),
        Field("cat.archive", "J", "number of the table in the archive"),
        Field("cat.persistable", "J", "which of the tables of the object this is"),
        Field("row0", "J", "first row of the object in the table"),
        Field("nrows", "J", "number of rows of the object in the table"),
        Field("name", "A", "class of the object", count=_NAME_LENGTH),
        Field("module", "A", "Python package that defines the class", count=_NAME_LENGTH),
    )

    def __init__(self) -> None:
        self._index = _Table("", 0, self._INDEX)
        self._tables: dict[tuple[str, int, tuple[Field, ...]], _Table] = {}
        self._last = 0
        self._shared: dict[Hashable, int] = {}

    def add(self, name: str, module: str, *parts: Part) -> int:
        """Add an object, and return its number.

        Parameters
        ----------
        name, module
            Its class, and the package that afw imports to have it.
        *parts
            What it has in each of its tables.

        Raises
        ------
        ValueError, OverflowError
            Raised when a value does not fit into its column.
        """
        self._last += 1
        for order, rows in enumerate(parts):
            key = name, order, rows.fields
            if key not in self._tables:
                self._tables[key] = _Table(name, len(self._tables) + 1, rows.fields)
            table = self._tables[key]
            first = table.count
            for row in rows.rows:
                table.append(row)
            self._index.append(
                {
                    "id": self._last,
                    "cat.archive": table.number,
                    "cat.persistable": order,
                    "row0": first,
                    "nrows": len(rows.rows),
                    "name": name,
                    "module": module,
                }
            )
        return self._last

    def shared(self, key: Hashable, make: Callable[[], int]) -> int:
        """Return the number of the object that a key stands for, which is added the first time."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def write(self, stream: IO[bytes]) -> None:
        """Write the HDUs of the archive at the end of a file."""
        index = self._index.header("ARCHIVE_INDEX")
        index.insert(
            "AR_CATN",
            ("AR_NCAT", len(self._tables) + 1, "tables in this archive, with the index"),
            after=True,
        )
        self._index.write(stream, index)
        for table in self._tables.values():
            table.write(stream, table.header("ARCHIVE_DATA"))
