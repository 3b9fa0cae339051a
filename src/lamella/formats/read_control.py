"""The options of reading exposures."""

from __future__ import annotations

from typing import Literal

from ..config import Config, option

__all__ = ("ReadControl",)


class ReadControl(Config):
    """How exposures are read."""

    edge_width: int = option(
        5,
        "Width of the rim along the ends of a detector's data that is flagged DETECTION_EDGE.",
        unit="pixel",
        ge=0,
    )
    subtract_background: Literal["auto", "always", "never"] = option(
        "auto",
        "Sky subtraction: 'auto' where an exposure carries its sky, with the survey's own model when there "
        "is one; 'always' fits a mesh to every exposure; 'never' leaves the sky in.",
    )
    background_mesh: int = option(
        256, "Size of the meshes in which the sky is estimated.", unit="pixel", ge=8
    )
    background_filter: int = option(
        3, "Width of the median filter over the meshes of the sky.", unit="mesh", ge=1
    )
    trust_pickles: bool = option(
        False,
        "Load PSF models of Piff from files that afw wrote. They are Python pickles, which can execute any "
        "code: say so only for files whose origin you trust.",
    )
