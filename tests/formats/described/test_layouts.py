"""Files in the layouts of surveys, made from published cards, are read as what was simulated."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from lsst.images import Box
from lsst.images.fields import BaseField

import lamella
from lamella.data.coadd import PatchCoadd
from lamella.data.exposure import Exposure, ExposureSource
from lamella.data.warp import Warp
from lamella.formats.recognise import Inputs, open_exposures
from lamella.psf.gaussian import FWHM_PER_SIGMA
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.layouts.frame import Frame
from lamella.testing.layouts.layouts import LAYOUTS, Layout, write_layout
from lamella.testing.photometry import psf_moments
from lamella.testing.spherical import separation
from lamella.testing.survey import Survey

UNDATED = ("2mass", "irac", "irac-mosaic", "ps1-stack", "unwise", "wise", "wise-atlas")
"""Layouts whose dates are in no keyword of the standard."""
SINGLE = ("ccddata", "dragons", "irac", "ps1-stack", "skymapper", "wise", *UNDATED)
"""Layouts in which each file is a visit of its own."""
UNUSABLE = ("BAD", "NO_DATA", "SATURATED", "COSMIC_RAY")


def config(name: str, layout: Layout) -> SurveyConfig:
    """Two visits of two detectors, with enough stars where PSF and scale must be measured."""
    # Detectors of no common visit can share a measured scale only where they see the same stars.
    alone = name in SINGLE and not layout.calibrated
    return SurveyConfig(
        bands=("r",),
        visits_per_band=2,
        detector_grid=(1, 1) if alone else (1, 2),
        detector_shape=(120, 130),
        stars=40,
        star_magnitudes=(17.5, 20.0),
        bright_stars=1,
        galaxies=4,
        dither=3.0,
        cosmic_rays=3,
        unmasked_cosmic_rays=0.0,
        satellites=0,
        asteroids=0,
        distortion=1.0 if layout.distorted else 0.0,
    )


@dataclasses.dataclass
class Written:
    """A survey, and what lamella reads of its files."""

    name: str
    layout: Layout
    survey: Survey
    inputs: Inputs

    @functools.cached_property
    def exposures(self) -> list[Exposure]:
        """What is read, in the order of the sources."""
        return [source.read() for source in self.inputs.sources]

    @functools.cached_property
    def pairs(self) -> list[tuple[ExposureSource, SimulatedExposure]]:
        """Each exposure that was read with the one that was written: it lies at the same place."""
        left = self.survey.exposures()
        pairs = []
        for source in self.inputs.sources:
            nearest = min(left, key=lambda exposure: distance(source, exposure))
            left.remove(nearest)
            pairs.append((source, nearest))
        return pairs


def distance(source: ExposureSource, exposure: SimulatedExposure, x: float = 0.0, y: float = 0.0) -> float:
    """Return how far apart a pixel is on the sky, in arcseconds."""
    places = (info.projection.pixel_to_sky(x=x, y=y) for info in (source.info, exposure.info))
    (ra, dec), (other_ra, other_dec) = ((place.ra.deg, place.dec.deg) for place in places)
    return float(separation(ra, dec, other_ra, other_dec))


@pytest.fixture(scope="module", params=LAYOUTS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    layout = LAYOUTS[request.param]
    survey = Survey(config(request.param, layout))
    folder = write_layout(request.param, survey.exposures(), tmp_path_factory.mktemp(request.param))
    return Written(request.param, layout, survey, open_exposures([folder]))


def test_each_exposure_is_recognised_once_and_companions_are_none(written: Written) -> None:
    assert written.inputs.problems == ()
    assert {source.info.format for source in written.inputs.sources} == {written.name}
    assert len(written.inputs.sources) == len(written.survey.exposures())
    assert {source.info.band for source in written.inputs.sources} == {written.layout.band}


def test_positions_are_those_that_were_written(written: Written) -> None:
    scale = written.survey.config.pixel_scale
    for source, exposure in written.pairs:
        for x, y in [(0, 0), (129, 0), (60, 70), (0, 119), (129, 119)]:
            assert distance(source, exposure, x, y) < 1e-3 * scale


def test_detectors_of_a_visit_share_its_number_and_dates(written: Written) -> None:
    visits: dict[int, set[int]] = {}
    for source, exposure in written.pairs:
        visits.setdefault(exposure.visit, set()).add(source.info.id.visit)
        if written.name not in (
            "ps1-stack",
            "wise",
        ):  # one has a time of many exposures, the other a fixed one
            assert source.info.exposure_time in (None, exposure.config.exposure_time)
        if written.name not in UNDATED:
            assert source.info.mjd == pytest.approx(exposure.plan.mjd, abs=2 / 86400)
    assert written.name in SINGLE or all(len(numbers) == 1 for numbers in visits.values())
    assert len({source.info.id for source, _ in written.pairs}) == len(written.inputs.sources)


def test_the_width_of_the_psf_is_told_or_measured(written: Written) -> None:
    for (source, exposure), read in zip(written.pairs, written.exposures, strict=True):
        expected = 6.1 if written.name == "wise" else exposure.plan.psf_fwhm
        if written.name != "ztf":  # whose PSF is an image
            assert source.info.psf_fwhm == pytest.approx(expected, rel=0.06)
        sigma = psf_moments(read.psf, 60.0, 60.0)[2]
        width = sigma * FWHM_PER_SIGMA * exposure.config.pixel_scale
        assert width == pytest.approx(expected, rel=0.06)


def test_pixels_flux_noise_and_flags_are_those_that_were_written(written: Written) -> None:
    factors = []
    for (_, exposure), read in zip(written.pairs, written.exposures, strict=True):
        frame = Frame.of(exposure)
        check_flags(read, frame, written.layout)
        factors.append(check_flux(read, frame, written.layout))
        check_noise(read, frame, written.layout, factors[-1])
    if written.layout.calibrated:
        np.testing.assert_allclose(factors, 1.0, rtol=2e-3)
    else:
        # All exposures are on the scale of one of them.
        np.testing.assert_allclose(factors, np.mean(factors), rtol=0.02)


def unusable(exposure: Exposure) -> np.ndarray:
    mask = exposure.pixels.mask
    bits = sum(int(mask.schema.bit(name).mask) for name in UNUSABLE)
    return (mask.array[..., 0] & bits) != 0


def check_flags(read: Exposure, frame: Frame, layout: Layout) -> None:
    told = frame.has(*layout.masked) if layout.masked else np.zeros(frame.pixels.mask.shape, bool)
    bad = unusable(read)
    assert bad[told].all()
    anything = frame.has(*UNUSABLE) | (frame.pixels.artifacts.planes != 0)
    assert (bad & ~anything).mean() < 0.01


def njy_of(read: Exposure) -> np.ndarray:
    """Return nanojansky of a unit at each pixel."""
    image = read.pixels.image
    scale = read.to_njy
    told = scale.render(image.bbox).array if isinstance(scale, BaseField) else scale
    return np.broadcast_to(told, image.array.shape)


def check_flux(read: Exposure, frame: Frame, layout: Layout) -> float:
    """Return the ratio of fluxes that were read to those that were written."""
    good = ~unusable(read) & ~frame.has(*UNUSABLE) & np.isfinite(read.pixels.image.array)
    image = read.pixels.image.array[good].astype(np.float64) * njy_of(read)[good]
    truth = frame.pixels.image[good].astype(np.float64) * frame.plan.to_njy
    noise = frame.plan.sky_noise
    bright = truth > 30 * noise
    factor = float((image[bright] * truth[bright]).sum() / (truth[bright] ** 2).sum())
    difference = image / factor - truth
    difference -= np.median(difference)
    blank = ~bright
    assert difference[blank].std() < (layout.rounding + 0.02) * noise
    return factor


def check_noise(read: Exposure, frame: Frame, layout: Layout, factor: float) -> None:
    good = ~unusable(read) & ~frame.has(*UNUSABLE)
    blank = good & (frame.pixels.model < 0.05 * frame.plan.sky_noise / frame.plan.to_njy)
    variance = read.pixels.variance.array * (njy_of(read) / factor) ** 2
    ratio = np.sqrt(np.median(variance[blank])) / frame.plan.sky_noise
    tolerance = {"map": 2e-3, "counts": 0.03, "measured": 0.06}[layout.noise]
    assert ratio == pytest.approx(1.0, abs=tolerance)
    np.testing.assert_array_less(0.0, variance[good])


def test_the_coadd_is_that_of_the_survey_itself(written: Written) -> None:
    read = coadd_of(written.survey.config, written.exposures)
    reference = coadd_of_the_survey(written.survey.config, "COSMIC_RAY" in written.layout.masked)
    planes = [coadd.mask.array[..., 0] for coadd in (read, reference)]
    spoiled = sum(int(read.mask.schema.bit(name).mask) for name in (*UNUSABLE, "REJECTED", "INEXACT_PSF"))
    clean = ((planes[0] | planes[1]) & spoiled) == 0
    assert np.count_nonzero(clean) > 4500 * len(written.exposures)
    truth, sigma = reference.image.array[clean], np.sqrt(reference.variance.array[clean])
    image = read.image.array[clean].astype(np.float64)
    bright = truth > 30 * sigma
    factor = float((image[bright] * truth[bright]).sum() / (truth[bright].astype(np.float64) ** 2).sum())
    if written.layout.calibrated:
        assert factor == pytest.approx(1.0, abs=3e-3)
    chi = (image / factor - truth) / sigma
    assert abs(np.median(chi)) < 0.15
    assert chi[~bright].std() < 0.1 + written.layout.rounding


@functools.cache
def coadd_of_the_survey(config: SurveyConfig, bad: bool) -> PatchCoadd:
    """Return the coadd of what was written; cosmic rays are bad where files say so: they are not repaired."""
    exposures = [exposure.read() for exposure in Survey(config).exposures()]
    for exposure in exposures:
        mask = exposure.pixels.mask
        hit = (mask.array[..., 0] & int(mask.schema.bit("COSMIC_RAY").mask)) != 0
        mask.array[hit, 0] |= int(mask.schema.bit("BAD").mask) if bad else 0
    return coadd_of(config, exposures)


def coadd_of(config: SurveyConfig, exposures: Sequence[Exposure]) -> PatchCoadd:
    projection, box = Survey(config).grid()
    return lamella.assemble([*warps_of(exposures, projection, box)], lamella.AssembleConfig(statistic="MEAN"))


def warps_of(exposures: Iterable[Exposure], projection: Any, box: Box) -> Iterator[Warp]:
    ordered = sorted(exposures, key=lambda exposure: exposure.info.id)
    for _, visit in itertools.groupby(ordered, key=lambda exposure: exposure.info.id.visit):
        warp = lamella.make_warp([*visit], projection, box)
        if warp is not None:
            yield warp
