"""Pixels removed from a visit as artifacts, and the record of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ..image.spans import Runs, no_runs, shared_runs, united_runs

__all__ = ("KINDS", "Removal", "VisitArtifacts", "told_apart")

KINDS = ("transient", "streak", "ghost", "clipped", "untested")
"""Kinds of removed pixels.

A *transient* is a compact or irregular difference from the other visits; a *streak* a straight one; a *ghost*
is faint and wide; *clipped* pixels were found by SafeClip; *untested* ones could not be compared.
"""


@dataclasses.dataclass(frozen=True)
class VisitArtifacts:
    """Pixels to remove from one visit.

    Attributes
    ----------
    kinds
        Pixels by kind (see `KINDS`).
    valid
        Pixels of the warp that are not masked.
    alone
        Number of these that no other visit has, so that nothing could be compared.
    edges
        Pixels of the matched warp at the edge of a detector, where that was used up to its edge.
    notes
        Remarks for a user.
    offset
        By how much its sources are displaced from those of the other visits along x and y, in pixels;
        NaN where that was not measured.
    """

    kinds: dict[str, Runs]
    valid: Runs
    alone: int = 0
    edges: Runs | None = None
    notes: tuple[str, ...] = ()
    offset: tuple[float, float] = (math.nan, math.nan)

    @property
    def removed(self) -> Runs:
        """The pixels of all kinds."""
        return united_runs(no_runs(), *self.kinds.values())


@dataclasses.dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Removal:
    """How much of a visit was removed, and as what.

    Attributes
    ----------
    instrument, visit
        Identity.
    valid
        Number of its pixels that were not masked.
    removed
        Number of these that were removed.
    transient, streak, ghost, clipped, untested
        Number of these by kind; a pixel may be of more than one.
    alone
        Number of valid pixels that no other visit has: artifacts stay there.
    shift_x, shift_y
        By how much its sources are displaced from those of the other visits along x and y, in pixels;
        `None` where that was not measured.
    warning
        Advice to a user, or nothing.
    """

    instrument: str
    visit: int
    valid: int
    removed: int
    transient: int = 0
    streak: int = 0
    ghost: int = 0
    clipped: int = 0
    untested: int = 0
    alone: int = 0
    shift_x: float | None = None
    shift_y: float | None = None
    warning: str = ""

    @property
    def fraction(self) -> float:
        """Part of the valid pixels that was removed."""
        return self.removed / self.valid if self.valid else 0.0

    @classmethod
    def of(cls, instrument: str, visit: int, artifacts: VisitArtifacts, warn_fraction: float) -> Removal:
        """Count the removed pixels of a visit.

        Parameters
        ----------
        instrument, visit
            Identity.
        artifacts
            Pixels to remove.
        warn_fraction
            The record has a warning when more than this part of the visit is removed.
        """
        counts = {kind: shared_runs(runs, artifacts.valid).area for kind, runs in artifacts.kinds.items()}
        removed = shared_runs(artifacts.removed, artifacts.valid).area
        shift_x, shift_y = (round(shift, 4) if math.isfinite(shift) else None for shift in artifacts.offset)
        numbers: Any = {"valid": artifacts.valid.area, "removed": removed, "alone": artifacts.alone, **counts}
        record = cls(instrument=instrument, visit=visit, shift_x=shift_x, shift_y=shift_y, **numbers)
        warnings = [*artifacts.notes]
        if record.fraction > warn_fraction:
            percentage, limit = told_apart(100 * record.fraction, 100 * warn_fraction)
            warnings.append(
                f"{percentage} % of its pixels were removed, more than {limit} %: "
                "look at its photometric scale, sky and PSF."
            )
        return dataclasses.replace(record, warning=" ".join(warnings))


def told_apart(number: float, limit: float) -> tuple[str, str]:
    """Return two different numbers with as many decimals as it takes to tell them apart, at least one."""
    for decimals in range(1, 17):
        texts = f"{number:.{decimals}f}", f"{limit:.{decimals}f}"
        if texts[0] != texts[1]:
            break
    return texts
