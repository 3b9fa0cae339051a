"""Warps that are matched to one PSF, and the direct ones that they stand beside."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lsst.images.psfs import PointSpreadFunction

from ..coadd.stack.prepare import same_psf
from ..coadd.warp.psfmatch import match_warp, patch_target_psf
from ..data.inputs import CoaddTarget, WarpInput, WarpSource
from ..data.warp import MatchRecord, Warp
from ..errors import PsfMatchError
from ..psf.match_control import MatchControl
from ..psf.measure import fwhm
from ..run.match import Matching, unmatched_input
from .history import warp_settings

__all__ = ("MODEL_FWHM", "MatchedPairs", "match_to_model")

MODEL_FWHM = 7.7
"""Width of the target in pixels where no other is given: that of the original pipelines."""


def match_to_model(warp: Warp, target: CoaddTarget, control: MatchControl) -> tuple[Warp | None, str]:
    """Match one visit to a PSF of a fixed width.

    Parameters
    ----------
    warp
        The visit.
    target
        The patch.
    control
        How; with a width, as other visits are not known here.

    Returns
    -------
    warp : `Warp` or `None`
        `None` when it cannot be matched.
    reason : `str`
        Why it cannot.
    """
    assert control.fwhm is not None, "the width of the target must be given"
    try:
        return match_warp(warp, patch_target_psf(control.fwhm, target.outer_bbox, control), control), ""
    except PsfMatchError as err:
        return None, str(err)


class MatchedPairs:
    """Puts matched warps beside the direct ones, and keeps account of them."""

    def __init__(self) -> None:
        self._psf: PointSpreadFunction | None = None
        self._first = ""
        self._records: list[MatchRecord] = []
        self._failed: list[tuple[WarpInput, str]] = []
        self._settings: dict[str, Any] = {}

    def add(self, one: WarpInput, matched: Warp, source: WarpSource, scale: float = 1.0) -> WarpInput:
        """Return an input with its matched warp.

        Parameters
        ----------
        one
            The direct warp.
        matched
            The matched warp, of which a part will do.
        source
            Pixels of the matched warp.
        scale
            Factor from these to the photometric scale of the coadd.

        Raises
        ------
        PsfMatchError
            Raised when it is not matched, or to another PSF than those before.
        """
        name = f"{one.instrument} visit {one.visit}"
        if matched.matched_psf is None:
            raise PsfMatchError(f"The warp of {name} that should be matched to a PSF is not.")
        if self._psf is None:
            self._psf, self._first = matched.matched_psf, name
            self._settings = warp_settings(matched)
        elif not same_psf(self._psf, matched.matched_psf):
            raise PsfMatchError(
                f"{self._first} and {name} are matched to different PSFs, and cannot be compared: "
                "make their matched warps again with the same options."
            )
        self._records += matched.match_records
        return dataclasses.replace(one, matched=source, matched_scale=scale)

    def add_without(self, one: WarpInput, reason: str) -> WarpInput:
        """Return an input that has no matched warp, with a note that says why."""
        self._failed.append((one, reason))
        return unmatched_input(one, reason)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What a coadd tells of the match: its options, the common width, and the quality."""
        if self._psf is None:
            return {}
        options = self._settings.get("match", {})
        box = self._psf.bounds.bbox
        width = options.get("fwhm") or fwhm(self._psf, box.x.center, box.y.center)
        matching = Matching(width, self._psf, tuple(sorted(self._records)), tuple(self._failed))
        return {**({"match": options} if options else {}), "matching": matching.to_dict()}
