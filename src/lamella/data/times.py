"""When the photons of an exposure were taken, and those of all inputs of a coadd."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable
from typing import Protocol, Self

import numpy as np
from astropy.time import Time
from astropy.time.core import ScaleValueError

__all__ = ("UNKNOWN_TIMES", "ExposureTimes", "TotalTimes", "date_text", "mjd_from_text", "tai_of", "to_utc")

_SECONDS_PER_DAY = 86400.0
_SCALES = {"et": "tdb", "tdt": "tt", "ut": "utc", "gmt": "utc", "ut1": "utc", "iat": "tai"}
"""Other names of time scales in headers.  UT1 is within 0.9 s of UTC, and astropy would ask the network for
the difference."""


@dataclasses.dataclass(frozen=True, slots=True)
class ExposureTimes:
    """The times of one exposure; an unknown one is `None`, never 0.

    Attributes
    ----------
    begin, middle, end
        Modified Julian dates in UTC: when the first pixel began to collect light, the middle of the exposure
        of the middle of the image, and when the last pixel ceased to.
    exposure_time
        Seconds for which each pixel collected light.  It is shorter than from begin to end where the rows of
        an image are exposed one after another (SDSS).
    """

    begin: float | None = None
    middle: float | None = None
    end: float | None = None
    exposure_time: float | None = None

    @classmethod
    def of(
        cls,
        *,
        begin: float | None = None,
        middle: float | None = None,
        end: float | None = None,
        exposure_time: float | None = None,
        scale: str = "utc",
    ) -> Self:
        """Make the times from those that are known; the others follow where they can.

        Parameters
        ----------
        begin, middle, end
            Modified Julian dates.
        exposure_time
            Seconds.
        scale
            Time scale of the dates, e.g. ``"utc"``, ``"tai"`` or ``"tt"``; with one that is not known to
            astropy the dates are unknown.

        Notes
        -----
        Values that are not finite, not positive dates or not positive durations count as unknown: files have
        0, -1 or NaN for that.
        """
        begin, middle, end = (to_utc(date, scale) for date in (begin, middle, end))
        seconds = _positive(exposure_time)
        half = None if seconds is None else 0.5 * seconds / _SECONDS_PER_DAY
        if middle is None:
            if begin is not None and end is not None:
                middle = 0.5 * (begin + end)
            elif half is not None and (begin is not None or end is not None):
                middle = begin + half if begin is not None else (end or 0.0) - half
        if middle is not None and half is not None:
            begin = middle - half if begin is None else begin
            end = middle + half if end is None else end
        return cls(begin, middle, end, seconds)

    @property
    def date(self) -> str:
        """Date and time (UTC) of the begin, as FITS headers have it; empty where it is not known."""
        return date_text(self.begin)


UNKNOWN_TIMES = ExposureTimes()
"""Those of an exposure of which no time is known."""


class _Dated(Protocol):
    """An input of a coadd."""

    @property
    def times(self) -> ExposureTimes: ...

    @property
    def weight(self) -> float: ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TotalTimes:
    """The times of all inputs of a coadd, visits counted once, whatever the number of their detectors.

    Attributes
    ----------
    begin, middle, end
        Modified Julian dates in UTC of the visits that are dated: the first begin, the mean of their middles
        with their weights in the coadd, the last end.  `None` where not known.
    exposure_time
        Sum of the exposure times of all visits in seconds; `None` where that of any visit is not known.
    dated, timed
        Number of visits of which the date, and the exposure time, are known.
    """

    begin: float | None = None
    middle: float | None = None
    end: float | None = None
    exposure_time: float | None = None
    dated: int = 0
    timed: int = 0

    @classmethod
    def of(cls, visits: Iterable[Iterable[_Dated]]) -> Self:
        """Add up the times of some visits.

        Parameters
        ----------
        visits
            For each visit, its detectors.
        """
        times, weights = [], []
        for exposures in map(list, visits):
            values = [exposure.times for exposure in exposures]
            dates = _known(values, "middle")
            times.append(
                ExposureTimes(
                    min(_known(values, "begin"), default=None),
                    math.fsum(dates) / len(dates) if dates else None,
                    max(_known(values, "end"), default=None),
                    max(_known(values, "exposure_time"), default=None),
                )
            )
            weights.append(max((exposure.weight for exposure in exposures), default=0.0))
        middles = np.array([np.nan if visit.middle is None else visit.middle for visit in times])
        dated = np.isfinite(middles)
        seconds = _known(times, "exposure_time")
        middle = None
        if dated.any():
            # About the first value: dates have few digits to spare.
            first, offsets = middles[dated][0], middles[dated] - middles[dated][0]
            shares = np.array(weights)[dated]
            total = shares.sum()
            middle = float(first + (offsets @ shares / total if total > 0 else offsets.mean()))
        return cls(
            begin=min(_known(times, "begin"), default=None),
            middle=middle,
            end=max(_known(times, "end"), default=None),
            exposure_time=math.fsum(seconds) if seconds and len(seconds) == len(times) else None,
            dated=int(dated.sum()),
            timed=len(seconds),
        )

    @property
    def elapsed(self) -> float | None:
        """Seconds from the first begin to the last end."""
        if self.begin is None or self.end is None:
            return None
        return (self.end - self.begin) * _SECONDS_PER_DAY


def _known(times: Iterable[ExposureTimes], name: str) -> list[float]:
    values = (getattr(item, name) for item in times)
    return [value for value in values if value is not None]


def to_utc(mjd: float | None, scale: str = "utc") -> float | None:
    """Return a modified Julian date in UTC; `None` where it is not known.

    Parameters
    ----------
    mjd
        The date; one that is not finite or not positive counts as unknown.
    scale
        Its time scale, in any case of letters.
    """
    date = _positive(mjd)
    scale = _SCALES.get(scale.strip().lower(), scale.strip().lower())
    if date is None or scale == "utc":
        return date
    try:
        return float(_quietly(date, "mjd", scale).utc.mjd)
    except (ValueError, ScaleValueError):  # not a date, or a scale that astropy does not know, or a local one
        return None


def tai_of(mjd: float) -> float:
    """Return a modified Julian date in TAI, given in UTC."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as below
        return float(Time(mjd, format="mjd", scale="utc").tai.mjd)


def mjd_from_text(text: str, scale: str = "utc") -> float | None:
    """Return a date and time of ISO 8601 as a modified Julian date in UTC; `None` where it is none.

    A date without a time of day is none: it says when to a day only.
    """
    text = text.strip().removesuffix("Z").replace(" ", "T", 1)
    scale = _SCALES.get(scale.strip().lower(), scale.strip().lower())
    if "T" not in text:
        return None
    try:
        return float(_quietly(text, "isot", scale).utc.mjd)
    except (ValueError, ScaleValueError):
        return None


def date_text(mjd: float | None) -> str:
    """Return a modified Julian date as date and time, to a millisecond; empty where it is not known."""
    return "" if mjd is None else str(_quietly(mjd, "mjd", "utc").isot)


def _quietly(value: float | str, format: str, scale: str) -> Time:
    with warnings.catch_warnings():
        # Leap seconds of the future are not known: a warning of ERFA that is no one's concern here.
        warnings.simplefilter("ignore")
        time = Time(value, format=format, scale=scale)
        return time if scale == "utc" else time.utc


def _positive(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) or value <= 0 else float(value)
