"""Regions of pixels that are not boxes, as rows of consecutive pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from lsst.images import Box, Mask

from ...errors import GeometryError
from ...image.spans import Runs, merge_runs, no_runs

__all__ = ("Span", "SpanSet", "as_spans")


class Span(NamedTuple):
    """Consecutive pixels of one row, both ends included."""

    y: int
    x0: int
    x1: int


@dataclasses.dataclass(frozen=True)
class SpanSet:
    """A set of pixels as rows of consecutive ones.

    Parameters
    ----------
    spans
        Triples (y, x0, x1), both ends included, in any order; they may overlap.

    Raises
    ------
    GeometryError
        Raised when a span ends before it begins.
    """

    spans: tuple[Span, ...]

    def __init__(self, spans: Iterable[tuple[int, int, int]] = ()) -> None:
        ordered = tuple(sorted({Span(*map(int, span)) for span in spans}))
        for span in ordered:
            if span.x1 < span.x0:
                raise GeometryError(f"The span of row {span.y} from {span.x0} to {span.x1} has no pixel.")
        object.__setattr__(self, "spans", ordered)

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
        return cls.from_runs(Runs.from_array(flags, bbox))

    @classmethod
    def from_box(cls, bbox: Box) -> Self:
        """Make the set of all pixels of a box."""
        return cls((y, bbox.x.min, bbox.x.max) for y in bbox.y.range)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    @classmethod
    def from_runs(cls, runs: Runs) -> Self:
        """Make the set of pixels that the core keeps as runs."""
        return cls(zip(runs.y.tolist(), runs.x0.tolist(), (runs.x1 - 1).tolist(), strict=True))

    @cached_property
    def runs(self) -> Runs:
        """The set in the form of the core."""
        if not self.spans:
            return no_runs()
        y, x0, x1 = np.array(self.spans, dtype=np.int64).T
        return merge_runs(y, x0, x1 + 1)

    def to_array(self, bbox: Box) -> np.ndarray:
        """Return which pixels of a box are in the set: bool of shape (y, x)."""
        return self.runs.to_array(bbox)

    def getArea(self) -> int:
        """Return the number of pixels."""
        return self.runs.area

    def getBBox(self) -> Box:
        """Return the smallest box around the pixels.

        Raises
        ------
        GeometryError
            Raised when there is no pixel.
        """
        if not self.spans:
            raise GeometryError("A set without pixels has no box.")
        y0, y1 = self.spans[0].y, self.spans[-1].y
        x0, x1 = min(span.x0 for span in self.spans), max(span.x1 for span in self.spans)
        return Box.factory[y0 : y1 + 1, x0 : x1 + 1]

    def setMask(self, mask: Mask, plane: str) -> None:
        """Set a plane of a mask on the pixels that lie on it."""
        mask.set(plane, self.to_array(mask.bbox))


def as_spans(region: Any) -> SpanSet:
    """Return a set of pixels from what can stand for one.

    Parameters
    ----------
    region
        A `SpanSet`; `lamella.image.spans.Runs`; a `lsst.images.Box`; a pair of a boolean array and its
        box; a `lsst.images.Mask`, for the pixels with any plane; or triples
        (y, x0, x1).
    """
    if isinstance(region, SpanSet):
        return region
    if isinstance(region, Runs):
        return SpanSet.from_runs(region)
    if isinstance(region, Box):
        return SpanSet.from_box(region)
    if isinstance(region, Mask):
        return SpanSet.from_array(region.array.any(axis=-1), region.bbox)
    if isinstance(region, tuple) and len(region) == 2 and isinstance(region[1], Box):
        return SpanSet.from_array(np.asarray(region[0], dtype=bool), region[1])
    return SpanSet(region)
