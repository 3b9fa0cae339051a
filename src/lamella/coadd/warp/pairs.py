"""Pairs of warps: the warp of a visit, and the same visit matched to the PSF in which visits are compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from lsst.images.psfs import PointSpreadFunction

from ...data.detector import DetectorInput
from ...data.inputs import CoaddTarget, WarpInput, WarpSource
from ...data.warp import MatchRecord, Warp
from ...errors import PsfMatchError
from ...psf.match_control import MatchControl
from ...psf.measure import fwhm as measure_fwhm
from ..stack.prepare import same_psf
from .psfmatch import match_warp, patch_target_psf, target_fwhm

__all__ = ("CommonPsf", "Matching", "Pairs", "as_matched", "unmatched", "with_matched")


def with_matched(warp: WarpInput, source: WarpSource, scale: float = 1.0) -> WarpInput:
    """Return an input with the pixels of its matched warp, and their factor to the scale of the coadd."""
    return dataclasses.replace(warp, matched=source, matched_scale=scale)


def as_matched(warp: WarpInput) -> WarpInput:
    """Return an input with its matched warp in the place of the direct one, without alternate planes."""
    assert warp.matched is not None, "it has a matched warp"
    return dataclasses.replace(warp, source=warp.matched, scale=warp.matched_scale, alternate=None)


def unmatched(warp: WarpInput, reason: str) -> WarpInput:
    """Return an input whose detectors have a note that says why it was not matched."""
    note = f"Not matched to a common PSF: {reason}"
    detectors = tuple(dataclasses.replace(d, notes=(*d.notes, note)) for d in warp.detectors)
    return dataclasses.replace(warp, detectors=detectors)


@dataclasses.dataclass(frozen=True)
class CommonPsf:
    """The PSF that the visits of a patch are matched to."""

    fwhm: float
    """Its width in pixels."""
    psf: PointSpreadFunction
    control: MatchControl
    """How visits are matched to it."""

    @classmethod
    def of(
        cls, detectors: Iterable[DetectorInput], target: CoaddTarget, control: MatchControl | None = None
    ) -> CommonPsf:
        """Make the PSF for the detectors of all visits of a patch.

        Raises
        ------
        PsfMatchError
            Raised when no width is given, and no detector has a PSF on the patch.
        """
        control = control or MatchControl()
        fwhm = target_fwhm(detectors, target.projection, target.outer_bbox, control)
        return cls(fwhm, patch_target_psf(fwhm, target.outer_bbox, control), control)

    def match(self, warp: Warp) -> tuple[Warp | None, str]:
        """Return the warp of a visit matched to the PSF; or `None`, and why it cannot be."""
        try:
            return match_warp(warp, self.psf, self.control), ""
        except PsfMatchError as err:
            return None, str(err)


@dataclasses.dataclass(frozen=True)
class Matching:
    """Account of the match of a patch."""

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
                {
                    **dataclasses.asdict(record.id),
                    "residual": record.residual,
                    "noise_gain": record.noise_gain,
                }
                for record in self.records
            ],
            "unmatched": [
                {"instrument": warp.instrument, "visit": warp.visit, "reason": reason}
                for warp, reason in self.failed
            ],
        }


class Pairs:
    """Puts matched warps that were made before beside the direct ones, and keeps account of them.

    Attributes
    ----------
    psf
        The PSF of the matched warps.
    metadata
        The metadata of the first of them.
    """

    def __init__(self) -> None:
        self.psf: PointSpreadFunction | None = None
        self.metadata: Mapping[str, Any] = {}
        self._first = ""
        self._records: list[MatchRecord] = []
        self._failed: list[tuple[WarpInput, str]] = []

    def add(self, warp: WarpInput, matched: Warp, source: WarpSource, scale: float = 1.0) -> WarpInput:
        """Return an input with its matched warp.

        Parameters
        ----------
        warp
            The direct warp.
        matched
            The matched warp; one pixel of it will do.
        source
            Pixels of the matched warp.
        scale
            Factor from these to the photometric scale of the coadd.

        Raises
        ------
        PsfMatchError
            Raised when it is not matched, or to another PSF than those before.
        """
        name = f"{warp.instrument} visit {warp.visit}"
        if matched.matched_psf is None:
            raise PsfMatchError(f"The warp of {name} that should be matched to a PSF is not.")
        if self.psf is None:
            self.psf, self.metadata, self._first = matched.matched_psf, matched.metadata, name
        # By value: the models come from different files.
        elif not same_psf(self.psf, matched.matched_psf):
            raise PsfMatchError(
                f"{self._first} and {name} are matched to different PSFs, and cannot be compared: "
                "make their matched warps again with the same options."
            )
        self._records += matched.match_records
        return with_matched(warp, source, scale)

    def add_without(self, warp: WarpInput, reason: str) -> WarpInput:
        """Return an input that has no matched warp, with a note that says why."""
        self._failed.append((warp, reason))
        return unmatched(warp, reason)

    def matching(self, fwhm: float | None) -> Matching | None:
        """Return the account of the match, given the width of the PSF if it is known; `None` without any."""
        if self.psf is None:
            return None
        box = self.psf.bounds.bbox
        width = fwhm or measure_fwhm(self.psf, box.x.center, box.y.center)
        return Matching(width, self.psf, tuple(sorted(self._records)), tuple(self._failed))
