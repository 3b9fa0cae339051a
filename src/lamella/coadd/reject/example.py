"""An example of what a rejection does: the place of most artifacts, as it is with them."""

from __future__ import annotations

import dataclasses

import numpy as np
from lsst.images import Box, Image

from .reject import Findings
from .scene import Scene, count_visits

__all__ = ("example_box", "with_example")

_SIDE = 256
"""Largest side of the example in pixels."""
_STEP = 32
"""Pixels from one candidate to the next."""


def with_example(findings: Findings, scene: Scene) -> Findings:
    """Return findings with a part of the coadd as it would be with the artifacts, if there are any."""
    box = example_box(findings, scene.bbox)
    if box is None:
        return findings
    planes = dataclasses.replace(scene, bbox=box).stack()
    return dataclasses.replace(findings, before=Image(planes.image, bbox=box))


def example_box(findings: Findings, bbox: Box) -> Box | None:
    """Return the part of a coadd in which most pixels lost a visit to artifacts; `None` if there is none.

    Parameters
    ----------
    findings
        What was found.
    bbox
        Box of the coadd.
    """
    lost = count_visits(findings.removed, bbox) > 0
    if not lost.any():
        return None
    height, width = (min(_SIDE, side) for side in lost.shape)
    sums = np.zeros((lost.shape[0] + 1, lost.shape[1] + 1), dtype=np.int64)
    sums[1:, 1:] = lost.cumsum(axis=0).cumsum(axis=1)
    y = _starts(lost.shape[0] - height)[:, np.newaxis]
    x = _starts(lost.shape[1] - width)
    inside = sums[y + height, x + width] - sums[y, x + width] - sums[y + height, x] + sums[y, x]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    y0, x0 = bbox.y.start + int(y[row, 0]), bbox.x.start + int(x[column])
    return Box.factory[y0 : y0 + height, x0 : x0 + width]


def _starts(last: int) -> np.ndarray:
    """Return where candidates begin along an axis: at steps, and so that one ends at its end."""
    return np.unique(np.append(np.arange(0, last + 1, _STEP), last))
