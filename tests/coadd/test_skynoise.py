"""Corrected variances make errors of fluxes right: simulated exposures against their truth."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from lsst.images import Box

from lamella import read_product, write_archive
from lamella.coadd.assemble import assemble
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.skynoise import measure_sky_noise
from lamella.coadd.summary import summarize
from lamella.coadd.warp.warp import make_warp
from lamella.data.coadd import PatchCoadd
from lamella.data.noise import SkyNoise
from lamella.data.warp import Warp
from lamella.errors import ConfigError
from lamella.formats.archive.write import write_plain_fits
from lamella.resources import Resources
from lamella.testing.config import SurveyConfig
from lamella.testing.photometry import measure_stars
from lamella.testing.survey import Survey

MEAN = AssembleConfig(statistic="MEAN", fill_gaps=False)
VISITS = 5


@pytest.fixture(scope="module")
def survey() -> Survey:
    """Exposures of faint stars, of different seeing, rotation, dither and depth."""
    return Survey(
        SurveyConfig(
            bands=("r",),
            visits_per_band=VISITS,
            stars=260,
            star_magnitudes=(21.0, 24.0),
            rotation=8.0,
            dither=4.0,
            chip_gap=8,
            detector_shape=(420, 440),
            saturation=1e6,
            gain=1e3,
            galaxies=0,
            bright_stars=0,
            cosmic_rays=0,
            satellites=0,
            asteroids=0,
        )
    )


@pytest.fixture(scope="module")
def warps(survey: Survey) -> list[Warp]:
    projection, box = survey.grid()
    groups = itertools.groupby(survey.exposures("r"), key=lambda one: one.info.id.visit)
    return [make_warp([one.read() for one in group], projection, box) for _, group in groups]


def coadd_of(warps: list[Warp], correction: str, **options: Any) -> PatchCoadd:
    return assemble(warps, MEAN.replace(correct_variance=correction), **options)


@pytest.fixture(scope="module")
def plain(warps: list[Warp]) -> PatchCoadd:
    return coadd_of(warps, "none")


@pytest.fixture(scope="module")
def by_psf(warps: list[Warp]) -> PatchCoadd:
    return coadd_of(warps, "psf")


def blank_places(
    coadd: PatchCoadd, survey: Survey, step: int, least: int = VISITS
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of places on a lattice that are 20 pixels away from all stars, with enough visits."""
    truth = survey.truth.stars
    stars = coadd.sky_projection.sky_to_pixel(SkyCoord(truth["ra"], truth["dec"], unit="deg"))
    box = coadd.bbox
    y, x = (
        part.ravel()
        for part in np.mgrid[
            box.y.start + 20 : box.y.stop - 20 : step, box.x.start + 20 : box.x.stop - 20 : step
        ]
    )
    apart = np.hypot(x[:, None] - stars.x, y[:, None] - stars.y).min(axis=1)
    full = coadd.exposure_count.array[y - box.y.start, x - box.x.start] >= least
    chosen = (apart > 20) & full
    return x[chosen], y[chosen]


def test_pixels_have_their_variance_and_fluxes_have_not(plain: PatchCoadd) -> None:
    """Squares of the kernel propagate into pixels exactly; what pixels share is lost."""
    assert plain.noise.pixel == pytest.approx(1.0, abs=0.02)
    assert 1.18 < plain.noise.psf < 1.35
    assert plain.noise.correction == "none"
    assert plain.noise.applied == 1.0


def test_corrected_errors_of_fluxes_are_errors(by_psf: PatchCoadd, survey: Survey) -> None:
    x, y = blank_places(by_psf, survey, 12)
    found = measure_stars(by_psf.image, x, y, by_psf.psf, variance=by_psf.variance)
    pulls = found.flux / found.flux_error
    after = pulls[np.isfinite(pulls)]
    before = after * np.sqrt(by_psf.noise.applied)  # what the propagated variance says
    assert after.size > 400
    uncertainty = 1 / np.sqrt(2 * after.size)
    assert after.std() == pytest.approx(1.0, abs=0.02 + 2 * uncertainty)
    assert before.std() > 1.05 + uncertainty


