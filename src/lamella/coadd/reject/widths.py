"""Width of the PSF of warps, in pixels of the coadd."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from lsst.images import SkyProjection

from ...data.detector import DetectorInput
from ...data.inputs import WarpInput
from ...psf.measure import fwhm

__all__ = ("measured_widths", "psf_width", "psf_widths")


def psf_widths(
    inputs: Sequence[WarpInput], projection: SkyProjection[Any] | None, default: float
) -> list[float]:
    """Return the full width at half maximum of the PSF of each input, before matching, in coadd pixels.

    It is that in the middle of the detector that has the most pixels; ``default``
    where an input comes without PSF models, ``projection`` is not given, or the PSF cannot be measured.
    """
    return [width for width, _ in measured_widths(inputs, projection, default)]


def measured_widths(
    inputs: Sequence[WarpInput], projection: SkyProjection[Any] | None, default: float
) -> list[tuple[float, str]]:
    """Return what `psf_widths` returns, and for each input why its PSF could not be measured, or nothing."""

    def width(one: WarpInput) -> tuple[float, str]:
        if projection is None or not one.detectors:
            return default, ""
        detector = max(one.detectors, key=lambda d: (d.good_pixels, d.id))
        try:
            pixels = psf_width(detector, projection)
            reason = "" if math.isfinite(pixels) and pixels > 0.0 else f"its width is {pixels}"
        except _FAILURES as err:
            reason = str(err).rstrip(".")
        if reason:
            note = f"The PSF of {detector.id} cannot be measured ({reason}): {default:g} pixels are assumed."
            return default, note
        return pixels, ""

    return [width(one) for one in inputs]


_FAILURES = (ArithmeticError, LookupError, RuntimeError, ValueError)
"""What PSF models, also those of other packages, raise where they have no value."""


def psf_width(detector: DetectorInput, projection: SkyProjection[Any]) -> float:
    """Return the full width at half maximum of a PSF in the middle of a detector, in coadd pixels."""
    x, y = detector.bbox.x.center, detector.bbox.y.center
    return fwhm(detector.psf, x, y) * _magnification(detector, projection, x, y)


def _magnification(detector: DetectorInput, projection: SkyProjection[Any], x: float, y: float) -> float:
    """Return the size of a detector pixel in coadd pixels."""
    at_x, at_y = np.array([x, x + 1.0, x]), np.array([y, y, y + 1.0])
    sky = detector.projection.pixel_to_sky_transform.apply_forward(x=at_x, y=at_y)
    place = projection.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
    across, up = (np.array([place.x[k] - place.x[0], place.y[k] - place.y[0]]) for k in (1, 2))
    return math.sqrt(abs(float(across[0] * up[1] - across[1] * up[0])))
