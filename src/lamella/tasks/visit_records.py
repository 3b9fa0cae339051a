"""Visits as dimension records: when, through which filter, and where on the sky."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import astropy.time
import astropy.units as u
import numpy as np
from lsst.daf.butler import Butler, Timespan
from lsst.sphgeom import DISJOINT, ConvexPolygon, LonLat, Region

from ..data.exposure import ExposureInfo, ExposureSource
from ..errors import DuplicateInputError, InputError
from ..sky.geometry import SkyPolygon
from .instrument import DETECTOR_MAX, VISIT_MAX
from .skymap_store import from_region, to_region

__all__ = ("BAND_STEP", "UNKNOWN_DAY", "Visit", "filter_name", "group_visits", "insert_visit", "numbered")

UNKNOWN_DAY = 0
"""Day of observation of an exposure whose time is not known."""

BAND_STEP = 10**14
"""A visit has one filter in a repository.  Where an instrument takes several bands in one visit, the first
that is ingested has the number of the visit, the next ones a multiple of this more: visit 100000000000123 is
visit 123 in another band.  Ten bands fit below `VISIT_MAX`."""

_NAME_LENGTH = 32
_GROWTH = 1e-9
"""Fraction by which the area of a region must grow to be another region."""


@dataclasses.dataclass(frozen=True)
class Visit:
    """The exposures of one visit in one band."""

    sources: tuple[ExposureSource, ...]
    number: int
    """Number in the repository: that of the visit, or one derived from it (see `numbered`)."""

    @property
    def first(self) -> ExposureInfo:
        """Description of the exposure of the first detector."""
        return self.sources[0].info

    @property
    def key(self) -> dict[str, Any]:
        """Identity in the repository."""
        return {"instrument": self.first.id.instrument, "visit": self.number}

    @property
    def name(self) -> str:
        """Name of the visit: its number; where that of the repository is derived, with the band."""
        own = self.first.id.visit
        return str(own) if self.number == own else f"{own}-{self.first.band}"

    @functools.cached_property
    def polygons(self) -> dict[int, SkyPolygon]:
        """Regions of valid pixels by detector."""
        return {source.info.id.detector: source.info.footprint for source in self.sources}

    @property
    def timespan(self) -> Timespan | None:
        """When the shutter was open; `None` if not known."""
        times = self.first.times
        if times.middle is None:
            return None
        begin, end = (
            astropy.time.Time(times.middle if mjd is None else mjd, format="mjd", scale="utc").tai
            for mjd in (times.begin, times.end)
        )
        # A timespan must not be empty.
        return Timespan(begin, max(end, begin + 1e-3 * u.s))

    @property
    def day(self) -> int:
        """Day of observation as YYYYMMDD, which changes at noon UTC."""
        if self.first.mjd is None:
            return UNKNOWN_DAY
        return int(astropy.time.Time(self.first.mjd - 0.5, format="mjd").strftime("%Y%m%d"))


def filter_name(info: ExposureInfo) -> str:
    """Return the name of the physical filter: that of the band where none is known."""
    return info.physical_filter or info.band


def group_visits(sources: Sequence[ExposureSource]) -> list[Visit]:
    """Return exposures by visit and band, in the order of their identities.

    Raises
    ------
    DuplicateInputError
        Raised when two exposures have one identity.
    InputError
        Raised when exposures of one visit and band differ in their filter, or when a
        name or a number is longer than a repository can hold.
    """
    ordered = sorted(sources, key=lambda source: (*_visit_and_band(source), source.info.id))
    for before, after in itertools.pairwise(source.info for source in ordered):
        if before.id == after.id:
            claim = f"{before.id} in band {before.band}, which is also that of {before.path}"
            raise DuplicateInputError(after.path, found=claim, expected="one file per exposure")
    groups = itertools.groupby(ordered, key=_visit_and_band)
    visits = [Visit(tuple(group), number=number) for (_, number, _), group in groups]
    for visit in visits:
        first = visit.first
        for info in (source.info for source in visit.sources):
            numbers = (("visit", info.id.visit, VISIT_MAX), ("detector", info.id.detector, DETECTOR_MAX))
            for where, number, limit in numbers:
                _require(info, where, str(number), 0 <= number < limit, f"0 to {limit - 1}")
            for where, name in (("filter", filter_name(info)), ("band", info.band)):
                fits = 0 < len(name) <= _NAME_LENGTH
                _require(info, where, repr(name), fits, f"a name of 1 to {_NAME_LENGTH} characters")
            same = (filter_name(info), info.band) == (filter_name(first), first.band)
            _require(info, "filter", filter_name(info), same, f"{filter_name(first)}, as in {first.path}")
    return visits


def _visit_and_band(source: ExposureSource) -> tuple[str, int, str]:
    return source.info.id.instrument, source.info.id.visit, source.info.band


def numbered(butler: Butler, visit: Visit) -> Visit:
    """Return a visit with the number that it has, or is to have, in a repository.

    There a visit has one filter.  One whose number is taken by another band gets the first
    number that is free, or its own already, among those that are multiples of `BAND_STEP` more.

    Raises
    ------
    InputError
        Raised when no such number can be had.
    """
    first = visit.first
    own = dataclasses.replace(visit, number=first.id.visit)
    taken = _band_on_record(butler, own)
    if taken in (None, first.band):
        return own
    if own.number < BAND_STEP:
        for number in range(own.number + BAND_STEP, VISIT_MAX, BAND_STEP):
            derived = dataclasses.replace(visit, number=number)
            record = _visit_record(butler, derived)
            if record is None or (record.name, _band_on_record(butler, derived)) == (
                derived.name,
                first.band,
            ):
                return derived
    raise InputError(
        first.path,
        where="band",
        found=f"band {first.band} of visit {first.id.visit}, which the repository has in band {taken}",
        expected=f"a visit number below {BAND_STEP}, from which a free one can be derived, or "
        "one visit number per band",
    )


def _visit_record(butler: Butler, visit: Visit) -> Any:
    return next(iter(butler.query_dimension_records("visit", **visit.key, explain=False)), None)


def _band_on_record(butler: Butler, visit: Visit) -> str | None:
    """Return the band that a repository has a visit in; `None` when it has no such visit."""
    record = _visit_record(butler, visit)
    if record is None:
        return None
    key = {"instrument": visit.key["instrument"], "physical_filter": record.physical_filter}
    (filter_record,) = butler.query_dimension_records("physical_filter", **key, explain=False)
    return str(filter_record.band)


def _require(info: ExposureInfo, where: str, value: str, condition: bool, expected: str) -> None:
    if not condition:
        raise InputError(info.path, where=where, found=value, expected=expected)


def insert_visit(butler: Butler, visit: Visit) -> None:
    """Add the records of a visit, of its filter and of its detectors; what is there stays.

    Regions that do not hold all of the pixels are made larger.

    Raises
    ------
    DuplicateInputError
        Raised when the repository has the visit elsewhere on the sky or in
        another filter, or the filter in another band.
    """
    _insert_filter(butler, visit)
    insert = functools.partial(butler.registry.insertDimensionData, skip_existing=True)
    instrument, number = visit.key["instrument"], visit.key["visit"]
    insert(
        "detector",
        *[
            {"instrument": instrument, "id": detector, "full_name": str(detector), "purpose": "SCIENCE"}
            for detector in visit.polygons
        ],
    )
    record = _visit_record(butler, visit)
    if record is None:
        _insert_new(butler, visit)
    else:
        name = filter_name(visit.first)
        if record.physical_filter != name:
            raise DuplicateInputError(
                visit.first.path, where=f"{visit.first.id}", found=name, expected=record.physical_filter
            )
        vertices = np.concatenate([polygon.vertices for polygon in visit.polygons.values()])
        _sync_region(butler, "visit", record.toDict(), record, vertices, visit, may_be_apart=True)
    existing = {
        record.detector: record
        for record in butler.query_dimension_records("visit_detector_region", **visit.key, explain=False)
    }
    for detector, polygon in visit.polygons.items():
        row = {"instrument": instrument, "visit": number, "detector": detector}
        _sync_region(butler, "visit_detector_region", row, existing.get(detector), polygon.vertices, visit)


def _insert_filter(butler: Butler, visit: Visit) -> None:
    name, band = filter_name(visit.first), visit.first.band
    key = {"instrument": visit.key["instrument"], "physical_filter": name}
    for record in butler.query_dimension_records("physical_filter", **key, explain=False):
        if record.band != band:
            raise DuplicateInputError(
                visit.first.path, where=f"filter {name}", found=f"band {band}", expected=f"band {record.band}"
            )
        return
    row = {"instrument": visit.key["instrument"], "name": name, "band": band}
    butler.registry.insertDimensionData("physical_filter", row, skip_existing=True)


def _insert_new(butler: Butler, visit: Visit) -> None:
    """Add the records of a visit that is not there."""
    number = visit.number
    group = str(visit.first.id.visit)  # what the bands of one visit share
    common = {"instrument": visit.key["instrument"]}
    vertices = np.concatenate([polygon.vertices for polygon in visit.polygons.values()])
    center = LonLat(to_region(vertices).getCentroid())
    observed = {
        **common,
        "id": number,
        "physical_filter": filter_name(visit.first),
        "day_obs": visit.day,
        "exposure_time": visit.first.exposure_time,
        "timespan": visit.timespan,
    }
    exposure = {
        **observed,
        "obs_id": visit.name,
        "group": group,
        "observation_type": "science",
        "tracking_ra": center.getLon().asDegrees(),
        "tracking_dec": center.getLat().asDegrees(),
        "can_see_sky": True,
    }
    rows: dict[str, dict[str, Any]] = {
        "day_obs": {**common, "id": visit.day, "timespan": None},
        "group": {**common, "name": group},
        "visit_system": {**common, "id": 0, "name": "one-to-one"},
        "exposure": exposure,
        "visit": {**observed, "name": visit.name, "region": to_region(vertices)},
        "visit_definition": {**common, "exposure": number, "visit": number},
        "visit_system_membership": {**common, "visit": number, "visit_system": 0},
    }
    for element, row in rows.items():
        butler.registry.insertDimensionData(element, row, skip_existing=True)


def _sync_region(
    butler: Butler,
    element: str,
    row: dict[str, Any],
    record: Any,
    vertices: np.ndarray,
    visit: Visit,
    *,
    may_be_apart: bool = False,
) -> None:
    """Make sure that the region of a record holds some directions: it becomes the hull of both."""
    if record is None or record.region is None:
        region: Region | None = to_region(vertices)
    else:
        if not may_be_apart and record.region.relate(to_region(vertices)) & DISJOINT:
            where = f"visit {visit.key['visit']} detector {row['detector']}"
            raise DuplicateInputError(
                visit.first.path, where=where, found="another place on the sky", expected="that on record"
            )
        region = None
        if isinstance(record.region, ConvexPolygon):
            old = from_region(record.region)
            hull = SkyPolygon.hull(np.concatenate([old.vertices, vertices]))
            if hull.area > old.area * (1.0 + _GROWTH):
                region = to_region(hull)
    if region is not None:
        butler.registry.syncDimensionData(element, {**row, "region": region}, update=True)
