"""Companions that the Legacy Surveys publish with DECam exposures: tables of CCDs and sky models."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path

import numpy as np
import scipy
from astropy.io import fits

from ...errors import InputError, MissingPartError
from ...fits.read import read_table

__all__ = ("CcdRecord", "find_ccd", "read_spline_sky")


@dataclasses.dataclass(frozen=True)
class CcdRecord:
    """Row of a table of CCDs: calibration and seeing of one exposure."""

    zero_point: float
    """AB magnitude of one count of the whole exposure."""
    fwhm: float | None
    """Full width at half maximum of the PSF in pixels."""
    offset: tuple[float, float]
    """Arcseconds to be added to the position of the header: along RA (a true angle) and Dec."""
    table: str
    """The file."""


_COLUMNS = ("expnum", "ccdname", "ccdzpt", "exptime")


def find_ccd(table: Path, exposure: int, name: str) -> CcdRecord | None:
    """Return the row of a table of CCDs for an exposure, or `None` when it has none.

    Parameters
    ----------
    table
        A ``survey-ccds`` file.
    exposure
        Exposure number.
    name
        Name of the CCD, e.g. ``"N3"``.

    Raises
    ------
    MissingPartError
        Raised when a column is missing.
    InputError
        Raised when the zero point is not finite.
    """
    rows = _read_ccds(table, table.stat().st_mtime_ns)
    matches = np.flatnonzero((rows["expnum"] == exposure) & (np.char.strip(rows["ccdname"]) == name))
    if not len(matches):
        return None
    row = {column: float(values[matches[0]]) for column, values in rows.items() if column != "ccdname"}
    zero_point = row["ccdzpt"] + 2.5 * math.log10(row["exptime"])
    if not math.isfinite(zero_point):
        where = f"exposure {exposure} CCD {name}, ccdzpt"
        raise InputError(table, where=where, found=str(row["ccdzpt"]), expected="a finite magnitude")
    width = row.get("fwhm", math.nan)
    east, north = (row.get(column, 0.0) for column in ("ccdraoff", "ccddecoff"))
    return CcdRecord(
        zero_point=zero_point,
        fwhm=width if 0 < width < math.inf else None,
        offset=(east if math.isfinite(east) else 0.0, north if math.isfinite(north) else 0.0),
        table=str(table),
    )


@functools.lru_cache(maxsize=4)
def _read_ccds(table: Path, stamp: int) -> dict[str, np.ndarray]:
    rows, _ = read_table(table, 1)
    for column in _COLUMNS:
        if column not in rows.names:
            raise MissingPartError(table, where=column, found="no such column", expected="a table of CCDs")
    wanted = (*_COLUMNS, "fwhm", "ccdraoff", "ccddecoff")
    return {column: np.asarray(rows[column]) for column in wanted if column in rows.names}


def read_spline_sky(path: Path, shape: tuple[int, int], ccd: str) -> np.ndarray:
    """Evaluate a sky model of the Legacy Surveys at every pixel.

    The model is the bicubic spline through values on a grid of pixel
    positions of the whole CCD; ``x0`` and ``y0`` are the position, on the CCD,
    of the first pixel of the image.

    Parameters
    ----------
    path
        A ``splinesky`` file, of one CCD or of all.
    shape
        Shape (y, x) of the image.
    ccd
        Name of the CCD; picks the row where there are several.

    Returns
    -------
    `numpy.ndarray`
        Sky in the units of the image, float32, shape (y, x).

    Raises
    ------
    MissingPartError
        Raised when the CCD or a column is missing.
    InputError
        Raised when the sky is not finite, or the grid does not reach over the image.
    """
    rows, _ = read_table(path, 1)
    row = _pick_row(rows, ccd, path)
    height, width = shape
    x = np.arange(width) + float(row["x0"])
    y = np.arange(height) + float(row["y0"])
    for name, grid, needed in (("xgrid", row["xgrid"], x), ("ygrid", row["ygrid"], y)):
        # The grid ends at the middle of the last pixels or one pixel beyond.
        if needed[0] < grid[0] - 2 or needed[-1] > grid[-1] + 2:
            reach = f"{grid[0]:g} to {grid[-1]:g}"
            expected = f"{needed[0]:g} to {needed[-1]:g}"
            raise InputError(path, where=name, found=f"a grid from {reach}", expected=expected)
    degree = int(row["order"])
    spline = scipy.interpolate.RectBivariateSpline(
        row["xgrid"], row["ygrid"], row["gridvals"].T, kx=degree, ky=degree
    )
    sky = spline(x, y).T.astype(np.float32)
    if not np.isfinite(sky).all():
        raise InputError(path, where="gridvals", found="values that are not finite", expected="a sky")
    return np.ascontiguousarray(sky)


def _pick_row(rows: fits.FITS_rec, ccd: str, path: Path) -> dict[str, np.ndarray]:
    index = 0
    if "ccdname" in rows.names:
        matches = np.flatnonzero(np.char.strip(np.asarray(rows["ccdname"])) == ccd)
        if not len(matches):
            raise MissingPartError(path, where="ccdname", found=f"no row for {ccd}", expected="its sky")
        index = int(matches[0])
    try:
        columns = ("x0", "y0", "xgrid", "ygrid", "gridvals", "order")
        row = {name: np.asarray(rows[name][index]) for name in columns}
    except KeyError as err:
        raise MissingPartError(path, where=str(err), found="no such column", expected="a sky spline") from err
    return {name: value.astype(float) for name, value in row.items()}
