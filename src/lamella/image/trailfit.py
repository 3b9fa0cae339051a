"""Fit of one straight trail in an image: its line, its profile, its ends and its width."""

from __future__ import annotations

import dataclasses
import math
from typing import Self

import numpy as np

from .trail import Band, Line, gather_band

__all__ = ("TrailFit", "fit_trail")

_BETA = 2.5  # exponent of the profile
_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 ** (1.0 / _BETA) - 1.0)
_BLOCK = 5.0  # pixels along a trail
_CLIP = 6.0  # sigma of a pixel: nothing stronger counts for more where the line is looked for


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
class _Scene:
    image: np.ndarray
    variance: np.ndarray
    bad: np.ndarray
    fwhm: float
    half_width: float
    """Of the band that is looked at."""

    def band(self, line: Line, span: tuple[float, float], sigma: float = math.inf) -> Band:
        """Return the pixels near a line, for a profile of some width."""
        reach = min(self.half_width, 4.0 * sigma + 1.5 * self.fwhm)
        return gather_band(self.image, self.variance, self.bad, line, span, reach)


def fit_trail(
    image: np.ndarray,
    variance: np.ndarray,
    bad: np.ndarray,
    line: Line,
    length: float,
    *,
    fwhm: float,
    search: float,
    max_half_width: float,
    floor: float,
) -> TrailFit | None:
    """Fit a trail where a line was found.

    The line is first looked for around its segment, then fitted there, and then followed in steps
    of its own length to where the signal ends.

    Parameters
    ----------
    image, variance, bad
        float32, float32 and bool, shape (y, x).
    line
        About where the trail is; its point is the middle of the segment.
    length
        Length of the segment in pixels.
    fwhm
        Full width at half maximum of the PSF in pixels.
    search
        By how many pixels the ends of the segment may be off.
    max_half_width
        How far from the line to look.
    floor
        The trail ends across where its profile is fainter than this many sigma of a pixel.

    Returns
    -------
    TrailFit or None
        `None` where there is no trail.
    """
    scene = _Scene(image, variance, bad, fwhm, max_half_width)
    span = (-0.5 * length, 0.5 * length)
    sigma = fwhm / _FWHM_PER_SIGMA
    for _ in range(_MAX_STEPS):
        band = scene.band(line, span)
        if len(band.value) < _MIN_PIXELS:
            return None
        line, sigma = _search(band, line, span, search, fwhm, sigma)
        fitted = _fit(scene.band(line, span, sigma), line, sigma, fwhm)
        if fitted is None:
            return None
        line, sigma, amplitude = fitted
        middle = 0.5 * (span[0] + span[1])
        half = 0.5 * (span[1] - span[0])
        chord = line.chord(image.shape)
        wide = (max(middle - 3 * half, chord[0]), min(middle + 3 * half, chord[1]))
        if wide[1] - wide[0] < _BLOCK:
            return None
        profile = _Profile.of(scene.band(line, wide, sigma), wide, sigma, amplitude)
        found = None if profile is None else profile.ends()
        if found is None:
            return None
        settled = 0.8 < (found[1] - found[0]) / (span[1] - span[0]) < 1.2
        # About the middle of what was found, so that slope and place do not depend on each other.
        shift = 0.5 * (found[0] + found[1])
        line = line.moved(shift, 0.0, 0.0)
        span = (found[0] - shift, found[1] - shift)
        search = min(search, 0.5 * fwhm)
        if settled:
            break
    fitted = _fit(scene.band(line, span, sigma), line, sigma, fwhm)
    if fitted is None:
        return None
    line, sigma, amplitude = fitted
    chord = line.chord(image.shape)
    span = (max(span[0], chord[0]), min(span[1], chord[1]))
    if span[1] - span[0] < _BLOCK:
        return None
    profile = _Profile.of(scene.band(line, span, sigma), span, sigma, amplitude)
    if profile is None:
        return None
    significance, evenness = profile.strength()
    return TrailFit(
        line=line,
        start=span[0],
        stop=span[1],
        sigma=sigma,
        amplitude=amplitude,
        half_width=_half_width(scene.band(line, span), floor, fwhm, max_half_width),
        significance=significance,
        evenness=evenness,
    )


