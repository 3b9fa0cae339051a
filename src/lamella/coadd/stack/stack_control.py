"""The options of the stack statistics."""

from __future__ import annotations

from typing import Literal

import pydantic

from ...config import Config, option

__all__ = ("StackControl", "Statistic")

Statistic = Literal[
    "MEAN",
    "MEANCLIP",
    "NOISECLIP",
    "MEDIAN",
    "VARIANCE",
    "VARIANCECLIP",
    "STDEV",
    "STDEVCLIP",
    "IQRANGE",
    "MIN",
    "MAX",
    "SUM",
    "MEANSQUARE",
    "NPOINT",
]

_MAX_BITS = 2**31 - 1


class Combination(Config):
    """How the inputs of a pixel become one value; the options that coadds and plain stacks share."""

    statistic: Statistic = option(
        "MEAN",
        "How the inputs of a pixel are combined: MEAN; MEANCLIP (mean, clipped at their own scatter); "
        "NOISECLIP (mean, clipped at the noise known from their variances); MEDIAN; or another statistic.",
    )
    sigma_clip: float = option(
        3.0, "Clip values further than this from the centre; NOISECLIP has a least limit.", unit="sigma", gt=0
    )
    clip_iter: int = option(2, "Number of passes of a clip; all are made.", ge=1)
    flux_tolerance: float = option(
        0.3,
        "NOISECLIP: scatter (one sigma) between inputs that is not noise, as a fraction of the pixel's "
        "value; differences of seeing and registration make it.",
        ge=0,
    )
    gradient_tolerance: float = option(
        0.8,
        "NOISECLIP: the same as a fraction of the range of the values of a pixel and the eight around it; "
        "stars that are hardly wider than a pixel need it.",
        ge=0,
    )
    least_noise_clip: float = option(
        5.0,
        "NOISECLIP: least limit, whatever sigma_clip says. Counts of photons are skew: a narrower one takes "
        "light away.",
        unit="sigma",
        ge=0,
    )
    error_from_input_variance: bool = option(
        False, "Variance of the result from the variances of the inputs; otherwise from their scatter."
    )


class StackControl(Combination):
    """What is computed from the inputs of each pixel, and which of them are used."""

    bad_mask: int = option(0, "Mask bits, or-ed together, that reject a pixel.", ge=0, le=_MAX_BITS)
    nan_safe: bool = option(True, "Reject pixels that are not finite; otherwise they make the result NaN.")
    weighted: bool | None = option(
        None,
        "True: by the weights given or, without any, by the inverse of each pixel's variance; "
        "False: weights are not used; unset: weights are used if given.",
    )
    mosaic_error: bool = option(
        False, "Variance of the result as the mean variance of the inputs, for inputs that hardly overlap."
    )
    no_good_mask: int = option(0, "Mask bits of pixels without any input.", ge=0, le=_MAX_BITS)
    clipped_mask: int = option(0, "Mask bits of pixels where a clip left out a value.", ge=0, le=_MAX_BITS)
    excuse: int = option(
        0,
        "Bits of bad_mask that do not set clipped_mask; without effect if mask_map is given.",
        ge=0,
        le=_MAX_BITS,
    )
    mask_map: tuple[tuple[int, int], ...] | None = option(
        None,
        "Pairs (from, to): where a rejected input has bits of from, the result gets those of to; "
        "unset: bad_mask without excuse gives clipped_mask.",
    )
    propagation_thresholds: dict[int, float] = option(
        {},
        "Bit numbers and limits: the result gets the bit where the rejected inputs that have it hold "
        "more than this fraction of the weight.",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> StackControl:
        if self.error_from_input_variance and self.mosaic_error:
            raise ValueError("error_from_input_variance and mosaic_error exclude each other")
        if any(not 0 <= bits <= _MAX_BITS for pair in self.mask_map or () for bits in pair):
            raise ValueError(f"mask_map needs pairs of bits from 0 to {_MAX_BITS}; found {self.mask_map}")
        wrong = [bit for bit in self.propagation_thresholds if not 0 <= bit < 31]
        if wrong:
            raise ValueError(f"propagation_thresholds needs bit numbers from 0 to 30; found {wrong[0]}")
        return self
