"""Straight trails of satellites and meteors in the difference of a warp and a template.

A trail that is fainter than the noise of a pixel still stands out of the
sum along its line.  The image is binned to about the width of the PSF, clipped
so that no single star counts for much, and summed along all lines of some lengths
(`lamella.kernels.lines`).  The strongest line is fitted on the full
resolution, followed to its ends, and masked; then the rest is searched
again, until nothing is left that stands out.  There are no random numbers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np

from ..errors import ShapeError
from ..kernels.lines import bin_significance, strongest_lines
from .options import StreakControl
from .trail import Line, trail_pixels
from .trailfit import TrailFit, fit_trail

__all__ = ("Streak", "Streaks", "find_streaks")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
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
            mask[_streak_pixels(streak, mask.shape)] = True
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Candidate:
    """A segment with a high sum: its ends in bins, and how many sigma."""

    row: float
    column: float
    last_row: float
    last_column: float
    significance: float


class _Finder:
    """The search in one image."""

    def __init__(
        self, image: np.ndarray, variance: np.ndarray, bad: np.ndarray, fwhm: float, control: StreakControl
    ) -> None:
        self.image = np.ascontiguousarray(image, dtype=np.float32)
        self.variance = np.ascontiguousarray(variance, dtype=np.float32)
        self.bad = np.ascontiguousarray(bad, dtype=bool)
        self.fwhm, self.control = fwhm, control
        self.size = control.bin_size or max(1, round(0.85 * fwhm))

    def find(self) -> Streaks:
        """Find, mask, and repeat."""
        mask = np.zeros(self.image.shape, dtype=bool)
        values, weights = self._bins()
        found: list[Streak] = []
        for _ in range(self.control.max_streaks):
            candidate = self._strongest(values, weights)
            if candidate is None:
                break
            streak, fit = self._verify(candidate, mask)
            if streak is None or fit is None:
                _blank(values, weights, candidate)
                continue
            found.append(streak)
            yx = self._pixels(fit)
            mask[yx] = True
            touched = np.unique(yx[0] // self.size * values.shape[1] + yx[1] // self.size)
            values.ravel()[touched] = weights.ravel()[touched] = 0.0
            _blank(values, weights, candidate)
        found.sort(key=lambda one: -one.significance)
        return Streaks(mask, tuple(found))

    def _bins(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the clipped significance of bins, and which of them have data."""
        from scipy.ndimage import uniform_filter

        shape = tuple(-(-side // self.size) for side in self.image.shape)
        values, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        bin_significance(self.image, self.variance, self.bad, self.size, values, weights)
        if not weights.any():
            return values, weights
        box = self.control.background_size
        values = self._clipped(values, weights)
        total, cover = (uniform_filter(plane, box, mode="constant") for plane in (values, weights))
        values -= weights * (total / np.maximum(cover, np.float32(0.5 / box**2)))
        return self._clipped(values, weights), weights

    def _clipped(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return values in units of their spread, none beyond the clip."""
        some = slice(None, None, max(1, values.size // _ENOUGH))
        spread = _spread(values.ravel()[some][weights.ravel()[some] > 0])
        limit = np.float32(self.control.clip)
        clipped: np.ndarray = np.clip(values * np.float32(1.0 / spread), -limit, limit)
        return clipped

    def _strongest(self, values: np.ndarray, weights: np.ndarray) -> _Candidate | None:
        """Return the segment whose sum stands out most, if it does."""
        levels = min(max(values.shape) - 1, self.control.max_segment).bit_length()
        levels = min(levels, self.control.max_segment.bit_length() - 1)
        shortest = self.control.min_length / self.size
        first = max(3, math.ceil(math.log2(shortest) - 0.5))
        if levels < first:
            return None
        searches = [
            _Search.of(plane, cover, levels, first, self.control.min_cover, flipped, turned)
            for plane, cover, flipped, turned in _orientations(values, weights)
        ]
        best: _Candidate | None = None
        for level in range(first, levels + 1):
            samples = np.concatenate([one.samples[level, : one.filled[level]] for one in searches])
            if len(samples) < _MIN_SAMPLES:
                continue
            noise = max(_spread(samples), _MIN_NOISE)
            for one in searches:
                significance = float(one.best[level]) / noise
                if significance > max(self.control.threshold, best.significance if best else 0.0):
                    best = one.candidate(level, values.shape, significance)
        return best

    def _verify(self, candidate: _Candidate, mask: np.ndarray) -> tuple[Streak | None, TrailFit | None]:
        """Fit a candidate; return nothing where it is no streak."""
        half = 0.5 * (self.size - 1)
        ends = [self.size * place + half for place in dataclasses.astuple(candidate)[:4]]
        y0, x0, y1, x1 = ends
        length = math.hypot(x1 - x0, y1 - y0) + self.size
        fit = fit_trail(
            self.image,
            self.variance,
            self.bad | mask,
            Line.through(x0, y0, x1, y1),
            length,
            fwhm=self.fwhm,
            search=1.5 * self.size,
            max_half_width=self._reach,
            floor=self.control.floor,
        )
        if fit is None or fit.stop - fit.start < self.control.min_length:
            return None, None
        if fit.evenness < self.control.min_evenness * self.control.threshold:
            return None, None
        return self._streak(fit, candidate.significance), fit

    @property
    def _reach(self) -> float:
        return self.control.max_half_width * self.fwhm

    def _streak(self, fit: TrailFit, significance: float) -> Streak:
        (x0, y0), (x1, y1) = fit.line.at(fit.start), fit.line.at(fit.stop)
        rho, theta = _normal_form(fit.line, self.image.shape)
        return Streak(
            x0=x0,
            y0=y0,
            x1=x1,
            y1=y1,
            rho=rho,
            theta=theta,
            sigma=fit.sigma,
            amplitude=fit.amplitude,
            half_width=fit.half_width,
            significance=significance,
        )

    def _pixels(self, fit: TrailFit) -> tuple[np.ndarray, np.ndarray]:
        # The ends of a trail are as blurred as its sides.
        span = (fit.start - fit.half_width, fit.stop + fit.half_width)
        return trail_pixels(fit.line, span, fit.half_width, self.image.shape)


def _streak_pixels(streak: Streak, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    reach = 0.5 * streak.length + streak.half_width
    line = Line.through(streak.x0, streak.y0, streak.x1, streak.y1)
    return trail_pixels(line, (-reach, reach), streak.half_width, shape)


_ENOUGH = 100_000  # values that give a spread well enough
_MIN_SAMPLES = 50
_MIN_NOISE = 0.7


@dataclasses.dataclass(frozen=True, slots=True)
class _Search:
    """The strongest lines of one orientation of the bins."""

    best: np.ndarray
    where: np.ndarray
    samples: np.ndarray
    filled: np.ndarray
    flipped: bool
    turned: bool

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        weights: np.ndarray,
        levels: int,
        first: int,
        cover: float,
        flipped: bool,
        turned: bool,
    ) -> _Search:
        room = values.shape[0] * (values.shape[1] + (1 << levels)) // 32 + 4096
        best = np.zeros(levels + 1)
        where = np.zeros((levels + 1, 3), np.int64)
        samples = np.zeros((levels + 1, room), np.float32)
        filled = np.zeros(levels + 1, np.int64)
        strongest_lines(values, weights, levels, first, cover, best, where, samples, filled)
        return cls(best, where, samples, filled, flipped, turned)

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


def _orientations(
    values: np.ndarray, weights: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, bool, bool]]:
    """Return the bins so that each line is steep and leans to the right in one of them."""
    for turned in (False, True):
        planes = (values.T, weights.T) if turned else (values, weights)
        for flipped in (False, True):
            step = -1 if flipped else 1
            first, second = (np.ascontiguousarray(plane[:, ::step]) for plane in planes)
            yield first, second, flipped, turned


def _spread(values: np.ndarray) -> float:
    """Return the standard deviation of a normal distribution with the same quartiles."""
    if not len(values):
        return 1.0
    low, high = np.quantile(values, (0.25, 0.75))
    return max(float(high - low) / 1.349, 1e-6)


def _blank(values: np.ndarray, weights: np.ndarray, candidate: _Candidate) -> None:
    """Take the bins of a segment out, so that the next search finds another one."""
    steps = 2 * max(
        2, math.ceil(abs(candidate.last_row - candidate.row) + abs(candidate.last_column - candidate.column))
    )
    rows = np.rint(np.linspace(candidate.row, candidate.last_row, steps)).astype(np.int64)
    columns = np.rint(np.linspace(candidate.column, candidate.last_column, steps)).astype(np.int64)
    inside = (rows >= 0) & (rows < values.shape[0]) & (columns >= 0) & (columns < values.shape[1])
    values[rows[inside], columns[inside]] = weights[rows[inside], columns[inside]] = 0.0


def _normal_form(line: Line, shape: tuple[int, ...]) -> tuple[float, float]:
    x, y = line.x - 0.5 * (shape[1] - 1), line.y - 0.5 * (shape[0] - 1)
    rho, theta = y * line.dx - x * line.dy, math.degrees(math.atan2(line.dx, -line.dy))
    if theta < 0.0 or theta >= 180.0:
        rho, theta = -rho, theta % 180.0
    return rho, theta
