"""Numbers as people read them, for the page and for the terminal."""

from __future__ import annotations

import math
from typing import Any

__all__ = ("ABSENT", "duration", "number", "percent", "plain", "reasons", "significant")

ABSENT = "–"
"""What stands for a number that is not known."""


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with some digits behind the point."""
    return ABSENT if value is None else f"{value:,.{digits}f}"


def significant(value: float | None, digits: int = 4) -> str:
    """Return a number with some significant digits."""
    if value is None:
        return ABSENT
    mantissa, _, exponent = f"{value:#.{digits}g}".partition("e")
    mantissa = mantissa.removesuffix(".")
    return f"{mantissa} × 10{_superscript(int(exponent))}" if exponent else mantissa


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def plain(value: Any) -> str:
    """Return any value of a setting or a table as text."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(part) for part in value) or "none"
    return str(value)


def percent(part: float | None) -> str:
    """Return a fraction in percent, with more digits for small ones."""
    if part is None:
        return ABSENT
    if 0 < part < 0.0001:
        return "< 0.01 %"
    digits = 0 if part >= 0.1 or part == 0 else 1 if part >= 0.01 else 2
    return f"{100 * part:.{digits}f} %"


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


def reasons(rejected: Any) -> list[str]:
    """Return why exposures were left out, the most frequent reason first, e.g. ``"2 × no overlap"``."""
    ordered = sorted(rejected, key=lambda item: (-item.count, item.stage, item.reason))
    return [f"{item.count} × {item.reason}" for item in ordered]
