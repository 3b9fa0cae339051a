"""Matched warps beside the direct ones of a patch, from the same read of the exposures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lsst.images.psfs import PointSpreadFunction

from ..coadd.stack.prepare import input_of, warp_of, weigh, with_pixels
from ..coadd.warp.psfmatch import match_warp, patch_target_psf, target_fwhm
from ..data.coadd import Rejection
from ..data.inputs import CoaddTarget, WarpInput, WarpSource
from ..data.options import WeightControl
from ..data.warp import MatchRecord, Warp
from ..errors import LamellaError
from ..psf.match_control import MatchControl
from ..resources import Resources
from .memory import matching_bytes, matching_threads

__all__ = ("Matching", "match_inputs", "unmatched_input", "use_matched")


@dataclasses.dataclass(frozen=True)
class Matching:
    """What became of the match of a patch."""

    fwhm: float
    """Width of the common PSF in pixels."""
    psf: PointSpreadFunction
    records: tuple[MatchRecord, ...]
    """How well each detector was matched."""
    failed: tuple[tuple[WarpInput, str], ...]
    """The visits that were not, and why."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the settings of a coadd."""
        return {
            "fwhm": self.fwhm,
            "detectors": [
                {**dataclasses.asdict(one.id), "residual": one.residual, "noise_gain": one.noise_gain}
                for one in self.records
            ],
            "unmatched": [
                {"instrument": one.instrument, "visit": one.visit, "reason": reason}
                for one, reason in self.failed
            ],
        }


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
    detectors = [detector for one in inputs for detector in one.detectors]
    fwhm = target_fwhm(detectors, target.projection, target.outer_bbox, control)
    psf = patch_target_psf(fwhm, target.outer_bbox, control)

    def match(one: WarpInput) -> tuple[WarpInput, tuple[MatchRecord, ...], str]:
        try:
            warp = match_warp(warp_of(one, target.projection), psf, control)
        except LamellaError as err:
            reason = str(err)
            return unmatched_input(one, reason), (), reason
        if keep is not None:
            keep(warp)
        matched = put_away(one, input_of(warp).source)
        return dataclasses.replace(one, matched=matched, matched_scale=one.scale), warp.match_records, ""

    need = matching_bytes(fwhm, control, target.outer_bbox)
    with ThreadPoolExecutor(matching_threads(resources or Resources(), kept, need)) as pool:
        try:
            done = list(pool.map(match, inputs))
        except BaseException:  # also an interrupt: what has not begun is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    records = sorted(record for _, some, _ in done for record in some)
    failed = tuple((one, reason) for one, _, reason in done if reason)
    return [one for one, *_ in done], Matching(fwhm, psf, tuple(records), failed)


def unmatched_input(one: WarpInput, reason: str) -> WarpInput:
    """Return an input whose detectors have a note that says why it was not matched."""
    note = f"Not matched to a common PSF: {reason}"
    detectors = tuple(dataclasses.replace(d, notes=(*d.notes, note)) for d in one.detectors)
    return dataclasses.replace(one, detectors=detectors)


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
    reasons = {one.key: reason for one, reason in matching.failed}
    kept: list[WarpInput] = []
    rejected: list[Rejection] = []
    for one in inputs:
        if one.matched is None:
            rejected += [Rejection(d.id, d.path, "match", reasons[one.key]) for d in one.detectors]
            continue
        moved = dataclasses.replace(one, source=one.matched, scale=one.matched_scale, model_psf=matching.psf)
        if weights.rule == "information":
            found = with_pixels(moved, bad_mask_planes)
        else:
            found = weigh(dataclasses.replace(moved, weight=None), weights, bad_mask_planes)
        if isinstance(found, WarpInput):
            kept.append(found)
        else:
            rejected += found
    return kept, rejected
