import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.testing.config import SurveyConfig
from lamella.testing.photometry import measure_stars
from lamella.testing.survey import Survey
from lamella.testing.truth import Truth

CONFIG = SurveyConfig(bands=("r", "i"), visits_per_band=2)


def test_render_on_a_detector_is_the_model_of_its_exposure():
    exposure = Survey(CONFIG).exposures("i")[1]
    info = exposure.info
    found = Truth(CONFIG).render(info.projection, info.bbox, exposure.psf.sigma, "i")
    assert found / exposure.plan.to_njy == pytest.approx(exposure.pixels().model, rel=1e-12)


@pytest.mark.parametrize("scale", [0.2, 0.3])
def test_render_on_another_grid_keeps_fluxes(scale):
    config = CONFIG.replace(galaxies=0)
    survey = Survey(config)
    projection, box = survey.grid(scale)
    image = survey.truth.render(projection, box, 1.5, "r")
    assert image.shape == box.shape
    stars = survey.truth.stars
    from lsst.images import Image

    xy = projection.sky_to_pixel(SkyCoord(np.array(stars["ra"]), np.array(stars["dec"]), unit="deg"))
    found = measure_stars(Image(image, bbox=box), xy.x, xy.y, GaussianPointSpreadFunction(1.5, box, 17))
    inside = np.isfinite(found.flux)
    assert inside.sum() > 80
    assert found.flux[inside] == pytest.approx(stars["flux_r"][inside], rel=1e-4)


def test_tables():
    truth = Truth(CONFIG)
    assert len(truth.visits) == 4
    assert truth.visits["psf_fwhm"].unit == "arcsec"
    assert set(truth.artifacts["kind"]) == {"COSMIC_RAY", "SATELLITE", "ASTEROID"}
    assert len(truth.asteroids) == 4
    rays = truth.artifacts[truth.artifacts["kind"] == "COSMIC_RAY"]
    assert 0.7 < np.mean(rays["masked"]) < 1.0


def test_a_survey_without_artifacts_has_empty_tables():
    truth = Truth(CONFIG.replace(cosmic_rays=0, satellites=0, asteroids=0))
    assert len(truth.artifacts) == 0
    assert len(truth.asteroids) == 0
    assert truth.artifacts.colnames[:3] == ["visit", "detector", "kind"]


def test_pixels_of_the_records_add_up():
    """Tracks may cross: at most as many pixels in the plane as in the records."""
    truth = Truth(CONFIG)
    rows = truth.artifacts
    for kind, found in truth.artifact_planes(101, 2).items():
        chosen = (rows["visit"] == 101) & (rows["detector"] == 2) & (rows["kind"] == kind)
        total = int(np.sum(rows["pixels"][chosen]))
        assert total - 10 <= found.sum() <= total
