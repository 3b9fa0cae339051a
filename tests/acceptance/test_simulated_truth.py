"""Coadds of simulated exposures against the truth that they were made from."""

from __future__ import annotations

import dataclasses
import itertools

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from lsst.images import Image, Mask

from benchmarks.simulated.stack import StackConfig, simulate_stack
from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.warp.warp import make_warp
from lamella.data.coadd import PatchCoadd
from lamella.data.warp import Warp
from lamella.planes import make_schema
from lamella.psf.measure import adaptive_moments
from lamella.testing.config import SurveyConfig
from lamella.testing.photometry import measure_stars
from lamella.testing.survey import Survey

MEAN = AssembleConfig(statistic="MEAN", fill_gaps=False)
CLEAN = {"bright_stars": 0, "cosmic_rays": 0, "satellites": 0, "asteroids": 0, "galaxies": 0}


@dataclasses.dataclass(frozen=True)
class Stars:
    """Isolated stars that all visits see, on the pixels of a coadd."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    """True flux in nJy."""


def make_warps(survey: Survey, band: str) -> list[Warp]:
    projection, box = survey.grid()
    groups = itertools.groupby(survey.exposures(band), key=lambda exposure: exposure.info.id.visit)
    warps = [make_warp([one.read() for one in group], projection, box) for _, group in groups]
    return [warp for warp in warps if warp is not None]


def find_stars(survey: Survey, coadd: PatchCoadd, visits: int, band: str) -> Stars:
    """Stars whose surroundings are seen by all visits, so that one PSF holds for each of them."""
    table = survey.truth.stars
    sky = SkyCoord(table["ra"], table["dec"], unit="deg")
    position = coadd.sky_projection.sky_to_pixel(sky)
    count, bbox, reach = coadd.exposure_count_unmasked.array, coadd.bbox, 14
    kept = []
    for x, y in zip(position.x, position.y, strict=True):
        column, row = round(x) - bbox.x.start, round(y) - bbox.y.start
        around = count[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        kept.append(around.shape == (2 * reach + 1,) * 2 and around.min() == visits)
    inside = np.array(kept)
    flux = np.asarray(table[f"flux_{band}"], dtype=float)
    return Stars(position.x[inside], position.y[inside], flux[inside])


@pytest.fixture(scope="module")
def noiseless() -> tuple[Survey, list[Warp]]:
    """Noiseless exposures of different seeing, rotation, dither, distortion and zero point."""
    config = SurveyConfig(
        bands=("r",), visits_per_band=5, stars=160, noise=False, rotation=8.0, dither=4.0,
        star_magnitudes=(17.0, 21.0), saturation=1e12, detector_shape=(400, 420), chip_gap=8,
        bad_columns=0, dead_columns=0, **CLEAN,
    )  # fmt: skip
    survey = Survey(config)
    return survey, make_warps(survey, "r")


@pytest.mark.parametrize("statistic", ["MEAN", "NOISECLIP"])
def test_fluxes_of_isolated_stars_are_unbiased(noiseless, statistic: str) -> None:
    """Median bias below 0.02 %, far below the 0.1 % that photometry can live with."""
    survey, warps = noiseless
    coadd = assemble(warps, MEAN.replace(statistic=statistic))
    stars = find_stars(survey, coadd, len(warps), "r")
    ratio = measure_stars(coadd.image, stars.x, stars.y, coadd.psf).flux / stars.flux - 1
    ratio = ratio[np.isfinite(ratio)]
    assert ratio.size >= 35
    error = 1.25 * ratio.std() / np.sqrt(ratio.size)
    assert abs(np.median(ratio)) < 2e-4 + 2 * error
    assert error < 2e-4
    assert np.abs(ratio).max() < 3e-3


def test_the_psf_of_the_coadd_has_the_widths_of_its_stars(noiseless) -> None:
    """Adaptive second moments agree within 1 %, for each star."""
    survey, warps = noiseless
    coadd = assemble(warps, MEAN)
    stars = find_stars(survey, coadd, len(warps), "r")
    ratios, offsets = [], []
    for x, y in zip(stars.x, stars.y, strict=True):
        box = coadd.psf.compute_stellar_bbox(x=x, y=y)
        if not coadd.bbox.contains(box) or not np.isfinite(coadd.image[box].array).all():
            continue
        star = adaptive_moments(coadd.image[box])
        model = adaptive_moments(coadd.psf.compute_stellar_image(x=x, y=y))
        ratios.append((star.xx / model.xx, star.yy / model.yy))
        offsets.append(np.hypot(star.x - x, star.y - y))
    assert len(ratios) >= 35
    assert np.abs(np.array(ratios) - 1).max() < 0.01
    assert np.median(offsets) < 0.01


def test_fluxes_with_noise_and_artifacts_are_unbiased() -> None:
    """With noise, cosmic rays, a satellite and an asteroid: bias below 0.1 %, and errors that are errors."""
    config = SurveyConfig(
        bands=("r",), visits_per_band=6, stars=200, galaxies=0, rotation=8.0, dither=4.0, chip_gap=8,
        star_magnitudes=(17.0, 19.5), bright_stars=0, saturation=1e6, detector_shape=(400, 420), gain=1e3,
    )  # fmt: skip
    survey = Survey(config)
    coadd = assemble(make_warps(survey, "r"))
    stars = find_stars(survey, coadd, 6, "r")
    found = measure_stars(coadd.image, stars.x, stars.y, coadd.psf, variance=coadd.variance)
    good = np.isfinite(found.flux)
    ratio = (found.flux / stars.flux - 1)[good]
    assert good.sum() >= 25
    error = 1.25 * 1.4826 * np.median(np.abs(ratio - np.median(ratio))) / np.sqrt(good.sum())
    assert error < 1e-3
    assert abs(np.median(ratio)) < 1e-3 + error


@pytest.mark.parametrize("n", [3, 10])
def test_a_mean_without_resampling_has_the_noise_that_it_states(n: int) -> None:
    """The rms of (coadd - truth) / sqrt(variance) is 1 within 1 %; counts are exact."""
    stack = simulate_stack(StackConfig(n=n, shape=(300, 300), masked=0.02))
    survey = Survey(SurveyConfig.on_common_grid(detector_shape=stack.image.shape[1:]))
    projection, _ = survey.grid()
    coadd = assemble(
        [
            Warp(
                Image(image, unit=u.nJy, sky_projection=projection),
                mask=Mask(mask[..., np.newaxis], schema=make_schema()),
                variance=Image(variance, unit=u.nJy**2),
                instrument="Sim",
                visit=visit,
                band="r",
            )
            for visit, (image, mask, variance) in enumerate(
                zip(stack.image, stack.mask, stack.variance, strict=True)
            )
        ],
        MEAN,
    )
    pull = (coadd.image.array - stack.truth) / np.sqrt(coadd.variance.array)
    full = stack.count == n  # the truth is the weighted mean of all inputs
    assert full.mean() > 0.7
    uncertainty = 1 / np.sqrt(2 * full.sum())
    assert uncertainty < 0.003
    assert pull[full].std() == pytest.approx(1.0, abs=0.01)
    assert abs(pull[full].mean()) < 4 / np.sqrt(full.sum())
    np.testing.assert_array_equal(coadd.exposure_count.array, stack.count)
    np.testing.assert_array_equal(coadd.exposure_count_unmasked.array, stack.count)


def test_counts_are_exact_where_detectors_overlap_a_patch(noiseless) -> None:
    _, warps = noiseless
    coadd = assemble(warps, MEAN)
    expected = np.zeros(coadd.image.array.shape, dtype=int)
    for warp in warps:
        at = warp.bbox.slice_within(coadd.bbox)
        bad = warp.mask.get("NO_DATA") | warp.mask.get("DETECTION_EDGE") | warp.mask.get("BAD")
        expected[at.y, at.x] += ~bad
    np.testing.assert_array_equal(coadd.exposure_count.array, expected)
