"""The options of CompareWarp and of its steps."""

from __future__ import annotations

from typing import Literal

from ...config import Config, option
from ...image.options import NoiseControl, StreakControl

__all__ = (
    "CompareWarpControl",
    "FluxControl",
    "GhostControl",
    "PositionControl",
    "TemplateControl",
    "VariableControl",
)


class TemplateControl(Config):
    """How matched warps become the static sky, and how exact their match is."""

    sigma_clip: float = option(
        3.0, "A pixel further than this from the others is not part of the template.", unit="sigma", gt=0
    )
    clip_iter: int = option(2, "Number of passes of the clip.", ge=1)
    clip_flux_tolerance: float = option(
        0.05,
        "Scatter (one sigma) between epochs that does not take a pixel out of the template, as a "
        "fraction of its value.",
        ge=0,
    )
    bad_mask_planes: tuple[str, ...] = option(
        ("NO_DATA",), "Pixels of matched warps with one of these planes are not part of the template."
    )
    rim_mask_planes: tuple[str, ...] = option(
        ("DETECTION_EDGE",),
        "Pixels of matched warps with one of these planes, the rims where other pixels make up for lost "
        "ones, are no evidence: where a visit could be compared with rims alone, nothing is removed from it.",
    )
    flux_tolerance: float = option(
        0.02,
        "Difference (one sigma) of a matched warp that is no sign of an artifact, as a fraction of the "
        "template: the error of the PSF matching and of the photometric scale.",
        ge=0,
    )
    registration: float = option(
        0.05,
        "Difference (one sigma) in position that is no sign of an artifact: times the slope of the template.",
        unit="pixel",
        ge=0,
    )
    direct_flux_tolerance: float = option(
        0.5,
        "As flux_tolerance, for warps that are not matched and for pixels whose match used masked ones: "
        "a fraction of the brightest pixel near by, as far as that is above the noise of the template.",
        ge=0,
    )
    reach: int = option(2, "How near that is, to each side along rows and columns.", unit="pixel", ge=0)


class VariableControl(Config):
    """How a source that varies is told from an artifact on top of it."""

    enabled: bool = option(True, "Whether they are kept; otherwise they are clipped like artifacts.")
    mismatch: float = option(
        0.3,
        "Largest part of the squared difference, beyond noise, that is not a multiple of the template.",
        ge=0,
        le=1,
    )
    foreign: float = option(
        0.4,
        "With a larger part than this it is an artifact on top of a source that may vary; other epochs in "
        "which the source differs do not speak for it.",
        ge=0,
        le=1,
    )
    significance: float = option(
        5.0, "Least signal to noise of the source in one epoch; it is a point of the template.", unit="sigma"
    )
    margin: float = option(
        1.0, "The shape is compared up to this far from the footprint.", unit="pixel", ge=0
    )


class GhostControl(Config):
    """How faint and wide light of single epochs is found: in bins of pixels that hold only sky."""

    enabled: bool = option(True, "Whether it is looked for.")
    bin_size: int = option(16, "Side of the square bins.", unit="pixel", ge=4)
    threshold: float = option(6.0, "Threshold in the scatter of the bins of an epoch.", unit="sigma", gt=0)
    low_threshold: float = option(
        3.0, "Bins next to a found one are part of it beyond this threshold.", unit="sigma", gt=0
    )
    floor: float = option(
        0.3,
        "Light that is fainter than this part of the noise of a pixel is not worth the pixels.",
        unit="sigma",
        ge=0,
    )
    min_bins: int = option(4, "Fewest bins of a ghost.", unit="bins", ge=1)


class FluxControl(Config):
    """How the fluxes of a visit are compared with the template."""

    max_deviation: float = option(
        0.05,
        "A visit whose bright sources differ from the template by more than this fraction gets a warning: "
        "its photometric scale is wrong.",
        gt=0,
    )
    significance: float = option(
        20.0, "Pixels of the template that are brighter than this in one epoch count.", unit="sigma", gt=0
    )


class PositionControl(Config):
    """How the positions of the sources of a visit are compared with the template."""

    enabled: bool = option(
        True, "Whether they are measured, and the template is moved by what a visit is displaced."
    )
    max_offset: float = option(
        0.1,
        "A visit whose sources are displaced by more than this gets a warning: its projection is wrong.",
        unit="FWHM",
        gt=0,
    )
    max_motion: float = option(
        0.25,
        "A source that is displaced by less, as a whole, is the same one and no artifact: it moves, or the "
        "projection is not exact there.",
        unit="FWHM",
        ge=0,
    )
    significance: float = option(
        10.0, "Sources whose brightest pixel is brighter than this in one epoch count.", unit="sigma", gt=0
    )


class CompareWarpControl(Config):
    """How artifacts are found by comparing epochs."""

    template: TemplateControl = option(TemplateControl(), "How the static sky is made.")
    threshold: float = option(
        5.0, "A footprint has a pixel that differs by more than this.", unit="sigma", gt=0
    )
    low_threshold: float = option(
        2.5, "All pixels of a footprint differ by more than this.", unit="sigma", gt=0
    )
    min_pixels: int = option(3, "Fewest pixels of a footprint.", unit="pixel", ge=1)
    grow: float = option(
        2.0, "Artifacts are removed with all pixels up to this far from them.", unit="pixel", ge=0
    )
    compare_direct: bool = option(
        True, "Whether warps are compared before their PSF is matched, too, which finds faint cosmic rays."
    )
    saturated_reach: float = option(
        10.0,
        "So far from a saturated pixel a matched warp is trusted less (see direct_flux_tolerance of the "
        "template): as far as the kernel of the matching reaches.",
        unit="pixel",
        ge=0,
    )
    max_epochs: float = option(2.0, "Most epochs that may show an artifact at one place on a source...", ge=0)
    max_fraction_epochs_high: float = option(
        0.03, "... and this fraction of the epochs more, when there are many.", ge=0, le=1
    )
    max_fraction_epochs_low: float = option(
        0.4, "... but no more than this fraction of the epochs, or one epoch.", ge=0, le=1
    )
    max_fraction_epochs_sky: float = option(
        0.4, "Where the template holds no source: most epochs that may show one, as a fraction.", ge=0, le=1
    )
    spatial_threshold: float = option(
        0.5, "Part of the pixels of an artifact that must be seen in few epochs.", ge=0, le=1
    )
    rescale_variance: bool = option(
        True, "Whether the noise of the difference is measured, instead of trusting the variances."
    )
    noise: NoiseControl = option(NoiseControl(bin_size=512, samples=2**17), "How it is measured.")
    variables: VariableControl = option(VariableControl(), "How sources that vary are kept.")
    mask_streaks: bool = option(
        True, "Whether straight streaks are looked for, to their ends and full width."
    )
    streaks: StreakControl = option(StreakControl(), "How they are found.")
    ghosts: GhostControl = option(GhostControl(), "How faint and wide light is found.")
    fluxes: FluxControl = option(FluxControl(), "How the photometric scale of a visit is checked.")
    positions: PositionControl = option(
        PositionControl(), "How the positions of a visit are checked and allowed for."
    )
    untested: Literal["keep", "discard"] = option(
        "keep",
        "What becomes of pixels of a warp that the matched warp does not have, as along the rim of "
        "detectors: keep (they are compared before matching), or discard, as the original pipelines do.",
    )

    @property
    def thresholds(self) -> tuple[float, float]:
        """The low and the high threshold, in sigma."""
        return self.low_threshold, self.threshold
