"""Warps of one patch in many epochs with artifacts that are known pixel by pixel.

Every visit is simulated on the pixels of its own detector and resampled by
`lamella.coadd.warp.warp.make_warp`, so that noise is correlated and sharp artifacts
ring as they do in life.  The artifacts alone go through the same resampling:
as it is linear, what they added to the warp is known in every pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from lsst.images import Box, Image, Mask, MaskedImage, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.coadd.warp.warp import make_warp
from lamella.config import Config, option
from lamella.data.exposure import Exposure
from lamella.data.inputs import CoaddTarget
from lamella.data.warp import Warp
from lamella.planes import Layout
from lamella.testing.camera import INSTRUMENT, Visit, detector_box, plan_visits, wcs_header
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.render import draw_gaussians, project
from lamella.testing.sky import make_catalogue, sources_in_band
from lamella.testing.survey import Survey

from .injection import KINDS, Injected, InjectionConfig, inject

__all__ = ("Epochs", "EpochsConfig", "Sources", "simulate_epochs")

_BAND = "r"
_STREAMS = {"artifacts": 0, "errors": 1, "variables": 2}


class EpochsConfig(Config):
    """What the epochs of a patch hold."""

    visits: int = option(10, "Number of visits.", ge=1)
    side: int = option(512, "Side of the patch.", unit="px", ge=64)
    seeing: tuple[float, float] = option((0.6, 1.2), "Range of the PSF's FWHM.", unit="arcsec")
    stars: int = option(150, "Stars over the field, which is wider than the patch.", ge=0)
    star_magnitudes: tuple[float, float] = option((16.5, 24.5), "Their range in r.", unit="mag(AB)")
    bright_stars: int = option(3, "Stars that saturate.", ge=0)
    galaxies: int = option(450, "Galaxies over the field.", ge=0)
    injection: InjectionConfig = option(InjectionConfig(), "Artifacts and variable stars.")
    psf_error: float = option(0.005, "Error of the width of the PSF models, relative (one sigma).", ge=0)
    flux_error: float = option(0.003, "Error of the zero points, relative (one sigma).", ge=0)
    position_error: float = option(
        0.01, "Error of the astrometry of a visit, per axis (one sigma).", unit="arcsec", ge=0
    )

    def survey(self, seed: int) -> SurveyConfig:
        """Return the survey whose exposures these are, before artifacts are added."""
        margin = 48
        return SurveyConfig(
            seed=seed,
            bands=(_BAND,),
            visits_per_band=self.visits,
            detector_grid=(1, 1),
            detector_shape=(self.side + margin, self.side + margin),
            distortion=0.0,
            seeing=self.seeing,
            stars=self.stars,
            star_magnitudes=self.star_magnitudes,
            bright_stars=self.bright_stars,
            galaxies=self.galaxies,
            saturation=60000.0,
            cosmic_rays=0,
            satellites=0,
            asteroids=0,
            bad_columns=1,
            dead_columns=1,
        )


@dataclasses.dataclass(frozen=True)
class Sources:
    """Stars and galaxies on the patch; arrays of shape (source,).

    Attributes
    ----------
    x, y
        Centres in pixels of the tract.
    flux
        Mean flux in nJy.
    magnitude
        The same in magnitudes.
    radius
        Half-light radius in pixels; 0 for a star.
    amplitude
        Largest departure from the mean in magnitudes; 0 where it is constant.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    magnitude: np.ndarray
    radius: np.ndarray
    amplitude: np.ndarray


@dataclasses.dataclass(frozen=True)
class Epochs:
    """Warps of a patch with the truth about them; cubes have the shape (visit, y, x).

    Attributes
    ----------
    config, seed
        What was simulated.
    target
        The patch.
    warps
        One for each visit, as a pipeline would have them.
    image, variance
        float32: their planes over all of the patch; NaN and +inf where there is no measurement.
    mask
        int32, with the bits of `lamella.planes.make_schema`; NO_DATA where there is none.
    artifacts
        By kind: what artifacts added to ``image``, float32, nJy.
    fwhm
        Full width at half maximum of the PSF in each visit, pixels.
    sources
        What is on the sky.
    counts
        Number of artifacts of each kind that reach into the patch.
    """

    config: EpochsConfig
    seed: int
    target: CoaddTarget
    warps: tuple[Warp, ...]
    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    artifacts: dict[str, np.ndarray]
    fwhm: np.ndarray
    sources: Sources
    counts: dict[str, int]

    def artifact_sum(self) -> np.ndarray:
        """Return what artifacts of all kinds added to the images."""
        total: np.ndarray = np.sum(list(self.artifacts.values()), axis=0, dtype=np.float32)
        return total

    def clean(self) -> np.ndarray:
        """Return the images as they would be without artifacts, with the same noise."""
        clean: np.ndarray = self.image - self.artifact_sum()
        return clean


