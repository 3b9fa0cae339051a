"""The options of CompareWarp."""

from __future__ import annotations

from typing import Literal

from ..config import Config, option
from .fluxcheck import FluxControl
from .ghosts import GhostControl
from .noise import NoiseControl
from .streaks import StreakControl
from .template import TemplateControl
from .variables import VariableControl

__all__ = ("CompareWarpControl",)


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
    untested: Literal["keep", "discard"] = option(
        "keep",
        "What becomes of pixels of a warp that the matched warp does not have, as along the rim of "
        "detectors: keep (they are compared before matching), or discard, as the original pipelines do.",
    )

    @property
    def thresholds(self) -> tuple[float, float]:
        """The low and the high threshold, in sigma."""
        return self.low_threshold, self.threshold
