"""The cells of a row, checked as a whole before anything is read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from ..data.times import mjd_from_text
from ..errors import FaultsError, InputError
from .bayer import COLORS
from .row_cells import RowCells
from .row_noise import noise_kind
from .row_psf import require_psf
from .row_sky import sky_state
from .table_columns import NUMBERS
from .table_flags import Location, check_flags

__all__ = ("check_cells",)

_REQUIRED = ("file", "band", "visit", "detector")
_MEASURABLE = ("psf_fwhm", "psf_fwhm_pixels", "flux_scale")
_WHOLE = ("visit", "detector")
_CHOICES = {"color": COLORS, "defects": ("measured",)}


def check_cells(cells: RowCells, *, is_frame: bool = False) -> None:
    """Check what can be told of a row without its files.

    Parameters
    ----------
    cells
        The cells.
    is_frame
        Whether the row is of an image that is stacked as it is: it needs no identity, noise and PSF.

    Raises
    ------
    InputError
        Raised when one cell is not what it must be.
    FaultsError
        Raised when several are not.
    """
    faults = list(_faults(cells, is_frame))
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise FaultsError(cells.table, faults=faults)


def _faults(cells: RowCells, is_frame: bool) -> Iterator[InputError]:
    numbers = [
        column
        for column in NUMBERS
        if column in cells and not (column in _MEASURABLE and cells.is_measured(column))
    ]
    checks: list[Callable[[], object]] = [
        functools.partial(cells.text, column)
        for column in _REQUIRED[: 1 if is_frame else None]
        if column not in cells
    ]
    checks += [
        functools.partial(cells.whole if column in _WHOLE else cells.expression, column) for column in numbers
    ]
    checks += [
        functools.partial(check, cells)
        for check in ((sky_state,) if is_frame else (noise_kind, require_psf, sky_state))
    ]
    checks.append(cells.quality)
    if "flags" in cells:
        location = Location(cells.table, cells.where("flags"))
        checks.append(functools.partial(check_flags, cells.text("flags"), location))
    for check in checks:
        try:
            check()
        except InputError as err:
            yield err
    yield from _faults_of_words(cells)


def _faults_of_words(cells: RowCells) -> Iterator[InputError]:
    if "date" in cells and mjd_from_text(cells.text("date")) is None:
        yield cells.error("date", repr(cells.text("date")), "date and time, e.g. 2024-01-31T03:00:00")
    for column, choices in _CHOICES.items():
        if column in cells and cells.text(column) not in choices:
            yield cells.error(column, repr(cells.text(column)), " or ".join(map(repr, choices)))
