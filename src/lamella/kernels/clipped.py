"""Clipping of sorted samples: mean, scatter and middle of what is left."""

from __future__ import annotations

import numpy as np

from ._jit import jit
from .arrays import Plane, Row

__all__ = ("clip_ordered", "clipped_variances")

_CLIP = 3.0
_NORMAL_CLIPPED = 1.0136
"""Standard deviation of normal values over that of those within 3 of it."""


@jit
def clip_ordered(ordered: Row, least: float) -> tuple[int, int, float]:
    """Clip a sorted sample around its median, again and again, at 3 standard deviations.

    It goes from the plain scatter inwards: where half of the values are others, the median of the distances
    from the median can be that of either half alone.

    Parameters
    ----------
    ordered
        Sorted values, shape (n,), finite, float32 or float64; not empty.
    least
        Values that are no further from the median are not clipped.

    Returns
    -------
    first, stop
        The values that are left are ``ordered[first:stop]``.
    sigma
        Standard deviation of a normal distribution that was clipped to them.
    """
    first, stop, count, sigma, correction = 0, ordered.size, -1, 0.0, 1.0
    while stop - first != count:
        count = stop - first
        below, above = first + (count - 1) // 2, first + count // 2
        centre = 0.5 * (np.float64(ordered[below]) + np.float64(ordered[above]))
        total, squares = 0.0, 0.0
        for i in range(first, stop):
            distance = np.float64(ordered[i]) - centre
            total += distance
            squares += distance * distance
        sigma = correction * np.sqrt(max(squares / count - (total / count) ** 2, 0.0))
        reach = max(_CLIP * sigma, least)
        correction = _NORMAL_CLIPPED if _CLIP * sigma >= least else 1.0
        while np.float64(ordered[first]) < centre - reach:
            first += 1
        while np.float64(ordered[stop - 1]) > centre + reach:
            stop -= 1
    return first, stop, sigma


@jit
def clipped_variances(samples: Plane, counts: Row, least: float, variances: Row) -> None:
    """Measure the variances of samples, of which each is clipped by `clip_ordered`.

    Parameters
    ----------
    samples
        float32, shape (n, room), each row sorted.
    counts
        int64, shape (n,): so many values of each row count; the variance of none is not written.
    least
        As in `clip_ordered`.
    variances
        float64, shape (n,), written.
    """
    for k in range(counts.size):
        if counts[k] > 0:
            sigma = clip_ordered(samples[k, : counts[k]], least)[2]
            variances[k] = sigma * sigma
