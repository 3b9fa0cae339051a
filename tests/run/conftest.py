"""A tiny simulated survey in memory, and one patch of it."""

from __future__ import annotations

import pytest

from lamella.sky.discrete import FieldSkyMap
from lamella.sky.field import skymap_from_exposures
from lamella.testing.survey import Survey

from ..surveys import TINY


@pytest.fixture(scope="session")
def survey() -> Survey:
    """Three visits in one band with two detectors of 90 x 80 pixels each."""
    return Survey(TINY.replace(visits_per_band=3, asteroids=1))


@pytest.fixture(scope="session")
def skymap(survey: Survey) -> FieldSkyMap:
    """A sky map of several patches around the survey."""
    infos = [exposure.info for exposure in survey.exposures()]
    found = skymap_from_exposures(infos, patch_size=110, patch_border=10)
    assert isinstance(found, FieldSkyMap)
    return found
