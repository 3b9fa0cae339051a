"""Mask files (fpM) of SDSS frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from ...errors import InputError, MissingPartError
from ...fits.read import open_fits

__all__ = ("PLANES", "read_mask")

PLANES: dict[str, tuple[str, ...]] = {
    "S_MASK_INTERP": ("INTERPOLATED",),
    "S_MASK_SATUR": ("SATURATED",),
    "S_MASK_NOTCHECKED": ("SUSPECT",),
    "S_MASK_OBJECT": ("DETECTED",),
    "S_MASK_BRIGHTOBJECT": ("DETECTED",),
    "S_MASK_BINOBJECT": ("DETECTED",),
    "S_MASK_CATOBJECT": (),
    "S_MASK_SUBTRACTED": (),
    "S_MASK_GHOST": ("GHOST",),
    "S_MASK_CR": ("COSMIC_RAY",),
}
"""Planes of each kind of SDSS mask.  The frames have cosmic rays, bad columns and bleed trails repaired."""

_SPAN = np.dtype(">i2")
"""Rows and columns in a span.  Masks are grown, so that some begin at column -1."""
_MARGIN = 1
"""Pixels beyond the frame that a grown mask may reach."""


def read_mask(path: Path, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Read the masks of a frame.

    Parameters
    ----------
    path
        An fpM file.
    shape
        Shape (y, x) of the frame.

    Returns
    -------
    `dict` [`str`, `numpy.ndarray`]
        Boolean planes, shape (y, x).

    Raises
    ------
    MissingPartError
        Raised when the definitions or a table of spans are missing.
    InputError
        Raised when the masks are of another shape, reach more than a pixel beyond the frame,
        or are of an unknown kind.
    """
    planes: dict[str, np.ndarray] = {}
    with open_fits(path) as hdus:
        rows, columns = (hdus[0].header.get(key) for key in ("MASKROWS", "MASKCOLS"))
        if (rows, columns) != shape:
            expected = f"{shape[0]}, {shape[1]}"
            where, size = "MASKROWS, MASKCOLS", f"{rows}, {columns}"
            raise InputError(path, where=where, found=size, expected=expected)
        for kind, index in _definitions(hdus, path).items():
            if index + 1 >= len(hdus):
                raise MissingPartError(path, where=kind, found=f"no HDU {index + 1}", expected="its spans")
            filled = _fill(hdus[index + 1].data, shape, path, kind)
            for name in PLANES[kind]:
                planes[name] = planes.get(name, False) | filled
    return planes


def _definitions(hdus: fits.HDUList, path: Path) -> dict[str, int]:
    """Return the index of each kind of mask, from the table that defines them."""
    tables = [
        hdu.data for hdu in hdus if isinstance(hdu, fits.BinTableHDU) and "attributeName" in hdu.columns.names
    ]
    if not tables:
        raise MissingPartError(path, found="no table of definitions", expected="a column attributeName")
    rows = [
        (str(row["defName"]).strip(), str(row["attributeName"]).strip(), int(row["Value"]))
        for row in tables[0]
    ]
    # The last row of the table counts the kinds.
    kinds = {name: index for kind, name, index in rows if kind == "S_MASKTYPE" and name != "S_NMASK_TYPES"}
    unknown = sorted(kinds.keys() - PLANES.keys())
    if unknown:
        raise InputError(path, where="definitions", found=f"the unknown {unknown[0]}", expected="SDSS masks")
    return kinds


def _fill(rows: fits.FITS_rec, shape: tuple[int, int], path: Path, kind: str) -> np.ndarray:
    if rows is None or not len(rows):
        return np.zeros(shape, dtype=bool)
    spans: list[np.ndarray] = []
    for row in rows:
        # Runs of one object: row, first and last column, from its corner.
        packed = np.asarray(row["s"], dtype=np.uint8).tobytes()
        runs = np.frombuffer(packed, dtype=_SPAN).reshape(-1, 3).astype(np.int64)
        spans.append(runs + np.array([row["row0"], row["col0"], row["col0"]], dtype=np.int64))
    y, first, last = _clip(np.concatenate(spans), shape, path, kind).T
    # Runs become their ends, and a running sum fills them.
    ends = np.zeros((shape[0], shape[1] + 1), dtype=np.int32)
    np.add.at(ends, (y, first), 1)
    np.add.at(ends, (y, last + 1), -1)
    return np.asarray(np.cumsum(ends, axis=1)[:, :-1] > 0)


def _clip(spans: np.ndarray, shape: tuple[int, int], path: Path, kind: str) -> np.ndarray:
    """Return the parts of spans that are inside of the frame, shape (n, 3)."""
    y, first, last = spans.T
    height, width = shape
    near = (y >= -_MARGIN) & (y < height + _MARGIN) & (first >= -_MARGIN) & (last < width + _MARGIN)
    if not (near & (first <= last)).all():
        row, begin, end = spans[~(near & (first <= last))][0]
        span = f"row {row}, columns {begin} to {end}"
        raise InputError(path, where=kind, found=span, expected=f"pixels of {width} x {height}")
    inside: np.ndarray = spans[(y >= 0) & (y < height) & (last >= 0) & (first < width)]
    inside[:, 1:] = inside[:, 1:].clip(0, width - 1)
    return inside
