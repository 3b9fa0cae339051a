"""The options of the selection of exposures."""

from __future__ import annotations

from typing import Literal, Self

import pydantic

from ...config import Config, option

__all__ = ("SelectControl",)


class SelectControl(Config):
    """Which exposures are used.

    All limits are off by default, so that only the footprint counts.  A value
    that is not known passes its limit unless ``require_known`` is set; a value
    that is known to be NaN never passes.
    """

    min_psf_fwhm: float | None = option(None, "Smallest width of the PSF.", unit="arcsec", ge=0.0)
    max_psf_fwhm: float | None = option(None, "Largest width of the PSF.", unit="arcsec", gt=0.0)
    min_psf_fwhm_pixels: float | None = option(
        None, "Smallest width of the PSF, in pixels of the exposure.", unit="pixel", ge=0.0
    )
    max_psf_fwhm_pixels: float | None = option(
        None, "Largest width of the PSF, in pixels of the exposure.", unit="pixel", gt=0.0
    )
    max_ellipticity_residual: float | None = option(
        None, "Largest residual of the ellipticities of stars after the PSF model.", ge=0.0
    )
    max_size_scatter: float | None = option(
        None, "Largest scatter of the sizes of stars about the PSF model.", unit="pixel", ge=0.0
    )
    max_scaled_size_scatter: float | None = option(
        None, "Largest scatter of the sizes, divided by the square of the median size.", ge=0.0
    )
    max_trace_radius_delta: float | None = option(
        None, "Largest change of the trace radius of the PSF model over the detector.", unit="pixel", ge=0.0
    )
    max_aperture_flux_delta: float | None = option(
        None, "Largest change over the detector of the flux that an aperture takes of the PSF model.", ge=0.0
    )
    max_aperture_correction_delta: float | None = option(
        None, "Largest change of the aperture correction over the detector, in units of its error.", ge=0.0
    )
    min_psf_stars: dict[str, float] = option(
        {}, "Smallest number of stars that the PSF model was made from, by band; 'fallback' for other bands."
    )
    max_star_ellipticity: dict[str, float] = option(
        {}, "Largest median ellipticity of the stars, by band; 'fallback' for other bands."
    )
    max_star_unnormalized_ellipticity: dict[str, float] = option(
        {}, "The same for the ellipticity times the size squared (pixel^2)."
    )
    min_quality: dict[str, float] = option(
        {}, "Smallest values of further numbers about the exposures, by name."
    )
    max_quality: dict[str, float] = option(
        {}, "Largest values of further numbers about the exposures, by name."
    )
    min_visit_quality: dict[str, float] = option(
        {},
        "Smallest means of such numbers over the exposures of a visit, by name; NaN and unknown ones do not "
        "count for the mean.",
    )
    require_known: bool = option(False, "Leave out exposures for which a limited value is not known.")
    min_mjd: float | None = option(None, "Earliest time, as modified Julian date.", unit="day")
    max_mjd: float | None = option(None, "Latest time, as modified Julian date.", unit="day")
    exclude_visits: tuple[int, ...] = option((), "Visits to leave out.")
    exclude_detectors: tuple[int, ...] = option((), "Detectors to leave out.")
    max_visits: int | None = option(None, "Keep this many visits, those of the best seeing.", gt=0)
    seeing_statistic: Literal["median", "mean"] = option(
        "median", "How the seeing of a visit follows from those of its exposures."
    )
    seeing_quantiles: tuple[float, float] = option(
        (0.0, 1.0), "Keep visits between these quantiles of seeing; 0 is the best."
    )
    min_visits: int = option(6, "Visits that the quantiles leave at least, where there are so many.", ge=1)

    @pydantic.field_validator("min_psf_stars", "max_star_ellipticity", "max_star_unnormalized_ellipticity")
    @classmethod
    def _check_fallback(cls, limits: dict[str, float]) -> dict[str, float]:
        if limits and "fallback" not in limits:
            raise ValueError("there must be a limit for 'fallback', the bands that are not named")
        return limits

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.seeing_quantiles
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(f"seeing_quantiles must increase, between 0 and 1; found {low} and {high}")
        return self
