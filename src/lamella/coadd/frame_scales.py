"""Factors that put images of one shape on one scale: by their medians, or by their stars."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.options import Normalization
from ..errors import CalibrationError
from ..image.background import fit_background
from ..image.blank_pixels import FineMeshes
from ..image.stars import StarField, measure_stars
from .relative_scales import relative_scales
from .star_matches import StarCatalog, match_stars

__all__ = ("FrameLevel", "measure_level", "relative_factors")

_FEWEST = 3
_DEGREES = 1e-4
"""Of a pixel, where images without a WCS are laid on the sky: 0.4 degrees for 4000 pixels, which are flat."""


@dataclasses.dataclass(frozen=True)
class FrameLevel:
    """What an image is compared with others by."""

    name: str
    """Its file, for messages."""
    median: float = 1.0
    """Of its good pixels."""
    stars: StarField | None = None


def measure_level(
    image: np.ndarray, variance: np.ndarray, bad: np.ndarray, kind: Normalization, *, name: str
) -> FrameLevel:
    """Measure what an image is compared with others by.

    Parameters
    ----------
    image, variance
        Shape (y, x).
    bad
        True where a pixel is no measurement.
    kind
        What is to be compared.
    name
        File of the image, for messages.

    Raises
    ------
    CalibrationError
        Raised when medians are compared, and that of the image is not positive.
    InputError
        Raised when stars are compared, and hardly a pixel is good.
    """
    if kind == "none":
        return FrameLevel(name)
    if kind == "stars":
        sky = fit_background(image, bad, FineMeshes(), Path(name)).level
        return FrameLevel(name, stars=measure_stars(image - sky, variance, bad))
    good = image[~bad & np.isfinite(image)]
    median = float(np.median(good)) if good.size else float("nan")
    if not 0.0 < median < np.inf:
        raise CalibrationError(
            f"{name}: the median of the good pixels is {median:g}; expected a positive number, to scale by.",
            path=name,
            found=median,
        )
    return FrameLevel(name, median)


def relative_factors(levels: Sequence[FrameLevel], kind: Normalization) -> tuple[float, ...]:
    """Return the factors that put images on the scale of the first.

    Parameters
    ----------
    levels
        One per image.
    kind
        What is compared.

    Raises
    ------
    CalibrationError
        Raised when stars are compared, and an image has fewer than three in common with the first.
    """
    if kind == "median":
        return tuple(levels[0].median / level.median for level in levels)
    if kind == "stars" and len(levels) > 1:
        return _star_factors(levels)
    return (1.0,) * len(levels)


def _star_factors(levels: Sequence[FrameLevel]) -> tuple[float, ...]:
    """Return the factors from the stars that images have in common, all pairs of images together."""
    catalogs = [_catalog(level) for level in levels]
    scales = relative_scales(catalogs, match_stars(catalogs), {0: 1.0})
    told = zip(levels, scales.scale, scales.reference, scales.stars, strict=True)
    for level, scale, reference, stars in list(told)[1:]:
        if not np.isfinite(scale) or reference != 0 or stars < _FEWEST:
            raise CalibrationError(
                f"{level.name}: {int(stars)} stars in common; expected at least {_FEWEST} that "
                f"tie it to {levels[0].name}, in aligned images.",
                path=level.name,
                found=int(stars),
            )
    return tuple(map(float, scales.scale))


def _catalog(level: FrameLevel) -> StarCatalog:
    """Return the stars of an image, its pixels taken for degrees on a small piece of the sky."""
    stars = level.stars
    if stars is None:
        raise TypeError("No stars were measured.")
    bright = stars.flux > 0.0
    return StarCatalog(
        name=level.name,
        visit=level.name,
        ra=_DEGREES * stars.x[bright],
        dec=_DEGREES * stars.y[bright],
        position_error=3600.0 * _DEGREES * stars.position_error[bright],
        flux=stars.flux[bright],
        flux_error=stars.flux_error[bright],
        pixel=3600.0 * _DEGREES,
    )
