"""Footprints: connected sets of pixels, all those of an image in a few arrays.

They are kept as runs along the rows, each with the number of its footprint, so
that thousands of them are measured, chosen and grown without a loop over them,
and so that they take memory only for what they cover.
"""

from __future__ import annotations

import dataclasses
from typing import Self

import numpy as np
import scipy
from lsst.images import Box

from .spans import Runs, grow_runs, join_sorted, merge_runs, no_runs, pixels_of

__all__ = ("Footprints", "Pixels")

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Footprints:
    """Footprints on one pixel grid.

    Attributes
    ----------
    y, x0, x1
        int32 arrays of shape (run,): row, first column, and the column behind
        the last one, in the tract's pixel frame.
    label
        int64 array of shape (run,): which footprint, from 0.
    count
        Number of footprints.
    """

    y: np.ndarray
    x0: np.ndarray
    x1: np.ndarray
    label: np.ndarray
    count: int

    @classmethod
    def find(cls, flags: np.ndarray, bbox: Box, seeds: np.ndarray | None = None) -> Self:
        """Find the sets of pixels that hang together over sides or corners.

        Parameters
        ----------
        flags
            bool of shape (y, x).
        bbox
            Box of the array.
        seeds
            bool of shape (y, x); only sets that hold one of these pixels are kept.

        Raises
        ------
        ShapeError
            Raised when array and box differ in shape.
        """
        runs = Runs.from_array(flags, bbox)
        labels, number = scipy.ndimage.label(flags, structure=_EIGHT_NEIGHBOURS)
        kept = np.ones(number + 1, dtype=bool)
        if seeds is not None:
            kept[:] = False
            kept[labels[seeds]] = True
        kept[0] = False
        # Those that are kept are numbered from 0, in the order of their first pixels.
        names = np.cumsum(kept) - 1
        # The pixels of a run hang together: they have one label.
        label = labels[runs.y - bbox.y.start, runs.x0 - bbox.x.start]
        chosen = kept[label]
        return cls(
            runs.y[chosen],
            runs.x0[chosen],
            runs.x1[chosen],
            names[label[chosen]].astype(np.int64),
            int(kept.sum()),
        )

    @classmethod
    def none(cls) -> Self:
        """Make an empty set of footprints."""
        runs = no_runs()
        return cls(runs.y, runs.x0, runs.x1, np.zeros(0, dtype=np.int64), 0)

    @property
    def areas(self) -> np.ndarray:
        """Number of pixels of each footprint: int64 of shape (footprint,)."""
        return np.bincount(self.label, self.x1 - self.x0, minlength=self.count).astype(np.int64)

    def runs(self) -> Runs:
        """Return the set of all pixels."""
        return merge_runs(self.y, self.x0, self.x1)

    def select(self, kept: np.ndarray) -> Footprints:
        """Return some of the footprints, in their order; ``kept`` is bool of shape (footprint,)."""
        names = np.cumsum(kept) - 1
        chosen = kept[self.label]
        runs = (self.y[chosen], self.x0[chosen], self.x1[chosen])
        return Footprints(*runs, names[self.label[chosen]].astype(np.int64), int(np.count_nonzero(kept)))

    def pixels(self, bbox: Box) -> Pixels:
        """Return the pixels of all footprints that are in a box."""
        y, x, run = pixels_of(self.y, self.x0, self.x1, bbox)
        return Pixels(y, x, self.label[run], self.count)

    def grow(self, radius: float, bbox: Box) -> Footprints:
        """Return the footprints with all pixels of a box up to a distance; they may then overlap.

        Parameters
        ----------
        radius
            Distance in pixels.
        bbox
            What lies outside of this box is left out.
        """
        y, x0, x1, source = grow_runs(self.y, self.x0, self.x1, radius, bbox)
        label = self.label[source]
        # By footprint first: runs of different footprints may overlap, and are not joined.
        order = np.lexsort((x0, y, label))
        y, x0, x1, label = (values[order] for values in (y, x0, x1, label))
        y, x0, x1, label = join_sorted(y, x0, x1, label, bbox)
        return Footprints(y, x0, x1, label, self.count)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """The pixels of footprints in a box.

    Attributes
    ----------
    y, x
        Index arrays of shape (pixel,) into arrays of the box.
    label
        Number of the footprint of each pixel.
    count
        Number of footprints.
    """

    y: np.ndarray
    x: np.ndarray
    label: np.ndarray
    count: int

    def of(self, plane: np.ndarray) -> np.ndarray:
        """Return the values of a plane of the box."""
        values: np.ndarray = plane[self.y, self.x]
        return values

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Add up values of the pixels by footprint: float64 of shape (footprint,)."""
        return np.bincount(self.label, values, minlength=self.count).astype(np.float64)
