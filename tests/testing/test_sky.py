import numpy as np
import pytest

from lamella.testing.config import SurveyConfig
from lamella.testing.sky import magnitude_to_njy, make_asteroids, make_catalogue, sources_in_band
from lamella.testing.spherical import separation

CONFIG = SurveyConfig()


def test_catalogue_is_complete_and_within_the_field():
    table = make_catalogue(CONFIG)
    kinds = list(table["kind"])
    assert kinds.count("star") == CONFIG.stars + CONFIG.bright_stars
    assert kinds.count("galaxy") == CONFIG.galaxies
    distance = separation(CONFIG.ra, CONFIG.dec, np.array(table["ra"]), np.array(table["dec"]))
    assert distance.max() < CONFIG.field_size[0] / np.sqrt(2)
    assert (table["radius"][table["kind"] == "star"] == 0).all()


def test_stars_are_isolated():
    table = make_catalogue(CONFIG)
    ra, dec, radius = (np.array(table[name]) for name in ("ra", "dec", "radius"))
    star = np.array(table["kind"]) == "star"
    apart = separation(ra[:, None], dec[:, None], ra, dec)
    np.fill_diagonal(apart, np.inf)
    # Offsets in the tangent plane are angles to a part in a million here.
    assert (apart[star] - radius >= CONFIG.isolation * (1 - 1e-5)).all()


def test_magnitudes_are_in_range_and_colours_differ():
    table = make_catalogue(CONFIG)
    stars = table[table["kind"] == "star"][CONFIG.bright_stars :]
    faintest, brightest = (
        magnitude_to_njy(CONFIG.star_magnitudes[1]),
        magnitude_to_njy(CONFIG.star_magnitudes[0]),
    )
    assert (stars["flux_r"] >= faintest).all()
    assert (stars["flux_r"] <= brightest).all()
    colour = 2.5 * np.log10(table["flux_i"] / table["flux_g"])
    assert colour.std() > 0.3


def test_njy():
    assert magnitude_to_njy(31.4) == pytest.approx(1.0)
    assert magnitude_to_njy(21.4) == pytest.approx(1e4)


def test_what_a_caller_does_to_a_catalogue_stays_with_the_caller():
    make_catalogue(CONFIG)["ra"][:] = 0
    assert make_catalogue(CONFIG)["ra"].min() > 149


def test_a_full_field_holds_fewer_sources():
    crowded = CONFIG.replace(detector_grid=(1, 1), detector_shape=(40, 40), dither=0.0, stars=200, galaxies=0)
    assert 0 < len(make_catalogue(crowded)) < 60


def test_sources_take_the_flux_of_their_band():
    table = make_catalogue(CONFIG)
    assert np.array_equal(sources_in_band(table, "g").flux, table["flux_g"])


def test_asteroid_moves_at_its_rate():
    (asteroid,) = make_asteroids(CONFIG)
    start, end = asteroid.position(asteroid.mjd), asteroid.position(asteroid.mjd + 30 / 1440)
    assert separation(*start, *end) == pytest.approx(30 * CONFIG.asteroid_rate, rel=1e-6)
