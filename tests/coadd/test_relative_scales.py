from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lamella.coadd.relative_scales import RelativeScales, relative_scales
from lamella.coadd.star_matches import StarCatalog, match_stars
from lamella.image.blank_pixels import find_blank_sky
from lamella.image.measured_noise import measure_noise
from lamella.image.stars import measure_stars

from ..starfields import draw_stars
from .catalogs import Night

POGSON = 2.5 / np.log(10.0)


def scales_of(catalogs: list[StarCatalog], fixed: dict[int, float] | None = None) -> RelativeScales:
    return relative_scales(catalogs, match_stars(catalogs), fixed)


def deviates(scales: RelativeScales, truth: np.ndarray) -> list[float]:
    """Return the errors of the ratios of all pairs in units of the stated ones."""
    wrong, covariance = np.log(scales.scale / truth), scales.covariance
    return [
        (wrong[i] - wrong[j]) / np.sqrt(covariance[i, i] + covariance[j, j] - 2.0 * covariance[i, j])
        for i, j in itertools.combinations(range(len(truth)), 2)
    ]


@pytest.mark.parametrize("scatter", [0.0, 0.03])
@pytest.mark.parametrize("shared", [0.0, 0.02])
@pytest.mark.parametrize("stars", [3, 20])
def test_scales_are_right_within_errors_that_are_right(stars: int, scatter: float, shared: float) -> None:
    squares = []
    for seed in range(40):
        night = Night(stars=stars, scatter=scatter, shared=shared, seed=seed, snr=40.0)
        scales = scales_of(night.catalogs())
        truth = np.array(night.scales) / night.scales[scales.reference[0]]
        squares += [value**2 for value in deviates(scales, truth)]
    # With three stars the scatter is known to a third, so that some errors are too small.
    assert 0.3 < np.mean(squares) < (1.3 if stars > 3 else 2.2)
    assert np.mean(np.array(squares) > 9.0) < 0.05


