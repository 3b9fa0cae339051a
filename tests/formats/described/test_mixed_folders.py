"""All layouts in one folder: nobody's companion is an exposure, and surveys share a coadd by band."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from lamella.data.coadd import PatchCoadd
from lamella.formats.recognise import Inputs, open_exposures
from lamella.run.coadds import coadd_exposures
from lamella.testing.config import SurveyConfig
from lamella.testing.layouts.layouts import LAYOUTS, write_layout
from lamella.testing.photometry import measure_stars
from lamella.testing.survey import Survey

DETECTORS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One visit of two detectors in each layout."""
    folder = tmp_path_factory.mktemp("all")
    for seed, name in enumerate(LAYOUTS):
        config = SurveyConfig(
            bands=("r",), visits_per_band=1, detector_grid=(1, DETECTORS), detector_shape=(60, 70), stars=8,
            distortion=0.0, seed=seed,
        )  # fmt: skip
        write_layout(name, Survey(config).exposures(), folder)
    return folder


def by_format(inputs: Inputs) -> dict[str, int]:
    counts: dict[str, int] = {}
    for source in inputs:
        counts[source.info.format] = counts.get(source.info.format, 0) + 1
    return counts


@pytest.mark.parametrize("named", [False, True])
def test_each_layout_has_its_exposures_and_no_other(folder: Path, named: bool) -> None:
    paths = sorted(folder.iterdir()) if named else [folder]
    inputs = open_exposures(paths, measure=False)
    assert inputs.problems == ()
    assert by_format(inputs) == dict.fromkeys(LAYOUTS, DETECTORS)


def test_surveys_of_one_band_and_other_pixels_share_a_coadd_and_others_have_their_own(tmp_path: Path) -> None:
    surveys = {}
    for name, scale, side in (("lco", 0.4, 250), ("ztf", 0.5, 200), ("vista", 0.4, 250)):
        config = SurveyConfig(
            bands=("r",), visits_per_band=2, detector_grid=(1, 1), detector_shape=(side, side),
            pixel_scale=scale, stars=40, star_magnitudes=(18.5, 19.5), bright_stars=0, galaxies=0,
            cosmic_rays=0, satellites=0, asteroids=0, distortion=0.0,
        )  # fmt: skip
        surveys[name] = Survey(config)
        write_layout(name, surveys[name].exposures(), tmp_path)
    # The simulated sky is the same, whatever the pixels.
    coadds = {coadd.band: coadd for coadd in coadd_exposures(open_exposures([tmp_path]).sources)}
    assert sorted(coadds) == ["J", "r"]
    notes = " ".join(coadds["r"].notes)
    assert re.search(r"Exposures of several instruments: 2 of \S+, 2 of \S+\.", notes)
    assert "several instruments" not in " ".join(coadds["J"].notes)
    stars = surveys["lco"].truth.stars
    (alone,) = coadd_exposures(open_exposures([tmp_path], format="lco").sources)
    ratio = fluxes(coadds["r"], stars) / fluxes(alone, stars)
    assert np.isfinite(ratio).sum() >= 6
    # Some stand at an end of an exposure, where no PSF is exact.
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.01)


def fluxes(coadd: PatchCoadd, stars: Table) -> np.ndarray:
    """Return the fluxes of stars; NaN for those outside of the data."""
    places = coadd.sky_projection.sky_to_pixel(SkyCoord(stars["ra"], stars["dec"], unit="deg"))
    x, y = np.asarray(places.x), np.asarray(places.y)
    count, box = coadd.exposure_count_unmasked.array, coadd.bbox
    column, row = np.rint(x - box.x.start).astype(int), np.rint(y - box.y.start).astype(int)
    seen = (row >= 0) & (row < box.y.size) & (column >= 0) & (column < box.x.size)
    seen[seen] = count[row[seen], column[seen]] > 0
    measured = np.full(len(x), np.nan)
    measured[seen] = measure_stars(coadd.image, x[seen], y[seen], coadd.psf).flux
    return measured
