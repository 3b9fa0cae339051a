"""Widths of PSFs, from the stars of the exposures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ..data.exposure import ExposureId, ExposureInfo, ExposureSource
from ..sky.footprint import pixel_scale
from .exposure_stars import ExposureStars
from .row_changes import RowChanges

__all__ = ("fill_widths",)

_ASSUMED = 3.0
"""Pixels: about what cameras are built for."""


def fill_widths(
    sources: Sequence[ExposureSource], stars: Mapping[ExposureId, ExposureStars], changes: RowChanges
) -> None:
    """Give exposures the width that their stars have, and those without a star the median of the others.

    Where no exposure of the instrument has a star, a width is assumed, so that a field without stars can be
    coadded: what is said of point sources then hangs on it.

    Parameters
    ----------
    sources
        Exposures that say ``measured`` for the width.
    stars
        What was measured.
    changes
        Takes the new cells.

    Raises
    ------
    MissingPartError
        Raised when a width would have to be assumed, and nothing may be.
    """
    widths: dict[ExposureId, float] = {}
    for source in sources:
        width = stars[source.info.id].width
        if width is not None:
            # That of the Gaussian which the PSF of a row with a width is.
            arcsec = width.gaussian * pixel_scale(source.info.projection, source.info.bbox)
            widths[source.info.id] = arcsec
            changes.set(source, psf_fwhm=repr(arcsec), psf_fwhm_pixels="")
            changes.tell(source, "PSF", "measured", "from a fit to stars")
    for source in sources:
        if source.info.id in widths:
            continue
        others = _of_others(source.info, sources, widths)
        how = "as the median of other exposures, for want of stars"
        if others is None:
            others = _ASSUMED * pixel_scale(source.info.projection, source.info.bbox)
            how = f"to be {_ASSUMED:g} pixels wide, for want of any star"
        changes.set(source, psf_fwhm=repr(others), psf_fwhm_pixels="")
        changes.tell(source, "PSF", "assumed", how)


def _of_others(
    info: ExposureInfo, sources: Sequence[ExposureSource], widths: Mapping[ExposureId, float]
) -> float | None:
    """Return the median width of the exposures of the same instrument, and of the same band if there are."""
    others = [
        source.info
        for source in sources
        if source.info.id in widths and source.info.id.instrument == info.id.instrument
    ]
    same = [other for other in others if other.band == info.band] or others
    return statistics.median(widths[other.id] for other in same) if same else None
