"""The options of filling gaps."""

from __future__ import annotations

from typing import Literal

import pydantic

from ..config import Config, option

__all__ = ("GapControl",)


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
