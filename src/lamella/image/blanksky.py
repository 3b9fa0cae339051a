"""The noise of blank sky: what pixels scatter by, against what their variances say."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from ..kernels.arrays import find_near, kernel_array
from ..kernels.order.ordered import OrderedSample

__all__ = ("Correlation", "clipped_sky", "noise_ratio", "psf_noise_ratio")

_SOURCE_SIGMA = 5.0
_MIN_SAMPLE = 100
_TIED = 0.01
"""Where more of the pixels than this equal the median, they come in steps of a fortieth of the noise up."""
_LEAST_TIED = 10
_NORMAL_CLIPPED = 1.0136
"""Standard deviation of normal values over that of those within 3 of it."""
_WHOLE = 0.98  # part of a PSF that must lie on usable pixels
_SIDE = 256
"""Blocks are at most so wide, in pixels: transforms of much larger ones leave the caches."""


def clipped_sky(
    values: np.ndarray, chosen: np.ndarray | None = None, *, n_sigma: float = 3.0, rounds: int = 5
) -> tuple[float, float]:
    """Return median and noise of some pixels, clipped against sources.

    The noise is 1.4826 times the median absolute deviation, and the pixels
    further than ``n_sigma`` of it from the median are left out in the next
    round.  Of pixels that come in steps (whole numbers), median and deviation are
    whole steps too; mean and standard deviation of those that are left stand for them.

    Parameters
    ----------
    values
        Pixels in any shape; those that are not finite do not count.
    chosen
        bool of the same shape: which pixels count; by default all.
    n_sigma
        Where to clip.
    rounds
        How often to clip at most.

    Returns
    -------
    tuple of float
        Median and noise; (NaN, NaN) when no pixel is finite.
    """
    return _clip(OrderedSample(values, chosen), n_sigma, rounds)


def _clip(sample: OrderedSample, n_sigma: float = 3.0, rounds: int = 5) -> tuple[float, float]:
    first, stop = 0, len(sample)
    if stop == 0:
        return math.nan, math.nan
    for _ in range(rounds):
        centre = _median(first, stop, sample.__getitem__)
        distance = functools.partial(_distance, sample, first, stop, centre)
        sigma = 1.4826 * _median(0, stop - first, distance)
        low = max(first, sample.below(centre - n_sigma * sigma))
        high = min(stop, sample.below(centre + n_sigma * sigma, inclusive=True))
        if high - low == stop - first:
            break
        first, stop = low, high
    tied = sample.below(centre, inclusive=True) - sample.below(centre)
    if sigma > 0.0 and tied > max(_LEAST_TIED, _TIED * (stop - first)):
        left = sample.between(first, stop).astype(np.float64)
        centre, sigma = float(left.mean()), _NORMAL_CLIPPED * float(left.std())
    return centre, sigma


def _median(first: int, stop: int, value_of: Callable[[int], float]) -> float:
    """Return the median of values whose ranks go from one to another."""
    half, odd = divmod(stop - first, 2)
    upper = value_of(first + half)
    return upper if odd else 0.5 * (value_of(first + half - 1) + upper)


def _distance(sample: OrderedSample, first: int, stop: int, centre: float, rank: int) -> float:
    """Return the distance of a rank, from 0 for the nearest, of the values of some ranks from a centre."""
    # The nearest values up to it stand side by side; find the first of them.
    low, high = first, stop - rank - 1
    while low < high:
        middle = (low + high) // 2
        if centre - sample[middle] > sample[middle + rank + 1] - centre:
            low = middle + 1
        else:
            high = middle
    return max(centre - sample[low], sample[low + rank] - centre)


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
    pixels = np.sqrt(weight, dtype=np.float64)
    pixels *= image
    sky = usable & ~_near_sources(pixels, usable, 3)
    return _sigma(image, sky), _sigma(pixels, sky)


def psf_noise_ratio(
    image: np.ndarray, weight: np.ndarray, usable: np.ndarray, stamp: np.ndarray
) -> tuple[float | None, float | None]:
    """Return the scatter of point-source fluxes on blank sky, and that in units of the predicted noise.

    Every pixel is taken as the place of a source.  With inverse variances *w*
    and the PSF *p*, its best flux is ``(w I * p) / (w * p^2)``, and that over its
    predicted noise ``(w I * p) / sqrt(w * p^2)``, where the star is a correlation.
    The scatter of the latter is 1 when the pixels' noise is independent and of the
    predicted size.

    Parameters
    ----------
    image, weight, usable
        As for `noise_ratio`.
    stamp
        The PSF, with an odd number of pixels per side, centred on the middle one.

    Returns
    -------
    tuple
        Scatter in units of the image, and the ratio; `None` where the PSF does not fit, or there is too
        little sky.
    """
    if any(inner > outer for inner, outer in zip(stamp.shape, image.shape, strict=True)):
        return None, None
    # Fluxes, fluxes over their noise, and where the PSF is on usable pixels; elsewhere they are 0.
    flux, ratio, whole = np.empty(image.shape), np.empty(image.shape), np.empty(image.shape, bool)
    correlation = Correlation(image.shape, stamp.shape)
    profile, squares = correlation.transform(stamp), correlation.transform(stamp**2)
    enough = _WHOLE * np.sum(stamp**2)
    for block in correlation.blocks():
        on_usable = correlation.of(squares, block, usable)
        np.logical_and(usable[block], on_usable > enough, out=whole[block])
        noise = np.where(whole[block], correlation.of(squares, block, weight), np.inf)
        np.sqrt(noise, out=noise)
        np.divide(correlation.of(profile, block, weight, image), noise, out=ratio[block])
        np.divide(ratio[block], noise, out=flux[block])
    radius = max(3, round(2 * math.sqrt(stamp.sum() ** 2 / np.sum(stamp**2) / math.pi)))
    sky = whole & ~_near_sources(ratio, whole, radius)
    return _sigma(flux, sky), _sigma(ratio, sky)


def _near_sources(significance: np.ndarray, usable: np.ndarray, radius: int) -> np.ndarray:
    # In units of the scatter, because the predicted noise, which is in question, may be far off.
    limit = _SOURCE_SIGMA * clipped_sky(significance, usable)[1]
    near = np.empty(significance.shape, bool)
    find_near(kernel_array(significance), limit, radius, near)
    return near


def _sigma(values: np.ndarray, chosen: np.ndarray) -> float | None:
    sample = OrderedSample(values, chosen)
    return _clip(sample)[1] if len(sample) >= _MIN_SAMPLE else None


class Correlation:
    """Correlates images with stamps, block by block; around the images there are zeros.

    SciPy has it for whole images, and takes longer to import than this takes to run.

    Parameters
    ----------
    shape
        Shape of the images, (y, x).
    stamp_shape
        Shape of the stamps, both odd.
    """

    def __init__(self, shape: tuple[int, ...], stamp_shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._reach = [width // 2 for width in stamp_shape]
        self._steps = [-(-size // -(-size // _SIDE)) for size in shape]
        lengths = [_fast_length(step + 2 * n) for step, n in zip(self._steps, self._reach, strict=True)]
        self._pixels = np.zeros(lengths)
        self._spectrum = self.transform(self._pixels)

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Iterate over parts that the images are to be cut into: their rows and columns."""
        rows, columns = (
            [slice(first, min(first + step, size)) for first in range(0, size, step)]
            for size, step in zip(self._shape, self._steps, strict=True)
        )
        return itertools.product(rows, columns)

    def transform(self, stamp: np.ndarray) -> np.ndarray:
        """Return a stamp as `of` takes it."""
        return np.conj(np.fft.rfft2(stamp, self._pixels.shape))

    def of(self, transform: np.ndarray, block: tuple[slice, slice], *factors: np.ndarray) -> np.ndarray:
        """Return the sums of a product of images under a stamp.

        Parameters
        ----------
        transform
            The stamp, by `transform`.
        block
            The pixels where the middle of the stamp is put: one of `blocks`.
        factors
            The images, finite.

        Returns
        -------
        numpy.ndarray
            float64, of the shape of the block; the next call writes over it.
        """
        around, inside = [], []
        for side, reach, size in zip(block, self._reach, self._shape, strict=True):
            # Under stamps along the axis; the first of them begins at 0.
            pixels = slice(max(side.start - reach, 0), min(side.stop + reach, size))
            around.append(pixels)
            inside.append(slice(pixels.start - side.start + reach, pixels.stop - side.start + reach))
        self._pixels.fill(0.0)
        product = self._pixels[tuple(inside)]
        product[...] = factors[0][tuple(around)]
        for image in factors[1:]:
            product *= image[tuple(around)]
        np.fft.rfft2(self._pixels, out=self._spectrum)
        self._spectrum *= transform
        np.fft.irfft2(self._spectrum, self._pixels.shape, out=self._pixels)
        # Beyond the block are sums under stamps that reach past the end, where the images begin again.
        rows, columns = (side.stop - side.start for side in block)
        return self._pixels[:rows, :columns]


def _fast_length(least: int) -> int:
    """Return the next length whose transform is fast: a product of 2, 3 and 5."""
    rest = least
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return least if rest == 1 else _fast_length(least + 1)
