"""Cards that say when an exposure was taken, and when the inputs of a warp or a coadd were."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from astropy.io import fits

from ..data.times import ExposureTimes, TotalTimes, date_text, mjd_from_text, tai_of, to_utc
from ..fits.read import Header, header_text, optional_number

__all__ = ("in_tai", "set_time_cards", "time_cards", "times_from_headers")

# Those of the FITS standard (Rots et al. 2015, A&A 574, A36); -OBS is the begin wherever it was seen, and
# what says so itself goes first.
_BEGIN, _MIDDLE, _END = ("BEG", "OBS"), ("AVG",), ("END",)
_EXPOSURE = ("EXPTIME", "XPOSURE", "EXPOSURE")
_TIMES_OF_DAY = ("TIME-OBS", "UTC-OBS", "UTSTART", "UT")
"""Time of day where DATE-OBS, in older files, is a day only."""

_DATES = tuple(f"{kind}-{event}" for kind in ("DATE", "MJD") for event in ("OBS", "BEG", "AVG", "END"))
_KEYS = ("NDATED", "TIMESYS", *_DATES, "TELAPSE", "EXPTIME", "XPOSURE")


def times_from_headers(headers: Sequence[Header], exposure_time: float | None = None) -> ExposureTimes:
    """Return the times that headers tell; dates are in UTC unless TIMESYS says otherwise.

    Parameters
    ----------
    headers
        Headers of an exposure, that of the image first: of two with a card the first is believed.
    exposure_time
        Seconds, where better known than by the headers.
    """
    stated = _first(optional_number(header, key) for header in headers for key in _EXPOSURE)
    return ExposureTimes.of(
        begin=_first(_dates(headers, _BEGIN)),
        middle=_first(_dates(headers, _MIDDLE)),
        end=_first(_dates(headers, _END)),
        exposure_time=stated if exposure_time is None else exposure_time,
    )


def _dates(headers: Sequence[Header], kinds: Sequence[str]) -> Iterator[float | None]:
    for header in headers:
        scale = _first(header_text(other, "TIMESYS") or None for other in (header, *headers)) or "utc"
        for kind in kinds:
            yield to_utc(optional_number(header, f"MJD-{kind}"), scale)
            date = header_text(header, f"DATE-{kind}")
            yield mjd_from_text(date, scale)
            if kind == "OBS" and date:
                yield from (
                    mjd_from_text(f"{date}T{header_text(header, key)}", scale) for key in _TIMES_OF_DAY
                )


def _first[T](values: Iterator[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def time_cards(times: TotalTimes, scale: str = "UTC") -> list[tuple[str, float | str, str]]:
    """Return the cards of the times of a coadd, named by the FITS standard; unknown ones are absent.

    Parameters
    ----------
    times
        The times, as they shall stand in the cards.
    scale
        Name of their scale.
    """
    cards = (
        ("TIMESYS", scale, "time scale of all dates"),
        ("DATE-OBS", date_text(times.begin), "begin of the first exposure"),
        ("DATE-BEG", date_text(times.begin), "begin of the first exposure"),
        ("DATE-AVG", date_text(times.middle), "weighted mean of the middles of the visits"),
        ("DATE-END", date_text(times.end), "end of the last exposure"),
        ("MJD-OBS", times.begin, "[d] begin of the first exposure"),
        ("MJD-BEG", times.begin, "[d] begin of the first exposure"),
        ("MJD-AVG", times.middle, "[d] weighted mean of the middles of the visits"),
        ("MJD-END", times.end, "[d] end of the last exposure"),
        ("TELAPSE", times.elapsed, "[s] from the first begin to the last end"),
        ("EXPTIME", times.exposure_time, "[s] sum over visits"),
        ("XPOSURE", times.exposure_time, "[s] sum over visits"),
    )
    given = [(key, value, comment) for key, value, comment in cards if value not in (None, "")]
    dated = ("NDATED", times.dated, "visits whose dates are known")
    return [dated, *(card for card in given if card[0] != "TIMESYS" or times.dated)]


def set_time_cards(header: fits.Header, times: TotalTimes) -> None:
    """Put the cards of some times into a header, in the place of those that it has from another file."""
    for key in _KEYS:
        header.remove(key, ignore_missing=True, remove_all=True)
    header.update(time_cards(times))


def in_tai(times: TotalTimes) -> TotalTimes:
    """Return times with dates in TAI, in the place of UTC."""
    begin, middle, end = (
        None if date is None else tai_of(date) for date in (times.begin, times.middle, times.end)
    )
    return dataclasses.replace(times, begin=begin, middle=middle, end=end)
