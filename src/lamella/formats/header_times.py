"""When an exposure was taken, by the cards of its headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..data.times import ExposureTimes, mjd_from_text, to_utc
from ..fits.read import Header, header_text, optional_number

__all__ = ("times_from_headers",)

# Those of the FITS standard (Rots et al. 2015, A&A 574, A36); -OBS is the begin wherever it was seen, and
# what says so itself goes first.
_BEGIN, _MIDDLE, _END = ("BEG", "OBS"), ("AVG",), ("END",)
_EXPOSURE = ("EXPTIME", "XPOSURE", "EXPOSURE")
_TIMES_OF_DAY = ("TIME-OBS", "UTC-OBS", "UTSTART", "UT")
"""Time of day where DATE-OBS, in older files, is a day only."""


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
