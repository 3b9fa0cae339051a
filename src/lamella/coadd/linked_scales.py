"""Scales of detectors that share no star, by the visits that they share."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Collection, Hashable, Sequence

import numpy as np

__all__ = ("LinkedScales", "link_groups")


@dataclasses.dataclass(frozen=True)
class LinkedScales:
    """Scales of exposures whose groups were put on the scale of one; arrays of shape (n,)."""

    scale: np.ndarray
    """Units of the reference per unit of the exposure; NaN where it is not known."""
    reference: np.ndarray
    """Index of the exposure that each is relative to."""
    by_visit: np.ndarray
    """Whether detectors of a visit were taken to be alike for it."""


def link_groups(
    scale: np.ndarray, reference: np.ndarray, visits: Sequence[Hashable], fixed: Collection[int] = ()
) -> LinkedScales:
    """Put groups of exposures on one scale where they have visits in common.

    Stars tie the exposures of a detector to each other, but not to those of another one, which sees another
    part of the sky.  The detectors of a camera are taken to be alike: the median over the visits of the ratio
    of their scales is 1.

    Parameters
    ----------
    scale
        Scales of exposures relative to that of their group, shape (n,); NaN where there is none.
    reference
        Index of the reference of each: it tells the groups apart.
    visits
        Visit of each.
    fixed
        References whose scales are known: these groups stay as they are, and others are put on their scale.
    """
    result = LinkedScales(scale.copy(), reference.copy(), np.zeros(len(scale), bool))
    has_scale = np.isfinite(scale) & (scale > 0)
    groups = [np.flatnonzero(has_scale & (reference == index)) for index in np.unique(reference[has_scale])]
    # The largest first, and of equal ones that of the first exposure.
    groups.sort(key=lambda members: (reference[members[0]] not in fixed, -len(members), members[0]))
    while groups:
        # Those that share no visit with the first one are linked to each other.
        linked = groups.pop(0).tolist()
        while (joined := _next(result.scale, visits, linked, groups)) is not None:
            members, ratio = joined
            groups = [group for group in groups if group is not members]
            if reference[members[0]] not in fixed:
                result.scale[members] *= ratio
                result.reference[members] = result.reference[linked[0]]
                result.by_visit[members] = True
            linked += members.tolist()
    return result


def _next(
    scale: np.ndarray, visits: Sequence[Hashable], linked: list[int], groups: Sequence[np.ndarray]
) -> tuple[np.ndarray, float] | None:
    """Return the first group that shares a visit with linked exposures, and the ratio of their scales."""
    ours = _by_visit(scale, visits, linked)
    for members in groups:
        ratio = _ratio(ours, _by_visit(scale, visits, members))
        if ratio is not None:
            return members, ratio
    return None


def _ratio(ours: dict[Hashable, float], theirs: dict[Hashable, float]) -> float | None:
    """Return by how much scales exceed others in the same visits, given their logarithms by visit."""
    shared = ours.keys() & theirs.keys()
    if not shared:
        return None
    return math.exp(statistics.median(ours[visit] - theirs[visit] for visit in shared))


def _by_visit(
    scale: np.ndarray, visits: Sequence[Hashable], members: Sequence[int] | np.ndarray
) -> dict[Hashable, float]:
    """Return the median logarithm of the scales in each visit."""
    logs: dict[Hashable, list[float]] = {}
    for index in members:
        logs.setdefault(visits[index], []).append(math.log(float(scale[index])))
    return {visit: statistics.median(values) for visit, values in logs.items()}
