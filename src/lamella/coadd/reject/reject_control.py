"""The options of the rejection of artifacts."""

from __future__ import annotations

from typing import Literal, Self

from ...config import Config, option
from .compare_control import CompareWarpControl

__all__ = (
    "Method",
    "RejectControl",
    "SafeClipControl",
)

Method = Literal["auto", "none", "safe_clip", "compare_warp"]


class SafeClipControl(Config):
    """How artifacts are found by comparing a mean with a clipped mean."""

    sigma_clip: float = option(1.5, "Limit of the clipped mean.", unit="sigma", gt=0)
    clip_iter: int = option(3, "Number of passes of its clip.", ge=1)
    threshold: float = option(
        2.0, "Threshold for the smoothed difference of the two means.", unit="sigma", gt=0
    )
    min_pixels: int = option(4, "Fewest pixels of a footprint beyond the threshold.", unit="pixel", ge=1)
    grow: float = option(
        2.0, "Footprints are grown by this many standard deviations of the PSF.", unit="sigma", ge=0
    )
    detection: float = option(
        5.0,
        "Threshold for detections on warps (smoothed with the PSF) that come without DETECTED planes.",
        unit="sigma",
        gt=0,
    )
    detection_grow: float = option(
        2.4, "These are grown by this many standard deviations of the PSF.", unit="sigma", ge=0
    )
    overlap: float = option(
        0.6,
        "Part of a footprint that the detections of one visit must cover, if others have some.",
        ge=0,
        le=1,
    )
    overlap_single: float = option(0.5, "The same, if no other visit has any.", ge=0, le=1)
    overlap_double: float = option(
        0.45, "Part of a footprint that two visits must both cover to be both clipped.", ge=0, le=1
    )
    max_overlap_double: float = option(0.15, "Most that any other visit may then cover.", ge=0, le=1)
    min_big_overlap: int = option(
        100, "A whole detection is clipped when more of its pixels are clipped already.", unit="pixel", ge=1
    )


class RejectControl(Config):
    """Whether and how artifacts are found and left out."""

    method: Method = option(
        "none",
        "auto: compare_warp where three or more visits are on most of the area of a band and their PSFs are "
        "known, else none, chosen from all exposures of the band; "
        "none: artifacts are left to the statistic; safe_clip: a mean is compared with a clipped mean, which "
        "leaves what moves slowly and what touches artifacts of other visits; "
        "compare_warp: PSF-matched warps are compared with the static sky.  With the latter two the "
        "coadd is a mean, which has a well-defined PSF.",
    )
    compare_warp: CompareWarpControl = option(CompareWarpControl(), "How epochs are compared.")
    safe_clip: SafeClipControl = option(SafeClipControl(), "How the two means are compared.")
    warn_fraction: float = option(
        0.05, "A visit that loses more than this part of its pixels gets a warning.", ge=0, le=1
    )
    default_fwhm: float = option(
        4.0,
        "Full width at half maximum of the PSF of an input that comes without a PSF model.",
        unit="pixel",
        gt=0,
    )

    @property
    def is_open(self) -> bool:
        """Whether nobody gave a method."""
        return "method" not in self.model_fields_set

    def left_open(self) -> Self:
        """Return the options with the method ``auto``, as if nobody had given one."""
        control = self.replace(method="auto")
        control.model_fields_set.discard("method")
        return control
