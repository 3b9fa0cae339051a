"""Records of an exposure in an archive: filter, detector, valid region, statistics; what is passed over."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from lsst.images import Box, ObservationSummaryStats, Polygon

from ...texts import parse_yaml
from .afw_archive import Archive, ObjectRecord, SkippedObject
from .persistables import persistable
from .visit_info import VisitInfo, visit_info_from_row

__all__ = ("DetectorInfo", "FilterLabel", "parse_summary")

_MAX_YAML = 65_536
_RENAMED = {"decl": "dec"}


@dataclasses.dataclass(frozen=True)
class FilterLabel:
    """Names of a passband."""

    band: str = ""
    """Short name, e.g. ``"r"``; empty when there is none."""
    physical: str = ""
    """Name of the filter, e.g. ``"HSC-R"``; empty when there is none."""


@dataclasses.dataclass(frozen=True)
class DetectorInfo:
    """Which detector an exposure is of."""

    id: int
    name: str
    bbox: Box | None = None
    """All its pixels."""


@persistable("FilterLabel")
def build_filter(record: ObjectRecord, archive: Archive) -> FilterLabel:
    """Return the names of a filter."""
    row = record.row()
    return FilterLabel(
        *(row.text(name) if row.flag(f"{name}_exists", True) else "" for name in ("band", "physical"))
    )


@persistable("Detector")
def build_detector(record: ObjectRecord, archive: Archive) -> DetectorInfo:
    """Return the identity of a detector; its amplifiers and its place in the camera are not read."""
    row = record.row()
    return DetectorInfo(
        id=row.integer("id"),
        name=row.text("name"),
        bbox=row.box("bbox"),
    )


@persistable("Polygon")
def build_polygon(record: ObjectRecord, archive: Archive) -> Polygon:
    """Return a polygon from one row per vertex, of which the last may repeat the first."""
    rows = record.rows()
    x, y = (np.asarray(rows.column(f"vertices_{axis}"), dtype=np.float64) for axis in "xy")
    if len(x) > 1 and (x[0], y[0]) == (x[-1], y[-1]):
        x, y = x[:-1], y[:-1]
    if len(x) < 3 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        record.fail(found=f"{len(x)} corners", expected="three finite corners or more")
    polygon = Polygon(x_vertices=x, y_vertices=y)
    if not (polygon.to_shapely().is_valid and polygon.area > 0):
        record.fail(found="a polygon that crosses itself", expected="one that does not")
    return polygon


@persistable("VisitInfo")
def build_visit_info(record: ObjectRecord, archive: Archive) -> VisitInfo:
    """Return what is known of a visit."""
    return visit_info_from_row(record.row())


@persistable("ExposureSummaryStats")
def build_summary(record: ObjectRecord, archive: Archive) -> ObservationSummaryStats:
    """Return the summary statistics of an exposure, which afw writes as YAML."""
    data = bytes(record.row().array("bytes"))
    if len(data) > _MAX_YAML:
        record.fail(found=f"{len(data)} bytes of YAML", expected=f"at most {_MAX_YAML}")
    path, expected = archive.container.path, "names and values in YAML"
    tree = parse_yaml(data.decode("utf-8"), path, expected)
    if not isinstance(tree, dict):
        record.fail(found=f"a {type(tree).__name__}", expected="names and values")
    return parse_summary(tree)


def parse_summary(values: dict[str, Any]) -> ObservationSummaryStats:
    """Return summary statistics from names and values; names that have no place are left out.

    Values that are absent or not finite keep the defaults of `lsst.images`, NaN or 0.
    """
    names = ObservationSummaryStats.model_fields
    fields: dict[str, Any] = {}
    for name, value in values.items():
        name = _RENAMED.get(name, name)
        if name not in names or not name[:1].islower() or name[:3] == "sch":
            continue
        if isinstance(value, list | tuple):
            if value and all(isinstance(v, int | float) for v in value):
                fields[name] = tuple(float(v) for v in value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            fields[name] = value
    return ObservationSummaryStats(**fields)


@persistable(
    "CoaddTransmissionCurve",
    "IdentityTransmissionCurve",
    "ProductTransmissionCurve",
    "RadialTransmissionCurve",
    "SpatiallyConstantTransmissionCurve",
    "TransformedTransmissionCurve",
)
def skip_transmission(record: ObjectRecord, archive: Archive) -> SkippedObject:
    """Pass over a transmission curve: coadds here are made without them."""
    archive.note(f"{archive.container.path}: transmission curves are not read.")
    return SkippedObject(record.id, record.name, "which lamella does not use")


@persistable("TransformMap")
def skip_camera_map(record: ObjectRecord, archive: Archive) -> SkippedObject:
    """Pass over the map of a camera's coordinate systems."""
    return SkippedObject(record.id, record.name, "which lamella does not use")
