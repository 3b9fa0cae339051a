"""The file of the artifacts of a coadd: a map of them, and tables of their pixels and their visits."""

from __future__ import annotations

import dataclasses
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from lsst.images import Box, SkyProjection, TractFrame

from ...coadd.reject.artifact_masks import ArtifactMasks, VisitMask
from ...data.removals import Removal
from ...errors import InputError, MissingPartError, UnreadableFileError
from ...files import atomic_path
from ...fits.datasum import collect_stale_sums
from ...fits.headers import projection_header
from ...fits.quiet import quiet_astropy
from ...fits.read import Header, read_cards, read_headers, read_image, read_table
from ...fits.text import from_fits, table_hdu, to_fits
from ...image.spans import SpanMask, merge_runs, no_runs

__all__ = ("is_artifact_file", "read_artifacts", "write_artifacts")

_REMOVED = "REMOVED"
_KIND = "ARTIFACTS"
_TEXTS = ("instrument", "plane", "warning")
_SHIFTS = ("shift_x", "shift_y")
"""Columns of numbers that may be absent: NaN in the table; files of version 0.1.0 have none."""
_RUN_COLUMNS = ("instrument", "visit", "plane", "y", "x0", "x1")
_VISIT_COLUMNS = tuple(field.name for field in dataclasses.fields(Removal) if field.name not in _SHIFTS)


def write_artifacts(masks: ArtifactMasks, path: str | PathLike[str]) -> None:
    """Write the artifacts of a coadd to a FITS file, all or nothing.

    The primary header has the identity of the coadd and its box.  The image
    COUNT says how many visits were left out at each pixel, and has the
    projection to the sky in its header.  The table RUNS has a row per run of pixels along a row of the
    coadd: instrument, visit, plane, y, x0 and x1 (the column behind the last
    one).  The planes are those that were or-ed into the mask of the visit, and
    REMOVED, the pixels that were not masked before.  The table VISITS says how
    many pixels each visit lost.

    Parameters
    ----------
    masks
        What to write.
    path
        Final name; an existing file is replaced.

    Raises
    ------
    OutputError
        Raised when the file cannot be written.
    ProjectionError
        Raised when a FITS header cannot hold the projection.

    Examples
    --------
    See `read_artifacts`.
    """
    wcs = masks.projection.as_fits_wcs(masks.bbox, allow_approximation=True)
    cards = projection_header(wcs, masks.bbox, path)
    with atomic_path(path) as temporary:
        box = masks.bbox
        header = fits.Header()
        for key, value, comment in (
            ("LAMELLA", _KIND, "left out of a coadd, as runs of pixels"),
            ("BAND", masks.band, "passband"),
            ("SKYMAP", masks.skymap, "name of the sky map"),
            ("TRACT", masks.tract, "tract in the sky map"),
            ("PATCHX", masks.patch[0], "column of the patch in the tract"),
            ("PATCHY", masks.patch[1], "row of the patch in the tract"),
            ("METHOD", masks.method, "how artifacts were found"),
            ("BOXX0", box.x.start, "first column of the coadd, tract pixels"),
            ("BOXY0", box.y.start, "first row of the coadd, tract pixels"),
            ("BOXNX", box.x.size, "columns of the coadd"),
            ("BOXNY", box.y.size, "rows of the coadd"),
        ):
            header[key] = (to_fits(value) if isinstance(value, str) else value, comment)
        hdus = fits.HDUList(
            [
                fits.PrimaryHDU(header=header),
                fits.CompImageHDU(masks.counts(), header=cards, name="COUNT", compression_type="RICE_1"),
                table_hdu(_runs_table(masks), "RUNS"),
                table_hdu(_visits_table(masks), "VISITS"),
            ]
        )
        for hdu in hdus:
            hdu.add_checksum(when="of the HDU")
        hdus.writeto(temporary)


def is_artifact_file(path: str | PathLike[str]) -> bool:
    """Return whether a file is one that `write_artifacts` wrote."""
    try:
        (cards,) = read_cards(Path(path), 1)
    except UnreadableFileError:
        return False
    return bool(cards.get("LAMELLA") == _KIND)