def test_corrected_errors_of_stars_are_errors(by_psf: PatchCoadd, survey: Survey) -> None:
    table = survey.truth.stars
    place = by_psf.sky_projection.sky_to_pixel(SkyCoord(table["ra"], table["dec"], unit="deg"))
    box = by_psf.bbox
    rows, columns = (np.rint(place.y) - box.y.start).astype(int), (np.rint(place.x) - box.x.start).astype(int)
    near = (rows >= 14) & (rows < box.y.size - 14) & (columns >= 14) & (columns < box.x.size - 14)
    near[near] = [
        by_psf.exposure_count.array[y - 14 : y + 15, x - 14 : x + 15].min() == VISITS
        for y, x in zip(rows[near], columns[near], strict=True)
    ]
    found = measure_stars(by_psf.image, place.x[near], place.y[near], by_psf.psf, variance=by_psf.variance)
    pull = (found.flux - np.asarray(table["flux_r"])[near]) / found.flux_error
    pull = pull[np.isfinite(pull)]
    assert pull.size > 25
    assert 1.4826 * np.median(np.abs(pull)) == pytest.approx(1.0, abs=3 * 1.17 / np.sqrt(pull.size))


def test_only_the_variance_changes_and_by_one_factor(plain: PatchCoadd, by_psf: PatchCoadd) -> None:
    np.testing.assert_array_equal(by_psf.image.array, plain.image.array)
    np.testing.assert_array_equal(by_psf.mask.array, plain.mask.array)
    finite = np.isfinite(plain.variance.array)
    np.testing.assert_array_equal(np.isfinite(by_psf.variance.array), finite)
    ratio = by_psf.variance.array[finite] / plain.variance.array[finite]
    np.testing.assert_allclose(ratio, plain.noise.psf, rtol=1e-6)
    assert by_psf.noise == SkyNoise(
        pixel_noise=plain.noise.pixel_noise,
        pixel=plain.noise.pixel,
        psf=plain.noise.psf,
        flux_noise=plain.noise.flux_noise,
        correction="psf",
    )
    assert any("multiplied by" in note and "(psf)" in note for note in by_psf.notes)
    assert not any("variance plane" in note for note in plain.notes)


def test_the_correction_for_pixels_is_the_other_factor(warps: list[Warp], plain: PatchCoadd) -> None:
    coadd = coadd_of(warps, "pixel")
    assert coadd.noise.applied == plain.noise.pixel
    assert measure_sky_noise(coadd).pixel == pytest.approx(1.0, abs=1e-4)


def test_the_summary_states_what_is_left(plain: PatchCoadd, by_psf: PatchCoadd) -> None:
    before, after = summarize(plain), summarize(by_psf)
    assert before.psf_noise_ratio == pytest.approx(np.sqrt(plain.noise.psf))
    assert (before.variance_correction, before.variance_factor) == ("none", 1.0)
    assert after.psf_noise_ratio == 1.0
    assert after.noise_ratio == pytest.approx(np.sqrt(plain.noise.pixel / plain.noise.psf))
    assert (after.variance_correction, after.variance_factor) == ("psf", plain.noise.psf)
    assert after.pixel_noise == before.pixel_noise
    assert after.depth == before.depth
    # Corrected, the variance plane says what blank places allow; many have fewer visits than the median has.
    assert before.depth_stated > before.depth + 0.18
    assert after.depth_stated == pytest.approx(after.depth, abs=0.08)


def test_a_coadd_in_a_file_states_it_too(by_psf: PatchCoadd, tmp_path: Any) -> None:
    write_archive(by_psf, tmp_path / "a.fits")
    assert read_product(tmp_path / "a.fits").noise == by_psf.noise


def test_tiles_and_threads_do_not_matter(warps: list[Warp], by_psf: PatchCoadd) -> None:
    other = coadd_of(warps[::-1], "psf", resources=Resources(threads=2, memory=3.0))
    assert other.noise == by_psf.noise
    np.testing.assert_array_equal(other.variance.array, by_psf.variance.array)


