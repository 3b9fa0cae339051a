"""The last usable visit of a pixel stays in the coadd, whatever was found in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from lsst.images import Box, MaskSchema

from ...data.inputs import WarpInput
from ...data.removals import VisitArtifacts
from ...image.planes import overlap
from ...image.runs import pixels_of, shared_runs
from ...image.spans import Runs
from ..stack.tiles import InputReader

__all__ = ("keep_last",)

_DISCARDED = "untested"
"""What a user wants to be without, wherever it is."""


def keep_last(
    artifacts: Sequence[VisitArtifacts],
    inputs: Sequence[WarpInput],
    bbox: Box,
    schema: MaskSchema,
    usable: np.ndarray,
) -> list[VisitArtifacts]:
    """Give pixels that all their visits would lose back to one of them.

    It is the faintest, as light is more often added than taken away; where only one
    visit is usable, it is that one: nothing says that it shows an artifact.

    Parameters
    ----------
    artifacts
        What was found in each input.
    inputs
        The inputs.
    bbox
        Box of the coadd.
    schema
        A schema with all planes of the inputs.
    usable
        Number of inputs with an unmasked value at each pixel: int32 of shape (y, x).

    Returns
    -------
    list of VisitArtifacts
        One for each input.
    """
    lost = np.zeros(bbox.shape, np.int32)
    for one in artifacts:
        lost[_pixels(one, bbox)] += 1
    emptied = (lost >= usable) & (usable > 0)
    if not emptied.any():
        return list(artifacts)
    rows = np.flatnonzero(emptied.any(axis=1))
    band = Box.factory[
        bbox.y.start + int(rows[0]) : bbox.y.start + int(rows[-1]) + 1, bbox.x.start : bbox.x.stop
    ]
    faintest = np.full(bbox.shape, np.inf, np.float32)
    keeper = np.full(bbox.shape, -1, np.int32)
    for index, (source, visit) in enumerate(zip(inputs, artifacts, strict=True)):
        box = overlap(source.source.bbox, band)
        if box is None:
            continue
        at = box.slice_within(bbox)
        image = InputReader(source, schema).read(box).image
        candidate = (emptied & _flags(visit, bbox))[at.y, at.x] & (image < faintest[at.y, at.x])
        faintest[at.y, at.x][candidate] = image[candidate]
        keeper[at.y, at.x][candidate] = index
    return [_without(visit, keeper == index, bbox) for index, visit in enumerate(artifacts)]


def _pixels(one: VisitArtifacts, bbox: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the unmasked pixels that a visit would lose."""
    runs = shared_runs(one.removed, one.valid)
    y, x, _ = pixels_of(runs.y, runs.x0, runs.x1, bbox)
    return y, x


def _flags(one: VisitArtifacts, bbox: Box) -> np.ndarray:
    flags = np.zeros(bbox.shape, dtype=bool)
    flags[_pixels(one, bbox)] = True
    return flags


def _without(one: VisitArtifacts, kept: np.ndarray, bbox: Box) -> VisitArtifacts:
    if not kept.any():
        return one
    kinds = {
        kind: runs if kind == _DISCARDED else Runs.from_array(runs.to_array(bbox) & ~kept, bbox)
        for kind, runs in one.kinds.items()
    }
    return dataclasses.replace(one, kinds=kinds)