def read_artifacts(path: str | PathLike[str]) -> ArtifactMasks:
    """Read the artifacts of a coadd.

    Raises
    ------
    UnreadableFileError
        Raised when the file is absent or damaged, or an HDU differs from its DATASUM.
    InputError
        Raised when it holds something else, or values that cannot be.

    Examples
    --------
    >>> import lamella
    >>> sources = lamella.open_exposures(["demo/survey/exposures.ecsv"]).sources
    >>> reject = lamella.PatchConfig(assemble={"statistic": "MEAN", "reject": {"method": "compare_warp"}})
    >>> findings = []
    >>> (coadd,) = lamella.coadd_exposures(sources, config=reject, bands=["r"], on_findings=findings.append)
    >>> lamella.write_artifacts(lamella.ArtifactMasks.of(coadd, findings[0]), "artifacts.fits")
    >>> masks = lamella.read_artifacts("artifacts.fits")
    >>> [visit.removal.visit for visit in masks.visits] == list(coadd.artifacts["visit"])
    True
    """
    path = Path(path)
    with collect_stale_sums() as stale:
        masks = _read_masks(path)
    if stale:
        raise UnreadableFileError(path, found=stale[0].rstrip("."), expected="what was written")
    return masks


def _read_masks(path: Path) -> ArtifactMasks:
    (header,) = read_headers(path, 1)
    if header.get("LAMELLA") != _KIND:
        raise InputError(path, where="HDU 0", found="no card LAMELLA = 'ARTIFACTS'", expected="artifacts")
    runs, visits = (
        _columns(path, name, columns)
        for name, columns in (("RUNS", _RUN_COLUMNS), ("VISITS", _VISIT_COLUMNS))
    )
    x, y, width, height = (_integer(header, key, path) for key in ("BOXX0", "BOXY0", "BOXNX", "BOXNY"))
    if width <= 0 or height <= 0:
        raise InputError(path, where="HDU 0", found=f"a box of {width} x {height}", expected="pixels in it")
    box = Box.factory[y : y + height, x : x + width]
    skymap, tract = _text(header, "SKYMAP", path), _integer(header, "TRACT", path)
    columns = {name: column.tolist() for name, column in visits.items()}
    columns |= _shifts(path, len(visits["visit"]))
    rows = zip(*columns.values(), strict=True)
    removals = [Removal(**dict(zip(columns, row, strict=True))) for row in rows]
    _check_runs(runs, {(removal.instrument, removal.visit) for removal in removals}, box, path)
    return ArtifactMasks(
        band=_text(header, "BAND", path),
        skymap=skymap,
        tract=tract,
        patch=(_integer(header, "PATCHX", path), _integer(header, "PATCHY", path)),
        method=_text(header, "METHOD", path),
        bbox=box,
        projection=_read_projection(TractFrame(skymap=skymap, tract=tract, bbox=box), path),
        visits=tuple(_visit(removal, runs) for removal in removals),
    )


# Writing.


def _runs_table(masks: ArtifactMasks) -> Table:
    parts = [
        (visit.removal.instrument, visit.removal.visit, name, runs)
        for visit in masks.visits
        for name, runs in (*sorted(visit.planes.planes.items()), (_REMOVED, visit.removed))
    ]
    lengths = [len(runs.y) for *_, runs in parts]
    table = Table()
    for index, name in enumerate(("instrument", "visit", "plane")):
        values = np.array([entry[index] for entry in parts], dtype="i8" if name == "visit" else "U")
        table[name] = np.repeat(values, lengths)
    for name in ("y", "x0", "x1"):
        columns = [getattr(runs, name) for *_, runs in parts]
        table[name] = np.concatenate([*columns, np.zeros(0, dtype=np.int32)]).astype(np.int32)
    return table


def _visits_table(masks: ArtifactMasks) -> Table:
    table = Table()
    for name in _VISIT_COLUMNS:
        values = [getattr(removal, name) for removal in masks.removals]
        table[name] = np.array(values, dtype="U" if name in _TEXTS else "i8")
    for name in _SHIFTS:
        shifts = [getattr(removal, name) for removal in masks.removals]
        table[name] = np.array([np.nan if shift is None else shift for shift in shifts], dtype="f8")
        table[name].unit = "pix"
    return table


# Reading.


