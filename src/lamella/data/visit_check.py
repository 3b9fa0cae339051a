"""The record of how a visit compares with the coadd that it is in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from .removals import Removal

__all__ = ("ASTROMETRY", "ZERO_POINT", "VisitCheck", "visit_warnings")

ASTROMETRY = "look at its astrometry."
"""End of a sentence about a visit whose sources are displaced."""
ZERO_POINT = "look at its zero point."
"""End of a sentence about a visit whose sources are too bright or too faint."""
_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z0-9])")


@dataclasses.dataclass(frozen=True, slots=True, order=True, kw_only=True)
class VisitCheck:
    """How a visit compares with the coadd that it is in.

    Attributes
    ----------
    instrument, visit
        Identity.
    sources
        Number of sources that both have.
    dx, dy
        Median offset of its sources from those of the other visits, in pixels of the coadd; `None` with too
        few of them, or with one visit.
    flux
        Median of its fluxes over those in the other visits; `None` with too few.
    noise
        Noise of its blank pixels over what its variance says; `None` where it cannot be measured.
    warning
        Advice to a user, or nothing.
    """

    instrument: str
    visit: int
    sources: int = 0
    dx: float | None = None
    dy: float | None = None
    flux: float | None = None
    noise: float | None = None
    warning: str = ""


def visit_warnings(checks: Sequence[VisitCheck], removals: Sequence[Removal]) -> list[tuple[str, str]]:
    """Return the visits that a user should look at, and why.

    What the comparison with the coadd and a search for artifacts both say of a visit, they say of the same
    sources: it is told once, with the figure of the former, which judges a visit against all others.

    Parameters
    ----------
    checks
        How visits compare with the coadd.
    removals
        What was removed from them.

    Returns
    -------
    list of tuple of str
        Pairs of a visit and a warning; a visit may have one of each origin.
    """
    told = {(check.instrument, check.visit): check.warning for check in checks if check.warning}
    warnings = [(f"{instrument} visit {visit}", text) for (instrument, visit), text in told.items()]
    for removal in removals:
        before = told.get((removal.instrument, removal.visit), "")
        repeated = tuple(advice for advice in (ASTROMETRY, ZERO_POINT) if advice in before)
        sentences = _SENTENCE.split(removal.warning)
        text = " ".join(sentence for sentence in sentences if not sentence.endswith(repeated))
        if text:
            warnings.append((f"{removal.instrument} visit {removal.visit}", text))
    return warnings
