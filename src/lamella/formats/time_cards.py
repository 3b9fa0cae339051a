"""Cards that say when the inputs of a warp or a coadd were taken."""

from __future__ import annotations

import dataclasses

from astropy.io import fits

from ..data.times import TotalTimes, date_text, tai_of

__all__ = ("in_tai", "set_time_cards", "time_cards")

_DATES = tuple(f"{kind}-{event}" for kind in ("DATE", "MJD") for event in ("OBS", "BEG", "AVG", "END"))
_KEYS = ("NDATED", "TIMESYS", *_DATES, "TELAPSE", "EXPTIME", "XPOSURE")


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
