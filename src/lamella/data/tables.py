"""Tables of the inputs, rejections and removals of a coadd."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import Table

from .removals import KINDS


class _Column(NamedTuple):
    """How a column of a table is made from a record."""

    dtype: str
    value: Callable[[Any], Any]
    unit: str = ""


_ID_COLUMNS = {
    "instrument": _Column("U", lambda record: record.id.instrument),
    "visit": _Column("i8", lambda record: record.id.visit),
    "detector": _Column("i4", lambda record: record.id.detector),
    "band": _Column("U", lambda record: record.id.band),
}


INPUT_COLUMNS = {
    **_ID_COLUMNS,
    "weight": _Column("f8", lambda d: d.weight),
    "good_pixels": _Column("i8", lambda d: d.good_pixels),
    "psf_fwhm": _Column("f8", lambda d: d.psf_fwhm, "arcsec"),
    "date_obs": _Column("U", lambda d: d.times.date),
    "mjd_begin": _Column("f8", lambda d: d.times.begin, "d"),
    "mjd": _Column("f8", lambda d: d.times.middle, "d"),
    "mjd_end": _Column("f8", lambda d: d.times.end, "d"),
    "exposure_time": _Column("f8", lambda d: d.times.exposure_time, "s"),
    "path": _Column("U", lambda d: d.path),
    "notes": _Column("U", lambda d: " ".join(d.notes)),
    "polygon": _Column("U", lambda d: "" if d.polygon is None else d.polygon.wkt),
}


REJECTION_COLUMNS = {
    **_ID_COLUMNS,
    "path": _Column("U", lambda r: r.path),
    "stage": _Column("U", lambda r: r.stage),
    "reason": _Column("U", lambda r: r.reason),
}


_REMOVAL_NUMBERS = ("visit", "valid", "removed", *KINDS, "alone")


REMOVAL_COLUMNS = {
    "instrument": _Column("U", lambda r: r.instrument),
    **{name: _Column("i8", operator.attrgetter(name)) for name in _REMOVAL_NUMBERS},
    "fraction": _Column("f8", lambda r: r.fraction),
    "shift_x": _Column("f8", lambda r: r.shift_x, "pix"),
    "shift_y": _Column("f8", lambda r: r.shift_y, "pix"),
    "warning": _Column("U", lambda r: r.warning),
}


def make_table(columns: Mapping[str, _Column], records: Sequence[Any]) -> Table:
    """Return a table with a row per record."""
    table = Table()
    for name, column in columns.items():
        # A number that is not known, None, becomes NaN.
        values = np.array([column.value(record) for record in records], dtype=column.dtype)
        table[name] = TableColumn(values, unit=column.unit or None)
    return table
