"""Interpolation over bad pixels of an image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from lsst.images import Mask, MaskedImage
from lsst.pex.config import Config
from lsst.pipe.base import Struct
from lsst.utils.timer import timeMethod

from ...errors import ConfigError, MaskPlaneError
from ...image.gaps import fill_masked_image
from ...image.options import GapControl
from ...planes import make_schema, plane_name
from ..cmdline.task import Task
from .fields import borrow, borrowed, check_with_core, core_values
from .spans import as_spans

__all__ = ("InterpImageConfig", "InterpImageTask")


class InterpImageConfig(Config):
    """How bad pixels are filled; see `lamella.image.options.GapControl`."""

    useFallbackValueAtEdge = borrow(GapControl, "use_fallback_at_edge")
    fallbackValueType = borrow(GapControl, "fallback")
    fallbackUserValue = borrow(GapControl, "fallback_value")
    negativeFallbackAllowed = borrow(GapControl, "negative_fallback_allowed")
    transpose = borrow(GapControl, "transpose")
    edgeReach = borrow(GapControl, "edge_reach")
    maxGap = borrow(GapControl, "max_gap")

    def validate(self) -> None:
        """Check the options one by one, and together as the core does."""
        super().validate()
        check_with_core(self, {**borrowed(self, GapControl), "": "fallbackUserValue"})

    def toCore(self) -> GapControl:
        """Return the core's form of this."""
        return GapControl(**core_values(self, GapControl))


class InterpImageTask(Task):
    """Interpolates over bad pixels."""

    ConfigClass: ClassVar[type[Config]] = InterpImageConfig
    _DefaultName = "interpImage"
    config: InterpImageConfig

    @timeMethod
    def run(
        self,
        image: MaskedImage,
        planeName: str | None = None,
        fwhmPixels: float | None = None,
        defects: Iterable[Any] | None = None,
    ) -> Struct:
        """Fill bad pixels in place, and set INTERPOLATED on them.

        Parameters
        ----------
        image
            Image, mask and variance.
        planeName
            Mask plane of the pixels to fill.
        fwhmPixels
            Accepted for the sake of older scripts; the filling does not depend on it.
        defects
            Regions to fill, instead of a plane: boxes or sets of spans.

        Returns
        -------
        lsst.pipe.base.Struct
            ``summary``: a `lamella.image.gaps.GapSummary`.

        Raises
        ------
        ConfigError
            Raised when both a plane and defects are given, or none of them.
        MaskPlaneError
            Raised when the mask does not have the plane.
        """
        if (planeName is None) == (defects is None):
            raise ConfigError("give either planeName or defects.", option="planeName", found=planeName)
        control = self.config.toCore()
        if planeName is not None:
            if plane_name(planeName) not in image.mask.schema.names:
                planes = ", ".join(image.mask.schema.names)
                raise MaskPlaneError(f"There is no mask plane {planeName!r}; there are: {planes}.")
            summary = fill_masked_image(image, (planeName,), control)
        else:
            # Defects need not be on any plane of the mask.
            flags = np.zeros(image.bbox.shape, dtype=bool)
            for defect in defects or ():
                flags |= as_spans(defect).to_array(image.bbox)
            # A mask of its own, so that planes of the image do not count as defects.
            scratch = Mask(0, schema=make_schema(), bbox=image.bbox)
            scratch.set("BAD", flags)
            work = MaskedImage(image.image, mask=scratch, variance=image.variance)
            summary = fill_masked_image(work, ("BAD",), control)
            image.mask.set("INTERPOLATED", flags & scratch.get("INTERPOLATED"))
        self.metadata["interpolated_pixel_count"] = summary.pixels
        if summary.fallback is not None:
            self.log.info(
                "%d pixels had nothing near to interpolate from and got the fallback value %g",
                summary.fallback_pixels,
                summary.fallback,
            )
        self.log.info("Interpolated over %d pixels.", summary.pixels)
        return Struct(summary=summary)
