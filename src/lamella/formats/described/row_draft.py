"""The row of one image of a described survey while it is filled."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import MissingPartError
from ..file_index import FileIndex
from ..head_shift import told_shift
from ..row_cells import RowCells
from ..row_places import RowPlaces
from .description import Description
from .sections import Mask, Plane
from .siblings import ImagePlace, companion_name, find_companion
from .values import Cell, Value

__all__ = ("Row", "RowDraft")

type Row = dict[str, str]


class RowDraft:
    """The row of one image while it is filled.

    Parameters
    ----------
    place
        The image.
    description
        That of its survey.
    files
        Where companions are looked up.

    Raises
    ------
    MissingPartError
        Raised when a file of cards beside the image is not there and not optional.
    """

    def __init__(self, place: ImagePlace, description: Description, files: FileIndex) -> None:
        self.place, self.description, self.files = place, description, files
        self.cells: Row = {"file": place.path.name, "image_hdu": place.hdu}
        self.origins: dict[str, str] = {}
        if (head := description.wcs.head) is not None and (file := self.file(head)) is not None:
            self.cells["wcs_head"] = self.relative(file)
            self.origins["WCS"] = f"file {file.suffix}"
        places = RowPlaces(RowCells(place.path, 0, self.cells))
        if "WCS" in self.origins:
            self.origins["WCS"] += told_shift(places)
        self.cards = places.cards

    def number(self, column: str, value: Value | None, name: str = "") -> None:
        """Fill a cell of a number; nothing without a value."""
        if value is not None:
            self.set(column, value.number(self.cards, self.description.tables), name)

    def set(self, column: str, cell: Cell, name: str = "") -> None:
        """Fill a cell, and remember where it comes from if it has a name."""
        self.cells[column] = cell.text
        if name:
            self.origins[name] = cell.origin.replace(";", ",")

    def optional(self, column: str, value: Value | None, name: str = "") -> None:
        """Fill a cell if the cards for it are there."""
        try:
            self.number(column, value, name)
        except MissingPartError:
            return

    def file(self, name: str) -> Path | None:
        """Return a companion; `None` for an optional one that is not there.

        Raises
        ------
        MissingPartError
            Raised when it is not there and not optional.
        """
        companion = self.description.companions[name]
        file = find_companion(self.place.path, companion, self.files)
        if file is None and not companion.optional:
            wanted = companion_name(self.place.path, companion)
            found = f"no file {wanted}" if wanted else "a name that the rule for it does not fit"
            expected = "it in the same folder, or among the files given"
            raise MissingPartError(self.place.path, where=f"companion {name}", found=found, expected=expected)
        return file

    def relative(self, file: Path) -> str:
        """Return the name of a file, as seen from the folder of the image."""
        return os.path.relpath(file.absolute(), self.place.path.absolute().parent)

    def plane(self, kind: str, plane: Plane | Mask) -> bool:
        """Fill the cells of a plane; false when it lies in an optional companion that is not there."""
        file = None
        if plane.file is not None:
            file = self.file(plane.file)
            if file is None:
                return False
        hdu = self.place.sibling(plane.hdu, file)
        if file is not None:
            self.cells[f"{kind}_file"] = self.relative(file)
        self.cells[f"{kind}_hdu"] = hdu
        return True

    def first[T](self, word: str, entries: Sequence[T], fill: Callable[[T], bool]) -> None:
        """Fill the cells from the first entry of a list whose HDU, file and cards are there."""
        missing: MissingPartError | None = None
        for entry in entries:
            before = dict(self.cells), dict(self.origins)
            try:
                if fill(entry):
                    return
            except MissingPartError as err:
                missing = missing or err
            self.cells, self.origins = before
        if missing is not None:
            raise missing
        if word != "mask":
            where = f"{self.cards.where}, {word}"
            expected = f"the file of one that the description {self.description.name} names"
            raise MissingPartError(self.place.path, where=where, found="nothing", expected=expected)