def test_parts_and_copies_keep_the_statement(by_psf: PatchCoadd) -> None:
    box = by_psf.bbox
    part = by_psf[Box.factory[box.y.start + 5 : box.y.stop, box.x.start : box.x.stop - 9]]
    assert part.noise == by_psf.noise
    assert by_psf.copy().noise == by_psf.noise


def test_what_cannot_be_measured_is_noted_and_not_corrected(warps: list[Warp]) -> None:
    first = warps[0].bbox
    corner = Box.factory[first.y.start : first.y.start + 6, first.x.start : first.x.start + 6]
    small = [warp[corner] for warp in warps if warp.bbox.contains(corner)]
    pixels = [warp.copy() for warp in small[:1]]
    pixels[0].variance.array[...] = 2.0
    pixels[0].image.array[...] = 1.0
    pixels[0].mask.array[...] = 0
    coadd = coadd_of(pixels, "psf")
    assert coadd.noise.psf is None
    assert coadd.noise.applied == 1.0
    np.testing.assert_array_equal(coadd.variance.array, np.float32(2.0))
    assert any("not corrected (psf): there is too little blank sky" in note for note in coadd.notes)


@pytest.mark.parametrize("error", [0.01, 100.0])
def test_a_correction_that_was_asked_for_is_made_however_large(warps: list[Warp], error: float) -> None:
    wrong = [warp.copy() for warp in warps]
    for warp in wrong:
        warp.variance.array[...] *= error
    coadd = coadd_of(wrong, "pixel")
    assert coadd.noise.pixel == pytest.approx(1 / error, rel=0.05)
    assert (coadd.noise.correction, coadd.noise.applied) == ("pixel", coadd.noise.pixel)
    assert measure_sky_noise(coadd).pixel == pytest.approx(1.0, abs=1e-4)


def injected_flux(coadd: PatchCoadd, x: float, y: float, flux: float) -> float:
    """Add a star to a coadd, and return what is measured of it."""
    if not coadd.psf.is_defined(x=x, y=y) or not coadd.bbox.contains(
        coadd.psf.compute_stellar_bbox(x=x, y=y)
    ):
        return np.nan
    star = coadd.psf.compute_stellar_image(x=x, y=y)
    stamp = coadd.image[star.bbox].copy()
    stamp.array += (flux * star.array).astype(np.float32)
    return float(measure_stars(stamp, np.array([x]), np.array([y]), coadd.psf).flux[0])


def test_stars_at_the_depth_have_five_sigma_at_blank_places(
    warps: list[Warp], plain: PatchCoadd, by_psf: PatchCoadd, survey: Survey
) -> None:
    """Whatever the correction: of the image and the depth it changes no bit."""
    coadd, depth = plain, summarize(plain).depth
    for corrected in (coadd_of(warps, "pixel"), by_psf):
        np.testing.assert_array_equal(corrected.image.array, coadd.image.array)
        assert summarize(corrected).depth == depth
    limit = 10 ** (0.4 * (31.4 - depth))
    x, y = blank_places(coadd, survey, 11, least=1)
    injected = np.array([injected_flux(coadd, float(a), float(b), limit) for a, b in zip(x, y, strict=True)])
    injected = injected[np.isfinite(injected)]
    assert injected.size > 2000
    scatter = 1.4826 * np.median(np.abs(injected - np.median(injected)))
    assert 2.5 * np.log10(np.median(injected) / scatter / 5.0) == pytest.approx(0.0, abs=0.05)


def test_other_corrections_are_refused() -> None:
    with pytest.raises(ConfigError, match="correct_variance"):
        AssembleConfig(correct_variance="aperture")


def test_plain_files_state_the_factors_in_their_headers(by_psf: PatchCoadd, tmp_path: Any) -> None:
    write_plain_fits(by_psf, tmp_path / "a.fits")
    header = fits.getheader(tmp_path / "a.fits")
    noise = by_psf.noise
    assert (header["NOISEPIX"], header["NOISEPSF"]) == (noise.pixel, noise.psf)
    assert header["VARSCALE"] == noise.psf
    summary = summarize(by_psf)
    assert header["DEPTH"] == pytest.approx(summary.depth, abs=1e-4)
    assert header["DEPTHVAR"] == pytest.approx(summary.depth_stated, abs=1e-4)
