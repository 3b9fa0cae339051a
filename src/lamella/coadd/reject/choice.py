"""How the artifacts of a band are left out where nobody says how: chosen from all of its exposures.

The figures that the rules follow from are in ``docs/which-rejection.md``.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from ...config import PlainValues
from ...data.exposure import ExposureInfo
from ...sky.footprint import to_sky
from ...sky.tract import Patch

__all__ = (
    "Coverage",
    "RejectionChoice",
    "choice_of",
    "choose_rejection",
    "figures_of",
    "measure_coverage",
)

_MIN_VISITS = 3
"""Fewest visits at a place of which one may be outvoted."""
_MOST = 0.5
"""More than this part of an area is most of it."""
_PER_SIDE = 16
"""Places along a side of a patch at which visits are counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Coverage:
    """How visits cover the area of a band.

    Attributes
    ----------
    places
        Number of places with any visit, of a lattice over all patches.
    shared
        Of these, the number where at least three visits, and most of all, have a PSF that is known.
    visits
        Number of visits of the band.
    """

    places: int
    shared: int
    visits: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RejectionChoice(PlainValues):
    """How the artifacts of a band are left out, and why so."""

    method: Literal["none", "compare_warp"]
    """As in `lamella.coadd.reject.reject_control.RejectControl`; with ``none`` the statistic is that of
    the options."""
    reason: str
    """One clause, without figures: the same for all exposures from which the same follows."""
    visits: int
    """Number of visits of the band."""
    shared: float
    """Part of the area with data where at least three visits, and most of all, have a known PSF."""


def figures_of(choices: Sequence[RejectionChoice]) -> str:
    """Return what was counted in some bands, in words."""
    visits = _range_of([choice.visits for choice in choices])
    parts = _range_of([math.floor(100 * choice.shared) for choice in choices])
    noun = "visit" if visits == "1" else "visits"
    return f"{visits} {noun}; such three on {parts} % of the area"


def _range_of(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


_REASONS: dict[Literal["none", "compare_warp"], str] = {
    "compare_warp": "three or more visits with a known PSF are on most of the area",
    "none": "fewer than three visits with a known PSF are on most of the area",
}


def choose_rejection(patches: Iterable[tuple[Patch, Sequence[ExposureInfo]]]) -> RejectionChoice:
    """Choose how the artifacts of a band are left out.

    Visits are compared where at least three with known PSFs are on most of the area that has data. The
    choice does not depend on the order of anything.

    Parameters
    ----------
    patches
        All patches of the sky map that exposures of the band overlap, each with the exposures that are
        selected there.
    """
    coverage = measure_coverage(patches)
    shared = coverage.shared / coverage.places if coverage.places else 0.0
    return choice_of("compare_warp" if shared > _MOST else "none", visits=coverage.visits, shared=shared)


def choice_of(
    method: Literal["none", "compare_warp"], *, visits: int = 0, shared: float = 0.0
) -> RejectionChoice:
    """Return a choice with its reason; the figures are 0 where they are told elsewhere."""
    return RejectionChoice(method=method, reason=_REASONS[method], visits=visits, shared=shared)


def measure_coverage(patches: Iterable[tuple[Patch, Sequence[ExposureInfo]]]) -> Coverage:
    """Count the visits at a lattice of places over patches; arguments as for `choose_rejection`."""
    places = shared = 0
    visits: set[tuple[str, int]] = set()
    for patch, exposures in patches:
        every, with_psf = _visits_at(_lattice_on(patch), exposures)
        places += int(np.count_nonzero(every))
        shared += int(np.count_nonzero((with_psf >= _MIN_VISITS) & (with_psf > _MOST * every)))
        visits |= {(info.id.instrument, info.id.visit) for info in exposures}
    return Coverage(places, shared, len(visits))


def _lattice_on(patch: Patch) -> np.ndarray:
    """Return directions that are spread evenly over a patch: unit vectors of shape (place, 3)."""
    box = patch.inner_bbox
    fractions = (np.arange(_PER_SIDE) + 0.5) / _PER_SIDE - 0.5
    x, y = np.meshgrid(box.x.center + fractions * box.x.size, box.y.center + fractions * box.y.size)
    return to_sky(patch.projection, x.ravel(), y.ravel())


def _visits_at(directions: np.ndarray, exposures: Sequence[ExposureInfo]) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of visits, and of those with a known PSF, at each place."""
    by_visit: dict[tuple[str, int], list[ExposureInfo]] = collections.defaultdict(list)
    for info in exposures:
        by_visit[info.id.instrument, info.id.visit].append(info)
    every, with_psf = (np.zeros(len(directions), dtype=np.int64) for _ in range(2))
    for members in by_visit.values():
        covered = np.array([info.footprint.contains(directions) for info in members])
        every += covered.any(axis=0)
        with_psf += covered[[_has_psf(info) for info in members]].any(axis=0)
    return every, with_psf


def _has_psf(info: ExposureInfo) -> bool:
    """Return whether the PSF of an exposure was told or measured, and not assumed."""
    origin = info.origins.get("PSF")
    finite = info.psf_fwhm is None or math.isfinite(info.psf_fwhm)
    return finite and (origin is None or origin.kind != "assumed")
