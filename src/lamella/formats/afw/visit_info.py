"""Identity, time and exposure time of a visit, from the archive or from a header."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import warnings

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisitInfo:
    """A visit; unknown values are NaN, 0 (numbers of visits) or empty."""

    id: int = 0
    """Number of the visit."""
    exposure_id: int = 0
    """Number of one detector's exposure, in old files; its meaning depends on the camera."""
    exposure_time: float = math.nan
    """Seconds."""
    mjd: float = math.nan
    """Middle of the exposure, modified Julian date in TAI."""
    instrument: str = ""

    @property
    def times(self) -> ExposureTimes:
        """The times of the exposure in UTC: begin and end are half of its exposure time from the middle."""
        return ExposureTimes.of(middle=self.mjd, exposure_time=self.exposure_time, scale="tai")


def visit_info_from_row(row: Row) -> VisitInfo:
    """Return a visit from its row in an archive, of any version: each added columns."""
    time = row.integer("tai")
    return VisitInfo(
        id=row.integer("idnum", 0),
        exposure_id=row.integer("exposureid", 0),
        exposure_time=row.number("exposuretime", math.nan),
        mjd=math.nan if time == _NO_TIME else _UNIX_EPOCH + time / _NANOSECONDS_PER_DAY,
        instrument=row.text("instrumentlabel", ""),
    )


def visit_info_from_header(header: Header) -> VisitInfo:
    """Return a visit from the cards that afw writes into the primary header."""
    exposure_time, mjd = optional_number(header, "EXPTIME"), math.nan
    text, scale = header_text(header, "DATE-AVG"), header_text(header, "TIMESYS").lower() or "tai"
    # It may be no date, or in a time scale that astropy does not know.
    with contextlib.suppress(ValueError, ScaleValueError), warnings.catch_warnings():
        # Leap seconds of the future are not known: a warning of ERFA that is no one's concern here.
        warnings.simplefilter("ignore")
        mjd = float(Time(text, format="isot", scale=scale).tai.mjd)
    return VisitInfo(
        id=_whole(header, "IDNUM"),
        exposure_id=_whole(header, "EXPID"),
        exposure_time=math.nan if exposure_time is None else exposure_time,
        mjd=mjd,
        instrument=own_text(header, "INSTRUMENT"),
    )


def _whole(header: Header, key: str) -> int:
    value = header.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