_MAX_STEPS = 10
_MIN_PIXELS = 20


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
    places = np.rint(first[:, None] + (last - first)[:, None] * fraction).astype(np.int64) + half
    places = places.clip(0, size - 1)
    found = (-math.inf, 0, sigma)
    for width in (fwhm / _FWHM_PER_SIGMA, 1.7 * fwhm / _FWHM_PER_SIGMA, 3.0 * fwhm / _FWHM_PER_SIGMA):
        kernel = _moffat(np.arange(-half, half + 1) / width)
        signal = _smooth(sums, kernel)[np.arange(blocks), places].sum(axis=1)
        noise = _smooth(counts, kernel**2)[np.arange(blocks), places].sum(axis=1)
        score = signal / np.sqrt(np.maximum(noise, 1.0))
        best = int(np.argmax(score))
        found = max(found, (float(score[best]), -best, width))
    best = -found[1]
    middle, length = 0.5 * (span[0] + span[1]), span[1] - span[0]
    slope = float(last[best] - first[best]) / length
    across = 0.5 * float(first[best] + last[best])
    return line.moved(middle, across, slope).moved(-middle, 0.0, 0.0), found[2]


def _smooth(rows: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    from scipy.ndimage import correlate1d

    smoothed: np.ndarray = correlate1d(rows.astype(np.float64), kernel, axis=1, mode="constant")
    return smoothed


def _moffat(scaled: np.ndarray) -> np.ndarray:
    inverse = 1.0 / (1.0 + scaled * scaled)
    profile: np.ndarray = inverse * inverse * np.sqrt(inverse)
    return profile


def _fit(band: Band, line: Line, sigma: float, fwhm: float) -> tuple[Line, float, float] | None:
    """Fit a trail by damped least squares, without the blocks along it that are unlike the others."""
    if len(band.value) < _MIN_PIXELS:
        return None
    least = 0.5 * fwhm / _FWHM_PER_SIGMA
    # A wider profile is no trail, but a slope of the background.
    most = max(0.6 * float(np.abs(band.across).max()), 2.0 * least)
    scale = max(float(np.abs(band.along).max(initial=1.0)), 1.0)
    parameters = np.array([0.0, 0.0, math.log(sigma)])
    kept = np.ones(len(band.value), dtype=bool)
    state = _linear(band, parameters, scale)
    damping = 1e-3
    for step in range(_MAX_FITS):
        used = band.select(kept)
        if len(used.value) < _MIN_PIXELS:
            return None
        model, jacobian, _ = _model(used, parameters, state, scale)
        root = np.sqrt(used.weight)
        residual = (used.value - model) * root
        jacobian *= root
        normal, right = _products(jacobian, jacobian), _products(jacobian, residual[None])[:, 0]
        change = _solve(normal, right, damping)
        if change is None:
            return None
        limit = np.array([2.0, 2.0, 0.3])
        trial = parameters + np.clip(change[:3], -limit, limit)
        trial[2] = float(np.clip(trial[2], math.log(least), math.log(most)))
        new_state = _linear(used, trial, scale)
        old, new = float((residual * residual).sum()), _chi2(used, trial, new_state, scale)
        if new <= old:
            moved = np.abs(trial - parameters).max()
            parameters, state, damping = trial, new_state, max(damping * 0.1, 1e-9)
            if step % 3 == 2 or moved < 1e-3:
                again = _inliers(band, parameters, state, scale)
                if moved < 1e-5 and np.array_equal(again, kept):
                    break
                kept = again
        else:
            damping *= 10.0
            if damping > 1e6:
                break
    amplitude = state[0]
    if not (amplitude > 0 and np.isfinite(parameters).all() and parameters[2] < math.log(0.99 * most)):
        return None
    found = line.moved(0.0, float(parameters[0]), float(parameters[1]) / scale)
    return found, math.exp(parameters[2]), amplitude


_MAX_FITS = 40


def _profile_of(band: Band, parameters: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    distance = band.across - parameters[0] - parameters[1] * band.along / scale
    return distance, _moffat(distance / math.exp(parameters[2]))


def _linear(band: Band, parameters: np.ndarray, scale: float) -> tuple[float, float]:
    """Return the best amplitude and background for a line and a width."""
    _, profile = _profile_of(band, parameters, scale)
    weighted = band.weight * profile
    terms = (weighted * profile, weighted, band.weight, weighted * band.value, band.weight * band.value)
    sums = [float(term.sum()) for term in terms]
    determinant = sums[0] * sums[2] - sums[1] ** 2
    if not determinant > 0:
        return 0.0, 0.0
    amplitude = (sums[3] * sums[2] - sums[4] * sums[1]) / determinant
    return amplitude, (sums[4] - amplitude * sums[1]) / sums[2]


def _model(
    band: Band, parameters: np.ndarray, state: tuple[float, float], scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the model and its derivatives by place, slope, log width, amplitude, background."""
    sigma = math.exp(parameters[2])
    distance, profile = _profile_of(band, parameters, scale)
    amplitude, base = state
    ratio = distance / sigma
    slope = 2.0 * _BETA * amplitude * profile / (1.0 + ratio**2) * ratio
    columns = (
        slope / sigma,
        slope / sigma * band.along / scale,
        slope * ratio,
        profile,
        np.ones_like(profile),
    )
    return amplitude * profile + base, np.stack(columns), profile


def _products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the scalar products of all rows; a linear algebra library's would depend on its threads."""
    return np.array([[(a * b).sum() for b in second] for a in first])


def _solve(normal: np.ndarray, right: np.ndarray, damping: float) -> np.ndarray | None:
    try:
        change: np.ndarray = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), right)
    except np.linalg.LinAlgError:
        return None
    return change if np.isfinite(change).all() else None


def _chi2(band: Band, parameters: np.ndarray, state: tuple[float, float], scale: float) -> float:
    _, profile = _profile_of(band, parameters, scale)
    residual = band.value - state[0] * profile - state[1]
    return float((band.weight * residual * residual).sum())


def _inliers(band: Band, parameters: np.ndarray, state: tuple[float, float], scale: float) -> np.ndarray:
    """Return which pixels are in blocks along the trail that are like the others: no star, no cosmic ray."""
    _, profile = _profile_of(band, parameters, scale)
    squares = band.weight * (band.value - state[0] * profile - state[1]) ** 2
    block = ((band.along - band.along.min()) / _BLOCK).astype(np.int64)
    counts = np.bincount(block)
    mean = np.bincount(block, squares) / np.maximum(counts, 1)
    filled = mean[counts > 0]
    middle = float(np.median(filled))
    spread = 1.4826 * float(np.median(np.abs(filled - middle)))
    good = mean <= middle + 4.0 * max(spread, 0.05 * middle)
    kept: np.ndarray = good[block]
    return kept


class _Profile:
    """The signal of a trail step by step along it, with steps of one pixel."""

    @classmethod
    def of(cls, band: Band, span: tuple[float, float], sigma: float, amplitude: float) -> Self | None:
        """Measure a trail; `None` where the fit has moved its line off the pixels that have data."""
        return cls(band, span, sigma, amplitude) if len(band.value) >= _MIN_PIXELS else None

    def __init__(self, band: Band, span: tuple[float, float], sigma: float, amplitude: float) -> None:
        self.start = span[0]
        self.amplitude = amplitude
        # Beside the trail: the background of the fit makes up for wings that a trail may not have.
        beside = np.abs(band.across) >= 0.8 * np.abs(band.across).max()
        base = float(np.median(band.value[beside]))
        steps = max(1, math.ceil(span[1] - span[0]))
        index = np.floor(band.along - span[0]).astype(np.int64).clip(0, steps - 1)
        profile = _moffat(band.across / sigma)
        self.information = np.bincount(index, band.weight * profile**2, steps)
        # A pixel counts for no more than some sigma beyond the model: stars on the trail are not the trail.
        error = 1.0 / np.sqrt(band.weight)
        model = amplitude * profile
        value = np.clip(band.value - base, np.minimum(model, 0.0) - 3 * error, model + 3 * error)
        signal = np.bincount(index, band.weight * profile * value, steps)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.level = np.where(self.information > 0, signal / self.information, 0.0)

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
        return self.start + start, self.start + stop

    def strength(self) -> tuple[float, float]:
        """Return the significance, and what is left of it when no part counts for much more than most."""
        level, information = self.level[self.information > 0], self.information[self.information > 0]
        if not len(level):
            return 0.0, 0.0
        noise = math.sqrt(float(information.sum()))
        # Most of a trail is about as bright as its median; a few stars in a row are not.
        middle = float(np.median(level))
        even = np.minimum(level, 2.0 * middle) if middle > _LEAST_MEDIAN * self.amplitude else np.zeros(1)
        return float((level * information).sum()) / noise, float((even * information).sum()) / noise


_FAINT = 3.0
_LEAST_MEDIAN = 0.2


def _half_width(band: Band, floor: float, fwhm: float, limit: float) -> float:
    """Return how far from its line the trail's median profile stands out of the noise."""
    distance = np.rint(np.abs(band.across)).astype(np.int64)
    order = np.argsort(distance, kind="stable")
    scaled = (band.value * np.sqrt(band.weight))[order]
    counts = np.bincount(distance)
    parts = np.split(scaled, np.cumsum(counts)[:-1])
    # Medians, because stars on the trail are no part of its profile.
    profile = np.array([np.median(part) if len(part) else 0.0 for part in parts])
    outer = max(1, len(profile) // 6)
    profile -= np.median(profile[-outer:])
    # Neighbours share noise after resampling, which about doubles the error of the median.
    hidden = np.flatnonzero(profile <= np.maximum(floor, 3.0 * 2.0 / np.sqrt(np.maximum(counts, 1))))
    width = float(hidden[0]) if len(hidden) else float(len(profile))
    return min(max(width + 0.5, fwhm), limit)
