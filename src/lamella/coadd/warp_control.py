"""The options of resampling."""

from __future__ import annotations

from typing import Literal

import pydantic

from ..config import Config, option
from ..kernels.support import kernel_half_width

__all__ = (
    "ImageKernel",
    "MaskKernel",
    "WarpControl",
)

type ImageKernel = Literal["lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest"]


type MaskKernel = Literal["", "lanczos3", "lanczos4", "lanczos5", "bilinear", "nearest"]


class WarpControl(Config):
    """How exposures are resampled to the pixel grid of a tract."""

    kernel: ImageKernel = option(
        "lanczos3",
        "Resampling kernel of image and variance: lanczos3, lanczos4, lanczos5, bilinear or nearest.",
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

    repair_width: int = option(
        8,
        "Widest run of lost pixels that is interpolated before resampling, so that it does not spoil its "
        "neighbours; the pixels themselves stay BAD.",
        unit="pixel",
        ge=0,
    )

    @pydantic.model_validator(mode="after")
    def _check_kernels(self) -> WarpControl:
        if self.mask_kernel and kernel_half_width(self.mask_kernel) > kernel_half_width(self.kernel):
            raise ValueError(f"mask_kernel {self.mask_kernel} is wider than kernel {self.kernel}")
        return self
