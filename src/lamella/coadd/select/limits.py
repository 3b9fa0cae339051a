"""Limits on what is known of exposures: each violation with its value, in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ...data.exposure import ExposureInfo
from ...sky.footprint import pixel_scale
from .quality import standard_quality
from .select_control import SelectControl

__all__ = ("Check", "Verdict", "beyond_limits", "visit_beyond_limits")

type Verdict = tuple[str, str]
"""What decided, in one word, and why, in one sentence."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One value of an exposure or a visit, and its limits."""

    code: str
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def verdict(self, require_known: bool) -> str | None:
        """Return what is wrong, or `None`."""
        if self.low is None and self.high is None:
            return None
        if self.value is None:
            return f"{self.label} is not known" if require_known else None
        if math.isnan(self.value):
            return f"{self.label} unknown, as its measurement failed; expected {self._range()}"
        if self.low is not None and self.value < self.low:
            return f"{self.label} {self._text(self.value)} < {self._text(self.low)}"
        if self.high is not None and self.value > self.high:
            return f"{self.label} {self._text(self.value)} > {self._text(self.high)}"
        return None

    def _range(self) -> str:
        words = {"at least": self.low, "at most": self.high}
        return " and ".join(
            f"{word} {self._text(limit)}" for word, limit in words.items() if limit is not None
        )

    def _text(self, value: float) -> str:
        return f"{value:.7g} {self.unit}".strip()


def beyond_limits(info: ExposureInfo, control: SelectControl) -> Iterator[Verdict]:
    """Yield what is wrong with an exposure, in the order of the options."""
    if info.id.visit in control.exclude_visits:
        yield "visit", f"visit {info.id.visit} is excluded"
    if info.id.detector in control.exclude_detectors:
        yield "detector", f"detector {info.id.detector} is excluded"
    for check in _checks(info, control):
        verdict = check.verdict(control.require_known)
        if verdict is not None:
            yield check.code, verdict


def visit_beyond_limits(infos: Iterable[ExposureInfo], control: SelectControl) -> Verdict | None:
    """Return what is wrong with a visit, given its exposures."""
    numbers = [standard_quality(info.quality) for info in infos] if control.min_visit_quality else []
    for name, low in sorted(control.min_visit_quality.items()):
        values = [value for quality in numbers if (value := quality.get(name)) is not None]
        finite = [value for value in values if np.isfinite(value)]
        mean = float(np.mean(finite)) if finite else (np.nan if values else None)
        verdict = Check(name, f"mean {name} of the visit", mean, low).verdict(control.require_known)
        if verdict is not None:
            return name, verdict
    return None


def _checks(info: ExposureInfo, control: SelectControl) -> Iterator[Check]:
    c, width, quality = control, info.psf_fwhm, standard_quality(info.quality)
    yield Check("psf_fwhm", "PSF FWHM", width, c.min_psf_fwhm, c.max_psf_fwhm, "arcsec")
    low, high = c.min_psf_fwhm_pixels, c.max_psf_fwhm_pixels
    if low is not None or high is not None:
        pixels = None if width is None else width / pixel_scale(info.projection, info.bbox)
        yield Check("psf_fwhm", "PSF FWHM", pixels, low, high, "pixel")

    def at_most(name: str, high: float | None, unit: str = "") -> Check:
        return Check(name, _label(name), quality.get(name), high=high, unit=unit)

    yield at_most("psf_ellipticity_residual", c.max_ellipticity_residual)
    yield at_most("psf_size_scatter", c.max_size_scatter, "pixel")
    yield at_most("psf_scaled_size_scatter", c.max_scaled_size_scatter)
    yield at_most("psf_trace_radius_delta", c.max_trace_radius_delta, "pixel")
    yield at_most("psf_aperture_flux_delta", c.max_aperture_flux_delta)
    yield at_most("psf_aperture_correction_delta", c.max_aperture_correction_delta)
    stars = _of_band(c.min_psf_stars, info.band)
    yield Check("psf_stars", _label("psf_stars"), quality.get("psf_stars"), low=stars)
    yield at_most("star_ellipticity", _of_band(c.max_star_ellipticity, info.band))
    unnormalized = _of_band(c.max_star_unnormalized_ellipticity, info.band)
    yield at_most("star_unnormalized_ellipticity", unnormalized, "pixel^2")
    for name in sorted({*c.min_quality, *c.max_quality}):
        yield Check(name, name, quality.get(name), c.min_quality.get(name), c.max_quality.get(name))
    yield Check("time", "MJD", info.mjd, c.min_mjd, c.max_mjd, "day")


def _of_band(limits: Mapping[str, float], band: str) -> float | None:
    return limits.get(band, limits.get("fallback"))


def _label(name: str) -> str:
    return name.replace("psf", "PSF").replace("_", " ")
