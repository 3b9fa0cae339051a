"""From warps to the records that are stacked: order and weight."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from lsst.images import Box, Interval, SkyProjection

from ..errors import NoInputsError
from ..planes import bits_of
from .archive import Rejection, Warp
from .inputs import CoaddTarget, ExposureId, WarpInput
from .scale import WeightControl, WeightProblem, warp_weight
from .sources import ImageSource

__all__ = ("Prepared", "WeightControl", "input_of", "prepare_inputs", "target_around", "weigh")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Inputs in the order of their identities, and those that were left out."""

    inputs: tuple[WarpInput, ...]
    rejected: tuple[Rejection, ...] = ()
    projection: SkyProjection[Any] | None = None

    def common_target(self) -> CoaddTarget:
        """Return the box around all inputs as the place of the coadd."""
        if self.projection is None:
            raise NoInputsError("The pixel grid of the coadd is unknown: give a target, or whole warps.")
        return target_around([one.source.bbox for one in self.inputs], self.projection)


def target_around(boxes: Sequence[Box], projection: SkyProjection[Any]) -> CoaddTarget:
    """Return the smallest box around some boxes as the place of a coadd."""
    y = Interval.hull(*(edge for box in boxes for edge in (box.y.min, box.y.max)))
    x = Interval.hull(*(edge for box in boxes for edge in (box.x.min, box.x.max)))
    return CoaddTarget(outer_bbox=Box(y, x), projection=projection)


def prepare_inputs(
    warps: Iterable[Warp | WarpInput], control: WeightControl, bad_mask_planes: Sequence[str]
) -> Prepared:
    """Give each warp its weight, and put the inputs in the order of their identities.

    Parameters
    ----------
    warps
        Warps, or records that have a weight already.
    control
        How weights are found.
    bad_mask_planes
        Pixels with one of these planes do not count for the weight.

    Returns
    -------
    Prepared
        The inputs; a warp without a valid weight is among ``rejected``.
    """
    inputs: list[WarpInput] = []
    rejected: list[Rejection] = []
    projection = None
    for warp in warps:
        one = warp if isinstance(warp, WarpInput) else input_of(warp)
        if isinstance(warp, Warp):
            projection = warp.sky_projection
        found = weigh(one, control, bad_mask_planes)
        if isinstance(found, WarpInput):
            inputs.append(found)
        else:
            rejected += found
    inputs.sort(key=lambda one: one.key)
    return Prepared(tuple(inputs), tuple(sorted(rejected)), projection)


def input_of(warp: Warp) -> WarpInput:
    """Return the record of a warp in memory, without a weight."""
    return WarpInput(
        instrument=warp.instrument,
        visit=warp.visit,
        band=warp.band,
        source=ImageSource(warp),
        detectors=warp.detectors,
    )


def weigh(
    one: WarpInput, control: WeightControl, bad_mask_planes: Sequence[str]
) -> WarpInput | list[Rejection]:
    """Return an input with its weight, or why it has none.

    The weight is the inverse of the clipped mean of the variance over the
    pixels that are not masked (AssembleCoadd's ``prepareInputs``).
    """
    if one.weight is not None:
        return one
    planes = one.source.read(one.source.bbox)
    bad = bits_of(one.source.schema, bad_mask_planes, missing_ok=True)
    weight = warp_weight(planes.variance, planes.mask, bad, control, scale=one.scale)
    if not isinstance(weight, WeightProblem):
        return dataclasses.replace(one, weight=weight)
    identities = [(d.id, d.path) for d in one.detectors]
    if not identities:
        identities = [(ExposureId(one.instrument, one.visit, -1), "")]
    return [Rejection(identity, path, "weight", str(weight)) for identity, path in identities]
