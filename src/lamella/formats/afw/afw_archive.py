"""The archive of an afw-written file: objects in tables, which refer to each other by number.

An index table names each object, its class, and the rows that it has in the
tables that follow.  An object is built when it is first asked for, and only
once; 0 is the number of no object.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn, overload

from ...errors import InputError, LamellaError, MissingPartError
from ...fits.hdus import Container, Unit
from ...fits.tables import Row, Rows, Table
from .index import IndexEntry, find_index
from .persistables import find_builder

__all__ = ("Archive", "ArchiveWarning", "ObjectRecord", "SkippedObject", "UnknownObject")

_MAX_DEPTH = 64
"""Objects within objects; a chain that is longer is damage, and would exhaust the stack."""
_MAX_OBJECTS = 1_000_000


class ArchiveWarning(UserWarning):
    """Something in an archive could not be used; the rest can."""


@dataclasses.dataclass(frozen=True)
class UnknownObject:
    """An object of a class that lamella does not know."""

    id: int
    name: str
    """Class."""
    module: str
    """Package of the class, where the archive names one."""

    def __str__(self) -> str:
        return f"an object of the class {self.name}" + (f" of {self.module}" if self.module else "")


@dataclasses.dataclass(frozen=True)
class SkippedObject:
    """An object of a class that lamella knows and has no use for."""

    id: int
    name: str
    """Class."""
    reason: str
    """Why it is not read, for a person."""


@dataclasses.dataclass(frozen=True)
class ObjectRecord:
    """What an archive holds of one object: rows of one table or more.

    Attributes
    ----------
    id
        Number of the object.
    name, module
        Its class, and the package of the class.
    """

    id: int
    name: str
    module: str
    _places: tuple[tuple[int, int, int], ...]
    """Number of the table, first row and number of rows, in the order of the tables."""
    _archive: Archive = dataclasses.field(repr=False, compare=False)

    def __len__(self) -> int:
        """Number of tables that it has rows in; zero for an object without state."""
        return len(self._places)

    def rows(self, table: int = 0) -> Rows:
        """Return its rows in a table: 0 for its first, 1 for its second.

        Raises
        ------
        InputError
            Raised when it has no rows there, or the table is damaged.
        """
        if table >= len(self):
            self.fail(found=f"{len(self)} tables", expected=f"at least {table + 1}")
        number, first, count = self._places[table]
        return self._archive._table(number).rows(first, count)

    def row(self, table: int = 0) -> Row:
        """Return its only row in a table.

        Raises
        ------
        InputError
            Raised when it has none there, or several.
        """
        rows = self.rows(table)
        if len(rows) != 1:
            self.fail(found=f"{len(rows)} rows in {rows.table.unit.label}", expected="one row")
        return rows[0]

    def fail(self, *, found: str, expected: str) -> NoReturn:
        """Raise an `InputError` about this object."""
        raise self._archive.problem(self.id, found=found, expected=expected)


class Archive:
    """The objects in an afw-written file.

    Parameters
    ----------
    container
        The file.
    trust_pickles
        Whether builders may load Python pickles that the file holds.  A pickle
        can execute any code: say so only for files of your own making.

    Raises
    ------
    MissingPartError
        Raised when the file has no archive.
    InputError
        Raised when its index is damaged.

    Notes
    -----
    Where a file has no archive, `find` returns `None`.  An archive may be used
    by several threads; they wait for each other.
    """

    def __init__(self, container: Container, *, trust_pickles: bool = False) -> None:
        self.container = container
        self.trust_pickles = trust_pickles
        self.notes: list[str] = []
        """What could not be used, and what was passed over, for a person."""
        self._built: dict[int, Any] = {}
        self._failed: dict[int, InputError] = {}
        self._building: list[int] = []
        self._lock = threading.RLock()
        self._tables: dict[int, Table] = {}
        index = find_index(container)
        if index is None:
            raise container.missing("no archive index", "an archive of objects")
        self._index_unit = index
        rows = Table(index).rows()
        if len(rows) > _MAX_OBJECTS:
            rows.table.fail(found=f"{len(rows)} rows", expected=f"at most {_MAX_OBJECTS}")
        places: dict[int, dict[int, tuple[int, int, int]]] = {}
        names: dict[int, tuple[str, str]] = {}
        for entry in IndexEntry.all(rows):
            here = places.setdefault(entry.id, {})
            if entry.id <= 0 or entry.persistable in here or names.get(entry.id, entry.kind) != entry.kind:
                rows.table.fail(
                    found=f"contradicting rows of object {entry.id}", expected="a consistent index"
                )
            names[entry.id] = entry.kind
            here[entry.persistable] = (entry.archive, entry.row0, entry.nrows)
        self._records = {
            id: ObjectRecord(id, *names[id], tuple(here[n] for n in sorted(here) if here[n][0] >= 0), self)
            for id, here in places.items()
        }

    @classmethod
    def find(cls, container: Container, *, trust_pickles: bool = False) -> Archive | None:
        """Return the archive of a file, or `None` when it has none.

        Raises
        ------
        InputError
            Raised when its index is damaged.
        """
        if find_index(container) is None:
            return None
        return cls(container, trust_pickles=trust_pickles)

    @property
    def ids(self) -> tuple[int, ...]:
        """Numbers of all objects, sorted."""
        return tuple(sorted(self._records))

    def record(self, id: int) -> ObjectRecord:
        """Return the record of an object.

        Raises
        ------
        MissingPartError
            Raised when there is no such object.
        """
        if id not in self._records:
            raise self.container.missing("no such object", "one in the index", f"object {id}")
        return self._records[id]

    @overload
    def get(self, id: int) -> Any: ...

    @overload
    def get[T](self, id: int, kind: type[T]) -> T | None: ...

    def get(self, id: int, kind: type[Any] | None = None) -> Any:
        """Return an object, built now or earlier.

        Parameters
        ----------
        id
            Number of the object.
        kind
            Type that the object must have.

        Returns
        -------
        object | None
            What the builder of its class made; `None` for the number 0.
            Without ``kind`` it may also be an `UnknownObject` or a
            `SkippedObject`.

        Raises
        ------
        InputError
            Raised when the archive is damaged: the object cannot be built,
            contains itself, or is not of the kind asked for.
        MissingPartError
            Raised when there is no such object, or it is of a class that
            lamella does not know and ``kind`` was asked for.
        """
        if id == 0:
            return None
        with self._lock:
            if id not in self._built:
                if id in self._failed:
                    raise self._failed[id].with_traceback(None)
                record = self.record(id)
                with self._entering(id):
                    builder = find_builder(record.name)
                    if builder is not None:
                        self._built[id] = builder(record, self)
                    else:
                        self._built[id] = unknown = UnknownObject(record.id, record.name, record.module)
                        objects = str(unknown).replace("an object", "objects", 1)
                        text = f"{self.container.path}: lamella cannot read {objects}."
                        if text not in self.notes:
                            self.note(text)
                            warnings.warn(text, ArchiveWarning, stacklevel=2)
            value = self._built[id]
        if kind is None or isinstance(value, kind):
            return value
        if isinstance(value, UnknownObject | SkippedObject):
            stored = str(value) if isinstance(value, UnknownObject) else f"a {value.name}, {value.reason}"
            path, where = self.container.path, self._label(id)
            raise MissingPartError(path, where=where, found=stored, expected=f"a {kind.__name__}")
        raise self.problem(id, found=f"a {type(value).__name__}", expected=f"a {kind.__name__}")

    def require[T](self, id: int, kind: type[T]) -> T:
        """Return an object that must be there: as `get`, but the number 0 is an error.

        Raises
        ------
        InputError
            As `get`.
        MissingPartError
            As `get`, and also when the number is 0.
        """
        value = self.get(id, kind)
        if value is None:
            parent = self._label(self._building[-1]) if self._building else "archive"
            raise self.container.missing("no object", f"a {kind.__name__}", parent)
        return value

    def problem(self, id: int, *, found: str, expected: str) -> InputError:
        """Return an error about an object, to be raised."""
        return InputError(self.container.path, where=self._label(id), found=found, expected=expected)

    def note(self, text: str) -> None:
        """Remember, once, something that a person should know about what was read."""
        if text not in self.notes:
            self.notes.append(text)

    def _label(self, id: int) -> str:
        record = self._records.get(id)
        return f"object {id}" if record is None else f"object {id} ({record.name})"

    @contextlib.contextmanager
    def _entering(self, id: int) -> Iterator[None]:
        """Keep track of what is being built, and turn whatever goes wrong into one kind of error."""
        if id in self._building:
            ring = " -> ".join(str(n) for n in [*self._building[self._building.index(id) :], id])
            raise self.problem(id, found=f"objects that contain themselves ({ring})", expected="a tree")
        if len(self._building) >= _MAX_DEPTH:
            raise self.problem(id, found=f"more than {_MAX_DEPTH} objects in each other", expected="fewer")
        self._building.append(id)
        try:
            yield
        except InputError as err:
            self._failed[id] = err
            raise
        except Exception as err:
            # A builder meets numbers that make no sense in many places; AST, numpy and shapely
            # each have errors of their own.
            text = err.message if isinstance(err, LamellaError) else str(err)
            reason = " ".join(text.split())[:200].rstrip(".") or type(err).__name__
            self._failed[id] = self.problem(id, found=reason, expected="values that make sense")
            raise self._failed[id] from err
        finally:
            self._building.pop()

    def _table(self, number: int) -> Table:
        """Return a table of the archive; the first after the index is number 1."""
        if number not in self._tables:
            unit = self._units.get(number)
            if unit is None:
                raise self.container.missing(
                    f"{len(self._units)} tables", "this table", f"table {number} of the archive"
                )
            self._tables[number] = Table(unit)
        return self._tables[number]

    @functools.cached_property
    def _units(self) -> dict[int, Unit]:
        """HDUs of the tables by their numbers, which AR_CATN gives and, failing that, their order."""
        units = self.container.units[self._index_unit.index + 1 :]
        data = [unit for unit in units if unit.kind == "ARCHIVE_DATA"]
        numbers = [unit.cards.get("AR_CATN", number) for number, unit in enumerate(data, start=1)]
        if len(set(numbers)) != len(numbers):
            raise self.container.problem(
                "two tables of one number (AR_CATN)", "numbers that differ", "archive"
            )
        return dict(zip(numbers, data, strict=True))
