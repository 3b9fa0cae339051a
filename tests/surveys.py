"""A simulated survey that is as small as tests allow."""

from __future__ import annotations

from lamella.testing.config import SurveyConfig

TINY = SurveyConfig(
    bands=("r",),
    visits_per_band=2,
    detector_grid=(1, 2),
    detector_shape=(90, 80),
    stars=8,
    galaxies=5,
    bright_stars=1,
    dither=3.0,
    cosmic_rays=3,
    asteroids=0,
)
"""Two visits in one band of two small detectors."""
