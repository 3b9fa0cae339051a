"""Stars that several exposures have in common, by their positions on the sky."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import scipy

__all__ = ("StarCatalog", "StarMatches", "match_stars")

_SEARCH_PIXELS, _SEARCH_ARCSEC = 10.0, 3.0
"""Exposures may be so far off each other: the larger one counts."""
_TOLERANCE = 1.5
"""Pixels within which stars agree once their exposures' offset is known."""
_LONE = 2.0
"""Pixels within which a single star in common is taken for one."""
_ARCSEC = np.degrees(1.0) * 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class StarCatalog:
    """The stars of one exposure; arrays of shape (n,), float64."""

    name: str
    """Of the exposure; catalogs are ordered by it."""
    visit: str
    """Of the exposures that were pointed together."""
    ra: np.ndarray
    """Degrees."""
    dec: np.ndarray
    position_error: np.ndarray
    """Standard deviation along each axis, arcseconds."""
    flux: np.ndarray
    """In the unit of the exposure; positive."""
    flux_error: np.ndarray
    pixel: float
    """Side of a pixel in arcseconds."""
    shared_error: float = 0.0
    """Relative error of all fluxes together, e.g. of the share of light outside the apertures."""

    @property
    def vectors(self) -> np.ndarray:
        """Unit vectors of the stars, shape (n, 3)."""
        ra, dec = np.radians(self.ra), np.radians(self.dec)
        return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


@dataclasses.dataclass(frozen=True)
class StarMatches:
    """Measurements of stars that are in at least two exposures; arrays of shape (n,)."""

    exposure: np.ndarray
    """Index of the catalog."""
    row: np.ndarray
    """Index in the catalog."""
    star: np.ndarray
    """Number of the star: measurements of one star have the same."""

    def __len__(self) -> int:
        return len(self.exposure)


def match_stars(catalogs: Sequence[StarCatalog]) -> StarMatches:
    """Match the stars of exposures.

    For each pair of exposures, the offset is the one that most pairs of their stars have; then mutual nearest
    neighbours are the same star.

    Parameters
    ----------
    catalogs
        Stars of the exposures.

    Returns
    -------
    StarMatches
        Sorted by star, then exposure; a star that one exposure has twice is left out.
    """
    starts = np.cumsum([0, *(len(catalog.flux) for catalog in catalogs)])
    vectors = [catalog.vectors for catalog in catalogs]
    links: list[np.ndarray] = [np.empty((0, 2), int)]
    circles = [_circle(points) for points in vectors]
    for first, second in itertools.combinations(range(len(catalogs)), 2):
        pixel = max(catalogs[first].pixel, catalogs[second].pixel)
        reach = max(_SEARCH_PIXELS * pixel, _SEARCH_ARCSEC) / _ARCSEC
        (centre, radius), (other, more) = circles[first], circles[second]
        if not float(np.linalg.norm(centre - other)) <= radius + more + reach:
            continue
        rows = _match_pair(vectors[first], vectors[second], reach, pixel / _ARCSEC)
        links.append(rows + np.array([starts[first], starts[second]]))
    return _grouped(np.concatenate(links), starts)


def _circle(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Return middle and radius of a sphere that holds points; it is far away where there are none."""
    if not len(points):
        return np.full(3, np.nan), 0.0
    centre = points.mean(axis=0)
    return centre, float(np.linalg.norm(points - centre, axis=1).max())


def _match_pair(first: np.ndarray, second: np.ndarray, reach: float, pixel: float) -> np.ndarray:
    """Return the rows, shape (n, 2), of the stars that two exposures share; lengths are in radian."""
    none = np.empty((0, 2), int)
    # On the plane that touches the sky at the first star: bright stars of one exposure are near each other.
    flat = [_flattened(vectors, first[0]) for vectors in (first, second)]
    trees = [scipy.spatial.cKDTree(points) for points in flat]
    near = trees[0].sparse_distance_matrix(trees[1], reach, output_type="coo_matrix")
    if near.nnz == 0:
        return none
    offsets = flat[1][near.col] - flat[0][near.row]
    voters = scipy.spatial.cKDTree(offsets).query_ball_point(offsets, _TOLERANCE * pixel)
    votes = [len(item) for item in voters]
    lengths = np.linalg.norm(offsets, axis=1)
    best = min(range(len(votes)), key=lambda index: (-votes[index], lengths[index]))
    if votes[best] == 1 and lengths[best] > _LONE * pixel:
        return none
    agreeing = np.linalg.norm(offsets - offsets[best], axis=1) < _TOLERANCE * pixel
    shift = np.median(offsets[agreeing], axis=0)
    distances, partners = trees[1].query(flat[0] + shift, distance_upper_bound=_TOLERANCE * pixel)
    _, backwards = trees[0].query(flat[1] - shift)
    rows = np.flatnonzero(np.isfinite(distances))
    mutual = rows[backwards[partners[rows]] == rows]
    return np.stack([mutual, partners[mutual]], axis=1)


def _flattened(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return gnomonic coordinates, shape (n, 2); far away where a star is on the other half of the sky."""
    east = np.cross([0.0, 0.0, 1.0], centre)
    east = np.array([1.0, 0.0, 0.0]) if not np.linalg.norm(east) > 1e-9 else east / np.linalg.norm(east)
    depth = np.maximum(vectors @ centre, 1e-3)
    flat: np.ndarray = vectors @ np.stack([east, np.cross(centre, east)], axis=1) / depth[:, np.newaxis]
    return flat


def _grouped(links: np.ndarray, starts: np.ndarray) -> StarMatches:
    """Return the measurements that hang together by links between them."""
    total = int(starts[-1])
    graph = scipy.sparse.coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), (total, total))
    _, label = scipy.sparse.csgraph.connected_components(graph, directed=False)
    nodes = np.unique(links)
    exposure = np.searchsorted(starts, nodes, side="right") - 1
    star = label[nodes]
    _, index, counts = np.unique(np.stack([star, exposure]), axis=1, return_inverse=True, return_counts=True)
    twice = np.unique(star[counts[index.ravel()] > 1])
    kept = ~np.isin(star, twice)
    order = np.lexsort((exposure[kept], star[kept]))
    exposure, star, nodes = exposure[kept][order], star[kept][order], nodes[kept][order]
    _, star = np.unique(star, return_inverse=True)
    return StarMatches(exposure=exposure, row=nodes - starts[exposure], star=star)
