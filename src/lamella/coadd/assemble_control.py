"""The options of a coadd."""

from __future__ import annotations

from typing import Any, Literal, Self

import pydantic

from ..config import inherited, option, spelled
from ..data.options import VarianceCorrection, WeightControl
from ..errors import ConfigError
from ..image.options import GapControl
from ..planes import BAD_MASK_PLANES, Layout, plane_names
from .reject.reject_control import RejectControl
from .stack.stack_control import Combination, StackControl, Statistic

__all__ = ("AssembleConfig",)

_UNSETTLED = ("none", "auto")
"""Methods of rejection beside which any statistic may stand."""


class AssembleConfig(Combination):
    """How warps become a coadd.

    With a rejection of artifacts the statistic is MEAN; another one beside it is an error.  The rejection
    ``auto`` chooses the statistic, too: MEAN where visits are compared, else NOISECLIP.
    """

    statistic: Statistic = inherited(Combination, "statistic", default="NOISECLIP")
    error_from_input_variance: bool = inherited(Combination, "error_from_input_variance", default=True)
    bad_mask_planes: tuple[str, ...] = option(
        BAD_MASK_PLANES, "Pixels with one of these planes are left out."
    )
    remove_mask_planes: tuple[str, ...] = option(
        ("NOT_DEBLENDED",), "Planes of the inputs that say nothing about a coadd and are cleared."
    )
    mask_propagation_thresholds: dict[str, float] = option(
        {"SATURATED": 0.1},
        "Planes that the coadd gets where the inputs that were left out with that plane hold more than "
        "this fraction of the weight.",
    )
    weights: WeightControl = option(WeightControl(), "How the weights of the inputs are found.")
    fill_gaps: bool = option(True, "Interpolate pixels to which no input contributed.")
    gaps: GapControl = option(GapControl(max_gap=10), "How gaps are filled.")
    reject: RejectControl = option(RejectControl(), "How artifacts are found and left out.")
    bright_object_plane: str = option("BRIGHT_OBJECT", "Plane that masks of bright objects are put on.")
    correct_variance: VarianceCorrection = option(
        "none",
        "Multiply the variance plane by what blank sky says of it: 'pixel' makes it that of single pixels, "
        "'psf' makes errors of point-source fluxes right although resampled pixels share noise. All factors "
        "are stated in the coadd in any case.",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _settle_statistic(cls, values: Any) -> Any:
        reject = values.get("reject") if isinstance(values, dict) else None
        if isinstance(reject, RejectControl) and reject.is_open and "statistic" in values:
            # A statistic that is given later closes what was left open.
            return values | {"reject": reject.replace(method="none")}
        # Here the options are still as they were given: a mapping from a file, or a config.
        method = reject.get("method") if isinstance(reject, dict) else getattr(reject, "method", None)
        if spelled(method, _UNSETTLED) in (None, *_UNSETTLED):
            return values
        return {"statistic": "MEAN"} | values

    @pydantic.model_validator(mode="after")
    def _check_statistic(self) -> Self:
        method = self.reject.method
        expected = {"none": self.statistic, "auto": "NOISECLIP"}.get(method, "MEAN")
        if self.statistic != expected:
            what = "artifacts are left out first, and the coadd is the MEAN of the rest"
            if method == "auto":
                what = "the statistic is chosen, too"
            reason = (
                f"found {self.statistic}; with the rejection {method} {what}: leave the statistic out, or "
                "reject none"
            )
            message = f"statistic: {reason}."
            raise ConfigError(message, option="statistic", found=self.statistic, reason=reason)
        return self

    @property
    def leaves_rejection_open(self) -> bool:
        """Whether neither the rejection nor a statistic was given, by which it would be none."""
        return self.reject.is_open and "statistic" not in self.model_fields_set

    def settled(self, method: Literal["none", "compare_warp"]) -> AssembleConfig:
        """Return the options with what was chosen, where the rejection is ``auto``."""
        if self.reject.method != "auto":
            return self
        statistic = {"statistic": "MEAN"} if method != "none" else {}
        return self.replace(reject=self.reject.replace(method=method), **statistic)

    def require_settled(self) -> None:
        """Check that the rejection is not left to a choice.

        Raises
        ------
        ConfigError
            Raised where it is: warps in hand are not all exposures of a band.
        """
        if self.reject.method == "auto":
            reason = (
                "found auto, which is chosen from all exposures of a band, before there are warps; expected "
                "none, safe_clip or compare_warp"
            )
            name = "reject.method"
            raise ConfigError(f"{name}: {reason}.", option=name, found="auto", reason=reason)

    def stack_control(self, layout: Layout) -> StackControl:
        """Translate the names of planes into bits."""
        thresholds = {
            layout.bits((name,)).bit_length() - 1: value
            for name, value in self.mask_propagation_thresholds.items()
        }
        # An input left out for want of data or at the rim of a detector is not "rejected".
        names = set(plane_names(self.bad_mask_planes)) - {"NO_DATA", "DETECTION_EDGE", "CLIPPED"}
        pairs = (
            (layout.bits(names), layout.rejected),
            (layout.edge, layout.sensor_edge),
            (layout.clipped, layout.clipped),
        )
        return StackControl(
            **{name: getattr(self, name) for name in Combination.model_fields},
            bad_mask=layout.bits(self.bad_mask_planes),
            weighted=True,
            no_good_mask=layout.no_data,
            clipped_mask=layout.clipped,
            mask_map=tuple(pair for pair in pairs if pair[0]),
            propagation_thresholds=thresholds,
        )

    def after_rejection(self) -> AssembleConfig:
        """Return how warps are combined once their artifacts are marked as CLIPPED."""
        if self.reject.method == "none":
            return self
        # The search puts artifacts on CLIPPED; where none ran the plane rejects nothing.
        return self.replace(bad_mask_planes=(*self.bad_mask_planes, "CLIPPED"))
