"""Stars that vary: what differs from the template as a multiple of it is the star, not an artifact."""

from __future__ import annotations

import numpy as np
from lsst.images import Box

from ..config import Config, option
from .footprints import Footprints
from .template import Template

__all__ = ("VariableControl", "unlike_template")


class VariableControl(Config):
    """How a source that varies is told from an artifact on top of it."""

    enabled: bool = option(True, "Whether they are kept; otherwise they are clipped like artifacts.")
    mismatch: float = option(
        0.2,
        "Largest part of the squared difference, beyond noise, that is not a multiple of the template.",
        ge=0,
        le=1,
    )
    foreign: float = option(
        0.3,
        "With a larger part than this it is an artifact on top of a source that may vary; other epochs in "
        "which the source differs do not speak for it.",
        ge=0,
        le=1,
    )
    significance: float = option(
        5.0, "Least signal to noise of the source in one epoch; it is a point of the template.", unit="sigma"
    )
    margin: float = option(
        1.0, "The shape is compared up to this far from the footprint.", unit="pixel", ge=0
    )


def unlike_template(
    footprints: Footprints,
    difference: np.ndarray,
    variance: np.ndarray,
    bbox: Box,
    template: Template,
    control: VariableControl,
) -> np.ndarray:
    """Measure how much of a difference has not the shape of the template.

    The difference d is fitted with a multiple of the template t.  With weights
    w = 1 / variance, the best multiple leaves sum w d^2 - (sum w d t)^2 / sum w t^2.
    What of this is more than noise, relative to sum w d^2, is small for a source that varies.
    An artifact on top of a star is not centred on it, or not as wide.

    Parameters
    ----------
    footprints
        Where the differences are.
    difference, variance
        Matched warp less template, and the variance of that, shape (y, x); NaN is left out.
    bbox
        Box of these two.
    template
        The static sky.
    control
        Options.

    Returns
    -------
    numpy.ndarray
        float64 of shape (footprint,), from 0 to 1; 1 where the template holds no source.
    """
    if not control.enabled or footprints.count == 0:
        return np.ones(footprints.count)
    at = footprints.grow(control.margin, bbox).pixels(bbox)
    within = bbox.slice_within(template.bbox)
    sky = at.of(template.image[within.y, within.x]).astype(np.float64)
    d = at.of(difference).astype(np.float64)
    known = np.isfinite(d) & np.isfinite(sky)
    weight = np.where(known, 1.0 / at.of(variance), 0.0)
    d, sky = np.where(known, d, 0.0), np.where(known, np.maximum(sky, 0.0), 0.0)
    dd, dt, tt = (at.sum(weight * values) for values in (d * d, d * sky, sky * sky))
    number = at.sum(known)
    left = dd - dt * dt / np.maximum(tt, np.finfo(float).tiny)
    noise = number + 3.0 * np.sqrt(2.0 * number)
    is_source = tt > control.significance**2
    part: np.ndarray = np.clip((left - noise) / np.maximum(dd, 1.0), 0.0, 1.0)
    return np.where(is_source, part, 1.0)
