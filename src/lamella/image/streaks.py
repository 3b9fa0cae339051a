"""Straight trails of satellites and meteors in the difference of a warp and a template.

A trail that is fainter than the noise of a pixel still stands out of the
sum along its line.  The image is binned to about the width of the PSF, clipped
so that no single star counts for much, and summed along all lines of some lengths
(`lamella.kernels.lines`).  The strongest line is fitted on the full
resolution, followed to its ends, and masked; then the rest is searched
again, until nothing is left that stands out.  There are no random numbers.

Diffraction spikes are straight, too, but their light begins at a bright star and fades away from it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy

from ..errors import ShapeError
from ..kernels.lines import bin_significance, strongest_lines
from .options import StreakControl
from .trails import Band, Line, Scene, TrailFit, fit_trail, gather_band, trail_pixels

__all__ = ("Streak", "Streaks", "find_streaks", "is_spike")

_ENOUGH = 100_000  # values that give a spread well enough
_MIN_SAMPLES = 50  # sums along lines that tell their noise
_MIN_NOISE = 0.7  # least noise that sums of clipped bins, each with a noise of 1 or less, are taken to have

# Of spikes.
_REACH = 1.5  # widths of the PSF, and two pixels more: how near to its star a spike passes
_BEYOND = 0.25  # of its length: how far beyond its ends the star may be, as the light next to it is lost
_CONTRAST = 50.0  # times as bright as the spike is the star, at least
_CORE = 4.0  # widths of the PSF: nearer to the star its own residuals count for more than a spike
_CLIP = 5.0  # sigma of a pixel: what is farther from a model counts no more than this
_ACROSS = 0.5  # of its height, by which the light of a line varies within its width
_PASSES = 5  # of a fit of which outliers are held to the clip


@dataclasses.dataclass(frozen=True, slots=True)
class Streak:
    """One streak.

    Attributes
    ----------
    x0, y0, x1, y1
        Its ends in pixels of the array, centres of pixels at integers.
    rho, theta
        Distance of the line from the centre of the array in pixels, and the direction of the
        line's normal in degrees: x cos(theta) + y sin(theta) = rho, with x and y from the centre;
        0 <= theta < 180.
    sigma, amplitude
        Across it has the profile amplitude (1 + (d / sigma)^2)^-2.5, in the unit of the image.
    half_width
        Pixels on either side of the line that are masked.
    significance
        Of the sum along the line, in units of the measured noise of such sums.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    rho: float
    theta: float
    sigma: float
    amplitude: float
    half_width: float
    significance: float

    @property
    def length(self) -> float:
        """Pixels."""
        return math.hypot(self.x1 - self.x0, self.y1 - self.y0)


@dataclasses.dataclass(frozen=True)
class Streaks:
    """All streaks of an image.

    Attributes
    ----------
    mask
        bool of shape (y, x): their pixels.
    lines
        The streaks, the strongest first.
    """

    mask: np.ndarray
    lines: tuple[Streak, ...]

    def select(self, chosen: Callable[[Streak], bool]) -> Streaks:
        """Return some of the streaks, with the pixels of these alone."""
        lines = tuple(streak for streak in self.lines if chosen(streak))
        mask = np.zeros_like(self.mask)
        for streak in lines:
            reach = 0.5 * streak.length + streak.half_width
            line = Line.through(streak.x0, streak.y0, streak.x1, streak.y1)
            mask[trail_pixels(line, (-reach, reach), streak.half_width, mask.shape)] = True
        return Streaks(mask, lines)


def find_streaks(
    image: np.ndarray,
    variance: np.ndarray,
    bad: np.ndarray,
    fwhm: float,
    control: StreakControl | None = None,
) -> Streaks:
    """Find straight streaks that are brighter than their surroundings.

    Parameters
    ----------
    image, variance
        A difference image and its variance, of shape (y, x).  The scale of the variance
        does not matter for what is found, only for `Streak.half_width`.
    bad
        bool, the same shape: pixels to leave out; those that are not finite are left out anyway.
    fwhm
        Full width at half maximum of the PSF in pixels.
    control
        Options.

    Returns
    -------
    Streaks
        The mask includes pixels that are bad.

    Raises
    ------
    ShapeError
        Raised when the arrays differ in shape or are not two-dimensional.
    """
    control = control or StreakControl()
    for name, array in (("variance", variance), ("bad", bad)):
        if array.shape != image.shape or image.ndim != 2:
            raise ShapeError(name, found=array.shape, expected=image.shape)
    return _Finder(image, variance, bad, fwhm, control).find()