def test_two_exposures_and_a_few_stars_give_the_mean_of_their_ratios() -> None:
    night = Night(scales=(1.0, 2.0), offsets=((0.0, 0.0),) * 2, stars=8, snr=1e5)
    catalogs = night.catalogs()
    matches = match_stars(catalogs)
    ratios = [
        np.log(catalogs[0].flux[matches.row[2 * k]] / catalogs[1].flux[matches.row[2 * k + 1]])
        for k in range(len(matches) // 2)
    ]
    assert scales_of(catalogs).scale[1] == pytest.approx(np.exp(np.mean(ratios)), rel=1e-6)


def test_variable_stars_are_clipped() -> None:
    catalogs = Night(seed=3).catalogs()
    wild = catalogs[1].flux.copy()
    wild[:4] *= (2.0, 0.3, 1.2, 5.0)
    catalogs[1] = dataclasses.replace(catalogs[1], flux=wild)
    scales = scales_of(catalogs)
    truth = np.array(Night().scales) / Night().scales[scales.reference[0]]
    np.testing.assert_allclose(scales.scale, truth, rtol=0.01)
    assert scales.stars[1] <= len(wild) - 4


def test_known_scales_are_kept_and_tie_the_others() -> None:
    night = Night(seed=5)
    scales = scales_of(night.catalogs(), {1: 13.0, 3: 11.0})
    np.testing.assert_allclose(scales.scale, 10.0 * np.array(night.scales), rtol=0.01)
    assert scales.scale[1] == 13.0
    assert scales.scale[3] == 11.0
    assert set(scales.reference) == {1}
    assert scales.error[1] == 0.0


def test_groups_without_a_star_in_common_have_a_reference_each() -> None:
    near, far = Night(seed=1).catalogs(), Night(seed=2, ra=151.0).catalogs()
    scales = scales_of([*near[:2], *far[:2]])
    assert scales.reference[0] == scales.reference[1]
    assert scales.reference[2] == scales.reference[3]
    assert {scales.scale[index] for index in scales.reference} == {1.0}
    assert scales.reference[0] < 2 <= scales.reference[2]


def test_an_exposure_without_stars_is_its_own_reference() -> None:
    first, second = Night(seed=1).catalogs()[:2]
    names = ("ra", "dec", "position_error", "flux", "flux_error")
    empty = dataclasses.replace(first, name="empty", **{name: np.empty(0) for name in names})
    scales = scales_of([first, second, empty])
    assert scales.reference[2] == 2
    assert scales.stars[2] == 0


@pytest.mark.parametrize("beta", [None, 3.0])
def test_images_with_twenty_stars_are_tied_to_a_hundredth_of_a_magnitude(beta: float | None) -> None:
    rng, zero_points = np.random.default_rng(11), np.array([0.0, 0.1, 0.3, 0.2])
    x, y = rng.uniform(30, 370, (2, 22))
    flux = 1.0 / rng.uniform(1.0 / 2e5, 1.0 / 1e4, 22)
    catalogs = []
    for index, fwhm in enumerate((2.4, 2.9, 2.0, 3.5)):
        shift, dim = rng.uniform(-1, 1, 2), 10.0 ** (-0.4 * zero_points[index])
        light = draw_stars((400, 400), x + shift[0], y + shift[1], flux * dim, fwhm=fwhm, beta=beta)
        image = (light + 10.0 * rng.normal(size=light.shape)).astype(np.float32)
        stars = measure_stars(image, np.full(image.shape, 100.0), light > np.inf)
        catalogs.append(
            StarCatalog(
                name=str(index),
                visit=str(index),
                ra=150.0 + stars.x * 0.6 / 3600.0,
                dec=stars.y * 0.6 / 3600.0,
                position_error=stars.position_error * 0.6,
                flux=stars.flux,
                flux_error=stars.flux_error,
                pixel=0.6,
                shared_error=stars.shared_error,
            )
        )
    scales = scales_of(catalogs)
    wrong = POGSON * np.log(scales.scale) - zero_points + zero_points[scales.reference[0]]
    assert np.abs(wrong).max() < 0.01
    assert scales.stars.min() >= 15


def decam_catalog(path: Path) -> StarCatalog:
    image, header = fits.getdata(path, 1).astype(np.float32), fits.getheader(path, 1)
    bad = np.zeros(image.shape, bool)
    sky = find_blank_sky(image, bad)
    stars = measure_stars(sky.residual, measure_noise(image, bad), bad)
    ra, dec = WCS(header).all_pix2world(stars.x, stars.y, 0)
    return StarCatalog(
        name=path.name,
        visit=path.name,
        ra=ra,
        dec=dec,
        position_error=0.262 * stars.position_error,
        flux=stars.flux,
        flux_error=stars.flux_error,
        pixel=0.262,
        shared_error=stars.shared_error,
    )


@dataclasses.dataclass(frozen=True)
class Band:
    """The bare images of one band, and the scales that their survey found with many stars."""

    catalogs: list[StarCatalog]
    truth: np.ndarray

    def pairs(self) -> list[float]:
        """Return the deviates of all pairs of images, by the stars in common."""
        scales = scales_of(self.catalogs)
        assert scales.stars.min() >= 2
        assert scales.error.max() < 0.05
        return deviates(scales, self.truth / self.truth[scales.reference[0]])

    def alone(self, index: int) -> tuple[float, float]:
        """Return how wrong an image is, and the error stated, by the survey's scales of the others."""
        fixed = {other: scale for other, scale in enumerate(self.truth) if other != index}
        scales = scales_of(self.catalogs, fixed)
        return float(np.log(scales.scale[index] / self.truth[index])), float(scales.error[index])


@pytest.fixture(scope="module")
def bands(shared: Path) -> list[Band]:
    table = fits.getdata(shared / "data/decam/survey-ccds-1.fits.gz")
    known = {
        Path(row["image_filename"].strip()).name[:17]: row["ccdzpt"] + 2.5 * np.log10(row["exptime"])
        for row in table
    }
    bands = []
    for band in "grz":
        paths = sorted((shared / "data/decam/images").glob(f"*_ooi_{band}_*"))
        zero_points = np.array([known[path.name[:17]] for path in paths])
        bands.append(Band([decam_catalog(path) for path in paths], 10.0 ** (-0.4 * (zero_points - 25.0))))
    return bands


def test_the_scales_of_bare_decam_images_are_right_within_errors_that_are_right(bands: list[Band]) -> None:
    """Of all 36 pairs; between bands, the other images of both tell the colours of the stars.

    Stars alone say nothing of the scale between bands: those of this field are up to 3 mag redder than AB.
    """
    within = [value for band in bands for value in band.pairs()]
    alone = [[band.alone(index) for index in range(len(band.truth))] for band in bands]
    between = [
        (ours - theirs) / np.hypot(error, other)
        for first, second in itertools.combinations(alone, 2)
        for ours, error in first
        for theirs, other in second
    ]
    assert (len(within), len(between)) == (10, 26)
    for values in (within, between):
        assert 0.3 < np.mean(np.square(values)) < 1.7
        assert np.abs(values).max() < 2.5
    for wrong, error in itertools.chain(*alone):
        assert abs(wrong) < 2.0 * error < 0.1
