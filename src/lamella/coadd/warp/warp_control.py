"""The options of resampling."""

from __future__ import annotations

from typing import Literal

import pydantic

from ...config import Config, option
from ...kernels.resample.support import kernel_half_width
from ...planes import BAD_MASK_PLANES

__all__ = (
    "ImageKernel",
    "MaskKernel",
    "WarpControl",
)

# That a pixel is within the rim of a detector says nothing of its value.
_RIM = "DETECTION_EDGE"

type ImageKernel = Literal["conserving", "lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest"]


type MaskKernel = Literal["", "lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest"]


class WarpControl(Config):
    """How exposures are resampled to the pixel grid of a tract."""

    kernel: ImageKernel = option(
        "conserving",
        "Resampling kernel of image and variance: conserving (Lanczos-3 where scales are equal and axes "
        "parallel, else a kernel made for the detector that keeps fluxes, averaged over larger pixels), "
        "lanczos3, lanczos4, lanczos5, bilinear or nearest, each to the letter.",
    )
    mask_kernel: MaskKernel = option(
        "bilinear", "Kernel over whose pixels mask planes spread; empty for that of the image."
    )
    grow_full_mask: tuple[str, ...] = option(
        ("DETECTION_EDGE",), "Mask planes that spread over the whole kernel of the image."
    )
    position_tolerance: float = option(
        1e-3, "Largest error of a position, in pixels of the exposure.", unit="pixel", gt=0.0
    )

    bad_mask_planes: tuple[str, ...] = option(
        tuple(name for name in BAD_MASK_PLANES if name != _RIM),
        "What pixels with one of these planes hold does not matter: they are made from good neighbours of "
        "the same detector (repair_width) or stay out of the kernel (max_lost_weight). With none, values "
        "under planes are used as the original pipelines use them.",
    )
    max_lost_weight: float = option(
        0.01,
        "Where pixels with bad_mask_planes hold more than this part of the kernel's absolute weight, a pixel "
        "gets their planes; where those that could not be repaired hold more, it has no value. Up to it the "
        "others make up for them.",
        gt=0,
        lt=1,
    )
    yielding_mask_planes: tuple[str, ...] = option(
        (_RIM,),
        "Where detectors of one visit overlap, pixels with one of these planes or of bad_mask_planes give "
        "way to those of another detector without.",
    )
    repair_width: int = option(
        8,
        "Widest run of pixels with bad_mask_planes that is interpolated before resampling, so that it does "
        "not spoil its neighbours; the pixels themselves keep their planes.",
        unit="pixel",
        ge=0,
    )

    @pydantic.model_validator(mode="after")
    def _check_kernels(self) -> WarpControl:
        if self.mask_kernel and kernel_half_width(self.mask_kernel) > kernel_half_width(self.kernel):
            raise ValueError(f"mask_kernel {self.mask_kernel} is wider than kernel {self.kernel}")
        return self
