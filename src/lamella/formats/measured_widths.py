"""Widths of PSFs, from the stars of the exposures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ..data.exposure import ExposureId, ExposureInfo, ExposureSource
from ..sky.footprint import pixel_scale
from .exposure_stars import ExposureStars
from .row_changes import RowChanges

__all__ = ("fill_widths",)


def fill_widths(
    sources: Sequence[ExposureSource], stars: Mapping[ExposureId, ExposureStars], changes: RowChanges
) -> None:
    """Give exposures the width that their stars have, and those without a star the median of the others.

    Parameters
    ----------
    sources
        Exposures that say ``measured`` for the width.
    stars
        What was measured.
    changes
        Takes the new cells.  One stays ``measured`` where no exposure of the instrument has a star.

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
        arcsec_of_others = _of_others(source.info, sources, widths)
        if source.info.id not in widths and arcsec_of_others is not None:
            changes.set(source, psf_fwhm=repr(arcsec_of_others), psf_fwhm_pixels="")
            changes.tell(source, "PSF", "assumed", "as the median of other exposures, for want of stars")


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
