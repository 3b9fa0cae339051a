"""Faint and wide light of single epochs: ghosts, and haloes that move."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy
from lsst.images import Box

from ...image.footprints import Footprints
from ...image.spans import Runs, no_runs
from ...kernels.arrays import SIGMA_OF_QUARTILES
from .compare_control import GhostControl

__all__ = ("Bins", "find_ghosts")

_LEAST_SHARE = 0.25  # of the pixels of a bin that must be sky
_LEAST_AROUND = 3.0  # times as many when nine bins are taken together
_SHARE = 0.5  # of the level around it that a bin of a ghost has
_BINS_ALONG = 3  # that are taken together
_LEAST_BINS = 32  # that a scatter is measured from


@dataclasses.dataclass(frozen=True, slots=True)
class Bins:
    """Sums of one epoch's difference in bins: float64 of shape (3, y, x), as `add_to_bins` makes them."""

    sums: np.ndarray

    @classmethod
    def empty(cls, bbox: Box, size: int) -> Bins:
        """Make bins over a box without any pixel in them."""
        return cls(np.zeros((3, *(-(-side // size) for side in bbox.shape))))


def find_ghosts(epochs: Sequence[Bins], bbox: Box, control: GhostControl, max_epochs: float) -> list[Runs]:
    """Find bins in which single epochs differ from the others.

    A bin's level is compared with the median of the other epochs, and with the other
    bins of its epoch, in units of the scatter that these have, which holds the
    errors of the sky subtraction as well.  Then the same is done with the levels of
    three by three bins, for what is fainter.  What more epochs show than an
    artifact may is left alone.

    Parameters
    ----------
    epochs
        Bins of each epoch.
    bbox
        Box that the bins cover.
    control
        Options.
    max_epochs
        Largest number of epochs in which an artifact may be at one place.

    Returns
    -------
    list of Runs
        For each epoch its pixels with such light.
    """
    if len(epochs) < 2:
        return [no_runs() for _ in epochs]
    cube = np.array([bins.sums for bins in epochs])
    least = _LEAST_SHARE * control.bin_size**2
    fine, _ = _significance(cube, least)
    padded, (rows, columns) = np.pad(cube, ((0, 0), (0, 0), (1, 1), (1, 1))), cube.shape[2:]
    # Of three by three bins together.
    around = sum(
        (padded[..., y : y + rows, x : x + columns] for y in range(3) for x in range(3)),
        start=np.zeros_like(cube),
    )
    coarse, height = _significance(around, _LEAST_AROUND * least)
    if len(epochs) > 2:
        fine, coarse, height = np.abs(fine), np.abs(coarse), np.abs(height)
    outliers = [_outliers(*planes, control) for planes in zip(fine, coarse, height, strict=True)]
    few = sum(flags.astype(np.int32) for flags in outliers) <= max_epochs
    ghosts, size = [], control.bin_size
    for flags in outliers:
        pixels = np.repeat(np.repeat(flags & few, size, axis=0), size, axis=1)
        ghosts.append(Runs.from_array(pixels[: bbox.y.size, : bbox.x.size], bbox))
    return ghosts


def _significance(cube: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the level of bins is from other epochs and other bins: shape (epoch, y, x).

    First in sigma of the levels, then in sigma of a pixel.  NaN where less than a
    number of pixels is known, or no other epoch is.
    """
    total, variance, number = (cube[:, k] for k in range(3))
    number = np.where(number >= least, number, np.nan)
    level, variance = total / number, variance / (number * number)
    # For each epoch the median of the other ones, of an even number the lower one in the middle; NaN where
    # there are none.
    order = np.argsort(level, axis=0, kind="stable")  # NaN last
    rank = np.argsort(order, axis=0, kind="stable")
    ordered = np.take_along_axis(level, order, axis=0)
    measured = np.isfinite(level).sum(axis=0)
    middle = np.maximum(measured - 2, 0) // 2
    # Without an epoch that stands before it, the middle moves up by one.
    median = np.minimum(middle + (rank <= middle), len(level) - 1)
    excess = level - np.where(measured >= 2, np.take_along_axis(ordered, median, axis=0), np.nan)
    for epoch in excess:
        finite = epoch[np.isfinite(epoch)]
        epoch -= np.median(finite) if finite.size else 0.0
    # The variance of the excess of a bin: from its noise, or from the scatter if that is larger.
    spread = variance.copy()
    for epoch, own in zip(excess, spread, strict=True):
        finite = epoch[np.isfinite(epoch)]
        if finite.size >= _LEAST_BINS:
            low, high = np.percentile(finite, (25.0, 75.0))
            np.maximum(own, (SIGMA_OF_QUARTILES * (high - low)) ** 2, out=own)
    return excess / np.sqrt(spread), excess / np.sqrt(variance * number)


def _outliers(fine: np.ndarray, coarse: np.ndarray, height: np.ndarray, control: GhostControl) -> np.ndarray:
    """Return the bins of the large enough sets of outlying bins."""
    grid = Box.factory[0 : fine.shape[0], 0 : fine.shape[1]]
    # NaN fails the tests.  A bin that lies beside a ghost, or that it hardly touches, has not its
    # share of what is around it.
    level = np.where(np.isfinite(fine), fine, -np.inf)
    beside = fine < _SHARE * scipy.ndimage.maximum_filter(level, size=_BINS_ALONG, mode="nearest")
    shares = (coarse > control.threshold) & ~(fine < _SHARE * coarse / _BINS_ALONG)
    low, high = (((fine > limit) & ~beside) | shares for limit in (control.low_threshold, control.threshold))
    ghosts = Footprints.find(low & ~(height < control.floor), grid, high)
    flags = ghosts.select(ghosts.areas >= control.min_bins).runs().to_array(grid)
    # A bin without enough sky within a ghost belongs to it.
    filled: np.ndarray = flags | (scipy.ndimage.binary_fill_holes(flags) & ~np.isfinite(fine))
    return filled
