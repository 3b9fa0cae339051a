"""Metadata of tasks with the methods of the manual's time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from lsst.pipe.base import TaskMetadata

__all__ = ("PropertySet",)


class PropertySet(TaskMetadata):
    """The metadata of a task with the methods of a ``PropertySet``, as the manual calls it.

    It remains a `lsst.pipe.base.TaskMetadata`, which is what the middleware stores.

    Notes
    -----
    Names of items are paths with dots.  An item has one value or several; where one is asked
    for it is the last one.  The middleware reads whole numbers and truth values back from a repository as
    floating point numbers, so that `getAsInt` and `getAsBool` take these for what they were.
    """

    @classmethod
    def of(cls, items: Mapping[str, Any] | TaskMetadata) -> Self:
        """Make a copy of metadata, all levels of which have these methods."""
        plain = items.to_dict() if isinstance(items, TaskMetadata) else items
        return cls.from_dict(  # type: ignore[return-value]
            {key: cls.of(value) if isinstance(value, Mapping) else value for key, value in plain.items()}
        )

    def exists(self, name: str) -> bool:
        """Tell whether there is an item, or a level, of a name."""
        return name in self

    def isPropertySetPtr(self, name: str) -> bool:
        """Tell whether a name is that of a level."""
        return self.exists(name) and isinstance(self[name], TaskMetadata)

    def isArray(self, name: str) -> bool:
        """Tell whether an item has several values."""
        return self.exists(name) and not self.isPropertySetPtr(name) and len(self.getArray(name)) > 1

    def isUndefined(self, name: str) -> bool:
        """Tell whether an item has no value; there are none of this kind."""
        return False

    def names(self, topLevelOnly: bool = True) -> list[str]:  # type: ignore[override]
        """Return the names of items and levels, by default of the uppermost level alone."""
        levels = {} if topLevelOnly else self.metadata
        parts = {name: PropertySet.of(level).names(False) for name, level in levels.items()}
        inside = [f"{name}.{item}" for name, items in parts.items() for item in items]
        return sorted([*self.keys(), *inside])

    def paramNames(self, topLevelOnly: bool = True) -> list[str]:  # type: ignore[override]
        """Return the names of items, without those of levels."""
        return sorted(super().paramNames(topLevelOnly))

    def propertySetNames(self, topLevelOnly: bool = True) -> list[str]:
        """Return the names of levels."""
        return [name for name in self.names(topLevelOnly) if self.isPropertySetPtr(name)]

    def nameCount(self, topLevelOnly: bool = True) -> int:
        """Return the number of names."""
        return len(self.names(topLevelOnly))

    def valueCount(self, name: str | None = None) -> int:
        """Return the number of values of an item, 0 if there is none of the name; without a name, of all."""
        if name is None:
            return sum(self.valueCount(item) for item in self.paramNames(topLevelOnly=False))
        return len(self.getArray(name)) if self.exists(name) else 0

    def getAsBool(self, name: str) -> bool:
        """Return a truth value.

        Raises
        ------
        KeyError, TypeError
            Raised when there is no such item, or it is something else.
        """
        value = self._typed(name, bool, float)
        if float(value) not in (0.0, 1.0):
            raise TypeError(f"{name} is {value!r}; expected a truth value.")
        return bool(value)

    def getAsInt(self, name: str) -> int:
        """Return a whole number; a truth value counts as 0 or 1.

        Raises
        ------
        KeyError, TypeError
            Raised as by `getAsBool`.
        """
        value = self._typed(name, int, float)
        if not float(value).is_integer():
            raise TypeError(f"{name} is {value!r}; expected a whole number.")
        return int(value)

    getAsInt64 = getAsInt
    getAsUInt64 = getAsInt

    def getAsDouble(self, name: str) -> float:
        """Return a number.

        Raises
        ------
        KeyError, TypeError
            Raised as by `getAsBool`.
        """
        return float(self._typed(name, int, float))

    def getAsString(self, name: str) -> str:
        """Return a text.

        Raises
        ------
        KeyError, TypeError
            Raised as by `getAsBool`.
        """
        return str(self._typed(name, str))

    def getPropertySet(self, name: str) -> PropertySet:
        """Return a level.

        Raises
        ------
        KeyError, TypeError
            Raised as by `getAsBool`.
        """
        level: PropertySet = self._typed(name, PropertySet)
        return level

    getAsPropertySetPtr = getPropertySet

    def _typed(self, name: str, *types: type[Any]) -> Any:
        value = self.getScalar(name)
        if not isinstance(value, types):
            expected = " or ".join(kind.__name__ for kind in types)
            raise TypeError(f"{name} is a {type(value).__name__}, {value!r}; expected {expected}.")
        return value

    def set(self, name: str, value: Any) -> None:
        """Set an item to a value, or to several, whatever it is now."""
        self[name] = value

    def remove(self, name: str) -> None:
        """Remove an item or a level; there need not be one."""
        if name in self:
            del self[name]

    def combine(self, source: TaskMetadata) -> None:
        """Add the values of other metadata to those of the same names."""
        for name in source.paramNames(topLevelOnly=False):
            level, _, _ = name.rpartition(".")
            if level and level not in self:
                self[level] = PropertySet()
            self.add(name, source.getArray(name))

    def deepCopy(self) -> PropertySet:
        """Return a copy of all levels."""
        return PropertySet.of(self)

    def toDict(self) -> dict[str, Any]:
        """Return items and levels as dictionaries; an item of several values is a list."""
        return self.to_dict()

    def toString(self, topLevelOnly: bool = False, indent: str = "") -> str:
        """Return a line for each item, and for each level where they are not left out."""
        lines = []
        for name, value in sorted(self.items()):
            if not isinstance(value, PropertySet):
                lines.append(f"{indent}{name} = {value!r}\n")
            elif not topLevelOnly:
                lines += [f"{indent}{name} = {{\n", value.toString(indent=f"{indent}. "), f"{indent}}}\n"]
        return "".join(lines)
