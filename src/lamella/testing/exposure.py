"""Simulated exposures in memory: the same pixels as in the files."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from lsst.images import Image, Mask, MaskedImage
from lsst.images.psfs import GaussianPointSpreadFunction

from ..data.exposure import Exposure, ExposureId, ExposureInfo
from ..data.times import ExposureTimes
from ..planes import Layout, make_schema
from .artifacts import Injection, inject_artifacts
from .camera import (
    INSTRUMENT,
    Visit,
    detector_box,
    detector_projection,
    plan_visits,
    random_stream,
)
from .config import SurveyConfig
from .render import render
from .sky import make_catalogue, sources_in_band

if TYPE_CHECKING:
    from lsst.images import DetectorFrame, SkyProjection

__all__ = ("DetectorPixels", "SimulatedExposure", "simulate_pixels")

_HOT = 40.0  # a hot column over the noise of the sky


@dataclasses.dataclass(frozen=True, slots=True)
class DetectorPixels:
    """The planes of one exposure; arrays of shape (y, x).

    Attributes
    ----------
    image
        Counts, float32; NaN in dead columns.
    mask
        Bits of `lamella.planes.make_schema`, int32.
    variance
        Square counts, float32; +inf in dead columns.
    model
        The noiseless static sky in counts, float64.
    artifacts
        What was added to it.
    """

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    model: np.ndarray
    artifacts: Injection


def simulate_pixels(config: SurveyConfig, visit: int, detector: int) -> DetectorPixels:
    """Make the pixels of one exposure.

    The variance is that of the sky and of the photons of stars and galaxies;
    the noise is Gaussian and has exactly this variance.  Artifacts add no
    variance, as if a pipeline had not known of them.

    Parameters
    ----------
    config
        The survey.
    visit, detector
        The exposure.
    """
    plan = plan_visits(config)[visit]
    sources = sources_in_band(make_catalogue(config), plan.band)
    projection = detector_projection(config, visit, detector)
    model = (
        render(sources, projection, detector_box(config), plan.psf_sigma(config.pixel_scale)) / plan.to_njy
    )
    variance = ((plan.sky_noise / plan.to_njy) ** 2 + model / config.gain).astype(np.float32)
    artifacts = inject_artifacts(config, visit, detector)
    image = model + artifacts.image / plan.to_njy
    if config.noise:
        rng = random_stream(config, "noise", visit, detector)
        image += rng.standard_normal(model.shape) * np.sqrt(variance.astype(np.float64))
    mask = np.zeros(model.shape, dtype=np.int32)
    mask[artifacts.masked] |= _bit("COSMIC_RAY")
    full = image >= config.saturation
    image[full] = config.saturation
    mask[full] |= _bit("SATURATED")
    # Columns that are bad in this detector, in all visits; none is at an end of it.
    count = config.bad_columns + config.dead_columns
    rng = random_stream(config, "columns", detector)
    columns = 1 + rng.permutation(config.detector_shape[1] - 2)[:count]
    hot, dead = columns[: config.bad_columns], columns[config.bad_columns :]
    image[:, hot] += _HOT * plan.sky_noise / plan.to_njy
    mask[:, hot] |= _bit("BAD")
    image[:, dead] = np.nan
    variance[:, dead] = np.inf
    mask[:, dead] |= _bit("NO_DATA")
    width = config.edge_width
    rim = np.ones(mask.shape, dtype=bool)
    rim[width : mask.shape[0] - width, width : mask.shape[1] - width] = False
    mask[rim] |= _bit("DETECTION_EDGE")
    return DetectorPixels(image.astype(np.float32), mask, variance, model, artifacts)


def _bit(name: str) -> np.int32:
    return np.int32(Layout.of().bits([name]))


@dataclasses.dataclass(frozen=True, slots=True)
class SimulatedExposure:
    """An exposure of a simulated survey, made when it is read; an `~lamella.data.exposure.ExposureSource`.

    Attributes
    ----------
    config
        The survey.
    visit, detector
        The exposure.
    """

    config: SurveyConfig
    visit: int
    detector: int

    @property
    def plan(self) -> Visit:
        """The visit's pointing, seeing, noise and zero point."""
        return plan_visits(self.config)[self.visit]

    @property
    def projection(self) -> SkyProjection[DetectorFrame]:
        """Pixels to sky."""
        return detector_projection(self.config, self.visit, self.detector)

    @property
    def psf(self) -> GaussianPointSpreadFunction:
        """The PSF in pixels of the detector."""
        sigma = self.plan.psf_sigma(self.config.pixel_scale)
        half = max(int(np.ceil(5.0 * sigma)), 7)
        return GaussianPointSpreadFunction(sigma, detector_box(self.config), stamp_size=2 * half + 1)

    @property
    def info(self) -> ExposureInfo:
        """What is known without making pixels."""
        plan = self.plan
        return ExposureInfo(
            id=ExposureId(INSTRUMENT, self.visit, self.detector),
            path=f"simulated/visit-{self.visit}-detector-{self.detector}",
            band=plan.band,
            bbox=detector_box(self.config),
            projection=self.projection,
            physical_filter=f"{INSTRUMENT}-{plan.band}",
            psf_fwhm=plan.psf_fwhm,
            times=ExposureTimes.of(middle=plan.mjd, exposure_time=self.config.exposure_time),
            format="simulated",
        )

    def pixels(self) -> DetectorPixels:
        """Make the planes, and what went into them."""
        return simulate_pixels(self.config, self.visit, self.detector)

    def read(self) -> Exposure:
        """Make the pixels."""
        info, pixels = self.info, self.pixels()
        mask = Mask(pixels.mask[..., None], schema=make_schema(), bbox=info.bbox)
        masked = MaskedImage(
            Image(pixels.image, bbox=info.bbox),
            mask=mask,
            variance=Image(pixels.variance, bbox=info.bbox),
            sky_projection=info.projection,
        )
        return Exposure(info=info, pixels=masked, psf=self.psf, to_njy=self.plan.to_njy)
