"""Catalogues of exposures: the inputs of a coadd, and those that stand alone in a file.

Each row has numbers of its own, and refers to a projection, a PSF and other
objects in the archive of the file, which are read when they are asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.images import Box, Polygon, SkyProjection
from lsst.images.psfs import PointSpreadFunction

from ...errors import InputError, MissingPartError
from ...fits.hdus import Container
from ...fits.tables import Row, Rows, Table
from .afw_archive import Archive, ObjectRecord
from .fields import ApertureCorrections
from .info import DetectorInfo
from .persistables import persistable
from .photo import PhotoCalib
from .psf import within
from .visit_info import VisitInfo

if TYPE_CHECKING:
    from .exposure import AfwFile

__all__ = ("CoaddInputs", "ExposureCatalog", "ExposureRecord", "read_coadd_inputs")

_LINKS = (
    "wcs",
    "psf",
    "photoCalib",
    "calib",
    "apCorrMap",
    "validPolygon",
    "visitInfo",
    "transmissionCurve",
    "detector",
)
"""Columns with numbers of objects; not all versions have all."""
_NEWEST = 5
"""Newest layout (EXPTABLE_VER) that is known."""


@dataclasses.dataclass(frozen=True)
class ExposureRecord:
    """One row of a catalogue of exposures.

    Attributes
    ----------
    row
        All fields, those of references included.
    archive
        Where the objects are; `None` when the file has none.
    """

    row: Row
    archive: Archive | None = dataclasses.field(repr=False)

    @property
    def id(self) -> int:
        """Number of the exposure; its meaning depends on the catalogue."""
        return self.row.integer("id")

    @cached_property
    def bbox(self) -> Box | None:
        """Box of the pixels; `None` when it is empty."""
        return self.row.box("bbox")

    def component[T](self, name: str, kind: type[T]) -> T | None:
        """Return an object that the row refers to, or `None`.

        Parameters
        ----------
        name
            Column, e.g. ``"wcs"``; when the catalogue does not have it, there is no object.
        kind
            Type that the object must have.

        Raises
        ------
        InputError
            Raised when the archive is damaged.
        MissingPartError
            Raised when there is no such object, or it is of a class that lamella does not read.
        """
        id = self.row.integer(name, 0)
        if id == 0:
            return None
        if self.archive is None:
            unit = self.row.rows.table.unit
            raise unit.container.missing("no archive index", f"object {id}", f"{unit.label}, {name}")
        return self.archive.get(id, kind)

    @property
    def projection(self) -> SkyProjection[Any] | None:
        """Pixels to ICRS."""
        return self.component("wcs", SkyProjection)

    @property
    def psf(self) -> PointSpreadFunction | None:
        """PSF, with the box of the pixels as its bounds."""
        model = self.component("psf", PointSpreadFunction)  # type: ignore[type-abstract]
        return model if model is None or self.bbox is None else within(model, self.bbox)

    @property
    def photo_calib(self) -> PhotoCalib | None:
        """Calibration of the pixels."""
        return self.component("photoCalib" if "photoCalib" in self.row else "calib", PhotoCalib)

    @property
    def polygon(self) -> Polygon | None:
        """Valid region; `None` means all pixels."""
        return self.component("validPolygon", Polygon)

    @property
    def visit_info(self) -> VisitInfo | None:
        """When, where to and how long."""
        return self.component("visitInfo", VisitInfo)

    @property
    def detector(self) -> DetectorInfo | None:
        """Which detector it is of."""
        return self.component("detector", DetectorInfo)

    @property
    def aperture_corrections(self) -> ApertureCorrections:
        """Aperture corrections by name; empty when there are none."""
        return self.component("apCorrMap", dict) or {}

    def numbers(self) -> dict[str, float]:
        """Return all numbers of the row, by column, but for references, boxes and arrays; NaN stays NaN."""
        names = [name for name in self.row.rows.table.names if name not in _LINKS]
        values = {name: self.row.value(name) for name in names if not name.startswith("bbox")}
        return {
            name: float(value)
            for name, value in values.items()
            if isinstance(value, np.integer | np.floating)
        }


class ExposureCatalog:
    """Rows of exposures.

    Parameters
    ----------
    rows
        Rows of a table.
    archive
        Where the objects are that they refer to.
    """

    def __init__(self, rows: Rows, archive: Archive | None) -> None:
        self.rows = rows
        self.archive = archive

    @classmethod
    def read(cls, path: str | PathLike[str], *, trust_pickles: bool = False) -> ExposureCatalog:
        """Read a catalogue that stands alone in a file, of any version, e.g. a visit summary.

        Parameters
        ----------
        path
            The file.
        trust_pickles
            Whether Python pickles that it holds may be loaded; see `Archive`.

        Raises
        ------
        UnreadableFileError
            Raised when the file is absent or damaged.
        MissingPartError
            Raised when it holds no catalogue.
        InputError
            Raised when it holds one of something else.
        """
        container = Container(path)
        unit = container.unit(1)
        if unit is None or not unit.is_table:
            raise MissingPartError(path, where="HDU 1", found="no table", expected="a catalogue of exposures")
        kind = str(unit.cards.get("AFW_TYPE", "")).strip()
        if kind != "EXPOSURE":
            raise InputError(
                path, where=unit.label, found=f"AFW_TYPE {kind!r}", expected="a catalogue of exposures"
            )
        archive = Archive.find(container, trust_pickles=trust_pickles)
        version = unit.cards.get("EXPTABLE_VER", 1)
        if archive is not None and not (isinstance(version, int) and version <= _NEWEST):
            archive.note(f"{container.path}: version {version} of the catalogue is newer than what is known.")
        return cls(Table(unit).rows(), archive)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[ExposureRecord]:
        return (ExposureRecord(row, self.archive) for row in self.rows)

    def __getitem__(self, index: int) -> ExposureRecord:
        return ExposureRecord(self.rows[index], self.archive)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.rows.table.names

    def column(self, name: str) -> Any:
        """Return one column, or one flag; see `~lamella.fits.tables.Rows.column`."""
        return self.rows.column(name)


@dataclasses.dataclass(frozen=True)
class CoaddInputs:
    """What went into a warp or a coadd.

    Attributes
    ----------
    visits
        One row per visit: its number as ``id``, weight and good pixels.
    detectors
        One row per detector of a visit: its number (``ccd``), that of the
        ``visit``, weight and good pixels.  The weight is 1 in warps.
    """

    visits: ExposureCatalog
    detectors: ExposureCatalog


@persistable("CoaddInputs")
def build_coadd_inputs(record: ObjectRecord, archive: Archive) -> CoaddInputs:
    """Return the inputs of a coadd; both tables may be empty."""
    return CoaddInputs(*(ExposureCatalog(record.rows(table), archive) for table in (0, 1)))


def read_coadd_inputs(file: AfwFile) -> CoaddInputs | None:
    """Return the inputs of a warp or a coadd, or `None` when the file has no record of them.

    Raises
    ------
    InputError
        Raised when the archive is damaged.
    """
    inputs: CoaddInputs | None = file.component("COADD_INPUTS", CoaddInputs)
    return inputs
