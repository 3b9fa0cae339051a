import numpy as np
import pytest

from lamella.errors import ConfigError
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.survey import Survey


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bands": ("r", "K")}, "no such band: K"),
        ({"bands": ("r", "r")}, "twice"),
        ({"seeing": (1.0, 0.5)}, "lower limit first"),
        ({"satellites": 9}, "more satellites"),
        ({"detector_shape": (20, 4)}, "fewer inner columns"),
        ({"star": 3}, "no such option"),
        ({"dec": 91}, "dec"),
    ],
)
def test_impossible_options_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        SurveyConfig(**options)


def test_round_trip_through_plain_values():
    config = SurveyConfig(bands=("z",), seed=7)
    assert SurveyConfig(**config.to_dict()) == config
    assert hash(SurveyConfig(**config.to_dict())) == hash(config)


def test_on_common_grid_gives_one_projection():
    config = SurveyConfig.on_common_grid(bands=("r",), visits_per_band=3, detector_shape=(60, 70))
    infos = [exposure.info for exposure in Survey(config).exposures()]
    assert len(infos) == 3
    grid = infos[0].bbox.meshgrid(5)
    for info in infos[1:]:
        sky = info.projection.pixel_to_sky(x=grid.x.astype(float), y=grid.y.astype(float))
        back = infos[0].projection.sky_to_pixel(sky)
        assert np.hypot(back.x - grid.x, back.y - grid.y).max() < 1e-8
    assert SimulatedExposure(config, 100, 0).pixels().model.shape == (60, 70)


def test_field_covers_the_camera_in_every_rotation():
    config = SurveyConfig(detector_grid=(1, 1), detector_shape=(300, 400), dither=5.0, pixel_scale=0.5)
    assert config.field_size == (pytest.approx(260.0), pytest.approx(260.0))
