"""What is known of a visit: when, where to, and how long; from the archive or from a header."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable
from typing import Any

from astropy.time import Time
from astropy.time.core import ScaleValueError

from ...data.times import ExposureTimes
from ...fits.read import Header, header_text, optional_number
from ...fits.tables import Row
from ...fits.text import own_text

__all__ = ("VisitInfo", "visit_info_from_header", "visit_info_from_row")

_UNIX_EPOCH = 40587.0
_NANOSECONDS_PER_DAY = 86_400_000_000_000
_NO_TIME = -(2**63)
_ROTATIONS = ("UNKNOWN", "SKY", "HORIZON", "MOUNT")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisitInfo:
    """A visit; angles are in degrees, and what is not known is NaN, 0 (numbers of visits) or empty."""

    id: int = 0
    """Number of the visit."""
    exposure_id: int = 0
    """Number of one detector's exposure, in old files; its meaning depends on the camera."""
    exposure_time: float = math.nan
    """Seconds."""
    dark_time: float = math.nan
    """Seconds."""
    mjd: float = math.nan
    """Middle of the exposure, modified Julian date in TAI."""
    ut1: float = math.nan
    """Middle of the exposure, modified Julian date in UT1."""
    earth_rotation: float = math.nan
    """Earth rotation angle."""
    boresight_ra: float = math.nan
    boresight_dec: float = math.nan
    boresight_azimuth: float = math.nan
    boresight_altitude: float = math.nan
    airmass: float = math.nan
    rotation: float = math.nan
    """Rotation of the camera at the boresight."""
    rotation_type: str = "UNKNOWN"
    """What ``rotation`` refers to: ``"SKY"``, ``"HORIZON"``, ``"MOUNT"`` or ``"UNKNOWN"``."""
    longitude: float = math.nan
    """Of the observatory, positive to the East."""
    latitude: float = math.nan
    elevation: float = math.nan
    """Metres."""
    air_temperature: float = math.nan
    """Degrees Celsius."""
    air_pressure: float = math.nan
    """Pascal."""
    humidity: float = math.nan
    """Percent."""
    instrument: str = ""
    focus_z: float = math.nan
    """Millimetres."""
    observation_type: str = ""
    science_program: str = ""
    observation_reason: str = ""
    object: str = ""
    simulated: bool = False
    """Whether the pixels hold simulated content."""

    @property
    def times(self) -> ExposureTimes:
        """The times of the exposure in UTC: begin and end are half of its exposure time from the middle."""
        return ExposureTimes.of(middle=self.mjd, exposure_time=self.exposure_time, scale="tai")


# Names of our fields, of the columns of the archive, and of the cards of a header.
_ANGLES = (
    ("earth_rotation", "era", "AVG-ERA"),
    ("boresight_ra", "boresightradec_ra", "BORE-RA"),
    ("boresight_dec", "boresightradec_dec", "BORE-DEC"),
    ("boresight_azimuth", "boresightazalt_az", "BORE-AZ"),
    ("boresight_altitude", "boresightazalt_alt", "BORE-ALT"),
    ("rotation", "boresightrotangle", "BORE-ROTANG"),
    ("longitude", "longitude", "OBS-LONG"),
    ("latitude", "latitude", "OBS-LAT"),
)
_NUMBERS = (
    ("exposure_time", "exposuretime", "EXPTIME"),
    ("dark_time", "darktime", "DARKTIME"),
    ("ut1", "ut1", "MJD-AVG-UT1"),
    ("airmass", "boresightairmass", "BORE-AIRMASS"),
    ("elevation", "elevation", "OBS-ELEV"),
    ("air_temperature", "airtemperature", "AIRTEMP"),
    ("air_pressure", "airpressure", "AIRPRESS"),
    ("humidity", "humidity", "HUMIDITY"),
    ("focus_z", "focusz", "FOCUSZ"),
)
_TEXTS = (
    ("instrument", "instrumentlabel", "INSTRUMENT"),
    ("observation_type", "observationType", "OBSTYPE"),
    ("science_program", "scienceProgram", "PROGRAM"),
    ("observation_reason", "observationReason", "REASON"),
    ("object", "object", "OBJECT"),
)


def visit_info_from_row(row: Row) -> VisitInfo:
    """Return a visit from its row in an archive, of any version: each added columns."""
    rotation = row.integer("rottype", 0)
    values: dict[str, Any] = {
        **_collect(_ANGLES, 1, lambda name: math.degrees(row.number(name, math.nan))),
        **_collect(_NUMBERS, 1, lambda name: row.number(name, math.nan)),
        **_collect(_TEXTS, 1, lambda name: row.text(name, "")),
    }
    return VisitInfo(
        id=row.integer("idnum", 0),
        exposure_id=row.integer("exposureid", 0),
        mjd=_mjd_of_nanoseconds(row.integer("tai")),
        rotation_type=_ROTATIONS[rotation] if 0 <= rotation < len(_ROTATIONS) else "UNKNOWN",
        simulated=row.flag("hasSimulatedContent", False),
        **values,
    )


def visit_info_from_header(header: Header) -> VisitInfo:
    """Return a visit from the cards that afw writes into the primary header."""

    def number(key: str) -> float:
        value = optional_number(header, key)
        return math.nan if value is None else value

    values: dict[str, Any] = {
        **_collect(_ANGLES, 2, number),
        **_collect(_NUMBERS, 2, number),
        **_collect(_TEXTS, 2, lambda key: own_text(header, key)),
    }
    return VisitInfo(
        id=_whole(header, "IDNUM"),
        exposure_id=_whole(header, "EXPID"),
        mjd=_mjd_of_header(header),
        rotation_type=header_text(header, "ROTTYPE").upper() or "UNKNOWN",
        simulated=header.get("HAS-SIMULATED-CONTENT") is True,
        **values,
    )


def _collect[T](
    names: tuple[tuple[str, str, str], ...], source: int, read: Callable[[str], T]
) -> dict[str, T]:
    return {entry[0]: read(entry[source]) for entry in names}


def _whole(header: Header, key: str) -> int:
    value = header.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _mjd_of_nanoseconds(time: int) -> float:
    return math.nan if time == _NO_TIME else _UNIX_EPOCH + time / _NANOSECONDS_PER_DAY


def _mjd_of_header(header: Header) -> float:
    text = header_text(header, "DATE-AVG")
    scale = header_text(header, "TIMESYS").lower() or "tai"
    try:
        with warnings.catch_warnings():
            # Leap seconds of the future are not known: a warning of ERFA that is no one's concern here.
            warnings.simplefilter("ignore")
            return float(Time(text, format="isot", scale=scale).tai.mjd)
    except (ValueError, ScaleValueError):  # not a date, or in a time scale that astropy does not know
        return math.nan
