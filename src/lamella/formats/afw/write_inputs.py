"""What went into a warp or a coadd, as afw records it: catalogues of exposures, and their PSF."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

from lsst.images import Box, Polygon, Region

from ...data.coadd import PatchCoadd
from ...data.detector import DetectorInput
from ...data.times import tai_of
from ...data.warp import Warp
from ...errors import InvalidPsfError, ProjectionError
from ...fits.text import to_fits
from .write_psf import add_psf
from .write_tables import Field, OutputArchive, Part, box_fields, box_values, links, point_fields
from .write_wcs import add_projection

__all__ = ("InputRecords", "add_polygon", "add_records")

_LINKS = links(
    wcs="Wcs",
    psf="Psf",
    photoCalib="PhotoCalib",
    apCorrMap="ApCorrMap",
    validPolygon="Polygon",
    visitInfo="VisitInfo",
    transmissionCurve="TransmissionCurve",
    detector="Detector",
)
_BASE = (*_LINKS, Field("id", "K", "unique ID"), *box_fields())
_WEIGHT = Field("weight", "D", "Weight of this input in the coadd")
_GOOD = Field("goodpix", "J", "Number of good pixels in the warp")
_KERNEL = "lanczos3"
_CACHE_SIZE = 10_000
"""Entries of the table of its resampling function that afw makes when it evaluates such a PSF."""


@dataclasses.dataclass(frozen=True)
class InputRecords:
    """What was added of the inputs.

    Attributes
    ----------
    inputs
        Number of the CoaddInputs.
    psf
        Number of the PSF that they make; 0 where afw could not be told all of it, or
        the inputs were matched to another one.
    notes
        What is to be said of the PSFs of the inputs.
    """

    inputs: int
    psf: int
    notes: tuple[str, ...]


def add_records(archive: OutputArchive, product: Warp | PatchCoadd, wcs: int) -> InputRecords:
    """Add the inputs of a warp or a coadd, and the PSF that follows from them.

    Parameters
    ----------
    archive
        Where to add them.
    product
        The warp or the coadd.
    wcs
        Number of its projection.
    """
    width = max([32, *(len(to_fits(detector.band)) for detector in product.detectors)])
    band = Field("filter", "A", "Name of the passband", count=width)
    notes: list[str] = []
    detectors = [
        _detector(archive, number, detector, notes)
        for number, detector in enumerate(product.detectors, start=1)
    ]
    visits = _visits(product.detectors, product.bbox, wcs)
    ccd = (Field("ccd", "J", "number of the detector"), Field("visit", "K", "number of the visit"))
    inputs = archive.add(
        "CoaddInputs",
        "lsst.afw.image",
        Part((*_BASE, _GOOD, _WEIGHT, band), visits),
        Part((*_BASE, *ccd, _GOOD, _WEIGHT, band), detectors),
    )
    complete = detectors and all(row["psf"] and row["wcs"] for row in detectors)
    psf = 0
    if complete and product.matched_psf is None:
        psf = _add_coadd_psf(archive, product, wcs, detectors)
        others = {detector.kernel.name for detector in product.detectors} - {_KERNEL}
        if others:
            names = ", ".join(sorted(others))
            notes.append(f"afw resamples PSFs with {_KERNEL}; images were resampled with {names}.")
    return InputRecords(inputs, psf, tuple(dict.fromkeys(notes)))


def _detector(
    archive: OutputArchive, number: int, detector: DetectorInput, notes: list[str]
) -> dict[str, Any]:
    """Return the row of one detector; the number in it is that of the row, because ours are three."""
    row = dict.fromkeys((field.name for field in _LINKS), 0) | box_values(detector.bbox)
    try:
        row["wcs"] = add_projection(archive, detector.projection, detector.bbox)
        row["psf"], note = add_psf(archive, detector.psf, detector.bbox)
        if note:
            notes.append(note)
    except (InvalidPsfError, ProjectionError) as err:
        notes.append(f"{detector.id} is not complete: {err}")
    row["validPolygon"] = add_polygon(archive, detector.polygon)
    row["visitInfo"] = _add_visit(archive, detector)
    return row | {
        "id": number,
        "ccd": detector.id.detector,
        "visit": detector.id.visit,
        "goodpix": detector.good_pixels,
        "weight": detector.weight,
        "filter": detector.band,
    }


def _visits(detectors: Sequence[DetectorInput], bbox: Box, wcs: int) -> list[dict[str, Any]]:
    """Return one row per visit, with the good pixels of all its detectors."""
    rows = []
    ordered = sorted(detectors, key=lambda detector: detector.id)
    for (_, visit), group in itertools.groupby(
        ordered, key=lambda detector: (detector.id.instrument, detector.id.visit)
    ):
        parts = list(group)
        row: dict[str, Any] = dict.fromkeys((field.name for field in _LINKS), 0) | box_values(bbox)
        row |= {"id": visit, "wcs": wcs, "goodpix": sum(detector.good_pixels for detector in parts)}
        rows.append(row | {"weight": parts[0].weight, "filter": parts[0].band})
    return rows


def _add_coadd_psf(
    archive: OutputArchive, product: Warp | PatchCoadd, wcs: int, rows: Sequence[dict[str, Any]]
) -> int:
    try:
        x, y = product.psf.average_position()  # type: ignore[attr-defined]
    except InvalidPsfError:
        x, y = float(product.bbox.x.center), float(product.bbox.y.center)
    main = (
        Field("coaddwcs", "J", "archive ID for the coadd's Wcs"),
        Field("cachesize", "J", "size of the warping cache"),
        *point_fields("avgpos", "PSF accessors default position", "D"),
        Field("warpingkernelname", "A", "warping kernel name", count=32),
    )
    row = {
        "coaddwcs": wcs,
        "cachesize": _CACHE_SIZE,
        "avgpos_x": x,
        "avgpos_y": y,
        "warpingkernelname": _KERNEL,
    }
    return archive.add(
        "CoaddPsf", "lsst.meas.algorithms", Part(main, [row]), Part((*_BASE, _WEIGHT, _GOOD), rows)
    )


def add_polygon(archive: OutputArchive, polygon: Region | None) -> int:
    """Add a polygon, the first corner of which is repeated at the end, and return its number; 0 for none."""
    if not isinstance(polygon, Polygon):
        return 0
    fields = tuple(Field(f"vertices_{axis}", "D", f"{axis} of a corner") for axis in "xy")
    corners = list(zip(polygon.x_vertices.tolist(), polygon.y_vertices.tolist(), strict=True))
    rows = [{"vertices_x": x, "vertices_y": y} for x, y in (*corners, corners[0])]
    return archive.add("Polygon", "lsst.afw.geom", Part(fields, rows))


_ANGLES = {
    "era": "earth rotation angle at middle of exposure",
    "boresightradec_ra": "sky position of boresight at middle of exposure",
    "boresightradec_dec": "sky position of boresight at middle of exposure",
    "boresightazalt_az": "refracted apparent topocentric position of boresight at middle of exposure",
    "boresightazalt_alt": "refracted apparent topocentric position of boresight at middle of exposure",
    "boresightrotangle": "rotation angle at boresight at middle of exposure",
    "latitude": "latitude of telescope",
    "longitude": "longitude of telescope (+ is east of Greenwich)",
}
_NUMBERS = {
    "exposuretime": ("exposure duration", "s"),
    "darktime": ("time from CCD flush to readout", "s"),
    "ut1": ("UT1 date and time at middle of exposure", "MJD"),
    "boresightairmass": ("airmass at boresight, relative to zenith at sea level", ""),
    "elevation": ("elevation of telescope", ""),
    "airtemperature": ("air temperature", "C"),
    "airpressure": ("air pressure", "Pascal"),
    "humidity": ("humidity (%)", ""),
    "focusz": ("defocal distance", "mm"),
}
_TEXTS = ("instrumentlabel", "observationType", "scienceProgram", "observationReason", "object")
_VISIT_FIELDS = (
    Field("hasSimulatedContent", "X", "Does any part of this exposure hold simulated content?"),
    *(Field(name, "D", doc, unit) for name, (doc, unit) in _NUMBERS.items()),
    *(Field(name, "D", doc, "rad", kind="Angle") for name, doc in _ANGLES.items()),
    Field("tai", "K", "TAI date and time at middle of exposure as nsec from unix epoch", "nsec"),
    Field("rottype", "J", "rotation type; see VisitInfo.getRotType for details"),
    Field("version", "J", "version of this VisitInfo"),
    Field("idnum", "K", "identifier of this full focal plane exposure"),
    *(Field(name, "A", "name of this visit's " + name, count=0) for name in _TEXTS),
)
_NO_TIME = -(2**63)
_UNIX_EPOCH = 40587.0
_NANOSECONDS_PER_DAY = 86_400_000_000_000
_VISIT_VERSION = 5


def _add_visit(archive: OutputArchive, detector: DetectorInput) -> int:
    """Add what is on record of the visit of a detector: instrument, number and times."""
    row: dict[str, Any] = dict.fromkeys((*_NUMBERS, *_ANGLES), math.nan)
    row |= dict.fromkeys(_TEXTS, "")
    middle = detector.times.middle
    row |= {
        "instrumentlabel": detector.id.instrument,
        "idnum": detector.id.visit,
        "tai": _NO_TIME if middle is None else round((tai_of(middle) - _UNIX_EPOCH) * _NANOSECONDS_PER_DAY),
    }
    row["exposuretime"] = math.nan if detector.times.exposure_time is None else detector.times.exposure_time
    row |= {"hasSimulatedContent": False, "rottype": 0, "version": _VISIT_VERSION}
    return archive.shared(
        ("VisitInfo", detector.id.instrument, detector.id.visit, detector.times),
        lambda: archive.add("VisitInfo", "lsst.afw.image", Part(_VISIT_FIELDS, [row])),
    )
