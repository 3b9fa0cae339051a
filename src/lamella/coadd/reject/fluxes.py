"""Fluxes of sources beside the template: of a visit as a whole, and of stars that vary."""

from __future__ import annotations

import math

import numpy as np

from ...data.removals import told_apart
from ...data.visit_check import ZERO_POINT
from ...image.footprints import Footprints, Pixels
from .compare_control import FluxControl, VariableControl
from .template import Difference

__all__ = ("flux_notes", "unlike_template")

_ROWS = 4  # from one row to the next that is looked at: a star has several
_LEAST = 50  # pixels that a median is taken of
_ROUNDING = 1e-9  # of a sum of squares: what is left of less is a rounding error


def flux_notes(matched: Difference, bright: np.ndarray, exact: np.ndarray, control: FluxControl) -> list[str]:
    """Return what a user should know of a visit that is brighter or fainter than the template.

    It is compared by the median over pixels, so that single sources that vary do not matter.  The visit
    contributes to the template, and differs more from the other visits.

    Parameters
    ----------
    matched
        Matched warp less template.
    bright
        Bright pixels of the template, bool on its box.
    exact
        Which pixels of the matched warp are not spoiled by lost ones, bool.
    control
        Options.
    """
    frame = matched.template.bbox.y.start - matched.box.y.start
    rows = slice(frame % _ROWS, None, _ROWS)  # the same ones of the template for all visits
    chosen = matched.of_template(bright)[rows] & exact[rows]
    ratio = matched.image[rows][chosen] / matched.of_template(matched.template.image)[rows][chosen]
    ratio = ratio[np.isfinite(ratio)]
    deviation = float(np.median(ratio)) if len(ratio) >= _LEAST else math.nan
    limit = control.max_deviation
    if not abs(deviation) > limit:  # also NaN
        return []
    size, most = told_apart(100 * abs(deviation), 100 * limit)
    sense = "brighter" if deviation > 0 else "fainter"
    return [
        f"Its bright sources are {size} % {sense} than those of the static sky, more than {most} %: "
        f"{ZERO_POINT}"
    ]


def unlike_template(footprints: Footprints, matched: Difference, control: VariableControl) -> np.ndarray:
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
    matched
        Matched warp less template; NaN is left out.
    control
        Options.

    Returns
    -------
    numpy.ndarray
        float64 of shape (footprint,), from 0 to 1; 1 where the template holds no source.
    """
    if not control.enabled or footprints.count == 0:
        return np.ones(footprints.count)
    at = footprints.grow(control.margin, matched.box).pixels(matched.box)
    sky = at.of(matched.of_template(matched.template.image)).astype(np.float64)
    d = at.of(matched.image).astype(np.float64)
    has_value = np.isfinite(d) & np.isfinite(sky)
    weight = np.where(has_value, 1.0 / at.of(matched.noise), 0.0)
    d, sky = np.where(has_value, d, 0.0), np.where(has_value, np.maximum(sky, 0.0), 0.0)
    number, total, of_d, of_sky = (at.sum(values) for values in (has_value, weight, weight * d, weight * sky))
    dd, dt, tt = (at.sum(weight * values) for values in (d * d, d * sky, sky * sky))
    # The mean of chi squared of as many pixels, and three times its scatter.
    noise = number + 3.0 * np.sqrt(2.0 * number)
    total = np.maximum(total, np.finfo(float).tiny)
    centred = dd - of_d**2 / total, dt - of_d * of_sky / total, tt - of_sky**2 / total
    least = _ROUNDING * tt
    unlike = np.maximum(_unexplained(dd, dt, tt, noise, least), _unexplained(*centred, noise, least))
    return np.where(_significance(at, sky, matched) > control.significance, unlike, 1.0)


def _significance(at: Pixels, sky: np.ndarray, matched: Difference) -> np.ndarray:
    """Return the signal to noise, in one epoch, of what the template holds in each footprint.

    The noise of the difference will not do: where visits may differ by half of a source, it holds that, and
    no source of a few pixels is significant, however bright.
    """
    template = matched.template
    variance, epochs = (at.of(matched.of_template(plane)) for plane in (template.variance, template.epochs))
    with np.errstate(invalid="ignore"):  # where there is no epoch
        squares = sky**2 / (variance * epochs)
    significance: np.ndarray = np.sqrt(at.sum(np.nan_to_num(squares)))
    return significance


def _unexplained(
    dd: np.ndarray, dt: np.ndarray, tt: np.ndarray, noise: np.ndarray, least: np.ndarray
) -> np.ndarray:
    """Return the share of sum w d^2 that is neither noise nor the best multiple of t.

    A sum w t^2 of up to ``least`` is a rounding error of nothing.
    """
    explained = np.where(tt > least, dt * dt / np.where(tt > least, tt, 1.0), 0.0)
    share: np.ndarray = np.clip((dd - explained - noise) / np.maximum(dd, 1.0), 0.0, 1.0)
    return share
