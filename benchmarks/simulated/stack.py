"""A stack of images on one pixel grid, with known truth: for tests of statistics."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Self

import numpy as np
import pydantic
from lsst.images import Box

from lamella.config import Config, option
from lamella.planes import Layout
from lamella.testing.render import Gaussians, draw_gaussians

__all__ = ("SimulatedStack", "StackConfig", "simulate_stack")

Positive = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]

_GARBAGE = 1e5  # nJy: what a masked pixel holds


class StackConfig(Config):
    """What to put into a simulated stack; equal configurations give equal bits."""

    n: int = option(10, "Number of images.", ge=1)
    shape: tuple[int, int] = option((256, 256), "Rows and columns of an image.", unit="px")
    seed: int = option(1, "Seed of all random numbers.", ge=0)
    psf_sigma: tuple[Positive, Positive] = option(
        (2.0, 2.0), "Range of the PSF's standard deviation over the images.", unit="px"
    )
    sky_noise: tuple[Positive, Positive] = option((20.0, 35.0), "Range of the sky noise.", unit="nJy")
    photon: float = option(
        4.0, "Flux per photo-electron, for the noise of sources; 0 for none.", unit="nJy", ge=0
    )
    sources: int = option(40, "Number of point sources and Gaussian galaxies.", ge=0)
    flux: tuple[Positive, Positive] = option(
        (500.0, 100000.0), "Range of fluxes, uniform in log.", unit="nJy"
    )
    masked: float = option(0.01, "Fraction of pixels that are BAD, with garbage in them.", ge=0, lt=1)
    outliers: float = option(
        0.0, "Fraction of pixels with an unmasked outlier of 10 to 100 sigma.", ge=0, lt=1
    )
    noise: bool = option(True, "Whether pixels have noise.")

    @pydantic.model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name in ("psf_sigma", "sky_noise", "flux"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must have its lower limit first")
        return self


@dataclasses.dataclass(frozen=True, slots=True)
class SimulatedStack:
    """Images on one pixel grid, and what they should add up to.

    Attributes
    ----------
    image
        Shape (n, y, x), float32, nJy.
    mask
        Shape (n, y, x), int32, bits of `lamella.planes.make_schema`.
    variance
        Shape (n, y, x), float32, square nJy: exactly the variance of the noise.
    weights
        Shape (n,), float64: the inverse of the mean variance of each image.
    truth
        Shape (y, x), float64, nJy: the weighted mean of the noiseless images.
    outliers
        Shape (n, y, x), bool: which pixels got an unmasked outlier.
    """

    image: np.ndarray
    mask: np.ndarray
    variance: np.ndarray
    weights: np.ndarray
    truth: np.ndarray
    outliers: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """Pixels without a mask bit, shape (n, y, x), bool."""
        return np.asarray(self.mask == 0)

    @property
    def count(self) -> np.ndarray:
        """Number of unmasked inputs per pixel, shape (y, x), int32."""
        return np.asarray(self.good.sum(axis=0, dtype=np.int32))

    @property
    def mean_variance(self) -> np.ndarray:
        """Variance of the weighted mean of the unmasked inputs, shape (y, x), float64.

        It is sum(w^2 v) / sum(w)^2; NaN where all inputs are masked.
        """
        w = self.weights[:, None, None] * self.good
        total = w.sum(axis=0)
        variance: np.ndarray = np.full(total.shape, np.nan)
        np.divide((w**2 * self.variance).sum(axis=0), total**2, out=variance, where=total > 0)
        return variance


def simulate_stack(config: StackConfig | None = None) -> SimulatedStack:
    """Make a stack of images that share one pixel grid.

    Parameters
    ----------
    config
        What to make.
    """
    config = config or StackConfig()
    streams = np.random.SeedSequence(config.seed).spawn(config.n + 1)
    common = np.random.default_rng(streams[0])
    # Point sources and Gaussian galaxies, half and half, before the PSF.
    n, (height, width) = config.sources, config.shape
    x, y = common.uniform(0, width - 1, n), common.uniform(0, height - 1, n)
    low, high = config.flux
    flux = low * (high / low) ** common.random(n)
    size = np.where(np.arange(n) % 2 == 1, common.uniform(1.0, 4.0, n), 0.0)
    ratio, angle = common.uniform(0.4, 1.0, n), common.uniform(0, np.pi, n)
    major, minor = size**2, (size * ratio) ** 2
    cos, sin = np.cos(angle), np.sin(angle)
    xx, yy = major * cos**2 + minor * sin**2, major * sin**2 + minor * cos**2
    sources = Gaussians(x, y, flux, xx, (major - minor) * cos * sin, yy)
    sigmas = common.uniform(*config.psf_sigma, config.n)
    skies = common.uniform(*config.sky_noise, config.n)
    shape = (config.n, *config.shape)
    image, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    mask, outliers = np.zeros(shape, np.int32), np.zeros(shape, bool)
    weights, truth = np.empty(config.n), np.zeros(config.shape)
    for k in range(config.n):
        sigma = sigmas[k]
        height, width = config.shape
        seen = dataclasses.replace(sources, xx=sources.xx + sigma**2, yy=sources.yy + sigma**2)
        model = draw_gaussians(seen, Box.factory[0:height, 0:width])
        variance[k] = skies[k] ** 2 + config.photon * model
        weights[k] = 1.0 / variance[k].mean(dtype=np.float64)
        truth += weights[k] * model
        image[k], bad, outliers[k] = _observe(
            config, model, variance[k], np.random.default_rng(streams[k + 1])
        )
        mask[k, bad] = Layout.of().bits(["BAD"])
    return SimulatedStack(image, mask, variance, weights, truth / weights.sum(), outliers)


def _observe(
    config: StackConfig, model: np.ndarray, variance: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an image, its bad pixels and its unmasked outliers."""
    sigma = np.sqrt(variance.astype(np.float64))
    noise, bad_draw, outlier_draw = (
        rng.standard_normal(model.shape),
        rng.random(model.shape),
        rng.random(model.shape),
    )
    heights = rng.uniform(10.0, 100.0, model.shape)
    bad = bad_draw < config.masked
    outliers = (outlier_draw < config.outliers) & ~bad
    image = model + sigma * noise if config.noise else model.copy()
    image[outliers] += (heights * sigma)[outliers]
    image[bad] = _GARBAGE
    return image.astype(np.float32), bad, outliers
