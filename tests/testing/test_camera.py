import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from lamella.testing.camera import (
    detector_box,
    detector_centre,
    detector_projection,
    plan_visits,
    random_stream,
    wcs_header,
)
from lamella.testing.config import SurveyConfig
from lamella.testing.contracts import check_exposure_source
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.spherical import separation

CONFIG = SurveyConfig()


def test_bands_take_turns_and_each_has_a_satellite():
    visits = list(plan_visits(CONFIG).values())
    assert [v.band for v in visits[:4]] == ["g", "r", "i", "g"]
    assert [v.visit for v in visits] == list(range(100, 115))
    for band in CONFIG.bands:
        assert sum(v.satellite for v in visits if v.band == band) == 1
    assert np.diff([v.mjd for v in visits]) * 1440 == pytest.approx(6.0, abs=1e-4)


def test_visits_differ_as_the_ranges_say():
    visits = plan_visits(CONFIG).values()
    for name, (low, high) in {
        "psf_fwhm": CONFIG.seeing,
        "sky_noise": CONFIG.sky_noise,
        "zero_point": CONFIG.zero_point,
        "rotation": (-CONFIG.rotation, CONFIG.rotation),
    }.items():
        values = [getattr(v, name) for v in visits]
        assert low <= min(values)
        assert max(values) <= high
        assert np.ptp(values) > 0.5 * (high - low)


@pytest.mark.parametrize("dec", [0.0, 60.0, -89.99])
def test_header_is_tan_sip_and_agrees_with_astropy(dec):
    config = SurveyConfig(dec=dec, ra=0.0, distortion=2.0)
    header = wcs_header(config, plan_visits(config)[101], 2)
    assert header["CTYPE1"] == "RA---TAN-SIP"
    projection = detector_projection(config, 101, 2)
    grid = detector_box(config).meshgrid(9)
    found = projection.pixel_to_sky(x=grid.x.astype(float), y=grid.y.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ra, dec = WCS(header).all_pix2world(grid.x, grid.y, 0)
    assert separation(found.ra.deg, found.dec.deg, ra, dec).max() < 1e-5


def test_distortion_is_as_large_as_asked_for():
    plain = detector_projection(CONFIG.replace(distortion=0.0), 100, 1)
    grid = detector_box(CONFIG).meshgrid(31)
    sky = detector_projection(CONFIG, 100, 1).pixel_to_sky(x=grid.x.astype(float), y=grid.y.astype(float))
    straight = plain.sky_to_pixel(sky)
    shift = np.hypot(straight.x - grid.x, straight.y - grid.y)
    assert shift.max() == pytest.approx(CONFIG.distortion, rel=0.02)
    assert shift[15, 15] < 0.01


@pytest.mark.parametrize("distortion", [0.0, 1.5, 3.0])
def test_projection_inverts_to_a_millionth_of_a_pixel(distortion):
    config = SurveyConfig(distortion=distortion, visits_per_band=1, detector_shape=(128, 140), satellites=0)
    for detector in config.detectors:
        check_exposure_source(SimulatedExposure(config, 100, detector))


def test_scale_at_the_centre_is_nominal():
    projection = detector_projection(CONFIG, 104, 3)
    box = detector_box(CONFIG)
    x, y = box.x.center, box.y.center
    sky = projection.pixel_to_sky(x=np.array([x - 0.5, x + 0.5, x, x]), y=np.array([y, y, y - 0.5, y + 0.5]))
    steps = separation(sky.ra.deg[::2], sky.dec.deg[::2], sky.ra.deg[1::2], sky.dec.deg[1::2])
    assert steps == pytest.approx(0.2, rel=1e-5)


@pytest.mark.parametrize("dec", [2.0, 75.0, 89.999])
def test_detectors_keep_their_places_beside_each_other(dec):
    """Neighbours are one detector and one gap apart, and turned alike, the pole included."""
    config = SurveyConfig(dec=dec, distortion=0.0)
    visit = plan_visits(config)[100]
    height, width = config.detector_shape
    ra, dec, _ = detector_centre(config, visit, 1)
    seen = detector_projection(config, 100, 0).sky_to_pixel(SkyCoord(ra, dec, unit="deg"))
    assert seen.x == pytest.approx((width - 1) / 2 + width + config.chip_gap, abs=0.05)
    assert seen.y == pytest.approx((height - 1) / 2, abs=0.05)
    corner = detector_projection(config, 100, 1).pixel_to_sky(x=np.array([0.0]), y=np.array([200.0]))
    seen = detector_projection(config, 100, 0).sky_to_pixel(corner)
    assert seen.x[0] == pytest.approx(width + config.chip_gap, abs=0.05)
    assert seen.y[0] == pytest.approx(200.0, abs=0.05)


def test_streams_are_independent_of_each_other():
    draws = {
        tuple(random_stream(CONFIG, purpose, *key).integers(0, 2**62, 2))
        for purpose, key in (
            ("noise", (100, 0)),
            ("noise", (100, 1)),
            ("noise", (101, 0)),
            ("cosmic rays", (100, 0)),
        )
    }
    assert len(draws) == 4