def _columns(path: Path, hdu: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    table, _ = read_table(path, hdu)
    absent = [name for name in names if name not in table.names]
    if absent:
        raise MissingPartError(
            path,
            where=f"HDU {hdu}",
            found=f"columns {', '.join(table.names)}",
            expected=f"also {', '.join(absent)}",
        )
    return {name: _plain(np.asarray(table[name]), name, f"{path}", hdu) for name in names}


def _plain(values: np.ndarray, name: str, path: str, hdu: str) -> np.ndarray:
    """Return a column of texts, or of whole numbers in the machine's byte order."""
    kinds, expected = ("SU", "texts") if name in _TEXTS else ("iu", "whole numbers")
    if values.dtype.kind not in kinds or values.ndim != 1:
        raise InputError(path, where=f"HDU {hdu}, {name}", found=f"{values.dtype}", expected=expected)
    if name not in _TEXTS:
        return values.astype(np.int64)
    try:
        texts = values.astype(str).tolist()
    except UnicodeDecodeError as err:
        byte, where = f"a byte 0x{err.object[err.start]:02x}", f"HDU {hdu}, {name}"
        raise UnreadableFileError(path, where=where, found=byte, expected="ASCII") from err
    return np.array([from_fits(text) for text in texts], dtype=str)


def _shifts(path: Path, rows: int) -> dict[str, list[float | None]]:
    """Return by how much the sources of each visit are displaced; `None` where the file does not say."""
    table, _ = read_table(path, "VISITS")
    shifts: dict[str, list[float | None]] = {}
    for name in _SHIFTS:
        values = np.asarray(table[name]) if name in table.names else np.full(rows, np.nan)
        if values.dtype.kind != "f" or values.ndim != 1:
            raise InputError(path, where=f"HDU VISITS, {name}", found=f"{values.dtype}", expected="numbers")
        shifts[name] = [float(value) if np.isfinite(value) else None for value in values]
    return shifts


def _visit(removal: Removal, runs: dict[str, np.ndarray]) -> VisitMask:
    mine = (runs["visit"] == removal.visit) & (runs["instrument"] == removal.instrument)
    sets = {}
    for name in np.unique(runs["plane"][mine]):
        at = mine & (runs["plane"] == name)
        sets[name] = merge_runs(runs["y"][at], runs["x0"][at], runs["x1"][at])
    removed = sets.pop(_REMOVED, no_runs())
    return VisitMask(
        removal=removal, planes=SpanMask({str(name): spans for name, spans in sets.items()}), removed=removed
    )


def _check_runs(runs: dict[str, np.ndarray], visits: set[tuple[str, int]], box: Box, path: Path) -> None:
    y, x0, x1 = (runs[name] for name in ("y", "x0", "x1"))
    wrong = (y < box.y.start) | (y >= box.y.stop) | (x0 < box.x.start) | (x1 > box.x.stop) | (x0 >= x1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            path,
            where=f"HDU RUNS, row {row}",
            found=f"y {y[row]}, x0 {x0[row]}, x1 {x1[row]}",
            expected=f"a run of pixels of the box {box}",
        )
    named = set(zip(runs["instrument"].tolist(), runs["visit"].tolist(), strict=True))
    if not named <= visits:
        instrument, visit = min(named - visits)
        raise InputError(
            path,
            where="HDU RUNS",
            found=f"{instrument} visit {visit}",
            expected="only visits of the table VISITS",
        )


def _integer(header: Header, key: str, path: Path) -> int:
    value = header.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(path, where=f"HDU 0, {key}", found=repr(value), expected="a whole number")
    return value


def _text(header: Header, key: str, path: Path) -> str:
    value = header.get(key)
    if not isinstance(value, str):
        raise InputError(path, where=f"HDU 0, {key}", found=repr(value), expected="a text")
    return from_fits(value)


def _read_projection(frame: TractFrame, path: Path) -> SkyProjection[Any]:
    _, header = read_image(path, "COUNT")
    try:
        with quiet_astropy():
            wcs = WCS(header)
    except Exception as err:  # wcslib has many errors of its own
        reason = " ".join(str(err).split())
        raise InputError(path, where="HDU COUNT", found=reason, expected="a projection to the sky") from err
    if not wcs.has_celestial:
        raise InputError(
            path, where="HDU COUNT", found="no celestial axes", expected="a projection to the sky"
        )
    return SkyProjection.from_fits_wcs(wcs, frame, x0=frame.bbox.x.start, y0=frame.bbox.y.start)
