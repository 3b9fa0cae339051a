"""Numbers that say how good the PSF of an exposure is: their names, and how they follow from stars."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...errors import ShapeError

__all__ = ("QUALITY", "SUMMARY_NAMES", "psf_quality", "standard_quality")

QUALITY: dict[str, str] = {
    "psf_ellipticity_residual": "residual of the ellipticities of stars after the PSF model",
    "psf_size_scatter": "scatter of the sizes of stars about the PSF model, pixels",
    "psf_scaled_size_scatter": "the same over the square of the median size",
    "psf_trace_radius_delta": "change of the trace radius of the PSF model over the detector, pixels",
    "psf_aperture_flux_delta": "change over the detector of the flux that an aperture takes of the PSF model",
    "psf_aperture_correction_delta": "change of the aperture correction over the detector, over its error",
    "psf_stars": "number of stars that the PSF model was made from",
    "star_ellipticity": "median ellipticity of these stars",
    "star_unnormalized_ellipticity": "the same, times the size squared, pixels squared",
}
"""Numbers that have an option of their own in `lamella.coadd.select.select_control.SelectControl`."""

SUMMARY_NAMES: dict[str, str] = {
    "psfStarDeltaSizeScatter": "psf_size_scatter",
    "psfStarScaledDeltaSizeScatter": "psf_scaled_size_scatter",
    "psfTraceRadiusDelta": "psf_trace_radius_delta",
    "psfApFluxDelta": "psf_aperture_flux_delta",
    "psfApCorrSigmaScaledDelta": "psf_aperture_correction_delta",
    "nPsfStar": "psf_stars",
    "starEMedian": "star_ellipticity",
    "starUnNormalizedEMedian": "star_unnormalized_ellipticity",
}
"""What columns of the visit summaries of the LSST Science Pipelines are called here."""

_E1, _E2 = "psfStarDeltaE1Median", "psfStarDeltaE2Median"


def standard_quality(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return numbers under the names of `QUALITY` where they come under those of a visit summary.

    Parameters
    ----------
    numbers
        Values by any names; those of `QUALITY` win over those of `SUMMARY_NAMES`.

    Returns
    -------
    dict
        All values given, and those that have a standard name under that, too.
    """
    quality = dict(numbers)
    for name, standard in SUMMARY_NAMES.items():
        if name in numbers:
            quality.setdefault(standard, numbers[name])
    if _E1 in numbers and _E2 in numbers:
        quality.setdefault("psf_ellipticity_residual", math.hypot(numbers[_E1], numbers[_E2]))
    return quality


def psf_quality(stars: np.ndarray, models: np.ndarray) -> dict[str, float]:
    """Compare the shapes of stars with the PSF model at their places.

    With moments xx, yy, xy the size is ``(xx yy - xy^2)^(1/4)`` and the
    ellipticity ``((xx - yy), 2 xy) / (xx + yy)``.  The residual of
    ellipticities is the root of the summed squares of the medians of both
    differences; scatters are 1.4826 times the median absolute deviation.

    Parameters
    ----------
    stars, models
        Second moments xx, yy, xy in pixels squared: shape (3, n).  Stars with a
        value that is not finite are left out.

    Returns
    -------
    dict
        The numbers of `QUALITY` that follow from these, for
        `lamella.data.exposure.ExposureInfo.quality` or the columns of an exposure table; NaN without stars.

    Raises
    ------
    ShapeError
        Raised when the arrays do not have these shapes.
    """
    star, model = (np.asarray(moments, dtype=np.float64) for moments in (stars, models))
    if star.ndim != 2 or star.shape[0] != 3 or star.shape != model.shape:
        raise ShapeError("moments", found=(star.shape, model.shape), expected="(3, n), twice")
    good = np.isfinite(star).all(axis=0) & np.isfinite(model).all(axis=0)
    star, model = star[:, good], model[:, good]
    if not good.any():
        return dict.fromkeys(_OF_STARS, math.nan) | {"psf_stars": 0.0}
    size, (e1, e2) = _size(star), _ellipticity(star)
    offset = _ellipticity(star) - _ellipticity(model)
    difference = size - _size(model)
    scatter = 1.4826 * float(np.median(np.abs(difference - np.median(difference))))
    values = (
        math.hypot(*np.median(offset, axis=1)),
        scatter,
        scatter / float(np.median(size)) ** 2,
        float(np.median(np.hypot(e1, e2))),
        float(np.median(np.hypot(star[0] - star[1], 2 * star[2]))),
    )
    return dict(zip(_OF_STARS, values, strict=True)) | {"psf_stars": float(good.sum())}


_OF_STARS = (
    "psf_ellipticity_residual",
    "psf_size_scatter",
    "psf_scaled_size_scatter",
    "star_ellipticity",
    "star_unnormalized_ellipticity",
)


def _size(moments: np.ndarray) -> np.ndarray:
    xx, yy, xy = moments
    size: np.ndarray = np.maximum(xx * yy - xy**2, 0.0) ** 0.25
    return size


def _ellipticity(moments: np.ndarray) -> np.ndarray:
    xx, yy, xy = moments
    ellipticity: np.ndarray = np.array([xx - yy, 2 * xy]) / (xx + yy)
    return ellipticity
