"""Whether visits place the same stars at the same positions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from .adjustment import adjust, connected, references
from .star_matches import StarCatalog, StarMatches

__all__ = ("VisitOffset", "visit_offsets")

_ARCSEC = math.degrees(1.0) * 3600.0
_SCATTER = 0.05
"""Pixels by which the position of a star usually differs between visits beyond its noise."""
_OFF = 0.3
"""Pixels; more blurs a coadd."""
_SURE = 4.0


@dataclasses.dataclass(frozen=True, slots=True)
class VisitOffset:
    """How far the stars of a visit are from where the other visits have them."""

    visit: str
    east: float
    """Arcseconds."""
    north: float
    error: float
    """Standard deviation along each axis, arcseconds; NaN where no star is in another visit."""
    pixels: float
    """Length of the offset."""

    @property
    def is_off(self) -> bool:
        """Whether the visit is off by more than a fraction of a pixel, beyond doubt."""
        length = math.hypot(self.east, self.north)
        return self.pixels > _OFF and length > _SURE * self.error


def visit_offsets(catalogs: Sequence[StarCatalog], matches: StarMatches) -> tuple[VisitOffset, ...]:
    """Measure the positions of visits relative to each other.

    Parameters
    ----------
    catalogs
        Stars of the exposures, ordered by name.
    matches
        Which of them are the same.

    Returns
    -------
    tuple of VisitOffset
        By visit, relative to the median of the visits that stars connect (of two, to the first).
    """
    visits = sorted({catalog.visit for catalog in catalogs})
    number = {visit: index for index, visit in enumerate(visits)}
    owner = np.array([number[catalog.visit] for catalog in catalogs], int)
    pixel = np.zeros(len(visits))
    np.maximum.at(pixel, owner, [catalog.pixel for catalog in catalogs])
    by_visit = StarMatches(exposure=owner[matches.exposure], row=matches.row, star=matches.star)
    groups = connected(len(visits), by_visit)
    reference = references(groups, {}, np.bincount(by_visit.exposure, minlength=len(visits)))
    held = {int(index): 0.0 for index in np.unique(reference)}
    measured = zip(matches.exposure, matches.row, strict=True)
    errors = np.array([catalogs[exposure].position_error[row] for exposure, row in measured], dtype=float)
    scatter = _SCATTER * float(np.median(pixel)) if len(pixel) else 1.0
    solutions = [
        adjust(by_visit, values, errors, held, count=len(visits), scatter=scatter)
        for values in _positions(catalogs, matches)
    ]
    east, north = (_centred(solution.offsets, groups) for solution in solutions)
    variances = np.diag(solutions[0].covariance)
    others = np.array([np.count_nonzero(groups == group) > 1 for group in groups])
    errors = np.where(others, np.sqrt(np.maximum(variances, _least(variances))), np.nan)
    return tuple(
        VisitOffset(visit, float(x), float(y), float(error), math.hypot(x, y) / float(size))
        for visit, x, y, error, size in zip(visits, east, north, errors, pixel, strict=True)
    )


def _least(variances: np.ndarray) -> float:
    """Return the least variance of a visit that is not held: the one that is held is known no better."""
    free = variances[np.isfinite(variances) & (variances > 0.0)]
    return float(free.min()) if free.size else 0.0


def _positions(catalogs: Sequence[StarCatalog], matches: StarMatches) -> tuple[np.ndarray, np.ndarray]:
    """Return how far east and north each measurement of a star is of its first one, in arcseconds."""
    vectors = [catalog.vectors for catalog in catalogs]
    values = zip(matches.exposure, matches.row, strict=True)
    points = np.array([vectors[exposure][row] for exposure, row in values]).reshape(-1, 3)
    _, first = np.unique(matches.star, return_index=True)
    origin = points[first][matches.star] if len(points) else points
    east = np.cross([0.0, 0.0, 1.0], origin)
    east /= np.maximum(np.linalg.norm(east, axis=1, keepdims=True), 1e-12)
    north = np.cross(origin, east)
    apart = (points - origin) * _ARCSEC
    return (apart * east).sum(axis=1), (apart * north).sum(axis=1)


def _centred(offsets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return offsets relative to the median of those that are connected; of two, to the first."""
    centred = offsets.copy()
    for group in np.unique(groups):
        members = groups == group
        values = offsets[members]
        centred[members] -= np.nanmedian(values) if np.count_nonzero(members) > 2 else values[0]
    return centred
