"""Numbers as people read them, for the page and for the terminal."""

from __future__ import annotations

import math
from typing import Any

from ..coadd.summary import CoaddSummary
from ..data.times import TotalTimes, date_text

__all__ = (
    "ABSENT",
    "day",
    "depth",
    "depth_stated",
    "duration",
    "exposed",
    "number",
    "percent",
    "plain",
    "reasons",
    "significant",
    "span",
)

ABSENT = "–"
"""What stands for a number that is not known."""


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with some digits behind the point."""
    return ABSENT if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def significant(value: float | None, digits: int = 4) -> str:
    """Return a number with some significant digits."""
    if value is None or math.isnan(value):
        return ABSENT
    mantissa, _, exponent = f"{value:#.{digits}g}".partition("e")
    mantissa = mantissa.removesuffix(".")
    raised = str(int(exponent or 0)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}" if exponent else mantissa


def plain(value: Any) -> str:
    """Return any value of a setting or a table as text."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return ABSENT if math.isnan(value) else f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "none"
    return str(value)


def depth(summary: CoaddSummary) -> str:
    """Return the depth at blank places: a magnitude, or a flux where fluxes have no magnitudes."""
    return _limit(summary, summary.depth, summary.flux_limit)


def depth_stated(summary: CoaddSummary) -> str:
    """Return the depth by the variance plane, as `depth`."""
    return _limit(summary, summary.depth_stated, summary.flux_limit_stated)


def _limit(summary: CoaddSummary, magnitude: float | None, flux: float | None) -> str:
    absolute = summary.fluxes.is_absolute
    text, unit = (number(magnitude), "mag") if absolute else (significant(flux), summary.flux_unit)
    return text if text == ABSENT else f"{text} {unit}"


def percent(fraction: float | None) -> str:
    """Return a fraction in percent, with more digits for small ones."""
    if fraction is None or math.isnan(fraction):
        return ABSENT
    if 0 < fraction < 0.0001:
        return "< 0.01 %"
    digits = 0 if fraction >= 0.1 or fraction == 0 else 1 if fraction >= 0.01 else 2
    return f"{100 * fraction:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """Return a time span, e.g. ``"4.2 s"``, ``"3 min 07 s"`` or ``"2 h 05 min"``."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def day(mjd: float | None) -> str:
    """Return a modified Julian date in UTC as date and time of day to a second."""
    return ABSENT if mjd is None else date_text(mjd).partition(".")[0].replace("T", " ")


def span(times: TotalTimes, visits: int) -> str:
    """Return when the visits of a coadd were taken, e.g. ``"2024-01-01 03:00:00 to 2024-01-03 03:01:30"``."""
    if times.begin is None or times.end is None:
        return ABSENT if times.middle is None else day(times.middle)
    remark = "" if times.dated == visits else f" ({times.dated} of {visits} visits are dated)"
    return f"{day(times.begin)} to {day(times.end)}{remark}"


def exposed(times: TotalTimes, visits: int) -> str:
    """Return how long the visits of a coadd are in all; a sum that lacks a visit is not given."""
    if times.exposure_time is not None:
        return f"{times.exposure_time:,.6g} s"
    return ABSENT if times.timed == 0 else f"{ABSENT} (known for {times.timed} of {visits} visits)"


def reasons(rejected: Any) -> list[str]:
    """Return why exposures were left out, the most frequent reason first, e.g. ``"2 × no overlap"``."""
    ordered = sorted(rejected, key=lambda item: (-item.count, item.stage, item.reason))
    return [f"{item.count} × {item.reason}" for item in ordered]
