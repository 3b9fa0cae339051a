"""Correlation of images with a stamp, block by block.

SciPy has it for whole images, and takes longer to import than this takes to run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

__all__ = ("Correlation",)

_SIDE = 256
"""Blocks are at most so wide, in pixels: transforms of much larger ones leave the caches."""


class Correlation:
    """Correlates parts of images with stamps; around the images there are zeros.

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
        around, inside = zip(*map(_around, block, self._reach, self._shape), strict=True)
        self._pixels.fill(0.0)
        product = self._pixels[inside]
        product[...] = factors[0][around]
        for image in factors[1:]:
            product *= image[around]
        np.fft.rfft2(self._pixels, out=self._spectrum)
        self._spectrum *= transform
        np.fft.irfft2(self._spectrum, self._pixels.shape, out=self._pixels)
        # Beyond the block are sums under stamps that reach past the end, where the images begin again.
        rows, columns = (part.stop - part.start for part in block)
        return self._pixels[:rows, :columns]


def _around(part: slice, reach: int, size: int) -> tuple[slice, slice]:
    """Return the pixels under stamps along one axis, and their place if the first stamp begins at 0."""
    start = part.start - reach
    around = slice(max(start, 0), min(part.stop + reach, size))
    return around, slice(around.start - start, around.stop - start)


def _fast_length(least: int) -> int:
    """Return the next length whose transform is fast: a product of 2, 3 and 5."""
    rest = least
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return least if rest == 1 else _fast_length(least + 1)
