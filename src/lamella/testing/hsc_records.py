"""Visits, detector regions and a tract of a real Hyper Suprime-Cam data set, without its pixels.

The test data of `lsst-daf-butler` hold the dimension records of the eleven
visits that the manual of AssembleCoaddTask uses as its example.  They are read
here as plain YAML; the package must be installed, but nothing of it is
imported.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.time import Time

from lamella.errors import MissingPartError, UnreadableFileError
from lamella.sky.geometry import SkyPolygon
from lamella.texts import StrictLoader, parse_yaml, read_text

__all__ = ("DetectorRegion", "HscRecords", "VisitRecord", "hsc_records")

_VISITS = "ci_hsc-subset.yaml"
_SKYMAP = "ci_hsc-subset-skymap.yaml"


@dataclasses.dataclass(frozen=True)
class VisitRecord:
    """One visit.

    Attributes
    ----------
    visit
        Number.
    physical_filter, band
        Full and short name of the filter.
    mjd
        Middle of the exposure, modified Julian date (UTC).
    exposure_time
        Seconds.
    """

    visit: int
    physical_filter: str
    band: str
    mjd: float
    exposure_time: float


@dataclasses.dataclass(frozen=True)
class DetectorRegion:
    """The part of the sky that one detector saw in one visit.

    Attributes
    ----------
    visit, detector
        Numbers.
    corners
        Unit vectors of shape (4, 3), counterclockwise as seen from outside of the sphere.
    """

    visit: int
    detector: int
    corners: np.ndarray

    @property
    def polygon(self) -> SkyPolygon:
        """The region."""
        return SkyPolygon.from_vertices(self.corners)


@dataclasses.dataclass(frozen=True)
class HscRecords:
    """What the records say.

    Attributes
    ----------
    instrument
        Name of the instrument.
    visits
        Visits by number.
    regions
        Detector regions, ordered by visit and detector.
    skymap
        Name of the sky map.
    tract
        Corners of its only tract: unit vectors of shape (4, 3).
    patches
        Columns and rows of patches.
    """

    instrument: str
    visits: dict[int, VisitRecord]
    regions: tuple[DetectorRegion, ...]
    skymap: str
    tract: np.ndarray
    patches: tuple[int, int]


@cache
def hsc_records() -> HscRecords:
    """Read the records.

    Raises
    ------
    MissingPartError
        Raised when the package that holds them is not installed.
    UnreadableFileError
        Raised when they are not as expected.
    """
    folder = _folder()
    visits, maps = _read(folder / _VISITS), _read(folder / _SKYMAP)
    bands = {record["name"]: record["band"] for record in visits["physical_filter"]}
    records = {}
    for record in visits["visit"]:
        begin, end = (
            Time(record[f"datetime_{name}"], format="iso", scale="tai").utc.mjd for name in ("begin", "end")
        )
        records[record["id"]] = VisitRecord(
            visit=record["id"],
            physical_filter=record["physical_filter"],
            band=bands[record["physical_filter"]],
            mjd=round(0.5 * float(begin + end), 9),
            exposure_time=float(record["exposure_time"]),
        )
    regions = [
        DetectorRegion(record["visit"], record["detector"], record["region"])
        for record in visits["visit_detector_region"]
    ]
    skymap, tract = maps["skymap"][0], maps["tract"][0]
    return HscRecords(
        instrument=visits["instrument"][0]["name"],
        visits=records,
        regions=tuple(sorted(regions, key=lambda region: (region.visit, region.detector))),
        skymap=skymap["name"],
        tract=tract["region"],
        patches=(skymap["patch_nx_max"], skymap["patch_ny_max"]),
    )


def _folder() -> Path:
    """Return where the package keeps the records; looking for it does not import it."""
    try:
        spec = importlib.util.find_spec("lsst.daf.butler")
    except ModuleNotFoundError:
        spec = None
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location) / "tests" / "registry_data"
        if (folder / _VISITS).is_file():
            return folder
    raise MissingPartError(
        "lsst.daf.butler", found="no package with these records", expected="pip install 'lamella[lsst]'"
    )


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the dimension records of an export of a data repository, by element."""
    expected = "dimension records in YAML"
    try:
        content = parse_yaml(read_text(path, expected), path, expected, loader=_Loader)
        sections = [section for section in content["data"] if section["type"] == "dimension"]
        return {section["element"]: list(section["records"]) for section in sections}
    except (KeyError, TypeError) as err:
        raise UnreadableFileError(path, found=str(err), expected=expected) from err


class _Loader(StrictLoader):
    """Reads the tags that the export of a repository uses."""


def _read_region(loader: StrictLoader, node: yaml.MappingNode) -> np.ndarray:
    """Decode a convex polygon: the letter p, then three little-endian doubles for each vertex."""
    content = bytes.fromhex(loader.construct_mapping(node)["encoded"])
    if content[:1] != b"p" or len(content) % 24 != 1:
        raise ValueError("a region that is not a convex polygon")
    return np.frombuffer(content[1:], dtype="<f8").reshape(-1, 3)


def _read_text(loader: StrictLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("lsst.sphgeom.ConvexPolygon", _read_region)
_Loader.add_constructor("!butler_time/tai/iso", _read_text)
_Loader.add_constructor("!uuid", _read_text)
