import numpy as np
import pytest
from lsst.images import Image

from lamella.planes import Layout
from lamella.testing.camera import plan_visits
from lamella.testing.config import SurveyConfig
from lamella.testing.contracts import check_exposure_source
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.photometry import measure_stars
from lamella.testing.survey import Survey

CONFIG = SurveyConfig(bands=("g", "r"), visits_per_band=2)
QUIET = CONFIG.replace(noise=False, cosmic_rays=0, satellites=0, asteroids=0, bad_columns=0, dead_columns=0)


def plane(pixels, name):
    return (pixels.mask & Layout.of().bits([name])) != 0


def test_contract():
    for exposure in Survey(CONFIG).exposures("r")[::3]:
        check_exposure_source(exposure)


def test_noise_has_the_variance_of_the_variance_plane():
    """chi has mean 0 and rms 1 within 4 standard errors, on sky and on sources."""
    chi, bright = [], []
    for exposure in Survey(CONFIG).exposures():
        pixels = exposure.pixels()
        usable = ~(plane(pixels, "BAD") | plane(pixels, "NO_DATA") | plane(pixels, "SATURATED"))
        usable &= pixels.artifacts.image == 0
        chi.append(((pixels.image - pixels.model) / np.sqrt(pixels.variance))[usable])
        bright.append((pixels.model > (exposure.plan.sky_noise / exposure.plan.to_njy) ** 2)[usable])
    chi, bright = np.concatenate(chi), np.concatenate(bright)
    assert bright.sum() > 5000
    for part in (chi, chi[bright]):
        assert abs(part.mean()) < 4 / np.sqrt(part.size)
        assert abs(part.std() - 1) < 4 / np.sqrt(2 * part.size)


def test_variance_is_that_of_sky_and_photons():
    exposure = SimulatedExposure(QUIET.replace(gain=2.0), 101, 0)
    pixels, plan = exposure.pixels(), exposure.plan
    sky = (plan.sky_noise / plan.to_njy) ** 2
    assert pixels.variance == pytest.approx(sky + pixels.model / 2, rel=1e-6)


def test_stars_have_the_flux_and_the_place_of_the_catalogue():
    """Noiseless stars found through the projection: fluxes to 1e-4, places to 1 mpx."""
    config = QUIET.replace(galaxies=0, bright_stars=0, saturation=1e7)
    for exposure in Survey(config).exposures("r")[:3]:
        stars = Survey(config).truth.stars
        read = exposure.read()
        xy = read.info.projection.sky_to_pixel(_coordinates(stars))
        found = measure_stars(read.pixels.image, xy.x, xy.y, read.psf)
        inside = np.isfinite(found.flux)
        assert inside.sum() > 5
        assert found.flux[inside] * read.to_njy == pytest.approx(stars["flux_r"][inside], rel=1e-4)
        assert found.x[inside] == pytest.approx(xy.x[inside], abs=1e-3)
        assert found.y[inside] == pytest.approx(xy.y[inside], abs=1e-3)
        assert found.sigma[inside] == pytest.approx(read.psf.sigma, rel=1e-3)


def test_noisy_fluxes_are_unbiased():
    """Pull of PSF fluxes: mean 0 and rms 1 within 4 standard errors."""
    config = CONFIG.replace(galaxies=0, bright_stars=0, cosmic_rays=0, satellites=0, asteroids=0)
    config = config.replace(bad_columns=0, dead_columns=0, stars=150, saturation=1e7)
    pulls = []
    stars = Survey(config).truth.stars
    for exposure in Survey(config).exposures("g"):
        read = exposure.read()
        xy = read.info.projection.sky_to_pixel(_coordinates(stars))
        found = measure_stars(read.pixels.image, xy.x, xy.y, read.psf, variance=read.pixels.variance)
        pulls.append((found.flux - stars["flux_g"] / read.to_njy) / found.flux_error)
    pull = np.concatenate(pulls)
    pull = pull[np.isfinite(pull)]
    assert pull.size > 60
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert abs(pull.std() - 1) < 4 / np.sqrt(2 * pull.size)


def test_saturated_pixels_are_clipped_and_flagged():
    found = 0
    for exposure in Survey(CONFIG).exposures("r"):
        pixels = exposure.pixels()
        full = plane(pixels, "SATURATED")
        found += int(full.sum())
        assert np.array_equal(full, pixels.image >= CONFIG.saturation)
        assert (pixels.image[full & ~plane(pixels, "BAD")] == CONFIG.saturation).all()
    assert found > 50


def test_bad_columns_are_the_same_in_all_visits_of_a_detector():
    first, later, other = (SimulatedExposure(CONFIG, *key).pixels() for key in ((100, 1), (103, 1), (100, 2)))
    for name, count in (("BAD", CONFIG.bad_columns), ("NO_DATA", CONFIG.dead_columns)):
        columns = plane(first, name).all(axis=0)
        assert columns.sum() == count
        assert plane(first, name).sum() == count * 256
        assert np.array_equal(columns, plane(later, name).all(axis=0))
        assert not np.array_equal(columns, plane(other, name).all(axis=0))


def test_hot_columns_are_hot_and_dead_ones_have_no_data():
    exposure = SimulatedExposure(CONFIG, 100, 1)
    pixels = exposure.pixels()
    dead = plane(pixels, "NO_DATA")
    assert np.array_equal(np.isnan(pixels.image), dead)
    assert np.array_equal(np.isposinf(pixels.variance), dead)
    hot = plane(pixels, "BAD") & ~plane(pixels, "SATURATED")
    assert np.median(pixels.image[hot]) * exposure.plan.to_njy > 30 * exposure.plan.sky_noise


def test_rim_is_flagged():
    rim = plane(SimulatedExposure(CONFIG.replace(edge_width=3), 100, 0).pixels(), "DETECTION_EDGE")
    assert rim.sum() == 256 * 280 - 250 * 274
    assert not rim[3:-3, 3:-3].any()
    assert not plane(SimulatedExposure(CONFIG.replace(edge_width=0), 100, 0).pixels(), "DETECTION_EDGE").any()


def test_pixels_do_not_depend_on_the_order_in_which_they_are_made():
    forward = [exposure.read().pixels.image.array for exposure in Survey(CONFIG).exposures()]
    fresh = Survey(CONFIG.replace(seed=CONFIG.seed)).exposures()
    for image, exposure in zip(reversed(forward), reversed(fresh), strict=True):
        assert np.array_equal(exposure.read().pixels.image.array, image, equal_nan=True)


def test_another_seed_gives_another_survey():
    one, other = (SimulatedExposure(CONFIG.replace(seed=s), 100, 0).pixels() for s in (1, 2))
    assert (one.image != other.image).mean() > 0.9


def test_description():
    exposure = SimulatedExposure(CONFIG, 101, 3)
    info, plan = exposure.info, plan_visits(CONFIG)[101]
    assert (info.id.visit, info.id.detector, info.id.instrument) == (101, 3, "LamellaSim")
    assert (info.band, info.psf_fwhm, info.mjd) == ("r", plan.psf_fwhm, plan.mjd)
    read = exposure.read()
    assert isinstance(read.pixels.image, Image)
    assert read.to_njy == pytest.approx(10 ** ((31.4 - plan.zero_point) / 2.5), rel=1e-12)
    assert read.psf.sigma == pytest.approx(plan.psf_fwhm / 0.2 / 2.354820045, rel=1e-9)


def _coordinates(table):
    from astropy.coordinates import SkyCoord

    return SkyCoord(np.array(table["ra"]), np.array(table["dec"]), unit="deg")
