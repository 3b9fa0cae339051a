"""Sets of pixels that are small beside the image they belong to, as runs of consecutive pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Self

import numpy as np
from lsst.images import Box, Mask

from ..errors import ShapeError
from ..planes import Layout

__all__ = ("Runs", "SpanMask")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """A set of pixels as runs along the rows, sorted by row and column, without overlaps.

    Attributes
    ----------
    y, x0, x1
        int32 arrays of shape (run,): the row, the first column, and the column
        behind the last one, in the tract's pixel frame.
    """

    y: np.ndarray
    x0: np.ndarray
    x1: np.ndarray

    @classmethod
    def from_array(cls, flags: np.ndarray, bbox: Box) -> Self:
        """Make the set of the pixels that are true.

        Parameters
        ----------
        flags
            bool of shape (y, x).
        bbox
            Box of the array.

        Raises
        ------
        ShapeError
            Raised when array and box differ in shape.
        """
        if flags.shape != tuple(bbox.shape):
            raise ShapeError("flags", found=flags.shape, expected=tuple(bbox.shape))
        rows = np.flatnonzero(flags.any(axis=1))
        padded = np.zeros((len(rows), flags.shape[1] + 2), dtype=bool)
        padded[:, 1:-1] = flags[rows]
        # Rows begin and end outside of the set, so that its steps are a start and a stop in turn.
        row, step = np.divmod(np.flatnonzero(padded[:, 1:] != padded[:, :-1]), flags.shape[1] + 1)
        return cls(
            (rows[row[::2]] + bbox.y.start).astype(np.int32),
            (step[::2] + bbox.x.start).astype(np.int32),
            (step[1::2] + bbox.x.start).astype(np.int32),
        )

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.x1.astype(np.int64) - self.x0).sum())

    def to_array(self, bbox: Box) -> np.ndarray:
        """Return which pixels of a box are in the set: bool of shape (y, x)."""
        # Run ends as steps of a sum along the row: no loop over runs.
        steps = np.zeros((bbox.y.size, bbox.x.size + 1), dtype=np.int8)
        first, last = np.searchsorted(self.y, (bbox.y.start, bbox.y.stop))
        x0 = np.clip(self.x0[first:last], bbox.x.start, bbox.x.stop) - bbox.x.start
        x1 = np.clip(self.x1[first:last], bbox.x.start, bbox.x.stop) - bbox.x.start
        row = self.y[first:last] - bbox.y.start
        np.add.at(steps, (row, x0), 1)
        np.add.at(steps, (row, x1), -1)
        flags: np.ndarray = np.cumsum(steps[:, :-1], axis=1, dtype=np.int8).astype(bool)
        return flags


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpanMask:
    """Mask planes of one warp that take memory only where they are set.

    Attributes
    ----------
    planes
        Sets of pixels by the name of the plane.
    """

    planes: Mapping[str, Runs]

    @classmethod
    def from_mask(cls, mask: Mask) -> Self:
        """Make the sets of the planes that are set anywhere in a mask."""
        flags = {name: mask.get(name) for name in mask.schema.names}
        return cls({name: Runs.from_array(plane, mask.bbox) for name, plane in flags.items() if plane.any()})

    def bits(self, bbox: Box, layout: Layout) -> np.ndarray:
        """Return the planes in a box as bits of a mask: int32 of shape (y, x)."""
        mask = np.zeros(bbox.shape, dtype=np.int32)
        for name, runs in self.planes.items():
            mask[runs.to_array(bbox)] |= layout.bits((name,))
        return mask
