"""Cells of one row of an exposure table: texts, numbers, and arithmetic on the cards of the image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from ..coadd.select.quality import QUALITY
from ..data.origins import KINDS, Origin
from ..errors import InputError, MissingPartError
from ..texts import hdu_of
from .arithmetic import Expression, parse_expression
from .cards import Cards
from .table_cells import parse_integer, parse_number
from .table_columns import COLUMNS, MEASURED, NUMBERS, QUALITY_PREFIX

__all__ = ("RowCells",)

_TOLD = {
    "zero_point": "zero point",
    "unit": "unit",
    "flux_scale": "relative scale",
    "noise": "noise",
    "variance_hdu": "noise",
    "weight_hdu": "noise",
    "stddev_hdu": "noise",
    "confidence_hdu": "noise",
    "gain": "gain",
    "saturation": "saturation",
    "mask_hdu": "mask",
    "psf_fwhm": "PSF",
    "psf_fwhm_pixels": "PSF",
    "sky": "sky",
    "band": "band",
    "visit": "visit",
}
"""Columns whose origin is told, and what their values are called."""


@dataclasses.dataclass(frozen=True)
class RowCells:
    """The cells of a row, and where they stand."""

    table: Path
    """Table, or file that a description gave the row."""
    number: int
    """Number of the row, counted from 1; 0 for a row that a description gave."""
    values: Mapping[str, str]
    """Cells that are not empty."""

    def __contains__(self, column: str) -> bool:
        return column in self.values

    def where(self, column: str) -> str:
        """Return how a cell is named in messages."""
        row = f"row {self.number}" if self.number else ""
        return ", ".join(text for text in (row, f"column {column!r}" if column else "") if text)

    def error(
        self, column: str, content: str, expected: str, kind: type[InputError] = InputError
    ) -> InputError:
        """Return an error about a cell, or the row where the column is empty."""
        return kind(self.table, where=self.where(column), found=content, expected=expected)

    def text(self, column: str, default: str | None = None) -> str:
        """Return a cell without surrounding blanks.

        Raises
        ------
        MissingPartError
            Raised when it is empty, and there is no default.
        """
        if column not in self.values:
            if default is None:
                raise self.error(column, "an empty cell", COLUMNS[column], MissingPartError)
            return default
        return str(self.values[column]).strip()  # recipes of old repositories have numbers

    def is_measured(self, column: str) -> bool:
        """Return whether the pixels shall tell a value."""
        return self.text(column, "").lower() == MEASURED

    def expression(self, column: str) -> Expression:
        """Return the arithmetic of a cell.

        Raises
        ------
        InputError
            Raised when it is none, or a number that is not finite.
        """
        text = self.text(column)
        number = parse_number(text)
        if number is not None and not math.isfinite(number):
            raise self.error(column, repr(text), "a finite number")
        try:
            return parse_expression(text)
        except ValueError as err:
            raise self.error(column, str(err), "a number, a keyword, or arithmetic on keywords") from None

    def number_of(self, column: str, cards: Cards) -> float:
        """Return the number of a cell.

        Raises
        ------
        MissingPartError
            Raised when the cell is empty, or a keyword of it is missing.
        InputError
            Raised when it is no finite number.
        """
        spelled = parse_number(self.text(column))
        if spelled is not None and math.isfinite(spelled):
            return spelled
        expression = self.expression(column)
        try:
            return cards.evaluate(expression)
        except MissingPartError as err:
            told = str(err).rstrip(".").split("; expected")[0]
            content = f"{expression.text!r}, but {told}"
            expected = "a finite number, a keyword of the header, or arithmetic on keywords"
            raise self.error(column, content, expected, MissingPartError) from err

    def optional(self, column: str, cards: Cards) -> float | None:
        """Return the number of a cell; `None` for an empty one, and for one that is to be measured."""
        if column not in self.values or self.is_measured(column):
            return None
        return self.number_of(column, cards)

    def whole(self, column: str) -> Expression:
        """Return the arithmetic of a cell that, where it is a number, is a whole one.

        Raises
        ------
        InputError
            Raised when it is not.
        """
        text = self.text(column)
        expression = self.expression(column)
        if parse_number(text) is not None and parse_integer(text) is None:
            raise self.error(column, text, "a whole number of at most 64 bits, in digits")
        return expression

    def integer(self, column: str, cards: Cards) -> int:
        """Return the whole number of a cell, exactly.

        Raises
        ------
        MissingPartError, InputError
            As in `number_of`; also raised when the number is not whole.
        """
        text = self.text(column)
        value = parse_integer(text)
        if value is None and parse_number(text) is None:
            expression = self.expression(column)
            stated = cards.get(expression.text) if expression.is_keyword else None
            # A number of more digits than a float holds stays whole.
            text = str(stated) if isinstance(stated, str | int) else repr(self.number_of(column, cards))
            value = parse_integer(text)
        if value is None:
            content = text if text == self.text(column) else f"{text} ({self.text(column)})"
            raise self.error(column, content, "a whole number of at most 64 bits, in digits")
        return value

    def hdu(self, column: str) -> str | int:
        """Return the name or index of an HDU."""
        return hdu_of(self.text(column))

    def file(self, column: str, default: Path) -> Path:
        """Return a file, whose name is relative to the table."""
        name = self.text(column, "")
        return self.table.parent / name if name else default

    def quality(self) -> dict[str, float]:
        """Return the numbers for selection; "nan" means measured but invalid, unlike an empty cell.

        Raises
        ------
        InputError
            Raised when one is no number.
        """
        numbers: dict[str, float] = {}
        for column in sorted(self.values):
            if column in QUALITY or column.startswith(QUALITY_PREFIX):
                text = self.text(column)
                value = parse_number(text)
                if value is None:
                    raise self.error(column, repr(text), "a number")
                numbers[column.removeprefix(QUALITY_PREFIX)] = value
        return numbers

    def origins(self, cards: Cards) -> dict[str, Origin]:
        """Return where the values of cells come from: as the column notes says, or as the cells do."""
        notes = [item.partition(":") for item in self.text("notes", "").split(";")]
        origins: dict[str, Origin] = {}
        for name, _, told in notes:
            kind, _, how = told.strip().partition(" ")
            if kind in KINDS:
                origins[name.strip()] = Origin(kind, how)
        for column, name in _TOLD.items():
            if column in self.values and name not in origins:
                origins[name] = self._origin(column)
        for column, name in _TOLD.items():
            if column in NUMBERS and column in self.values and name in origins:
                whole = column == "visit"
                value = self.integer(column, cards) if whole else self.optional(column, cards)
                if value is not None:
                    told = str(value) if whole else f"{value:.6g}"
                    origins[name] = dataclasses.replace(origins[name], value=told)
        for name in ("band", "unit"):
            if name in origins and name in self.values:
                origins[name] = dataclasses.replace(origins[name], value=self.text(name))
        if self.number and "notes" not in self.values:
            # Who wrote a table knows what stands in it, but not what comes from elsewhere.
            return {name: origin for name, origin in origins.items() if origin.kind not in ("table", "file")}
        return origins

    def _origin(self, column: str) -> Origin:
        text = self.text(column)
        if self.is_measured(column):
            return Origin("measured", "in the pixels")
        if column in NUMBERS and self.expression(column).names:
            return Origin("header", text)
        if column.endswith("_hdu"):
            return Origin("file", f"HDU of {column.removesuffix('_hdu')}", text)
        return Origin("table" if self.number else "description", column, text)
