"""Matched warps beside the direct ones of a patch, from the same read of the exposures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from ..coadd.stack.prepare import input_of, warp_of, weigh, with_pixels
from ..coadd.warp.pairs import CommonPsf, Matching, as_matched, unmatched, with_matched
from ..data.coadd import Rejection
from ..data.inputs import CoaddTarget, WarpInput, WarpSource
from ..data.options import WeightControl
from ..data.warp import MatchRecord, Warp
from ..errors import LamellaError
from ..psf.match_control import MatchControl
from ..resources import Resources
from .execute import interruptible_threads
from .memory import matching_bytes, matching_threads

__all__ = ("match_inputs", "use_matched")


def match_inputs(
    inputs: Sequence[WarpInput],
    target: CoaddTarget,
    control: MatchControl,
    *,
    put_away: Callable[[WarpInput, WarpSource], WarpSource],
    keep: Callable[[Warp], None] | None = None,
    resources: Resources | None = None,
    kept: int = 0,
) -> tuple[list[WarpInput], Matching]:
    """Match the visits of a patch to a common PSF, several at a time.

    A visit that cannot be matched is kept without a matched warp, and its
    detectors get a note that says why.

    Parameters
    ----------
    inputs
        The direct warps.
    target
        Pixel grid of the patch.
    control
        How to match; without a width of its own, the target is made a little
        wider than the widest of these visits.
    put_away
        Called with an input and the pixels of its matched warp; returns where
        they are from then on, e.g. on disk.
    keep
        Called with each matched warp, e.g. to write it.
    resources
        Threads, and memory of the process: as many visits are matched at a time as both allow.
    kept
        Bytes of warps that are in memory meanwhile.

    Returns
    -------
    inputs : `list` of `WarpInput`
        In the same order, with ``matched`` where there is one.
    matching : `Matching`
        Width, quality and failures.

    Raises
    ------
    PsfMatchError
        Raised when no visit has a PSF on the patch.
    """
    detectors = [detector for warp in inputs for detector in warp.detectors]
    common = CommonPsf.of(detectors, target, control)

    def match(warp: WarpInput) -> tuple[WarpInput, tuple[MatchRecord, ...], str]:
        try:
            matched, reason = common.match(warp_of(warp, target.projection))
        except LamellaError as err:
            matched, reason = None, str(err)
        if matched is None:
            return unmatched(warp, reason), (), reason
        if keep is not None:
            keep(matched)
        source = put_away(warp, input_of(matched).source)
        return with_matched(warp, source, warp.scale), matched.match_records, ""

    need = matching_bytes(common.fwhm, control, target.outer_bbox)
    with interruptible_threads(matching_threads(resources or Resources(), kept, need)) as pool:
        visits = pool.map(match, inputs)
        done = list((resources or Resources()).counted("matching", visits, len(inputs)))
    records = sorted(record for _, quality, _ in done for record in quality)
    failed = tuple((warp, reason) for warp, _, reason in done if reason)
    matching = Matching(common.fwhm, common.psf, tuple(records), failed)
    return [warp for warp, *_ in done], matching


def use_matched(
    inputs: Sequence[WarpInput], matching: Matching, weights: WeightControl, bad_mask_planes: Sequence[str]
) -> tuple[list[WarpInput], list[Rejection]]:
    """Put the matched warps in the place of the direct ones.

    Parameters
    ----------
    inputs, matching
        What `match_inputs` returned.
    weights, bad_mask_planes
        How the weight of a warp is found.

    Returns
    -------
    inputs : `list` of `WarpInput`
        The matched warps, with weights.
    rejected : `list` of `Rejection`
        The visits that have none.
    """
    reasons = {warp.key: reason for warp, reason in matching.failed}
    kept: list[WarpInput] = []
    rejected: list[Rejection] = []
    for warp in inputs:
        if warp.matched is None:
            rejected += [Rejection(d.id, d.path, "match", reasons[warp.key]) for d in warp.detectors]
            continue
        moved = dataclasses.replace(as_matched(warp), model_psf=matching.psf)
        if weights.rule == "information":
            weighed = with_pixels(moved, bad_mask_planes)
        else:
            weighed = weigh(dataclasses.replace(moved, weight=None), weights, bad_mask_planes)
        if isinstance(weighed, WarpInput):
            kept.append(weighed)
        else:
            rejected += weighed
    return kept, rejected
