"""The ranking of visits by their seeing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...data.exposure import ExposureId, ExposureInfo
from .select_control import SelectControl

__all__ = ("Visit", "outranked_visits", "visit_of")

type Visit = tuple[str, int]
"""Instrument and number of a visit."""


def visit_of(id: ExposureId) -> Visit:
    """Return the visit of an exposure."""
    return id.instrument, id.visit


def outranked_visits(infos: Iterable[ExposureInfo], control: SelectControl) -> dict[Visit, str]:
    """Return the visits that others outrank, each with the reason.

    Parameters
    ----------
    infos
        Exposures that passed all else.
    control
        How many visits are kept, or between which quantiles.
    """
    seeing = _visit_seeing(infos, control)
    order = sorted(seeing, key=lambda visit: (seeing[visit], visit))
    low, high = _rank_limits(len(order), control)
    return {
        visit: f"visit has rank {rank + 1} of {len(order)} in seeing; kept are {low + 1} to {high}"
        for rank, visit in enumerate(order)
        if not low <= rank < high
    }


def _rank_limits(count: int, control: SelectControl) -> tuple[int, int]:
    """Return the first rank that is kept, and the one after the last."""
    low, high = control.seeing_quantiles
    first = min(round(low * count), max(0, count - control.min_visits))
    last = min(count, max(round(high * count), control.min_visits))
    return first, last if control.max_visits is None else min(last, first + control.max_visits)


def _visit_seeing(infos: Iterable[ExposureInfo], control: SelectControl) -> dict[Visit, float]:
    """Return the PSF width of each visit, infinity where unknown."""
    widths: dict[Visit, list[float]] = {}
    for info in infos:
        known = widths.setdefault(visit_of(info.id), [])
        if info.psf_fwhm is not None and np.isfinite(info.psf_fwhm):
            known.append(info.psf_fwhm)
    statistic = np.mean if control.seeing_statistic == "mean" else np.median
    # Sorted, so that the mean does not depend on the order of the exposures.
    return {visit: float(statistic(sorted(found))) if found else np.inf for visit, found in widths.items()}
