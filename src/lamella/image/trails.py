"""Trails in an image: lines, the pixels near them, and the fit of a line, its profile and its ends."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple, Self

import numpy as np
import scipy

__all__ = ("Band", "Line", "Scene", "TrailFit", "fit_trail", "gather_band", "trail_pixels")

_BETA = 2.5  # exponent of the profile across a trail, that of Moffat: (1 + (d / sigma)^2)^-beta
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 ** (1.0 / _BETA) - 1.0)
_BLOCK = 5.0  # pixels along a trail that are judged together
_CLIP = 6.0  # sigma of a pixel: nothing stronger counts for more where the line is looked for
_MAX_STEPS = 10  # of following a trail: each may triple its length
_MIN_PIXELS = 20  # that five parameters are fitted to
_MAX_FITS = 40  # steps of a fit
_STEP = np.array([2.0, 2.0, 0.3])
"""Most by which a step of a fit moves the line, at its middle and by its slope at its ends (pixels), and the
logarithm of its width: farther away the derivatives of the profile say nothing."""
_FAINT = 3.0  # sigma of a step along a trail: what a bright trail may fall to without ending
_LEAST_MEDIAN = 0.2  # of the amplitude of the fit: with less, most of the line has no trail


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A directed line: a point of it, and its direction (unit vector), in pixels."""

    x: float
    y: float
    dx: float
    dy: float

    @classmethod
    def through(cls, x0: float, y0: float, x1: float, y1: float) -> Line:
        """Return the line from one point to another; its point lies halfway."""
        length = math.hypot(x1 - x0, y1 - y0)
        return cls(0.5 * (x0 + x1), 0.5 * (y0 + y1), (x1 - x0) / length, (y1 - y0) / length)

    def moved(self, along: float, across: float, slope: float) -> Line:
        """Return the line with a new point, shifted to its left and turned by the slope about that point."""
        norm = math.hypot(1.0, slope)
        return Line(
            self.x + along * self.dx - across * self.dy,
            self.y + along * self.dy + across * self.dx,
            (self.dx - slope * self.dy) / norm,
            (self.dy + slope * self.dx) / norm,
        )

    def at(self, along: float) -> tuple[float, float]:
        """Return a point (x, y) at a distance from the line's own."""
        return self.x + along * self.dx, self.y + along * self.dy

    def chord(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Return between which distances from its point the line is within an image."""
        low, high = -math.inf, math.inf
        for origin, step, size in ((self.x, self.dx, shape[1]), (self.y, self.dy, shape[0])):
            if step != 0.0:
                ends = sorted(((-0.5 - origin) / step, (size - 0.5 - origin) / step))
                low, high = max(low, ends[0]), min(high, ends[1])
        return low, high


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """The usable pixels near a line: arrays of shape (pixel,).

    ``along`` and ``across`` are coordinates relative to the line, ``value`` is
    the image, and ``weight`` one over the variance.
    """

    along: np.ndarray
    across: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    def select(self, chosen: np.ndarray) -> Band:
        """Return some of the pixels."""
        return Band(self.along[chosen], self.across[chosen], self.value[chosen], self.weight[chosen])


def trail_pixels(
    line: Line, span: tuple[float, float], half_width: float, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the pixels near a part of a line."""
    ends = np.array([line.at(span[0]), line.at(span[1])])
    steep = abs(line.dy) >= abs(line.dx)
    # Walk along the axis in which the line is longer, and take a run across it at every step.
    major, minor = (1, 0) if steep else (0, 1)
    direction = (line.dx, line.dy)
    reach = half_width * max(abs(line.dx), abs(line.dy)) + 1.0
    first = max(0, math.floor(ends[:, major].min() - reach))
    last = min(shape[0] if steep else shape[1], math.ceil(ends[:, major].max() + reach) + 1)
    steps = np.arange(first, last)
    centre = (line.x, line.y)[minor] + (steps - (line.x, line.y)[major]) * direction[minor] / direction[major]
    wide = math.ceil(half_width / abs(direction[major])) + 1
    other = np.rint(centre).astype(np.int64)[:, None] + np.arange(-wide, wide + 1)
    size = shape[1] if steep else shape[0]
    mine = np.broadcast_to(steps[:, None], other.shape)
    inside = (other >= 0) & (other < size)
    rows, columns = (mine, other) if steep else (other, mine)
    rows, columns = rows[inside], columns[inside]
    along, across = _coordinates(line, rows, columns)
    near = (np.abs(across) <= half_width) & (along >= span[0]) & (along <= span[1])
    return rows[near], columns[near]


def _coordinates(line: Line, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    dx, dy = columns - line.x, rows - line.y
    return dx * line.dx + dy * line.dy, dy * line.dx - dx * line.dy


def gather_band(
    image: np.ndarray,
    variance: np.ndarray,
    line: Line,
    span: tuple[float, float],
    half_width: float,
    bad: np.ndarray | None = None,
) -> Band:
    """Return the usable pixels near a part of a line."""
    rows, columns = trail_pixels(line, span, half_width, image.shape)
    value, noise = image[rows, columns].astype(np.float64), variance[rows, columns].astype(np.float64)
    usable = np.isfinite(value) & np.isfinite(noise) & (noise > 0)
    if bad is not None:
        usable &= ~bad[rows, columns]
    along, across = _coordinates(line, rows[usable], columns[usable])
    return Band(along, across, value[usable], 1.0 / noise[usable])


@dataclasses.dataclass(frozen=True, slots=True)
class TrailFit:
    """A trail: its line, from where to where along it, and its profile.

    The profile is amplitude (1 + (d / sigma)^2)^-2.5 at the distance d; half_width is how far
    from the line the trail stands out of the noise.
    """

    line: Line
    start: float
    stop: float
    sigma: float
    amplitude: float
    half_width: float
    significance: float
    evenness: float


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """An image in which trails are fitted: arrays of shape (y, x), float32, float32 and bool."""

    image: np.ndarray
    variance: np.ndarray
    bad: np.ndarray
    fwhm: float
    """Full width at half maximum of the PSF in pixels."""
    max_half_width: float
    """How far from a line to look, in pixels."""
    floor: float
    """A trail ends across where its profile is fainter than this many sigma of a pixel."""

    def band(self, line: Line, span: tuple[float, float], sigma: float = math.inf) -> Band:
        """Return the pixels near a line, for a profile of a width."""
        # At 4 sigma 0.1 % of the profile is left; the widths of the PSF beyond show the background.
        reach = min(self.max_half_width, 4.0 * sigma + 1.5 * self.fwhm)
        return gather_band(self.image, self.variance, line, span, reach, self.bad)


def fit_trail(scene: Scene, line: Line, length: float, search: float) -> TrailFit | None:
    """Fit a trail where a line was seen.

    The line is first looked for around its segment, then fitted there, and then followed in steps
    of its own length to where the signal ends.

    Parameters
    ----------
    scene
        The image.
    line
        About where the trail is; its point is the middle of the segment.
    length
        Length of the segment in pixels.
    search
        By how many pixels the ends of the segment may be off.

    Returns
    -------
    TrailFit or None
        `None` where there is no trail.
    """
    span = (-0.5 * length, 0.5 * length)
    sigma = scene.fwhm / _FWHM_PER_SIGMA
    for _ in range(_MAX_STEPS):
        band = scene.band(line, span)
        if len(band.value) < _MIN_PIXELS:
            return None
        line, sigma = _search(band, line, span, search, scene.fwhm, sigma)
        fitted = _fit(scene, line, span, sigma)
        if fitted is None:
            return None
        line, sigma, amplitude = fitted
        middle, half = 0.5 * (span[0] + span[1]), 0.5 * (span[1] - span[0])
        profile = _Profile.along(scene, line, (middle - 3 * half, middle + 3 * half), sigma, amplitude)
        ends = None if profile is None else profile.ends()
        if ends is None:
            return None
        # Where a trail goes on beyond its segment, or ends before, it is fitted again, on all of it.
        settled = 0.8 < (ends[1] - ends[0]) / (span[1] - span[0]) < 1.2
        # About the middle between the ends, so that slope and position do not depend on each other.
        shift = 0.5 * (ends[0] + ends[1])
        line = line.moved(shift, 0.0, 0.0)
        span = (ends[0] - shift, ends[1] - shift)
        search = min(search, 0.5 * scene.fwhm)
        if settled:
            break
    fitted = _fit(scene, line, span, sigma)
    if fitted is None:
        return None
    line, sigma, amplitude = fitted
    profile = _Profile.along(scene, line, span, sigma, amplitude)
    if profile is None:
        return None
    significance, evenness = profile.strength()
    span = profile.span
    half_width = _half_width(scene, scene.band(line, span))
    return TrailFit(line, *span, sigma, amplitude, half_width, significance, evenness)


def _search(
    band: Band, line: Line, span: tuple[float, float], reach: float, fwhm: float, sigma: float
) -> tuple[Line, float]:
    """Return the line and the width, from a few, under which there is most signal for its noise."""
    blocks = max(4, min(64, int((span[1] - span[0]) / _BLOCK)))
    block = ((band.along - span[0]) * (blocks / (span[1] - span[0]))).astype(np.int64).clip(0, blocks - 1)
    half = int(np.abs(band.across).max()) + 1
    size = 2 * half + 1
    index = block * size + np.rint(band.across).astype(np.int64) + half
    clipped = np.clip(band.value * np.sqrt(band.weight), -_CLIP, _CLIP)
    sums = np.bincount(index, clipped, blocks * size).reshape(blocks, size)
    counts = np.bincount(index, minlength=blocks * size).reshape(blocks, size)
    level = clipped.mean()
    sums = sums - level * counts
    offsets = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
    first, last = (grid.ravel() for grid in np.meshgrid(offsets, offsets))
    fraction = (np.arange(blocks) + 0.5) / blocks
    positions = np.rint(first[:, None] + (last - first)[:, None] * fraction).astype(np.int64) + half
    positions = positions.clip(0, size - 1)
    strongest = (-math.inf, 0, sigma)
    # From a trail as narrow as the PSF to a wide one: a fit finds its way from the nearest.
    for width in (fwhm / _FWHM_PER_SIGMA, 1.7 * fwhm / _FWHM_PER_SIGMA, 3.0 * fwhm / _FWHM_PER_SIGMA):
        kernel = _moffat(np.arange(-half, half + 1) / width)
        signal = _smooth(sums, kernel)[np.arange(blocks), positions].sum(axis=1)
        noise = _smooth(counts, kernel**2)[np.arange(blocks), positions].sum(axis=1)
        score = signal / np.sqrt(np.maximum(noise, 1.0))
        best = int(np.argmax(score))
        strongest = max(strongest, (float(score[best]), -best, width))
    best = -strongest[1]
    middle, length = 0.5 * (span[0] + span[1]), span[1] - span[0]
    slope = float(last[best] - first[best]) / length
    across = 0.5 * float(first[best] + last[best])
    return line.moved(middle, across, slope).moved(-middle, 0.0, 0.0), strongest[2]


def _smooth(rows: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    smoothed: np.ndarray = scipy.ndimage.correlate1d(rows.astype(np.float64), kernel, axis=1, mode="constant")
    return smoothed


def _moffat(scaled: np.ndarray) -> np.ndarray:
    inverse = 1.0 / (1.0 + scaled * scaled)
    profile: np.ndarray = inverse * inverse * np.sqrt(inverse)
    return profile


class _Model(NamedTuple):
    """A trail on a level background, in the coordinates of a band."""

    parameters: np.ndarray
    """Its distance across at the middle, what is added at the end of the band, and the log of its width."""
    scale: float
    """Half of the length of the band."""
    amplitude: float = 0.0
    base: float = 0.0

    @classmethod
    def best(cls, band: Band, parameters: np.ndarray, scale: float) -> _Model:
        """Return the model with the best amplitude and background for a line and a width."""
        _, profile = cls(parameters, scale).profile(band)
        weighted = band.weight * profile
        terms = (weighted * profile, weighted, band.weight, weighted * band.value, band.weight * band.value)
        sums = [float(term.sum()) for term in terms]
        determinant = sums[0] * sums[2] - sums[1] ** 2
        if not determinant > 0:
            return cls(parameters, scale)
        amplitude = (sums[3] * sums[2] - sums[4] * sums[1]) / determinant
        return cls(parameters, scale, amplitude, (sums[4] - amplitude * sums[1]) / sums[2])

    def profile(self, band: Band) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances from the line, and the profile there."""
        distance = band.across - self.parameters[0] - self.parameters[1] * band.along / self.scale
        return distance, _moffat(distance / math.exp(self.parameters[2]))

    def residual(self, band: Band) -> np.ndarray:
        """Return the image less the model."""
        residual: np.ndarray = band.value - self.amplitude * self.profile(band)[1] - self.base
        return residual

    def step(self, band: Band, damping: float) -> tuple[np.ndarray | None, float]:
        """Return the best change of the parameters (`None` without one), and chi squared before it."""
        sigma = math.exp(self.parameters[2])
        distance, profile = self.profile(band)
        ratio = distance / sigma
        slope = 2.0 * _BETA * self.amplitude * profile / (1.0 + ratio**2) * ratio
        root = np.sqrt(band.weight)
        residual = (band.value - (self.amplitude * profile + self.base)) * root
        derivatives = (slope / sigma, slope / sigma * band.along / self.scale, slope * ratio, profile, 1.0)
        jacobian = [column * root for column in derivatives]
        # Sums and not a product of matrices: a linear algebra library's would depend on its threads.
        normal = np.array([[(a * b).sum() for b in jacobian] for a in jacobian])
        right = np.array([(column * residual).sum() for column in jacobian])
        chi2 = float((residual * residual).sum())
        try:
            change: np.ndarray = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), right)
        except np.linalg.LinAlgError:
            return None, chi2
        return (change[:3] if np.isfinite(change).all() else None), chi2

    def inliers(self, band: Band) -> np.ndarray:
        """Return which pixels are in blocks like the others: without a star or a cosmic ray."""
        squares = band.weight * self.residual(band) ** 2
        block = ((band.along - band.along.min()) / _BLOCK).astype(np.int64)
        counts = np.bincount(block)
        mean = np.bincount(block, squares) / np.maximum(counts, 1)
        filled = mean[counts > 0]
        middle = float(np.median(filled))
        spread = 1.4826 * float(np.median(np.abs(filled - middle)))
        # Without noise all blocks are nearly alike: differences of a fifth are none then.
        good = mean <= middle + 4.0 * max(spread, 0.05 * middle)
        kept: np.ndarray = good[block]
        return kept


def _fit(
    scene: Scene, line: Line, span: tuple[float, float], sigma: float
) -> tuple[Line, float, float] | None:
    """Fit a trail by damped least squares, without the blocks along it that are unlike the others."""
    band = scene.band(line, span, sigma)
    if len(band.value) < _MIN_PIXELS:
        return None
    least = 0.5 * scene.fwhm / _FWHM_PER_SIGMA
    # A wider profile is no trail, but a slope of the background.
    most = max(0.6 * float(np.abs(band.across).max()), 2.0 * least)
    scale = max(float(np.abs(band.along).max(initial=1.0)), 1.0)
    model = _Model.best(band, np.array([0.0, 0.0, math.log(sigma)]), scale)
    kept = np.ones(len(band.value), dtype=bool)
    damping = 1e-3
    for step in range(_MAX_FITS):
        used = band.select(kept)
        if len(used.value) < _MIN_PIXELS:
            return None
        change, chi2 = model.step(used, damping)
        if change is None:
            return None
        parameters = model.parameters + np.clip(change, -_STEP, _STEP)
        parameters[2] = float(np.clip(parameters[2], math.log(least), math.log(most)))
        trial = _Model.best(used, parameters, scale)
        residual = trial.residual(used)
        if float((used.weight * residual * residual).sum()) <= chi2:
            moved = np.abs(parameters - model.parameters).max()
            model, damping = trial, max(damping * 0.1, 1e-9)
            # Outliers stand out of a model that has moved a few steps, or has nowhere to move.
            if step % 3 == 2 or moved < 1e-3:
                again = model.inliers(band)
                if moved < 1e-5 and np.array_equal(again, kept):
                    break
                kept = again
        else:
            damping *= 10.0
            if damping > 1e6:
                break
    across, turn, width = model.parameters.tolist()
    # A width at its limit is that of a slope of the background.
    if not (model.amplitude > 0 and np.isfinite(model.parameters).all() and width < math.log(0.99 * most)):
        return None
    return line.moved(0.0, across, turn / scale), math.exp(width), model.amplitude


class _Profile(NamedTuple):
    """The signal of a trail step by step along it, with steps of one pixel."""

    span: tuple[float, float]
    amplitude: float
    information: np.ndarray
    level: np.ndarray

    @classmethod
    def along(
        cls, scene: Scene, line: Line, span: tuple[float, float], sigma: float, amplitude: float
    ) -> Self | None:
        """Measure a trail; `None` where the fit has moved its line off the pixels that have data."""
        chord = line.chord(scene.image.shape)
        span = (max(span[0], chord[0]), min(span[1], chord[1]))
        if span[1] - span[0] < _BLOCK:
            return None
        band = scene.band(line, span, sigma)
        if len(band.value) < _MIN_PIXELS:
            return None
        # Beside the trail: the background of the fit makes up for wings that a trail may not have.
        beside = np.abs(band.across) >= 0.8 * np.abs(band.across).max()
        base = float(np.median(band.value[beside]))
        steps = max(1, math.ceil(span[1] - span[0]))
        index = np.floor(band.along - span[0]).astype(np.int64).clip(0, steps - 1)
        profile = _moffat(band.across / sigma)
        information = np.bincount(index, band.weight * profile**2, steps)
        # A pixel counts for no more than some sigma beyond the model: stars on the trail are not the trail.
        error = 1.0 / np.sqrt(band.weight)
        model = amplitude * profile
        value = np.clip(band.value - base, np.minimum(model, 0.0) - 3 * error, model + 3 * error)
        signal = np.bincount(index, band.weight * profile * value, steps)
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls(span, amplitude, information, np.where(information > 0, signal / information, 0.0))

    def ends(self) -> tuple[float, float] | None:
        """Return the part of the line where a trail is more likely than none, by most in total."""
        positive = self.information[self.information > 0]
        if not len(positive):
            return None
        # Faint stretches of a bright trail belong to it, too.
        reference = min(self.amplitude, _FAINT / math.sqrt(float(np.median(positive))))
        level = np.clip(self.level, -reference, 2.0 * reference)
        gain = reference * self.information * (level - 0.5 * reference)
        total = np.concatenate([[0.0], np.cumsum(gain)])
        lowest = np.minimum.accumulate(total)
        stop = int(np.argmax(total - lowest))
        if stop == 0:
            return None
        start = int(np.argmin(total[: stop + 1]))
        return self.span[0] + start, self.span[0] + stop

    def strength(self) -> tuple[float, float]:
        """Return the significance, and what is left of it when no step counts for much more than most."""
        level, information = self.level[self.information > 0], self.information[self.information > 0]
        if not len(level):
            return 0.0, 0.0
        noise = math.sqrt(float(information.sum()))
        # Most of a trail is about as bright as its median; a few stars in a row are not.
        middle = float(np.median(level))
        even = np.minimum(level, 2.0 * middle) if middle > _LEAST_MEDIAN * self.amplitude else np.zeros(1)
        return float((level * information).sum()) / noise, float((even * information).sum()) / noise


def _half_width(scene: Scene, band: Band) -> float:
    """Return how far from its line the trail's median profile stands out of the noise."""
    distance = np.rint(np.abs(band.across)).astype(np.int64)
    order = np.argsort(distance, kind="stable")
    scaled = (band.value * np.sqrt(band.weight))[order]
    counts = np.bincount(distance)
    rings = np.split(scaled, np.cumsum(counts)[:-1])
    # Medians, because stars on the trail are no part of its profile.
    profile = np.array([np.median(ring) if len(ring) else 0.0 for ring in rings])
    outer = max(1, len(profile) // 6)
    profile -= np.median(profile[-outer:])
    # Neighbours share noise after resampling, which about doubles the error of the median.
    hidden = np.flatnonzero(profile <= np.maximum(scene.floor, 3.0 * 2.0 / np.sqrt(np.maximum(counts, 1))))
    width = float(hidden[0]) if len(hidden) else float(len(profile))
    return min(max(width + 0.5, scene.fwhm), scene.max_half_width)
