"""Options of weights, of the variance, and of scales."""

from __future__ import annotations

from typing import Literal

from ..config import Config, option

__all__ = ("Normalization", "VarianceCorrection", "WeightControl", "WeightRule")


WeightRule = Literal["information", "variance"]


class WeightControl(Config):
    """Rule of the weights."""

    rule: WeightRule = option(
        "information",
        "information: the pixels of each detector have the weight of its image before it was resampled, "
        "pixel area over variance of the sky, the same in all patches; variance: each warp has one over the "
        "clipped mean of its variance, as in the original pipelines.",
    )
    sigma_clip: float = option(
        3.0,
        "Rule variance: leave out variances further than this from the centre of their distribution.",
        unit="sigma",
        gt=0,
    )
    clip_iter: int = option(2, "Rule variance: number of clipping passes.", ge=0)


VarianceCorrection = Literal["none", "pixel", "psf"]


Normalization = Literal["none", "median", "stars"]
"""What is made equal in images before they are combined."""
