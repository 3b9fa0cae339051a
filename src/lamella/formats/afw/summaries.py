"""Visit summaries: what is known of all detectors of a visit, without their pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from lsst.images import Box, Polygon, SkyProjection

from ...coadd.select.quality import standard_quality
from ...data.exposure import ExposureId, ExposureInfo
from ...errors import InputError, MissingPartError
from ...psf.gaussian import FWHM_PER_SIGMA
from ...sky.footprint import pixel_scale
from .catalogs import ExposureCatalog, ExposureRecord
from .photo import PhotoCalib
from .visit_info import VisitInfo

__all__ = ("DetectorSummary", "VisitSummary")

_IDENTITY = ("id", "visit")


@dataclasses.dataclass(frozen=True)
class DetectorSummary:
    """What a visit summary says of one detector; objects are read when they are asked for."""

    record: ExposureRecord
    path: str
    """The file of the summary."""

    @property
    def visit(self) -> int:
        """Number of the visit."""
        return self.record.row.integer("visit")

    @property
    def detector(self) -> int:
        """Number of the detector."""
        return self.record.id

    @property
    def band(self) -> str:
        """Short name of the passband, e.g. ``"r"``; empty when it is not given."""
        return self.record.row.text("band", "")

    @property
    def physical_filter(self) -> str:
        """Name of the filter, e.g. ``"HSC-R"``; empty when it is not given."""
        return self.record.row.text("physical_filter", "")

    @property
    def bbox(self) -> Box | None:
        """Box of the pixels; `None` when it is empty."""
        return self.record.bbox

    @cached_property
    def projection(self) -> SkyProjection[Any] | None:
        """Pixels to ICRS; `None` when the astrometry of the detector failed."""
        return self.record.projection

    @cached_property
    def polygon(self) -> Polygon | None:
        """Valid region in pixels; `None` means all of them."""
        return self.record.polygon

    @cached_property
    def photo_calib(self) -> PhotoCalib | None:
        """Calibration of the pixels; `None` when it failed."""
        return self.record.photo_calib

    @cached_property
    def visit_info(self) -> VisitInfo:
        """When, where to and how long; all of it unknown when the summary does not say."""
        return self.record.visit_info or VisitInfo()

    @property
    def corners(self) -> SkyCoord | None:
        """Corners of the pixels: low x and y, high x, high y, low x; `None` when they are not given."""
        row = self.record.row
        if "raCorners" not in row or "decCorners" not in row:
            return None
        return SkyCoord(row.array("raCorners") * u.deg, row.array("decCorners") * u.deg)

    @property
    def psf_sigma(self) -> float | None:
        """Size of the PSF: standard deviation in pixels; `None` when it is not given, NaN when unknown."""
        return self._number("psfSigma")

    @property
    def zero_point(self) -> float | None:
        """AB magnitude of a source of one unit of the image; `None` when it is not given."""
        return self._number("zeroPoint")

    def _number(self, name: str) -> float | None:
        row = self.record.row
        return row.number(name) if name in row else None

    @cached_property
    def psf_fwhm(self) -> float | None:
        """Full width at half maximum of the PSF in arcseconds, that of a Gaussian of its size."""
        sigma, box = self.psf_sigma, self.bbox
        if sigma is None or self.projection is None or box is None:
            return None
        return sigma * FWHM_PER_SIGMA * pixel_scale(self.projection, box)

    @cached_property
    def quality(self) -> dict[str, float]:
        """All numbers under the names of their columns, and under those of lamella where it has one."""
        numbers = self.record.numbers()
        return standard_quality({name: value for name, value in numbers.items() if name not in _IDENTITY})

    @property
    def mjd(self) -> float | None:
        """Middle of the exposure, modified Julian date in UTC; `None` when it is not known."""
        return self.visit_info.times.middle

    @property
    def usable(self) -> bool:
        """Whether it has what a coadd needs: pixels, a projection and a calibration."""
        row = self.record.row
        calibrated = any(row.integer(name, 0) for name in ("photoCalib", "calib"))
        return self.bbox is not None and row.integer("wcs", 0) != 0 and calibrated

    def identity(self, instrument: str = "") -> ExposureId:
        """Return the identity of the exposure, with this instrument where the summary names none."""
        return ExposureId(self.visit_info.instrument or instrument or "unknown", self.visit, self.detector)

    def info(self, *, path: str = "", instrument: str = "") -> ExposureInfo:
        """Return the description of the exposure, for `lamella.coadd.select.select.select_exposures`.

        Parameters
        ----------
        path
            File of the exposure itself; by default that of the summary.
        instrument
            Name of the instrument where the summary has none.

        Raises
        ------
        MissingPartError
            Raised when it has no pixels or no projection.
        InputError
            Raised when the archive is damaged.
        """
        projection, bbox = self.projection, self.bbox
        if projection is None or bbox is None:
            raise MissingPartError(
                self.path,
                where=f"visit {self.visit}, detector {self.detector}",
                found="no projection" if bbox is not None else "no pixels",
                expected="both",
            )
        return ExposureInfo(
            id=self.identity(instrument),
            path=path or self.path,
            band=self.band,
            physical_filter=self.physical_filter,
            bbox=bbox,
            projection=projection,
            polygon=self.polygon,
            psf_fwhm=self.psf_fwhm,
            quality=self.quality,
            times=self.visit_info.times,
            format="afw",
        )


class VisitSummary:
    """The detectors of one visit or several, in the order of the file.

    Parameters
    ----------
    catalog
        The catalogue that the summary is.
    path
        The file.

    Raises
    ------
    MissingPartError
        Raised when it has no column ``visit``.
    InputError
        Raised when a detector of a visit comes twice.
    """

    def __init__(self, catalog: ExposureCatalog, path: str | PathLike[str]) -> None:
        self.catalog = catalog
        self.path = Path(path)
        self._detectors = tuple(DetectorSummary(record, str(self.path)) for record in catalog)
        self._places = {(entry.visit, entry.detector): n for n, entry in enumerate(self._detectors)}
        if len(self._places) != len(self._detectors):
            raise InputError(
                self.path, where="id", found="detectors that come twice", expected="one row per detector"
            )

    @classmethod
    def read(cls, path: str | PathLike[str]) -> VisitSummary:
        """Read a visit summary.

        Raises
        ------
        UnreadableFileError
            Raised when the file is absent or damaged.
        MissingPartError
            Raised when it holds no catalogue, or one without visits.
        InputError
            Raised when it holds one of something else.
        """
        return cls(ExposureCatalog.read(path), path)

    def __len__(self) -> int:
        return len(self._detectors)

    def __iter__(self) -> Iterator[DetectorSummary]:
        return iter(self._detectors)

    def __getitem__(self, index: int) -> DetectorSummary:
        return self._detectors[index]

    @property
    def visits(self) -> tuple[int, ...]:
        """Numbers of the visits, sorted."""
        return tuple(sorted({visit for visit, _ in self._places}))

    def find(self, visit: int, detector: int) -> DetectorSummary | None:
        """Return what is known of a detector, or `None`: detectors without data have no row."""
        index = self._places.get((visit, detector))
        return None if index is None else self._detectors[index]

    def exposures(self, *, instrument: str = "") -> tuple[ExposureInfo, ...]:
        """Return the descriptions of all exposures that can be used.

        Those whose astrometry or photometry failed are left out; they are the
        ones that are not `DetectorSummary.usable`.

        Parameters
        ----------
        instrument
            Name of the instrument where the summary has none.

        Raises
        ------
        InputError
            Raised when the archive is damaged.
        """
        return tuple(entry.info(instrument=instrument) for entry in self if entry.usable)
