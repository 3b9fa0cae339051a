"""Cells of rows that are filled in from the pixels, and where they come from."""

from __future__ import annotations

import dataclasses

from ..data.exposure import ExposureId, ExposureSource
from ..data.origins import Kind
from ..errors import MissingPartError
from .exposure_stars import row_of

__all__ = ("RowChanges",)


@dataclasses.dataclass
class RowChanges:
    """New cells of exposures, by identity."""

    strict: bool
    """Whether no value may be assumed."""
    cells: dict[ExposureId, dict[str, str]] = dataclasses.field(default_factory=dict)
    """New cells; an empty one takes the old one away."""
    notes: dict[ExposureId, dict[str, str]] = dataclasses.field(default_factory=dict)

    def set(self, source: ExposureSource, **cells: str) -> None:
        """Change cells of the row of an exposure."""
        self.cells.setdefault(source.info.id, {}).update(cells)

    def tell(self, source: ExposureSource, name: str, kind: Kind, how: str) -> None:
        """Tell where a value comes from.

        Raises
        ------
        MissingPartError
            Raised when it is assumed, and nothing may be.
        """
        row = row_of(source)
        if kind == "assumed" and self.strict and row is not None:
            raise MissingPartError(
                source.info.path,
                where=name,
                found=f"a value to be {kind} {how}",
                expected="one that is known",
            )
        self.notes.setdefault(source.info.id, {})[name] = f"{kind} {how}".replace(";", ",")

    def values(self, source: ExposureSource) -> dict[str, str] | None:
        """Return all cells of the row of an exposure; `None` where it has none, or nothing changes."""
        row, key = row_of(source), source.info.id
        if row is None or (key not in self.cells and key not in self.notes):
            return None
        values = {**row.values, **self.cells.get(key, {})}
        told = {}
        for item in (*values.get("notes", "").split(";"),):
            name, _, how = item.partition(":")
            if name.strip():
                told[name.strip()] = how.strip()
        told |= self.notes.get(key, {})
        values["notes"] = "; ".join(f"{name}: {how}" for name, how in told.items())
        return {column: text for column, text in values.items() if text}
