"""The scene that is handed through rejection: the visits of a coadd, and the rules that it is made by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from lsst.images import Box, SkyProjection

from ...data.inputs import WarpInput
from ...data.options import WeightControl
from ...image.planes import Planes, overlap
from ...image.spans import Runs, pixels_of
from ...planes import Layout
from ...psf.measure import fwhm
from ...resources import Resources
from ..stack.stack_control import StackControl
from ..stack.tiles import InputReader, StackedPlanes, stack_inputs
from .reject_control import RejectControl

__all__ = ("Scene", "count_visits", "measured_width")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Visits in which artifacts are looked for."""

    inputs: tuple[WarpInput, ...]
    """Warps with weights, in the order of their identities; for compare_warp with matched ones."""
    bbox: Box
    """Box of the coadd."""
    layout: Layout
    """All mask planes of the warps and of the matched ones."""
    control: RejectControl
    """How artifacts are found."""
    rules: StackControl
    """How the coadd is made, in bits of the layout."""
    bad_mask_planes: tuple[str, ...]
    """The planes that reject a pixel, of which ``rules`` has the bits."""
    weights: WeightControl
    """How the weights of the inputs were found."""
    fwhm: tuple[float, ...]
    """Full width at half maximum of the PSF of each input before matching, in pixels."""
    notes: tuple[str, ...] = ()
    """For each input why that is not its own, or nothing."""
    removed: int = 0
    """Bits of planes that say nothing about a coadd and are cleared."""
    resources: Resources = dataclasses.field(default_factory=Resources)

    def read(self, warp: WarpInput, box: Box | None = None) -> Planes | None:
        """Read the pixels of a warp in a box, by default that of the coadd; `None` without any."""
        common = overlap(warp.source.bbox, self.bbox if box is None else box)
        return None if common is None else InputReader(warp, self.layout).read(common)

    def stack(self, inputs: list[WarpInput] | None = None, **rules: object) -> StackedPlanes:
        """Stack inputs, by default those of the scene, by its rules or other ones."""
        return stack_inputs(
            self.inputs if inputs is None else inputs,
            self.bbox,
            self.layout,
            self.rules.replace(**rules),
            self.resources.replace(streaming=False, on_step=None),
            self.removed,
        )


def count_visits(removed: Iterable[Runs], bbox: Box) -> np.ndarray:
    """Return how many visits lose each pixel of a box, given the pixels of each: int32 of shape (y, x)."""
    counts = np.zeros(bbox.shape, dtype=np.int32)
    for runs in removed:
        y, x, _ = pixels_of(runs.y, runs.x0, runs.x1, bbox)
        counts[y, x] += 1
    return counts


_FAILURES = (ArithmeticError, LookupError, RuntimeError, ValueError)
"""Errors that PSF models, also those of other packages, raise where they have no value."""


def measured_width(
    warp: WarpInput, projection: SkyProjection[Any] | None, default: float
) -> tuple[float, str]:
    """Return the full width at half maximum of the PSF of an input, before matching, in coadd pixels.

    It is that in the middle of the detector that has the most pixels; ``default``, and a reason if there was
    a PSF model, where an input comes without PSF models, ``projection`` is not given, or the PSF cannot be
    measured.
    """
    if projection is None or not warp.detectors:
        return default, ""
    # One detector stands for the visit: seeing varies less over the focal plane than between visits.
    detector = max(warp.detectors, key=lambda d: (d.good_pixels, d.id))
    x, y = detector.bbox.x.center, detector.bbox.y.center
    try:
        width = fwhm(detector.psf, x, y)
        # The size of a detector pixel in coadd pixels: the root of the area that two steps span.
        at_x, at_y = np.array([x, x + 1.0, x]), np.array([y, y, y + 1.0])
        sky = detector.projection.pixel_to_sky_transform.apply_forward(x=at_x, y=at_y)
        grid = projection.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
        across, up = (np.array([grid.x[k] - grid.x[0], grid.y[k] - grid.y[0]]) for k in (1, 2))
        width *= math.sqrt(abs(float(across[0] * up[1] - across[1] * up[0])))
        reason = "" if math.isfinite(width) and width > 0.0 else f"its width is {width}"
    except _FAILURES as err:
        width, reason = default, str(err).rstrip(".")
    if not reason:
        return width, ""
    return (
        default,
        f"The PSF of {detector.id} cannot be measured ({reason}): {default:g} pixels are assumed.",
    )
