"""How much light a unit of one exposure is in units of another, by the stars that they share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from .adjustment import adjust, connected, references
from .star_matches import StarCatalog, StarMatches

__all__ = ("RelativeScales", "relative_scales")

_SCATTER = 0.02
"""Part by which the flux of a star usually differs between exposures beyond its noise: flat fields."""


@dataclasses.dataclass(frozen=True)
class RelativeScales:
    """Relative scales of exposures; arrays of shape (n,), one per catalog."""

    scale: np.ndarray
    """Units of the reference per unit of the exposure; NaN where no star ties it to a reference."""
    covariance: np.ndarray
    """Covariance of the logarithms of the scales, shape (n, n)."""
    reference: np.ndarray
    """Index of the exposure that each is relative to: the first fixed one of those that stars connect, or the
    one whose stars are most often in others, and best measured."""
    stars: np.ndarray
    """Number of stars that tell the scale."""
    scatter: float
    """Relative scatter of the fluxes of a star, beyond their errors."""

    @property
    def error(self) -> np.ndarray:
        """Relative standard deviation of each scale."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def relative_scales(
    catalogs: Sequence[StarCatalog], matches: StarMatches, fixed: Mapping[int, float] | None = None
) -> RelativeScales:
    """Compute the scales of exposures from the stars that they have in common.

    All measurements are adjusted together (`lamella.coadd.adjustment.adjust`): the logarithm of a flux is
    that of the star less that of the scale of its exposure.

    Parameters
    ----------
    catalogs
        Stars of the exposures, ordered by name.
    matches
        Which of them are the same, by `lamella.coadd.star_matches.match_stars`.
    fixed
        Scales that are known, by index; others are tied to them.

    Returns
    -------
    RelativeScales
        Scales and their errors.
    """
    scales = dict(fixed or {})
    count = len(catalogs)
    flux, error = (_gathered(catalogs, matches, name) for name in ("flux", "flux_error"))
    groups = connected(count, matches)
    seen = np.bincount(matches.exposure, minlength=count)
    merit = np.bincount(matches.exposure, (flux / error) ** 2, minlength=count)
    reference = references(groups, scales, seen, merit)
    anchors = {index: -math.log(value) for index, value in scales.items()}
    anchors |= {int(index): 0.0 for index in np.unique(reference) if int(index) not in scales}
    adjusted = adjust(matches, np.log(flux), error / flux, anchors, count=count, scatter=_SCATTER)
    shared = np.array([catalog.shared_error for catalog in catalogs]) ** 2
    covariance = adjusted.covariance + _of_shared(shared, reference)
    free = np.array([index not in anchors for index in range(count)])
    covariance = np.where(np.logical_and.outer(free, free), covariance, 0.0)
    scale = np.exp(-adjusted.offsets)
    scale[list(scales)] = list(scales.values())
    return RelativeScales(
        scale=scale,
        covariance=covariance,
        reference=reference,
        stars=np.bincount(matches.exposure[adjusted.used], minlength=count),
        scatter=adjusted.scatter,
    )


def _gathered(catalogs: Sequence[StarCatalog], matches: StarMatches, name: str) -> np.ndarray:
    """Return an array of the catalogs for each matched measurement."""
    columns = [getattr(catalog, name) for catalog in catalogs]
    values = zip(matches.exposure, matches.row, strict=True)
    return np.array([columns[exposure][row] for exposure, row in values], dtype=float)


def _of_shared(shared: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the covariance of errors that all stars of an exposure share, with those of the references."""
    same = np.equal.outer(reference, reference)
    covariance: np.ndarray = np.diag(shared) + np.where(same, shared[reference], 0.0)
    return covariance
