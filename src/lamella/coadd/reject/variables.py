"""Stars that vary: what differs from the template as a multiple of it is the star, not an artifact."""

from __future__ import annotations

import numpy as np
from lsst.images import Box

from ...image.footprints import Footprints
from .compare_control import VariableControl
from .template import Template

__all__ = ("unlike_template",)


_ROUNDING = 1e-9


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
    An artifact on top of a star is not centred on it, or not as wide.  The same is done with d and t less
    their means, and the larger part counts: a faint cosmic ray, of which only the peak is looked at, is
    nearly a multiple of any template that is the same all over it.

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
    number, total, of_d, of_sky = (at.sum(values) for values in (known, weight, weight * d, weight * sky))
    dd, dt, tt = (at.sum(weight * values) for values in (d * d, d * sky, sky * sky))
    noise = number + 3.0 * np.sqrt(2.0 * number)
    total = np.maximum(total, np.finfo(float).tiny)
    centred = dd - of_d**2 / total, dt - of_d * of_sky / total, tt - of_sky**2 / total
    least = _ROUNDING * tt
    part = np.maximum(_unexplained(dd, dt, tt, noise, least), _unexplained(*centred, noise, least))
    return np.where(tt > control.significance**2, part, 1.0)


def _unexplained(
    dd: np.ndarray, dt: np.ndarray, tt: np.ndarray, noise: np.ndarray, least: np.ndarray
) -> np.ndarray:
    """Return the part of sum w d^2 that is neither noise nor the best multiple of t.

    A sum w t^2 of up to ``least`` is a rounding error of nothing.
    """
    known = tt > least
    left = dd - np.where(known, dt * dt / np.where(known, tt, 1.0), 0.0)
    part: np.ndarray = np.clip((left - noise) / np.maximum(dd, 1.0), 0.0, 1.0)
    return part
