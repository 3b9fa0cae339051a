"""Which detector of a visit each pixel of a warp is from, and the weights that pixels have from that."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pydantic
from lsst.images import Box
from lsst.images.serialization import (
    ArrayReferenceModel,
    InlineArrayModel,
    InputArchive,
    OutputArchive,
)

from ..errors import ShapeError
from ..kernels.resample.merge import owner_steps

__all__ = ("Owners", "WeightRanges", "weight_ranges")


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """The detectors that the pixels of a warp are from, as steps along its rows.

    From a step on, the pixels of its row belong to its detector, up to the next step; those before the
    first step of a row belong to that step's detector, too, and rows without a step to the first detector.
    Of pixels without a measurement nothing is said by that.

    Attributes
    ----------
    y, x
        int32 arrays of shape (step,), sorted by row and column, in the tract's pixel frame.
    detector
        int32 array of shape (step,): index of the detector in the warp's list.
    """

    y: np.ndarray
    x: np.ndarray
    detector: np.ndarray

    @classmethod
    def from_array(cls, owner: np.ndarray, bbox: Box) -> Self:
        """Find the steps in an array.

        Parameters
        ----------
        owner
            int32 of shape (y, x): index of the detector that each pixel is from, -1 for none.
        bbox
            Box of the array.

        Raises
        ------
        ShapeError
            Raised when array and box differ in shape.
        """
        if owner.shape != tuple(bbox.shape):
            raise ShapeError("owner", found=owner.shape, expected=tuple(bbox.shape))
        y, x, detector = owner_steps(np.ascontiguousarray(owner, dtype=np.int32))
        return cls(y + np.int32(bbox.y.start), x + np.int32(bbox.x.start), detector)

    def to_array(self, bbox: Box) -> np.ndarray:
        """Return the index of the detector at each pixel of a box: int32 of shape (y, x)."""
        starts, detector = self.within(bbox)
        lengths = np.diff(starts, append=bbox.area)
        return np.repeat(detector, lengths).reshape(bbox.shape)

    def within(self, bbox: Box) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps of the pixels of a box, row behind row.

        Returns
        -------
        starts : `numpy.ndarray`
            int64, ascending from 0: pixels of the box, in C order, from which on another detector has them.
        detector : `numpy.ndarray`
            int32: the detectors.
        """
        first, last = np.searchsorted(self.y, (bbox.y.start, bbox.y.stop))
        y, x, detector = (values[first:last] for values in (self.y, self.x, self.detector))
        if not y.size:
            return np.zeros(1, np.int64), np.zeros(1, np.int32)
        heads = np.ones(y.size, bool)
        heads[1:] = y[1:] != y[:-1]
        if np.count_nonzero(heads) < bbox.y.size:
            # So that what masked pixels of rows without any measurement weigh does not depend on the box.
            empty = np.setdiff1d(np.arange(bbox.y.start, bbox.y.stop), y[heads])
            y, x, detector = np.append(y, empty), np.append(x, empty * 0), np.append(detector, empty * 0)
            order = np.argsort(y, kind="stable")
            y, x, detector = y[order], x[order], detector[order].astype(np.int32)
            heads = np.append(True, y[1:] != y[:-1])
        column = np.where(heads, 0, x.astype(np.int64) - bbox.x.start).clip(min=0)
        inside = column < bbox.x.size
        starts = (y[inside].astype(np.int64) - bbox.y.start) * bbox.x.size + column[inside]
        detector = detector[inside]
        # Of steps at the same pixel (those left of the box) the last one counts.
        keep = np.ones(starts.size, bool)
        keep[:-1] = starts[1:] != starts[:-1]
        starts, detector = starts[keep], detector[keep]
        starts[0] = 0
        keep = np.ones(starts.size, bool)
        keep[1:] = detector[1:] != detector[:-1]
        return starts[keep], detector[keep]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class WeightRanges:
    """Weights of all inputs of a stack that are not the same at all of its pixels.

    Attributes
    ----------
    weights
        float64 of shape (range, n).
    ends
        int64 of shape (range,): the pixel, in C order, behind the last one of each range; ascending, the
        last one is the number of pixels.
    """

    weights: np.ndarray
    ends: np.ndarray


def weight_ranges(
    inputs: Sequence[tuple[float, Owners | None, Sequence[float]]], bbox: Box
) -> WeightRanges | np.ndarray:
    """Return the weights that some inputs have at the pixels of a box.

    Parameters
    ----------
    inputs
        For each input the weight of all of its pixels; or, where `Owners` are given, these and the weights of
        its detectors.
    bbox
        The box.

    Returns
    -------
    WeightRanges or numpy.ndarray
        One weight per input, of shape (n,), where each input has the same one in all of the box.
    """
    columns: list[tuple[np.ndarray, np.ndarray]] = []
    for weight, owners, of_detectors in inputs:
        starts, values = np.zeros(1, np.int64), np.array([weight], dtype=np.float64)
        if owners is not None:
            starts, detector = owners.within(bbox)
            values = np.asarray(of_detectors, dtype=np.float64)[detector]
        columns.append((starts, values))
    starts = np.unique(np.concatenate([at for at, _ in columns]))
    table = np.stack(
        [values[np.searchsorted(at, starts, side="right") - 1] for at, values in columns], axis=1
    )
    keep = np.ones(starts.size, bool)
    keep[1:] = (table[1:] != table[:-1]).any(axis=1)
    if np.count_nonzero(keep) == 1:
        same: np.ndarray = table[0]
        return same
    starts = starts[keep]
    return WeightRanges(np.ascontiguousarray(table[keep]), np.append(starts[1:], bbox.area))


class OwnersModel(pydantic.BaseModel):
    """Serialized form of `Owners`."""

    steps: ArrayReferenceModel | InlineArrayModel = pydantic.Field(
        description="Row, column and detector of each step: int32 of shape (3, step)."
    )


def serialize_owners(owners: Owners, archive: OutputArchive[Any]) -> OwnersModel:
    steps = np.stack([owners.y, owners.x, owners.detector]).astype(np.int32)
    return OwnersModel(steps=archive.add_array(steps, name="steps"))


def load_owners(model: OwnersModel | None, archive: InputArchive[Any]) -> Owners | None:
    if model is None:
        return None
    return Owners(*np.asarray(archive.get_array(model.steps), dtype=np.int32))
