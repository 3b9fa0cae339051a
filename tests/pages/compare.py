"""Output that a page shows, held against what was printed."""

from __future__ import annotations

import math
import re

__all__ = ("TOLERANCE", "difference")

TOLERANCE = 0.02
"""Relative difference of numbers with a decimal point: other processors round otherwise."""

_TIME = re.compile(r"\b\d+(?:\.\d+)? (?:ms|s|min)\b")
_NUMBER = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?")


def difference(shown: str, printed: str) -> str:
    """Return what keeps some output from being the one that is shown, or nothing.

    Lines that are shown must come in this order; white space and times do not count, and ``...`` stands for
    any text, in a line or for lines. Other lines may be printed before and behind.

    Parameters
    ----------
    shown
        Of a page.
    printed
        By the program.
    """
    lines = [_tidy(line) for line in printed.splitlines()]
    start = 0
    for line in filter(None, map(_tidy, shown.splitlines())):
        if line == "..." or not re.search(r"\w", line):
            continue
        start = next((k + 1 for k in range(start, len(lines)) if _same(line, lines[k])), -1)
        if start < 0:
            return f"The page shows {line!r}, and this is printed:\n{printed}"
    return ""


def _tidy(line: str) -> str:
    return " ".join(_TIME.sub("TIME", line).split())


def _same(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(piece) for piece in _NUMBER.sub("NUMBER", shown).split("..."))
    match = re.fullmatch(pattern, _NUMBER.sub("NUMBER", printed))
    if match is None or "..." in shown:
        return match is not None
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=TOLERANCE, abs_tol=TOLERANCE) for a, b in pairs)
