"""Reading the PSF models that PSFEx writes.

The ``.psf`` files of PSFEx itself are understood, one-row tables that carry the
same column and keywords, as survey pipelines cut them out, and tables of the
Legacy Surveys (data releases 9 and 10) with one row for each CCD, where the
keywords are columns of the same names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from lsst.images import Bounds, Box

from ..errors import InputError, InvalidPsfError, MissingPartError, ShapeError
from ..fits.read import header_number, header_text, open_fits
from ..psf.check import check_psf
from ..psf.psfex import PsfexPolynomial, PsfexPsf

__all__ = ("read_psfex",)

_COLUMN = "psf_mask"


def read_psfex(
    path: str | PathLike[str],
    hdu: int | str | None = None,
    *,
    bounds: Bounds | None = None,
    ccd: str | Sequence[str] = "",
    number: int | None = None,
    exposure: int | None = None,
    trust_single: bool = False,
) -> PsfexPsf:
    """Read a PSF model of PSFEx.

    Parameters
    ----------
    path
        FITS file, compressed or not.
    hdu
        Number or name of the HDU; by default the first table with a column PSF_MASK.
    bounds
        Region where the model is valid, in pixels that count from 0; by
        default the range of positions that its stars had, which PSFEx records
        in POLZERO (the middle) and POLSCAL (the width).
    ccd, number, exposure
        Name of the CCD, or names that it may have, its number, and the number of the exposure, which pick
        the row (CCDNAME, CCDNUM, EXPNUM) of a table with several.  Names that no row has do not count
        where there is a number.
    trust_single
        Whether the only row of a table is taken whatever it says.

    Returns
    -------
    `~lamella.psf.psfex.PsfexPsf`
        The model, for positions in the frame of the header's POLZERO, less
        one: FITS counts pixels from 1, we count them from 0.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or damaged.
    MissingPartError
        Raised when there is no such table, column or keyword.
    InputError
        Raised when they hold something that is not a PSFEx model of the two pixel coordinates, or
        one that has no valid image somewhere within ``bounds``, if they are given.
    """
    path = Path(path)
    with open_fits(path) as hdus:
        index, column = _find_table(hdus, hdu, path)
        table = hdus[index]
        where = f"HDU {index}"
        names = [name for name in ([ccd] if isinstance(ccd, str) else ccd) if name]
        single = trust_single and len(table.data) == 1
        row = 0 if single else _pick_row(table.data, names, number, exposure, path, where)
        header = _row_header(table, row)
        images = _images(table, column, row, header, path, where)
        polynomial = _polynomial(header, path, where)
        sampling = header_number(header, "PSF_SAMP", path=path, where=where)
    region = bounds
    if region is None:
        # The box of pixels that the stars of the model fell into.
        (x, y), (width, height) = polynomial.zero, (abs(length) for length in polynomial.scale)
        region = Box.factory[
            math.floor(y - 1.0 - 0.5 * height) : math.ceil(y + 0.5 * height),
            math.floor(x - 1.0 - 0.5 * width) : math.ceil(x + 0.5 * width),
        ]
    try:
        psf = PsfexPsf(images, polynomial, sampling, region)
    except (InvalidPsfError, ShapeError) as err:
        raise InputError(path, where=where, found=str(err).rstrip("."), expected="a PSFEx model") from err
    if bounds is not None:  # an image that it has to serve
        check_psf(psf, bounds.bbox, path)
    return psf


def _expect(holds: bool, path: Path, where: str, content: str, expected: str) -> None:
    if not holds:
        raise InputError(path, where=where, found=content, expected=expected)


def _find_table(hdus: fits.HDUList, hdu: int | str | None, path: Path) -> tuple[int, str]:
    """Return number of the HDU, and name of its column, that hold the model."""
    indices: Sequence[int] = range(len(hdus))
    if hdu is not None:
        try:
            indices = [int(hdus.index_of(hdu))]
            hdus[indices[0]]
        except (KeyError, IndexError):
            raise MissingPartError(
                path, where=f"HDU {hdu}", found=f"{len(hdus)} HDUs without it", expected="this HDU"
            ) from None
    for index in indices:
        columns = getattr(hdus[index], "columns", None)
        for name in columns.names if columns is not None else ():
            if name.lower() == _COLUMN:
                return index, str(name)
    where = "" if hdu is None else f"HDU {hdu}"
    absent = "no table with a column PSF_MASK"
    raise MissingPartError(path, where=where, found=absent, expected="a PSF model of PSFEx")


def _texts(column: np.ndarray) -> np.ndarray:
    """Return a column as texts; what is no ASCII is like no name."""
    return np.char.decode(column, "ascii", "replace") if column.dtype.kind == "S" else column.astype(str)


def _pick_row(
    rows: fits.FITS_rec, ccds: Sequence[str], number: int | None, exposure: int | None, path: Path, where: str
) -> int:
    """Return the index of the row of a CCD, or of the only one."""
    columns = {name.lower(): np.asarray(rows[name]) for name in rows.names if name.lower() in _IDENTITY}
    chosen = np.ones(len(rows), dtype=bool)
    wanted: list[str] = []
    if "ccdnum" in columns and number is not None:
        chosen &= columns["ccdnum"] == number
        wanted.append(f" of CCD number {number}")
    if "ccdname" in columns and ccds:
        texts = np.char.upper(np.char.strip(_texts(columns["ccdname"])))
        named = np.isin(texts, [ccd.upper() for ccd in ccds])
        if named.any() or not wanted:
            chosen &= named
            wanted.append(f" of CCD {' or '.join(ccds)}")
    if "expnum" in columns and exposure is not None:
        chosen &= columns["expnum"] == exposure
        wanted.append(f" of exposure {exposure}")
    count = np.count_nonzero(chosen)
    _expect(count == 1, path, where, f"{count} rows{''.join(wanted)}", "one row")
    return int(np.flatnonzero(chosen)[0])


_IDENTITY = ("ccdnum", "ccdname", "expnum")
"""Columns that say whose model a row is."""
_PARAMETER = re.compile(r"(POL(NAXIS|NGRP|(GRP|NAME|ZERO|SCAL|DEG)\d)|PSF(_SAMP|_FWHM|NAXIS|AXIS\d))")
"""Keywords of PSFEx that may be columns."""


def _row_header(table: fits.BinTableHDU, row: int) -> fits.Header:
    """Return the header with the parameters that are columns in the place of keywords."""
    names = [name for name in table.columns.names if _PARAMETER.fullmatch(name.upper())]
    if not names:
        return table.header
    header = fits.Header()
    for name in names:
        value = table.data[name][row]
        number = value.strip() if isinstance(value, str) else np.asarray(value).item()
        header[name.upper()] = (
            str(number) if isinstance(number, float) and not math.isfinite(number) else number
        )
    if header.get("POLNAXIS") == 0:
        # The survey fills the columns of a model that does not vary with what means nothing.
        for key in [key for key in header if key.startswith("POLNAME")]:
            del header[key]
    return header


def _images(
    table: fits.BinTableHDU, column: str, row: int, header: fits.Header, path: Path, where: str
) -> np.ndarray:
    """Return the basis images of a row with shape (term, y, x), from a column with or without TDIM."""
    values = np.asarray(table.data[column][row], dtype=np.float64)
    if values.ndim == 1:
        shape = [int(header_number(header, f"PSFAXIS{n}", path=path, where=where)) for n in (2, 1)]
        fits_in = min(shape) > 0 and values.size % (shape[0] * shape[1]) == 0
        _expect(fits_in, path, f"{where}, PSF_MASK", f"{values.size} numbers", f"images of {shape} pixels")
        return values.reshape(-1, *shape)
    if values.ndim == 2:
        return values[np.newaxis]
    # Where rows of several sizes are in one table, those of this row.
    names = {name.lower(): name for name in table.columns.names}
    axes = [names[key] for axis in (3, 2, 1) if (key := f"psfaxis{axis}") in names]
    if values.ndim != 3 or len(axes) != 3:
        return values
    shape = [int(table.data[name][row]) for name in axes]
    fits_in = all(0 < size <= room for size, room in zip(shape, values.shape, strict=True))
    _expect(fits_in, path, f"{where}, PSFAXIS", f"{shape}", f"at most {values.shape}")
    return values[: shape[0], : shape[1], : shape[2]]


def _polynomial(header: fits.Header, path: Path, where: str) -> PsfexPolynomial:
    axes = sum(f"POLNAME{n}" in header for n in (1, 2, 3))
    if axes == 0:
        return PsfexPolynomial()
    names = [header_text(header, f"POLNAME{n}") for n in range(1, axes + 1)]
    _expect(
        axes == 2 and names[0].upper().startswith("X") and names[1].upper().startswith("Y"),
        path,
        f"{where}, POLNAME",
        f"a model that depends on {', '.join(names)}",
        "X_IMAGE and Y_IMAGE",
    )

    def numbers(key: str, count: int) -> list[float]:
        return [header_number(header, f"{key}{n}", path=path, where=where) for n in range(1, count + 1)]

    zero, scale, groups = numbers("POLZERO", 2), numbers("POLSCAL", 2), numbers("POLGRP", 2)
    degrees = numbers("POLDEG", max(int(max(groups)), 1))
    counts: list[Any] = [*groups, *degrees]
    _expect(all(scale), path, f"{where}, POLSCAL", f"{scale}", "lengths that are not zero")
    _expect(all(n == int(n) for n in counts), path, f"{where}, POLGRP, POLDEG", f"{counts}", "whole numbers")
    try:
        return PsfexPolynomial(
            zero=(zero[0], zero[1]),
            scale=(scale[0], scale[1]),
            groups=(int(groups[0]), int(groups[1])),
            degrees=tuple(int(degree) for degree in degrees),
        )
    except InvalidPsfError as err:
        raise InputError(path, where=where, found=err.message.rstrip("."), expected="a PSFEx model") from err
