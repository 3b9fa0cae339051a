"""Offsets of exposures that make measurements of the same stars agree."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import scipy

from .star_matches import StarMatches

__all__ = ("Adjustment", "adjust", "connected", "references")

_CLIP = 4.0
_LOOSE, _ROUNDS = 15, 30
_SOFT = 2.0
"""Standard deviations at which a measurement counts half in the first rounds."""
_NORMAL_MEDIAN = 0.4549
"""Median of the square of a normal deviate."""
_FLOOR = 0.15
"""The scatter is not believed to be less than this part of the usual one."""
_PRIOR = 2.0
"""Weight of the usual scatter in degrees of freedom: few stars do not tell theirs."""


@dataclasses.dataclass(frozen=True)
class Adjustment:
    """Offsets of exposures that make measurements of the same stars agree."""

    offsets: np.ndarray
    """Shape (n,), one per exposure; NaN where nothing ties it to a fixed one."""
    covariance: np.ndarray
    """Shape (n, n); zero for fixed ones, NaN where the offset is."""
    scatter: float
    """Standard deviation of measurements beyond their errors."""
    used: np.ndarray
    """bool: the measurements that were not clipped."""


def adjust(
    matches: StarMatches,
    values: np.ndarray,
    errors: np.ndarray,
    fixed: Mapping[int, float],
    *,
    count: int,
    scatter: float,
) -> Adjustment:
    """Find the offsets of exposures with which measurements of the same stars agree best.

    Least squares over all stars and exposures: ``value = star + offset + noise``.  The variance of the
    noise is that of the errors and of a scatter, such that chi^2 is what it should be.  In the first
    rounds measurements count less the more they disagree (Cauchy weights), then those beyond 4 standard
    deviations are left out.

    Parameters
    ----------
    matches
        Which measurements are of the same star.
    values, errors
        Measurements and their standard deviations, shape (n,).
    fixed
        Offsets that are known, by index.
    count
        Number of exposures.
    scatter
        The usual scatter.
    """
    system = _System(matches, values, errors, count, dict(fixed), scatter)
    used, deviates = np.ones(len(matches), bool), np.zeros(len(matches))
    for _ in range(_LOOSE):
        weights = 1.0 / (errors**2 + scatter**2) / (1.0 + (deviates / _SOFT) ** 2)
        solution = system.solve(weights)
        scatter = system.robust_scatter(solution)
        deviates = solution.residuals / np.sqrt((errors**2 + scatter**2) * solution.freedom)
    # Of few measurements the scatter is not known well, and large deviates are common.
    limit = _CLIP * (1.0 + _CLIP / max(system.degrees(solution, used), 1))
    for _ in range(_ROUNDS):
        clipped = np.abs(deviates) < limit
        solution = system.solve(np.where(clipped, 1.0 / (errors**2 + scatter**2), 0.0))
        scatter, before = system.excess_scatter(solution, clipped), scatter
        deviates = solution.residuals / np.sqrt((errors**2 + scatter**2) * solution.freedom)
        if np.array_equal(used, clipped) and abs(scatter - before) < 1e-4 * scatter:
            break
        used = clipped
    # The variance of Student's distribution, because the scatter itself is measured.
    degrees = system.degrees(solution, used) + _PRIOR
    covariance = solution.covariance * (degrees / max(degrees - 2.0, 1.0))
    return Adjustment(solution.offsets, covariance, scatter, used)


def connected(count: int, matches: StarMatches, used: np.ndarray | None = None) -> np.ndarray:
    """Return a number for each exposure, shape (n,); those that stars connect have the same."""
    chosen = np.ones(len(matches), bool) if used is None else used
    exposure, star = matches.exposure[chosen], matches.star[chosen]
    total = count + (int(matches.star.max()) + 1 if len(matches) else 0)
    graph = scipy.sparse.coo_array((np.ones(len(star)), (exposure, count + star)), (total, total))
    _, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    numbers: np.ndarray = labels[:count]
    return numbers


def references(
    groups: np.ndarray,
    fixed: Mapping[int, float],
    seen: np.ndarray,
    merit: np.ndarray | None = None,
) -> np.ndarray:
    """Return the index of the exposure that each is relative to, shape (n,).

    It is the first fixed one of a connected group, or that with the most measurements (``seen``), of equal
    ones that with the greatest ``merit``: the order of the exposures may be that of names of files.
    """
    reference = np.empty(len(groups), int)
    for label in np.unique(groups):
        members = np.flatnonzero(groups == label)
        held = [index for index in members if int(index) in fixed]
        most = members[seen[members] == seen[members].max()]
        best = most[0] if merit is None else most[np.argmax(merit[most])]
        reference[members] = held[0] if held else best
    return reference


@dataclasses.dataclass(frozen=True)
class _Solution:
    offsets: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    freedom: np.ndarray
    """Variance of the residuals over that of the measurements: small for a star that one of them decides."""


@dataclasses.dataclass(frozen=True)
class _System:
    """Measurements, and the linear system of the offsets, from which the stars are eliminated."""

    matches: StarMatches
    values: np.ndarray
    errors: np.ndarray
    count: int
    fixed: dict[int, float]
    usual: float

    def solve(self, weights: np.ndarray) -> _Solution:
        exposure, star = self.matches.exposure, self.matches.star
        stars = int(star.max()) + 1 if len(star) else 0
        table = scipy.sparse.coo_array((weights, (star, exposure)), (stars, self.count)).tocsr()
        total = table.sum(axis=1)
        per_star = np.divide(1.0, total, out=np.zeros(stars), where=total > 0.0)
        normal = (
            np.diag(table.sum(axis=0)) - (table.T @ (scipy.sparse.diags_array(per_star) @ table)).toarray()
        )
        mean = np.bincount(star, weights * self.values, stars) * per_star
        right = np.bincount(exposure, weights * (self.values - mean[star]), self.count)
        offsets, covariance = self._offsets(normal, right, weights > 0.0)
        left = self.values - offsets[exposure]
        level = np.bincount(star, weights * np.nan_to_num(left), stars) * per_star
        share = weights * per_star[star]
        # Without a weight, the star is what the others say of it.
        freedom = np.where(weights > 0.0, np.maximum(1.0 - share, 1e-3), 1.0)
        return _Solution(offsets, covariance, left - level[star], freedom)

    def _offsets(
        self, normal: np.ndarray, right: np.ndarray, counted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        labels = connected(self.count, self.matches, counted)
        anchored = np.isin(labels, [labels[index] for index in self.fixed])
        free = np.flatnonzero([ok and index not in self.fixed for index, ok in enumerate(anchored)])
        held = np.array(sorted(self.fixed), int)
        offsets = np.full(self.count, np.nan)
        offsets[held] = [self.fixed[int(index)] for index in held]
        covariance = np.where(np.logical_and.outer(anchored, anchored), 0.0, np.nan)
        inverse = np.linalg.pinv(normal[np.ix_(free, free)], hermitian=True)
        offsets[free] = inverse @ (right[free] - normal[np.ix_(free, held)] @ offsets[held])
        covariance[np.ix_(free, free)] = inverse
        return offsets, covariance

    def robust_scatter(self, solution: _Solution) -> float:
        """Return the scatter that the middle of the residuals shows."""
        squares = solution.residuals**2 / solution.freedom / _NORMAL_MEDIAN
        excess = float(np.nanmedian(squares - self.errors**2)) if len(squares) else 0.0
        return math.sqrt(max(excess, self.usual**2))

    def degrees(self, solution: _Solution, used: np.ndarray) -> int:
        """Return the degrees of freedom of the measurements that are used."""
        stars = len(np.unique(self.matches.star[used]))
        free = int(np.count_nonzero(np.isfinite(solution.offsets))) - len(self.fixed)
        return max(int(np.count_nonzero(used)) - stars - free, 0)

    def excess_scatter(self, solution: _Solution, used: np.ndarray) -> float:
        """Return the scatter with which chi^2 is the number of degrees of freedom."""
        used = used & np.isfinite(solution.residuals)
        squares, variances = solution.residuals[used] ** 2, self.errors[used] ** 2
        degrees = self.degrees(solution, used)

        def surplus(scatter: float) -> float:
            prior = _PRIOR * (self.usual / scatter) ** 2
            return float((squares / (variances + scatter**2)).sum()) + prior - degrees - _PRIOR

        low, high = _FLOOR * self.usual, 100.0 * self.usual
        if surplus(low) <= 0.0:
            return low
        return high if surplus(high) >= 0.0 else float(scipy.optimize.brentq(surplus, low, high))
