"""Files in the structure of surveys that others made, with known stars, are read with the right values."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy
import sep
from astropy.coordinates import SkyCoord

from lamella.data.exposure import Exposure
from lamella.formats.recognise import Inputs, open_exposures
from lamella.psf.gaussian import FWHM_PER_SIGMA
from lamella.testing.photometry import psf_moments

SURVEYS = {
    "ccddata": ("ccddata", "R", 1),
    "hst-flc-lookup": ("hst-acs", "F606W", 2),
    "hst-flc-sip": ("hst-acs", "F606W", 2),
    "jwst-cal": ("jwst", "F150W", 1),
    "lco-banzai": ("lco", "r", 2),
    "ps1-warp": ("ps1-warp", "r", 1),
    "sdss-frame": ("sdss-frame", "r", 2),
    "ztf": ("ztf", "r", 1),
}
"""Folder, description, band and number of exposures."""


@pytest.fixture(scope="module", params=SURVEYS)
def folder(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / "data" / "formats" / request.param


@pytest.fixture(scope="module")
def inputs(folder: Path) -> Inputs:
    return open_exposures([path for path in sorted(folder.iterdir()) if path.suffix != ".csv"], strict=False)


def test_files_are_recognised_and_companions_are_no_exposures(folder: Path, inputs: Inputs) -> None:
    name, band, count = SURVEYS[folder.name]
    assert inputs.problems == ()
    assert [(source.info.format, source.info.band) for source in inputs.sources] == [(name, band)] * count


def test_stars_are_where_and_as_bright_as_they_are(folder: Path, inputs: Inputs) -> None:
    calibrated = SURVEYS[folder.name][0] != "ccddata"
    offsets, ratios = [], []
    for source in inputs.sources:
        shifts, fluxes = measured_stars(folder, source.read())
        offsets.append(shifts)
        ratios.append(fluxes)
    offset, ratio = np.concatenate(offsets), np.concatenate(ratios)
    assert len(ratio) >= 1
    assert np.abs(np.median(offset, axis=0)).max() < 0.05
    if calibrated:
        assert np.median(ratio) == pytest.approx(1.0, abs=0.01)


def test_the_noise_is_that_of_blank_sky(inputs: Inputs) -> None:
    for source in inputs.sources:
        exposure = source.read()
        image, sigma, bad = planes(exposure)
        segments = sep.extract(image, 2.0, err=sigma, mask=bad, segmentation_map=True)[1]
        # Wings of stars are no noise.
        blank = ~scipy.ndimage.binary_dilation(segments > 0, iterations=4) & ~bad
        chi = image[blank] / sigma[blank]
        scatter = 1.4826 * np.median(np.abs(chi - np.median(chi)))
        assert scatter == pytest.approx(1.0, abs=0.03)


def planes(exposure: Exposure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image = exposure.pixels.image.array.astype(np.float64)
    sigma = np.sqrt(exposure.pixels.variance.array.astype(np.float64))
    bad = ~(np.isfinite(image) & np.isfinite(sigma))
    return np.where(bad, 0.0, image), np.where(bad, 1e9, sigma), bad


def measured_stars(folder: Path, exposure: Exposure) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets (pixels) and flux ratios of the stars of the truth that are well within the image."""
    with (folder / "truth.csv").open() as stream:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]
    info, (image, _, bad) = exposure.info, planes(exposure)
    sigma = psf_moments(exposure.psf, info.bbox.x.center, info.bbox.y.center)[2]
    width = sigma * FWHM_PER_SIGMA
    radius = 1.6 * width  # of a Gaussian, all but 1e-3
    sky = SkyCoord([row["ra"] for row in rows], [row["dec"] for row in rows], unit="deg")
    where = info.projection.sky_to_pixel(sky)
    offsets, ratios = [], []
    for row, x, y in zip(rows, where.x, where.y, strict=True):
        margin = 2 * radius + 4
        if not (margin < x < image.shape[1] - margin and margin < y < image.shape[0] - margin):
            continue
        neighbours = np.hypot(where.x - x, where.y - y) < 2.5 * radius
        box = np.s_[int(y - radius) : int(y + radius) + 2, int(x - radius) : int(x + radius) + 2]
        if neighbours.sum() > 1 or bad[box].any():
            continue
        flux = sep.sum_circle(image, [x], [y], radius, bkgann=(1.3 * radius, 2 * radius))[0][0]
        at_x, at_y, _ = sep.winpos(image, [x], [y], sigma)
        offsets.append((at_x[0] - x, at_y[0] - y))
        ratios.append(flux * exposure.to_njy / row["flux_njy"])
    return np.array(offsets).reshape(-1, 2), np.array(ratios)