class _Candidate(NamedTuple):
    """A segment with a high sum: its ends in bins, and how many sigma."""

    row: float
    column: float
    last_row: float
    last_column: float
    significance: float

    def blank(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Take the bins of the segment out, so that the next search finds another one."""
        # Two steps per bin leave none out.
        steps = 2 * max(2, math.ceil(abs(self.last_row - self.row) + abs(self.last_column - self.column)))
        rows = np.rint(np.linspace(self.row, self.last_row, steps)).astype(np.int64)
        columns = np.rint(np.linspace(self.column, self.last_column, steps)).astype(np.int64)
        inside = (rows >= 0) & (rows < values.shape[0]) & (columns >= 0) & (columns < values.shape[1])
        values[rows[inside], columns[inside]] = weights[rows[inside], columns[inside]] = 0.0


class _Finder:
    """The search in one image."""

    def __init__(
        self, image: np.ndarray, variance: np.ndarray, bad: np.ndarray, fwhm: float, control: StreakControl
    ) -> None:
        image, variance = (np.ascontiguousarray(plane, dtype=np.float32) for plane in (image, variance))
        bad = np.ascontiguousarray(bad, dtype=bool)
        self.scene = Scene(image, variance, bad, fwhm, control.max_half_width * fwhm, control.floor)
        self.control = control
        self.size = control.bin_size or max(1, round(0.85 * fwhm))

    def find(self) -> Streaks:
        """Find, mask, and repeat."""
        shape = self.scene.image.shape
        mask = np.zeros(shape, dtype=bool)
        values, weights = self._bins()
        streaks: list[Streak] = []
        for _ in range(self.control.max_streaks):
            candidate = self._strongest(values, weights)
            if candidate is None:
                break
            fit = self._verify(candidate, mask)
            if fit is not None:
                line = fit.line
                x, y = line.x - 0.5 * (shape[1] - 1), line.y - 0.5 * (shape[0] - 1)
                rho, theta = y * line.dx - x * line.dy, math.degrees(math.atan2(line.dx, -line.dy))
                if theta < 0.0 or theta >= 180.0:
                    rho, theta = -rho, theta % 180.0
                ends = (*line.at(fit.start), *line.at(fit.stop))
                profile = fit.sigma, fit.amplitude, fit.half_width
                streaks.append(Streak(*ends, rho, theta, *profile, candidate.significance))
                # The ends of a trail are as blurred as its sides.
                span = (fit.start - fit.half_width, fit.stop + fit.half_width)
                yx = trail_pixels(fit.line, span, fit.half_width, shape)
                mask[yx] = True
                touched = np.unique(yx[0] // self.size * values.shape[1] + yx[1] // self.size)
                values.ravel()[touched] = weights.ravel()[touched] = 0.0
            candidate.blank(values, weights)
        streaks.sort(key=lambda streak: -streak.significance)
        return Streaks(mask, tuple(streaks))

    def _bins(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the clipped significance of bins, and which of them have data."""
        scene = self.scene
        shape = tuple(-(-side // self.size) for side in scene.image.shape)
        values, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        bin_significance(scene.image, scene.variance, scene.bad, self.size, values, weights)
        if not weights.any():
            return values, weights
        box = self.control.background_size
        values = self._clipped(values, weights)
        total, cover = (
            scipy.ndimage.uniform_filter(plane, box, mode="constant") for plane in (values, weights)
        )
        # Half a bin with data is less than any box has that holds one: it keeps zero from zero apart.
        values -= weights * (total / np.maximum(cover, np.float32(0.5 / box**2)))
        return self._clipped(values, weights), weights

    def _clipped(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return values in units of their spread, none beyond the clip."""
        sample = slice(None, None, max(1, values.size // _ENOUGH))
        spread = _spread(values.ravel()[sample][weights.ravel()[sample] > 0])
        limit = np.float32(self.control.clip)
        clipped: np.ndarray = np.clip(values * np.float32(1.0 / spread), -limit, limit)
        return clipped

    def _strongest(self, values: np.ndarray, weights: np.ndarray) -> _Candidate | None:
        """Return the segment whose sum stands out most, if it does."""
        control = self.control
        levels = min(max(values.shape) - 1, control.max_segment).bit_length()
        levels = min(levels, control.max_segment.bit_length() - 1)
        # Of the lengths that there are, powers of two, the one that is nearest to the shortest streak's.
        first = max(3, math.ceil(math.log2(control.min_length / self.size) - 0.5))
        if levels < first:
            return None
        searches = [
            _Search.run(values, weights, range(first, levels + 1), control.min_cover, turned, flipped)
            for turned, flipped in itertools.product((False, True), repeat=2)
        ]
        best: _Candidate | None = None
        for level in range(first, levels + 1):
            samples = np.concatenate([search.samples[level, : search.filled[level]] for search in searches])
            if len(samples) < _MIN_SAMPLES:
                continue
            noise = max(_spread(samples), _MIN_NOISE)
            for search in searches:
                significance = float(search.best[level]) / noise
                if significance > max(control.threshold, best.significance if best else 0.0):
                    best = search.candidate(level, values.shape, significance)
        return best

    def _verify(self, candidate: _Candidate, mask: np.ndarray) -> TrailFit | None:
        """Fit a candidate; return `None` where it is no streak."""
        control, half = self.control, 0.5 * (self.size - 1)
        y0, x0, y1, x1 = (self.size * bin_ + half for bin_ in candidate[:4])
        length = math.hypot(x1 - x0, y1 - y0) + self.size
        scene = dataclasses.replace(self.scene, bad=self.scene.bad | mask)
        fit = fit_trail(scene, Line.through(x0, y0, x1, y1), length, search=1.5 * self.size)
        if fit is None or fit.stop - fit.start < control.min_length:
            return None
        return fit if fit.evenness >= control.min_evenness * control.threshold else None


class _Search(NamedTuple):
    """The strongest lines of one orientation of the bins, by level (binary logarithm of their rows)."""

    best: np.ndarray
    where: np.ndarray
    samples: np.ndarray
    filled: np.ndarray
    turned: bool
    flipped: bool

    @classmethod
    def run(
        cls, values: np.ndarray, weights: np.ndarray, levels: range, cover: float, turned: bool, flipped: bool
    ) -> _Search:
        """Search bins turned and flipped so that lines are steep and lean to the right."""
        values, weights = (
            np.ascontiguousarray((plane.T if turned else plane)[:, :: -1 if flipped else 1])
            for plane in (values, weights)
        )
        count, top = levels.stop, levels.stop - 1
        room = values.shape[0] * (values.shape[1] + (1 << top)) // 32 + 4096
        best, where = np.zeros(count), np.zeros((count, 3), np.int64)
        samples, filled = np.zeros((count, room), np.float32), np.zeros(count, np.int64)
        strongest_lines(values, weights, top, levels.start, cover, best, where, samples, filled)
        return cls(best, where, samples, filled, turned, flipped)

    def candidate(self, level: int, shape: tuple[int, ...], significance: float) -> _Candidate:
        """Return the best line of a level in the orientation of the image."""
        row, column, slope = (float(v) for v in self.where[level])
        last_row, last_column = row + (1 << level) - 1, column + slope
        if self.flipped:
            edge = shape[0 if self.turned else 1] - 1
            column, last_column = edge - column, edge - last_column
        if self.turned:
            row, column, last_row, last_column = column, row, last_column, last_row
        return _Candidate(row, column, last_row, last_column, significance)


def _spread(values: np.ndarray) -> float:
    """Return the standard deviation of a normal distribution with the same quartiles."""
    if not len(values):
        return 1.0
    low, high = np.quantile(values, (0.25, 0.75))
    return max(float(high - low) / 1.349, 1e-6)


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
    # Where along the line its brightest source is, and how bright that is in its brightest pixel.
    reach = (1.0 + 2.0 * _BEYOND) * half
    equal = np.ones(template.shape, dtype=np.float32)
    stars = gather_band(template, equal, line, (-reach, reach), _REACH * fwhm + 2.0)
    if not len(stars.value):
        return False
    brightest = int(np.argmax(stars.value))
    origin, peak = float(stars.along[brightest]), float(stars.value[brightest])
    if peak < _CONTRAST * streak.amplitude:
        return False
    span = (-half, half)
    band = gather_band(difference, variance, line, span, max(1.0, streak.sigma))
    distance = np.abs(band.along - origin)
    farthest = max(abs(end - origin) for end in span)
    core = min(_CORE * fwhm, 0.25 * farthest)
    beyond = band.select(distance > core)
    # Bright light varies by about as much as its height across a line, whatever the noise.
    spread = 1.0 / beyond.weight + (_ACROSS * streak.amplitude) ** 2
    beyond = dataclasses.replace(beyond, weight=1.0 / spread)
    even, fading = (
        _misfit(beyond, law) for law in (np.ones(len(beyond.value)), 1.0 / distance[distance > core])
    )
    return fading < even


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
