"""The noise of blank sky: what pixels scatter by, against what their variances say."""

from __future__ import annotations

import math

import numpy as np

__all__ = ("clipped_sky", "noise_ratio", "psf_noise_ratio")

_SOURCE_SIGMA = 5.0
_MIN_SAMPLE = 100
_WHOLE = 0.98  # part of a PSF that must lie on usable pixels


def clipped_sky(values: np.ndarray, *, n_sigma: float = 3.0, rounds: int = 5) -> tuple[float, float]:
    """Return median and noise of some pixels, clipped against sources.

    The noise is 1.4826 times the median absolute deviation, and the pixels
    further than ``n_sigma`` of it from the median are left out in the next
    round.

    Parameters
    ----------
    values
        Pixels in any shape; those that are not finite do not count.
    n_sigma
        Where to clip.
    rounds
        How often to clip at most.

    Returns
    -------
    tuple of float
        Median and noise; (NaN, NaN) when no pixel is finite.
    """
    kept = np.sort(values[np.isfinite(values)].astype(np.float64))
    if kept.size == 0:
        return math.nan, math.nan
    for _ in range(rounds):
        centre = _median_of_sorted(kept)
        sigma = 1.4826 * _median_distance(kept, centre)
        low = np.searchsorted(kept, centre - n_sigma * sigma, side="left")
        high = np.searchsorted(kept, centre + n_sigma * sigma, side="right")
        if high - low == kept.size:
            break
        kept = kept[low:high]
    return centre, sigma


def _median_of_sorted(values: np.ndarray) -> float:
    half = values.size // 2
    return float(values[half] if values.size % 2 else 0.5 * (values[half - 1] + values[half]))


def _median_distance(values: np.ndarray, centre: float) -> float:
    """Return the median distance of sorted values from a centre, without sorting the distances."""
    half = values.size // 2
    upper = _nth_distance(values, centre, half + 1)
    return upper if values.size % 2 else 0.5 * (_nth_distance(values, centre, half) + upper)


def _nth_distance(values: np.ndarray, centre: float, n: int) -> float:
    """Return the n-th smallest distance of sorted values from a centre, counted from 1."""
    # The n nearest values stand side by side; find the first of them.
    low, high = 0, values.size - n
    while low < high:
        middle = (low + high) // 2
        if centre - values[middle] > values[middle + n] - centre:
            low = middle + 1
        else:
            high = middle
    return float(max(centre - values[low], values[low + n - 1] - centre))


def noise_ratio(
    image: np.ndarray, weight: np.ndarray, usable: np.ndarray
) -> tuple[float | None, float | None]:
    """Return the scatter of the pixels of blank sky, and its ratio to the predicted one.

    Pixels within 3 pixels of one that is 5 times the scatter above the sky are no blank sky.

    Parameters
    ----------
    image
        Pixels less the sky, shape (y, x); 0 where not usable.
    weight
        Inverse variance; 0 where not usable.
    usable
        Which pixels count.

    Returns
    -------
    tuple
        Scatter in units of the image, and the ratio; `None` where there are less than 100 pixels.
    """
    pixels = image * np.sqrt(weight)
    sky = usable & ~_near_sources(pixels, usable, 3)
    return _sigma(image[sky]), _sigma(pixels[sky])


def psf_noise_ratio(
    image: np.ndarray, weight: np.ndarray, usable: np.ndarray, stamp: np.ndarray
) -> float | None:
    """Return the scatter of point-source fluxes on blank sky, in units of the predicted noise.

    Every pixel is taken as the place of a source.  With inverse variances *w*
    and the PSF *p*, its best flux over the noise of that is
    ``(w I * p) / sqrt(w * p^2)``, where the star is a correlation.  The
    scatter of this is 1 when the pixels' noise is independent and of the
    predicted size.

    Parameters
    ----------
    image, weight, usable
        As for `noise_ratio`.
    stamp
        The PSF, with an odd number of pixels per side, centred on the middle one.

    Returns
    -------
    float or None
        The ratio; `None` where the PSF does not fit, or there is too little sky.
    """
    if any(inner > outer for inner, outer in zip(stamp.shape, image.shape, strict=True)):
        return None
    flipped = stamp[::-1, ::-1]
    found = _convolve(weight * image, flipped)
    information = _convolve(weight, flipped**2)
    on_usable = _convolve(usable.astype(np.float64), flipped**2) / np.sum(stamp**2)
    whole = usable & (on_usable > _WHOLE)
    ratio = np.zeros_like(found)
    ratio[whole] = found[whole] / np.sqrt(information[whole])
    radius = max(3, round(2 * math.sqrt(stamp.sum() ** 2 / np.sum(stamp**2) / math.pi)))
    return _sigma(ratio[whole & ~_near_sources(ratio, whole, radius)])


def _convolve(image: np.ndarray, stamp: np.ndarray) -> np.ndarray:
    """Convolve, with zeros around the image; importing SciPy takes longer than this."""
    whole = [n + m - 1 for n, m in zip(image.shape, stamp.shape, strict=True)]
    fast = [-(-n // 32) * 32 for n in whole]
    full = np.fft.irfft2(np.fft.rfft2(image, fast) * np.fft.rfft2(stamp, fast), fast)
    y, x = ((n - m) // 2 for n, m in zip(whole, image.shape, strict=True))
    part: np.ndarray = full[y : y + image.shape[0], x : x + image.shape[1]]
    return part


def _near_sources(significance: np.ndarray, usable: np.ndarray, radius: int) -> np.ndarray:
    # In units of the scatter, because the predicted noise, which is in question, may be far off.
    limit = _SOURCE_SIGMA * clipped_sky(significance[usable])[1]
    near = significance > limit
    for axis in (0, 1):
        near = _any_within(near, radius, axis)
    return near


def _any_within(flags: np.ndarray, radius: int, axis: int) -> np.ndarray:
    """Return where a flag is set up to ``radius`` pixels away along an axis."""
    margin = [(0, 0), (0, 0)]
    margin[axis] = (radius + 1, radius)
    totals = np.cumsum(np.pad(flags, margin), axis=axis, dtype=np.int32)
    n, width = flags.shape[axis], 2 * radius + 1
    after, before = (np.take(totals, np.arange(n) + shift, axis) for shift in (width, 0))
    found: np.ndarray = after > before
    return found


def _sigma(values: np.ndarray) -> float | None:
    if values.size < _MIN_SAMPLE:
        return None
    sigma = clipped_sky(values)[1]
    return sigma if math.isfinite(sigma) else None
