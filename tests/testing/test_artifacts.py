import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from lamella.testing.artifacts import ARTIFACT_KINDS, inject_artifacts
from lamella.testing.camera import detector_projection, plan_visits
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.sky import make_asteroids

CONFIG = SurveyConfig(bands=("r",), visits_per_band=3, detector_shape=(150, 160))


@pytest.mark.parametrize("key", [(v, d) for v in CONFIG.visits for d in CONFIG.detectors])
def test_planes_are_exactly_the_pixels_that_changed(key):
    """The noise is the same with and without artifacts: their difference is what was injected."""
    clean = CONFIG.replace(cosmic_rays=0, satellites=0, asteroids=0)
    with_artifacts, without = (SimulatedExposure(c, *key).pixels() for c in (CONFIG, clean))
    usable = ((with_artifacts.mask | without.mask) & 0b11) == 0  # neither BAD nor SATURATED
    usable &= np.isfinite(without.image)
    changed = with_artifacts.image != without.image
    injected = np.logical_or.reduce(list(with_artifacts.artifacts.planes.values()))
    assert injected.any()
    assert np.array_equal(changed[usable], injected[usable])
    difference = (with_artifacts.image - without.image) * plan_visits(CONFIG)[key[0]].to_njy
    expected = with_artifacts.artifacts.image
    assert difference[usable] == pytest.approx(expected[usable], rel=1e-4, abs=0.05)
    assert np.array_equal(expected > 0, injected)


def test_cosmic_rays_are_masked_but_for_a_fraction():
    config = CONFIG.replace(cosmic_rays=200, unmasked_cosmic_rays=0.3)
    injection = inject_artifacts(config, 100, 0)
    rays = [record for record in injection.records if record.kind == "COSMIC_RAY"]
    assert len(rays) > 190  # a track may lie outside of the detector for the most part
    missed = sum(not ray.masked for ray in rays) / len(rays)
    assert missed == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / len(rays)))
    assert not (injection.masked & ~injection.planes["COSMIC_RAY"]).any()
    everything = inject_artifacts(config.replace(unmasked_cosmic_rays=0.0), 100, 0)
    assert np.array_equal(everything.masked, everything.planes["COSMIC_RAY"])


def test_satellite_crosses_one_visit_in_a_line_across_detectors():
    (crossed,) = [v for v in plan_visits(CONFIG).values() if v.satellite]
    trails = []
    for detector in CONFIG.detectors:
        injection = inject_artifacts(CONFIG, crossed.visit, detector)
        projection = detector_projection(CONFIG, crossed.visit, detector)
        for record in injection.records:
            if record.kind == "SATELLITE":
                assert record.peak <= CONFIG.satellite_peak * crossed.sky_noise * (1 + 1e-6)
                assert not record.masked
                ends = np.array([[record.x, record.x_end], [record.y, record.y_end]])
                trails.append(projection.pixel_to_sky(x=ends[0], y=ends[1]))
    assert len(trails) >= 2
    first = trails[0]
    for trail in trails[1:]:
        angle = first[0].position_angle(first[1])
        for end in trail:
            offset = first[0].separation(end).arcsec * np.sin(first[0].position_angle(end) - angle).value
            assert abs(offset) < 0.02
    for visit in set(CONFIG.visits) - {crossed.visit}:
        assert not any(inject_artifacts(CONFIG, visit, d).planes["SATELLITE"].any() for d in CONFIG.detectors)


def test_asteroid_is_where_its_orbit_says():
    (asteroid,) = make_asteroids(CONFIG)
    seen = 0
    for visit in plan_visits(CONFIG).values():
        ra, dec = asteroid.position(visit.mjd)
        for detector in CONFIG.detectors:
            for record in inject_artifacts(CONFIG, visit.visit, detector).records:
                if record.kind == "ASTEROID":
                    pixel = detector_projection(CONFIG, visit.visit, detector).sky_to_pixel(
                        SkyCoord(ra, dec, unit="deg")
                    )
                    assert (record.x, record.y) == (
                        pytest.approx(float(pixel.x), abs=1e-3),
                        pytest.approx(float(pixel.y), abs=1e-3),
                    )
                    seen += 1
    assert seen >= 2


def test_kinds_have_planes():
    assert set(inject_artifacts(CONFIG, 100, 0).planes) == set(ARTIFACT_KINDS)
