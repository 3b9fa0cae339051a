"""Diffraction spikes: straight light that begins at a bright star and fades away from it is no trail."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .streaks import Streak
from .trail import Band, Line, gather_band

__all__ = ("is_spike",)

_REACH = 1.5  # widths of the PSF, and two pixels more: how near to its star a spike passes
_BEYOND = 0.25  # of its length: how far beyond its ends the star may be, as the light next to it is lost
_CONTRAST = 50.0  # times as bright as the spike is the star, at least
_CORE = 4.0  # widths of the PSF: nearer to the star its own residuals count for more than a spike
_CLIP = 5.0  # sigma of a pixel: what is farther from a model counts no more than this
_ACROSS = 0.5  # of its height, by which the light of a line varies within its width
_PASSES = 5  # of a fit of which outliers are held to the clip


def is_spike(
    streak: Streak, difference: np.ndarray, variance: np.ndarray, template: np.ndarray, fwhm: float
) -> bool:
    """Return whether a streak is a diffraction spike of a bright star.

    Spikes turn with the camera and vary with the seeing, so that visits differ in them.  A spike has
    a star on its line that is much brighter than itself, and its light falls off with the distance from it,
    where a trail goes on as it is.  The light that the straight edges of a camera spread falls off with one
    over the distance, more or less; which of the two laws leaves the smaller misfit decides.

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
    beyond = band.select(distance > core)
    # Bright light varies by about as much as its height across a line, whatever the noise.
    spread = 1.0 / beyond.weight + (_ACROSS * streak.amplitude) ** 2
    beyond = dataclasses.replace(beyond, weight=1.0 / spread)
    even, fading = (
        _misfit(beyond, law) for law in (np.ones(len(beyond.value)), 1.0 / distance[distance > core])
    )
    return fading < even


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


def _misfit(band: Band, law: np.ndarray) -> float:
    """Return the chi squared of the best multiple of a law along a line; infinite without pixels."""
    if not len(band.value):
        return math.inf
    limit = _CLIP / np.sqrt(band.weight)
    model = float(np.median(band.value / law)) * law
    for _ in range(_PASSES):
        value = np.clip(band.value, model - limit, model + limit)
        model = np.average(value / law, weights=band.weight * law**2) * law
    value = np.clip(band.value, model - limit, model + limit)
    return float((band.weight * (value - model) ** 2).sum())
