"""The options of model PSFs, and of matching warps to one."""

from __future__ import annotations

from typing import Literal

import pydantic

from ..config import Config, option

__all__ = (
    "MatchControl",
    "ModelPsfConfig",
)


class ModelPsfConfig(Config):
    """How the model PSF, to which warps are matched, follows from its width."""

    size: int | None = option(
        None, "Side of the stamps; by default it follows from the width.", unit="pix", ge=1
    )
    size_factor: float = option(3.0, "Side of the stamps, in full widths at half maximum.", gt=0)
    min_size: int = option(5, "Least side of the stamps.", unit="pix", ge=1)
    max_size: int | None = option(None, "Greatest side of the stamps, where there is one.", unit="pix", ge=1)
    add_wing: bool = option(True, "Whether the model has a second, wider Gaussian.")
    wing_fwhm_factor: float = option(2.5, "Width of the wing, relative to that of the core.", gt=0)
    wing_amplitude: float = option(0.1, "Peak of the wing, relative to that of the core.", ge=0)

    def stamp_size(self, fwhm: float) -> int:
        """Return the side of the stamps in pixels, odd, for a full width at half maximum in pixels."""
        side = self.size or max(int(self.size_factor * fwhm), self.min_size)
        side += 1 - side % 2
        if self.max_size is not None and side > self.max_size:
            side = self.max_size - 1 + self.max_size % 2
        return max(side, 1)


class MatchControl(Config):
    """How warps are matched to a common PSF."""

    fwhm: float | None = option(
        None,
        "Full width at half maximum of the core of the target PSF; by default fwhm_factor times that of the "
        "widest PSF among the visits of the patch.",
        unit="pixel",
        gt=0,
    )
    fwhm_factor: float = option(
        1.05, "Width of the target, relative to the widest PSF along its long axis.", ge=1.0
    )
    min_fwhm: float = option(
        3.2,  # at 3.0, stars of FWHM 1.2 pixels leave up to 2.2 % of the peak, at 3.2 up to 1.8 %
        "Least width of the target unless fwhm is given: pixels sample narrower stars so coarsely that their "
        "images, and so the match, depend on where within a pixel they are.",
        unit="pixel",
        ge=0,
    )
    model: ModelPsfConfig = option(
        ModelPsfConfig(size_factor=8.0, wing_fwhm_factor=2.0, wing_amplitude=0.05),
        "Shape of the target; stamps that cut the wing off cannot be matched.",
    )
    kernel_size: int | None = option(
        None,
        "Side of the kernels, odd; by default it follows from the width of the target.",
        unit="pixel",
        ge=3,
    )
    kernel_factor: float = option(3.5, "Side of the kernels, in widths of the target.", gt=0)
    ridge: float = option(
        5e-5, "Weight of the noise of the matched image beside the residual of the match.", gt=0, lt=1
    )
    spatial_order: int = option(
        2, "Greatest order of the polynomials with which kernels vary over a detector.", ge=0, le=4
    )
    narrower: Literal["refuse", "regularize"] = option(
        "refuse",
        "What to do with an image whose PSF is wider than the target, so that the limits below are passed: "
        "refuse, or match as well as the regularisation allows; residual and noise gain are on record.",
    )
    max_noise_gain: float = option(
        1.2, "Greatest factor by which a match may multiply the noise of a pixel before it is refused.", gt=0
    )
    max_residual: float = option(
        0.02,
        "Greatest residual that a match may have at half of the places, as a fraction of the target's peak, "
        "before it is refused.",
        gt=0,
    )
    max_lost_weight: float = option(
        0.1, "A pixel has no data where lost pixels hold more than this part of its kernel.", gt=0, lt=1
    )
    edge_weight: float = option(
        0.01,
        "A pixel gets DETECTION_EDGE where lost pixels hold more than this part of its kernel; up to "
        "max_lost_weight the others make up for them.",
        gt=0,
        lt=1,
    )
    mask_threshold: float = option(
        0.05,
        "Mask planes spread as far as the weight of a pixel can be this part of the kernel's largest.",
        gt=0,
        le=1,
    )

    @pydantic.model_validator(mode="after")
    def _check_size(self) -> MatchControl:
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd; found {self.kernel_size}")
        return self
