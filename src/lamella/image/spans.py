"""Sets of pixels that are small beside the image they belong to, as runs of consecutive pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Self

import numpy as np
from lsst.images import Box, Mask

from ..errors import ShapeError
from ..planes import Layout

__all__ = (
    "Runs",
    "SpanMask",
    "disc_widths",
    "grow_runs",
    "join_sorted",
    "merge_runs",
    "no_runs",
    "pixels_of",
    "shared_runs",
    "united_runs",
)


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


def disc_widths(radius: float) -> np.ndarray:
    """Return how far a disc reaches along each of its rows, from the lowest to the highest."""
    rows = np.arange(-int(radius), int(radius) + 1)
    return np.sqrt(radius * radius - rows * rows).astype(np.int64)


def grow_runs(
    y: np.ndarray, x0: np.ndarray, x1: np.ndarray, radius: float, bbox: Box
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Move runs over a disc: rows and columns of the runs that result, and the run each comes from.

    The union of these runs is the dilation of the set by the disc, within the box.
    """
    widths = disc_widths(radius)
    up = np.arange(len(widths)) - int(radius)
    rows = np.add.outer(up, y).ravel()
    first = np.maximum((x0 - widths[:, np.newaxis]).ravel(), bbox.x.start)
    stop = np.minimum((x1 + widths[:, np.newaxis]).ravel(), bbox.x.stop)
    source = np.tile(np.arange(len(y)), len(widths))
    inside = (rows >= bbox.y.start) & (rows < bbox.y.stop) & (first < stop)
    return rows[inside], first[inside], stop[inside], source[inside]


def merge_runs(y: np.ndarray, x0: np.ndarray, x1: np.ndarray) -> Runs:
    """Return the set of pixels that runs cover, which may overlap and be in any order."""
    if len(y) == 0:
        return no_runs()
    order = np.lexsort((x0, y))
    y, x0, x1 = (np.asarray(values, dtype=np.int64)[order] for values in (y, x0, x1))
    bbox = Box.factory[int(y[0]) : int(y[-1]) + 1, int(x0.min()) : int(x1.max())]
    y, x0, x1, _ = join_sorted(y, x0, x1, np.zeros(len(y), dtype=np.int64), bbox)
    return Runs(y, x0, x1)


def shared_runs(first: Runs, second: Runs) -> Runs:
    """Return the pixels that are in both of two sets."""
    if len(first.y) == 0 or len(second.y) == 0:
        return no_runs()
    # All rows one behind the other on a line; the runs of a set do not overlap there.
    least = min(int(first.x0.min()), int(second.x0.min()))
    stride = max(int(first.x1.max()), int(second.x1.max())) - least
    (a0, a1), (b0, b1) = (
        (start + runs.x0, start + runs.x1)
        for runs, start in ((runs, runs.y.astype(np.int64) * stride - least) for runs in (first, second))
    )
    begin, end = np.searchsorted(b1, a0, side="right"), np.searchsorted(b0, a1, side="left")
    number = np.maximum(end - begin, 0)
    # Each pair of runs that share a pixel: the one of the first set, again for each of the second.
    a = np.repeat(np.arange(len(a0)), number)
    b = np.arange(len(a)) - (np.cumsum(number) - number)[a] + begin[a]
    return Runs(first.y[a], np.maximum(first.x0[a], second.x0[b]), np.minimum(first.x1[a], second.x1[b]))


def no_runs() -> Runs:
    """Return a set without any pixel."""
    return Runs(*(np.zeros(0, dtype=np.int32) for _ in range(3)))


def united_runs(*sets: Runs) -> Runs:
    """Return the pixels that are in any of some sets."""
    y, x0, x1 = (np.concatenate([getattr(runs, name) for runs in sets]) for name in ("y", "x0", "x1"))
    return merge_runs(y, x0, x1)


def pixels_of(
    y: np.ndarray, x0: np.ndarray, x1: np.ndarray, bbox: Box
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels of runs that are in a box: row and column from its corner, and the run of each."""
    y, x0, x1 = y - bbox.y.start, x0 - bbox.x.start, x1 - bbox.x.start
    x0, x1 = np.clip(x0, 0, bbox.x.size), np.clip(x1, 0, bbox.x.size)
    length = np.where((y >= 0) & (y < bbox.y.size), x1 - x0, 0).astype(np.int64)
    run = np.repeat(np.arange(len(length)), length)
    step = np.arange(len(run)) - (np.cumsum(length) - length)[run]
    return y[run], x0[run] + step, run


def join_sorted(
    y: np.ndarray, x0: np.ndarray, x1: np.ndarray, label: np.ndarray, bbox: Box
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Join runs that touch; they are sorted by label, row and first column, and lie in the box."""
    if len(y) == 0:
        return y.astype(np.int32), x0.astype(np.int32), x1.astype(np.int32), label
    # All rows of all footprints one behind the other on a line, with a gap after each.
    stride = bbox.x.size + 1
    start = (label * bbox.y.size + (y - bbox.y.start)) * stride - bbox.x.start
    reach = np.maximum.accumulate(start + x1)
    new = np.ones(len(y), dtype=bool)
    new[1:] = start[1:] + x0[1:] > reach[:-1]
    head = np.flatnonzero(new)
    end = reach[np.append(head[1:], len(y)) - 1] - start[head]
    return y[head].astype(np.int32), x0[head].astype(np.int32), end.astype(np.int32), label[head]
