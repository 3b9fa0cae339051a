"""Whether stated scales of exposures give the stars that they share the same fluxes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .relative_scales import RelativeScales

__all__ = ("contradictions",)

_LEAST = 0.05
"""Relative difference of fluxes from which on it matters."""
_SURE = 5.0


def contradictions(scales: RelativeScales, stated: Mapping[int, float]) -> dict[int, float]:
    """Return the exposures whose stated scale the stars contradict.

    Parameters
    ----------
    scales
        What the stars say, with no scale held.
    stated
        Stated scales, by index; of exposures that are in one unit.

    Returns
    -------
    dict
        By index, the fluxes of stars by the stated scale over those in the other exposures, of which the
        median is taken to be right; of two exposures it is the first.
    """
    wrong: dict[int, float] = {}
    counted = [index for index in stated if scales.stars[index] and math.isfinite(scales.scale[index])]
    for reference in sorted({int(scales.reference[index]) for index in counted}):
        group = [index for index in sorted(counted) if scales.reference[index] == reference]
        excess = np.array([math.log(stated[index] / scales.scale[index]) for index in group])
        excess -= np.median(excess) if len(group) > 2 else excess[0]
        least = min((scales.error[index] for index in group if scales.error[index] > 0.0), default=0.0)
        for index, value in zip(group, excess, strict=True):
            error = max(float(scales.error[index]), least)
            if abs(value) > max(_LEAST, _SURE * error):
                wrong[index] = math.exp(value)
    return wrong
