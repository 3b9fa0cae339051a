"""What methods of rejecting artifacts make of simulated epochs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamella.coadd.assemble import scene_of
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject import Findings, find_rejections
from lamella.coadd.reject.reject_control import RejectControl
from lamella.coadd.stack.prepare import prepare_inputs
from lamella.coadd.stack.sources import ImageSource
from lamella.coadd.stack.stack import statistics_stack
from lamella.coadd.stack.stack_control import StackControl
from lamella.coadd.warp.pairs import CommonPsf, with_matched
from lamella.coadd.warp.psfmatch import match_warp
from lamella.data.inputs import WarpInput
from lamella.data.options import WeightControl
from lamella.planes import Layout
from lamella.psf.match_control import MatchControl

from .epochs import Epochs

__all__ = (
    "BAD_PLANES",
    "Outcome",
    "matched_inputs",
    "outcome_of_masks",
    "outcome_of_rejection",
    "outcome_of_statistic",
    "usable_pixels",
    "weighted_mean",
    "weights_of",
)

BAD_PLANES = ("NO_DATA", "BAD", "SATURATED", "DETECTION_EDGE")
"""Planes whose pixels no method uses; they count neither as found nor as lost."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a method made of the epochs.

    Attributes
    ----------
    removed
        Which pixels it left out that could have been used, bool of shape (visit, y, x).
    image
        The coadd, float, of shape (y, x).
    clean
        What the same choice of pixels makes of the epochs without artifacts, of shape (y, x).
    leak
        What artifacts contribute to the coadd, of shape (y, x).
    keeps_list
        Whether ``removed`` is known; a median has no such list.
    """

    removed: np.ndarray
    image: np.ndarray
    clean: np.ndarray
    leak: np.ndarray
    keeps_list: bool = True


def usable_pixels(epochs: Epochs) -> np.ndarray:
    """Return which pixels a coadd could use: bool of shape (visit, y, x)."""
    schema = epochs.warps[0].mask.schema
    good: np.ndarray = (epochs.mask & Layout(schema).bits(BAD_PLANES)) == 0
    return good & np.isfinite(epochs.image) & np.isfinite(epochs.variance)


def weights_of(epochs: Epochs) -> np.ndarray:
    """Return the weight of each visit as coadds have it: float64 of shape (visit,)."""
    prepared = prepare_inputs(epochs.warps, WeightControl(rule="variance"), BAD_PLANES)
    found = {one.visit: one.weight for one in prepared.inputs}
    return np.array([found.get(warp.visit) or 0.0 for warp in epochs.warps], dtype=float)


def outcome_of_masks(epochs: Epochs, removed: np.ndarray) -> Outcome:
    """Return the mean of what is left when pixels are removed.

    Parameters
    ----------
    epochs
        The epochs.
    removed
        bool of shape (visit, y, x).
    """
    usable = usable_pixels(epochs)
    used = usable & ~removed
    weights = weights_of(epochs)
    return Outcome(
        removed=removed & usable,
        image=weighted_mean(epochs.image, used, weights),
        clean=weighted_mean(epochs.clean(), used, weights),
        leak=weighted_mean(epochs.artifact_sum(), used, weights),
    )


def weighted_mean(cube: np.ndarray, used: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of those pixels of a cube (visit, y, x) that are used; NaN where there is none."""
    total, weight = np.zeros(cube.shape[1:]), np.zeros(cube.shape[1:])
    # One visit at a time: cubes of many visits are large.
    for plane, chosen, value in zip(cube, used, weights, strict=True):
        total[chosen] += value * plane[chosen]
        weight[chosen] += value
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = total / weight
    return mean


_BAD = 1 << 30


def outcome_of_statistic(epochs: Epochs, **options: Any) -> Outcome:
    """Return what a statistic of `lamella.coadd.stack.stack` makes of the epochs.

    Every input gets a mask bit of its own.  The mask of the result has the
    bits of the inputs that were used, so that nothing is recomputed here.

    Parameters
    ----------
    epochs
        Not more than 30 visits.
    **options
        Options of `lamella.coadd.stack.stack_control.StackControl`.
    """
    control = StackControl(bad_mask=_BAD, weighted=True, error_from_input_variance=True, **options)
    usable, weights = usable_pixels(epochs), weights_of(epochs)
    bits = (1 << np.arange(len(weights), dtype=np.int32))[:, None, None]
    mask = np.where(usable, bits, _BAD).astype(np.int32)
    result = statistics_stack(epochs.image, mask, epochs.variance, weights, control=control)
    if control.statistic == "MEDIAN":
        clean = statistics_stack(epochs.clean(), mask, epochs.variance, weights, control=control)
        leak = result.image - clean.image
        return Outcome(np.zeros_like(usable), result.image, clean.image, leak, keeps_list=False)
    removed = usable & ((result.mask & bits) == 0)
    return dataclasses.replace(outcome_of_masks(epochs, removed), image=result.image)


def matched_inputs(epochs: Epochs, control: MatchControl | None = None) -> tuple[WarpInput, ...]:
    """Return the epochs as inputs of a coadd, each with its PSF-matched warp."""
    target = epochs.target
    detectors = [detector for warp in epochs.warps for detector in warp.detectors]
    common = CommonPsf.of(detectors, target, control)
    matched = {warp.visit: ImageSource(match_warp(warp, common.psf, control)) for warp in epochs.warps}
    prepared = prepare_inputs(epochs.warps, WeightControl(rule="variance"), BAD_PLANES)
    return tuple(with_matched(one, matched[one.visit]) for one in prepared.inputs)


def outcome_of_rejection(
    epochs: Epochs, inputs: Sequence[WarpInput], control: RejectControl
) -> tuple[Outcome, Findings]:
    """Return what a method of `lamella.coadd.reject.reject` makes of the epochs, and its own account.

    Parameters
    ----------
    epochs
        The epochs.
    inputs
        The same as inputs of a coadd, as `matched_inputs` makes them.
    control
        The method.
    """
    target, layout = epochs.target, Layout.of()
    config = AssembleConfig(reject=control, bad_mask_planes=BAD_PLANES)
    findings = find_rejections(scene_of(inputs, target, config))
    left_out = layout.bits((*BAD_PLANES, "CLIPPED"))
    index = {warp.visit: k for k, warp in enumerate(epochs.warps)}
    removed = np.zeros(epochs.image.shape, dtype=bool)
    for one, found in zip(inputs, findings.artifacts, strict=True):
        removed[index[one.visit]] = (found.bits(target.outer_bbox, layout) & left_out) != 0
    return outcome_of_masks(epochs, removed), findings
