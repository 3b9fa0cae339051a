"""Options of the work on one image: noise, streaks, gaps."""

from __future__ import annotations

from typing import Literal

import pydantic

from ..config import Config, option

__all__ = ("GapControl", "NoiseControl", "StreakControl")


class NoiseControl(Config):
    """How the noise of an image is measured."""

    bin_size: int = option(
        128,
        "Size of the bins in which the sky is taken off; each must hold many times the area of the PSF.",
        unit="pixel",
        ge=8,
    )
    limit: float = option(10.0, "Largest factor of variances that is believed.", gt=1.0)
    samples: int = option(
        2**18, "Look at no more than this many pixels, on a lattice over the image.", ge=10_000
    )


class StreakControl(Config):
    """How streaks are found."""

    threshold: float = option(
        7.0, "Least sum along a line over the noise of such sums, which is measured.", unit="sigma", gt=0
    )
    min_length: float = option(60.0, "Shortest streak.", unit="pixel", gt=0)
    min_evenness: float = option(
        0.9,
        "Least significance of a streak when no part of it counts for more than twice the median, "
        "relative to the threshold.",
        ge=0,
    )
    clip: float = option(3.0, "A binned pixel counts for no more than this.", unit="sigma", gt=0)
    bin_size: int | None = option(
        None, "Side of the bins; by default 0.85 of the width of the PSF.", unit="pixel", ge=1
    )
    background_size: int = option(
        15, "Side of the box whose mean is subtracted from a bin.", unit="bins", ge=3
    )
    max_segment: int = option(
        256, "Longest line that is summed, in bins; longer streaks are followed.", unit="bins", ge=16
    )
    min_cover: float = option(0.4, "Part of a line that must have data.", gt=0, le=1)
    floor: float = option(
        0.15, "A streak is masked across to where its mean profile is this faint.", unit="sigma", gt=0
    )
    max_half_width: float = option(
        8.0, "Greatest half width of a streak, relative to the width of the PSF.", unit="FWHM", gt=0
    )
    max_streaks: int = option(20, "Most streaks that are looked for in one image.", ge=1)


class GapControl(Config):
    """How gaps are filled."""

    fallback: Literal["MEAN", "MEDIAN", "MEANCLIP", "USER"] = option(
        "MEDIAN", "Value where there is nothing to interpolate from: a statistic of the image, or a number."
    )
    fallback_value: float = option(
        0.0, "The number, for USER.", unit="that of the image", allow_inf_nan=False
    )
    negative_fallback_allowed: bool = option(
        False, "Whether the fallback value may be negative; otherwise it is 0 instead."
    )
    use_fallback_at_edge: bool = option(
        True,
        "Whether a gap with data on one side only, wider than the reach, goes over to the fallback value; "
        "otherwise the data are extrapolated.",
    )
    edge_reach: int = option(
        6,
        "How far from data a gap is still filled by interpolation; further away the variance is infinite.",
        unit="pixel",
        ge=1,
    )
    transpose: bool = option(False, "Interpolate along columns instead of rows.")
    max_gap: int | None = option(
        None,
        "Widest gap that is filled; wider ones, and those that reach the border, stay as they are. "
        "Unset: every gap is filled.",
        unit="pixel",
        ge=1,
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> GapControl:
        if self.fallback == "USER" and self.fallback_value < 0 and not self.negative_fallback_allowed:
            raise ValueError("a negative fallback_value needs negative_fallback_allowed")
        return self
