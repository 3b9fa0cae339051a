"""Diffraction spikes: straight light that begins at a bright star and fades away from it is no trail."""

from __future__ import annotations

import math

import numpy as np

from .streaks import Streak
from .trail import Line, gather_band

__all__ = ("is_spike",)

_REACH = 1.5  # widths of the PSF, and two pixels more: how near to its star a spike passes
_BEYOND = 0.25  # of its length: how far beyond its ends the star may be, as the light next to it is lost
_CONTRAST = 50.0  # times as bright as the spike is the star, at least
_CORE = 4.0  # widths of the PSF: nearer to the star its own residuals count for more than a spike
_FADES = (
    1.7  # times as bright as its outer half is the inner half of a spike; a trail is as bright everywhere
)
_CLIP = 5.0  # sigma of a pixel, above which it counts no more


def is_spike(
    streak: Streak, difference: np.ndarray, variance: np.ndarray, template: np.ndarray, fwhm: float
) -> bool:
    """Return whether a streak is a diffraction spike of a bright star.

    Spikes turn with the camera and vary with the seeing, so that visits differ in them.  A spike has
    a star on its line that is much brighter than itself, and its light falls off with the distance from it,
    where a trail goes on as it is.

    Parameters
    ----------
    streak
        The streak.
    difference, variance
        The image that it was found in, and its variance, shape (y, x).
    template
        The static sky there, shape (y, x); NaN where it is not known.
    fwhm
        Full width at half maximum of the PSF in pixels.
    """
    line = Line.through(streak.x0, streak.y0, streak.x1, streak.y1)
    half = 0.5 * streak.length
    star = _star(template, line, half, fwhm)
    if star is None:
        return False
    place, peak = star
    if peak < _CONTRAST * streak.amplitude:
        return False
    span = (-half, half)
    bad = np.zeros(difference.shape, dtype=bool)
    band = gather_band(difference, variance, bad, line, span, max(1.0, streak.sigma))
    distance = np.abs(band.along - place)
    farthest = max(abs(end - place) for end in span)
    core = min(_CORE * fwhm, 0.25 * farthest)
    inner, outer = (
        _level(band.value[near], band.weight[near])
        for near in (
            (distance > core) & (distance <= 0.5 * (core + farthest)),
            distance > 0.5 * (core + farthest),
        )
    )
    return inner > _FADES * max(outer, 0.0)


def _star(template: np.ndarray, line: Line, half: float, fwhm: float) -> tuple[float, float] | None:
    """Return where along a line its brightest source is, and how bright it is in its brightest pixel."""
    reach = (1.0 + 2.0 * _BEYOND) * half
    bad = np.zeros(template.shape, dtype=bool)
    equal = np.ones(template.shape, dtype=np.float32)
    band = gather_band(template, equal, bad, line, (-reach, reach), _REACH * fwhm + 2.0)
    if not len(band.value):
        return None
    brightest = int(np.argmax(band.value))
    return float(band.along[brightest]), float(band.value[brightest])


def _level(value: np.ndarray, weight: np.ndarray) -> float:
    """Return the mean of pixels, none of which counts for much more than the others."""
    if not len(value):
        return math.nan
    middle = float(np.median(value))
    limit = _CLIP / np.sqrt(weight)
    return float(np.average(np.clip(value, middle - limit, middle + limit), weights=weight))
