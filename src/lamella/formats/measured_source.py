"""Exposures of rows whose pixels were measured."""

from __future__ import annotations

from typing import Any

from ..data.exposure import Exposure
from .row_measurements import RowMeasurements
from .source import FileSource
from .table_row import TableRow

__all__ = ("MeasuredSource",)


class MeasuredSource(FileSource):
    """The exposure of a row, of whose pixels it is known what they tell.

    Parameters
    ----------
    row
        The row.
    measurements
        What was measured in its pixels: they are the same as if it were measured when they are read.
    """

    def __init__(self, row: TableRow, measurements: RowMeasurements) -> None:
        super().__init__(row)
        self.row, self.measurements = row, measurements

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "row": self.row, "measurements": self.measurements}

    def _load(self) -> Exposure:
        return self.row.load(self.info, self.measurements)