def simulate_epochs(config: EpochsConfig, seed: int) -> Epochs:
    """Simulate the epochs of one patch.

    Parameters
    ----------
    config
        What to simulate.
    seed
        Equal seeds give equal bits, another seed another sky.
    """
    survey = config.survey(seed)
    projection, whole = Survey(survey).grid()
    half = (whole.x.size - config.side) // 2
    box = Box.factory[half : half + config.side, half : half + config.side]
    table = make_catalogue(survey)
    amplitudes = _amplitudes(config, seed, np.asarray(table["kind"]) == "star")
    shape = (config.visits, config.side, config.side)
    cubes = _Cubes(box, shape)
    warps, widths = [], []
    for index, (number, plan) in enumerate(plan_visits(survey).items()):
        epoch = _Epoch(config, survey, seed, index, plan)
        exposure = epoch.exposure(number, amplitudes)
        injected = epoch.artifacts()
        parts = epoch.by_kind(injected)
        warp = make_warp([epoch.with_image(exposure, sum(parts.values(), 0.0), add=True)], projection, box)
        if warp is None:
            continue
        warps.append(warp)
        widths.append(plan.psf_fwhm / survey.pixel_scale)
        cubes.count(injected, exposure.info.projection, projection)
        cubes.fill(len(warps) - 1, warp)
        for kind, signal in parts.items():
            alone = make_warp([epoch.with_image(exposure, signal)], projection, box)
            if alone is not None:
                cubes.fill_artifact(len(warps) - 1, kind, alone)
    return Epochs(
        config=config,
        seed=seed,
        target=CoaddTarget(outer_bbox=box, projection=projection),
        warps=tuple(warps),
        fwhm=np.array(widths),
        sources=_sources(survey, projection, table, amplitudes),
        **cubes.first(len(warps)),
    )


def _amplitudes(config: EpochsConfig, seed: int, star: np.ndarray) -> np.ndarray:
    """Return by how many magnitudes each source of the catalogue varies."""
    rng = _random(seed, "variables", 0)
    chosen = star & (rng.random(len(star)) < config.injection.variable_stars)
    return np.where(chosen, rng.uniform(*config.injection.variable_amplitude, len(star)), 0.0)


def _random(seed: int, purpose: str, index: int) -> np.random.Generator:
    key = (_STREAMS[purpose], index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2**20, *key)))


def _sources(
    survey: SurveyConfig, projection: SkyProjection[Any], table: Any, amplitudes: np.ndarray
) -> Sources:
    from lamella.data.photometry import AB_FLUX_NJY

    found = sources_in_band(table, _BAND)
    point = projection.sky_to_pixel_transform.apply_forward(x=np.radians(found.ra), y=np.radians(found.dec))
    return Sources(
        x=np.asarray(point.x),
        y=np.asarray(point.y),
        flux=found.flux,
        magnitude=-2.5 * np.log10(found.flux / AB_FLUX_NJY),
        radius=found.radius / survey.pixel_scale,
        amplitude=amplitudes,
    )


@dataclasses.dataclass(frozen=True)
class _Epoch:
    """One visit on the pixels of its detector."""

    config: EpochsConfig
    survey: SurveyConfig
    seed: int
    index: int
    plan: Visit

    @property
    def sigma(self) -> float:
        """True standard deviation of the PSF in pixels."""
        return self.plan.psf_sigma(self.survey.pixel_scale)

    def exposure(self, number: int, amplitudes: np.ndarray) -> Exposure:
        """Return the exposure with variable stars, and with calibrations that are a little off."""
        from astropy.wcs import WCS
        from lsst.images import DetectorFrame

        exact = SimulatedExposure(self.survey, number, 0)
        rng = _random(self.seed, "errors", self.index)
        width, flux, east, north = rng.standard_normal(4)
        exposure = self.with_image(
            exact.read(), self._variations(exact, amplitudes) / self.plan.to_njy, add=True
        )
        sigma = self.sigma * (1.0 + self.config.psf_error * width)
        stamp = exact.psf.compute_kernel_image(x=0.0, y=0.0).bbox.x.size
        psf = GaussianPointSpreadFunction(sigma, exposure.pixels.bbox, stamp)
        step = self.config.position_error / 3600.0
        moved = dataclasses.replace(
            self.plan,
            ra=self.plan.ra + step * east / np.cos(np.radians(self.plan.dec)),
            dec=self.plan.dec + step * north,
        )
        box = detector_box(self.survey)
        frame = DetectorFrame(instrument=INSTRUMENT, visit=self.plan.visit, detector=0, bbox=box)
        wcs = WCS(wcs_header(self.survey, moved, 0))
        projection = SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=box)
        return dataclasses.replace(
            exposure,
            info=dataclasses.replace(exposure.info, projection=projection),
            psf=psf,
            to_njy=self.plan.to_njy * (1.0 + self.config.flux_error * flux),
        )

    def artifacts(self) -> list[Injected]:
        """Return the artifacts of the exposure."""
        rng = _random(self.seed, "artifacts", self.index)
        return list(inject(self.config.injection, rng, self.survey.detector_shape, self.sigma))

    def by_kind(self, injected: Sequence[Injected]) -> dict[str, np.ndarray]:
        """Return what the artifacts of each kind add to the exposure, in its unit."""
        scale = self.plan.sky_noise / self.plan.to_njy
        parts: dict[str, np.ndarray] = {}
        for one in injected:
            parts[one.kind] = parts.get(one.kind, 0.0) + scale * one.signal
        return parts

    def with_image(self, exposure: Exposure, values: np.ndarray | float, *, add: bool = False) -> Exposure:
        """Return the exposure with other values, or with values added; lost pixels stay lost."""
        pixels = exposure.pixels
        old = pixels.image.array
        image = np.where(np.isfinite(old), (old if add else 0.0) + np.asarray(values), np.nan)
        planes = MaskedImage(
            Image(image.astype(np.float32), bbox=pixels.bbox),
            mask=Mask(pixels.mask.array, schema=pixels.mask.schema, bbox=pixels.bbox),
            variance=Image(pixels.variance.array, bbox=pixels.bbox),
            sky_projection=exposure.info.projection,
        )
        return dataclasses.replace(exposure, pixels=planes)

    def _variations(self, exact: SimulatedExposure, amplitudes: np.ndarray) -> np.ndarray:
        """Return what variable stars add to their mean flux, in nJy per pixel."""
        sources = sources_in_band(make_catalogue(self.survey), _BAND)
        rng = _random(self.seed, "variables", 1)
        phase, period = rng.uniform(0, 2 * np.pi, len(amplitudes)), rng.uniform(1.5, 12.0, len(amplitudes))
        change = amplitudes * np.sin(phase + 2 * np.pi * self.index / period)
        extra = sources.flux * np.expm1(-0.4 * np.log(10.0) * change)
        box = detector_box(self.survey)
        image = np.zeros(box.shape)
        for sign in (1.0, -1.0):
            chosen = sign * extra > 0
            part = dataclasses.replace(sources, flux=np.abs(extra)).select(chosen)
            image += sign * draw_gaussians(project(part, exact.projection, self.sigma), box)
        return image


class _Cubes:
    """Planes of all visits over a box."""

    def __init__(self, box: Box, shape: tuple[int, int, int]) -> None:
        self.box = box
        self.image = np.full(shape, np.nan, np.float32)
        self.variance = np.full(shape, np.inf, np.float32)
        self.mask = np.zeros(shape, np.int32)
        self.artifacts = {kind: np.zeros(shape, np.float32) for kind in KINDS}
        self.counts = dict.fromkeys(KINDS, 0)

    def fill(self, index: int, warp: Warp) -> None:
        """Put a warp in."""
        at = warp.bbox.slice_within(self.box)
        self.mask[index] = Layout(warp.mask.schema).bits(("NO_DATA",))
        self.image[index, at.y, at.x] = warp.image.array
        self.variance[index, at.y, at.x] = warp.variance.array
        self.mask[index, at.y, at.x] = warp.mask.array[..., 0]

    def fill_artifact(self, index: int, kind: str, warp: Warp) -> None:
        """Put the artifacts of one kind in."""
        at = warp.bbox.slice_within(self.box)
        self.artifacts[kind][index, at.y, at.x] = np.nan_to_num(warp.image.array)

    def count(
        self, injected: Sequence[Injected], here: SkyProjection[Any], there: SkyProjection[Any]
    ) -> None:
        """Count the artifacts whose bright part reaches into the box."""
        for one in injected:
            y, x = np.nonzero(one.signal > 0.5 * one.peak)
            if not len(y):
                continue
            few = slice(None, None, max(1, len(y) // 200))
            sky = here.pixel_to_sky_transform.apply_forward(x=x[few].astype(float), y=y[few].astype(float))
            at = there.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
            rows, columns = np.rint(np.asarray(at.y)), np.rint(np.asarray(at.x))
            inside = (rows >= self.box.y.start) & (rows < self.box.y.stop)
            inside &= (columns >= self.box.x.start) & (columns < self.box.x.stop)
            self.counts[one.kind] += bool(inside.any())

    def first(self, count: int) -> dict[str, Any]:
        """Return the planes of the first visits."""
        planes = {name: getattr(self, name)[:count] for name in ("image", "variance", "mask")}
        return planes | {
            "artifacts": {kind: cube[:count] for kind, cube in self.artifacts.items()},
            "counts": self.counts,
        }
