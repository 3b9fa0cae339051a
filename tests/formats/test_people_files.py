"""Small files in the layouts that people have: each opens, with stars as bright as they are."""

from __future__ import annotations

import csv
import dataclasses
import functools
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import scipy
from astropy.coordinates import SkyCoord

from lamella.data.exposure import Exposure, ExposureSource
from lamella.formats.recognise import open_exposures
from lamella.formats.source import FileSource
from lamella.sky.footprint import pixel_scale

FORMATS = {
    "ccddata": ("ccddata", 1),
    "decam-dither1": ("decam", 3),
    "decam-electrons": ("decam", 3),
    "hst-flc-lookup": ("hst-acs", 2),
    "hst-flc-sip": ("hst-acs", 2),
    "jwst-cal": ("jwst", 1),
    "lco-banzai": ("lco", 2),
    "plain": ("fits", 2),
    "ps1-warp": ("ps1-warp", 1),
    "scamp-head": ("fits", 1),
    "sdss-frame": ("sdss-frame", 2),
    "ztf": ("ztf", 1),
}
"""Format and number of exposures of each folder."""
WIDTHS = {"hst-flc-lookup": 0.1, "hst-flc-sip": 0.1, "jwst-cal": 0.06, "scamp-head": 1.2}
"""Arcseconds."""
LIMITS = {"scamp-head": 0.03}
"""Nine stars of S/N 20, some of which overlap: the median is known to 0.02.  It is noise, as 196 stars of
`benchmarks.from_swarp` in the same layout show, with 0.9999."""
UNCALIBRATED = ("plain", "ccddata", "bayer")


def files_of(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix != ".csv"]


def filled(source: ExposureSource, width: float) -> ExposureSource:
    """Return an exposure whose row has numbers where they are to be measured."""
    if not isinstance(source, FileSource) or not hasattr(source.recipe, "values"):
        return source
    numbers = {"psf_fwhm": str(width), "flux_scale": "1"}
    cells = source.recipe.values
    values = {
        name: numbers[name] if name in numbers and cells[name] == "measured" else cells[name]
        for name in cells
    }
    return FileSource(dataclasses.replace(source.recipe, values=values))


def stars_of(folder: Path) -> tuple[SkyCoord, np.ndarray]:
    with (folder / "truth.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    ra, dec, flux = (np.array([float(row[key]) for row in rows]) for key in ("ra", "dec", "flux_njy"))
    return SkyCoord(ra * u.deg, dec * u.deg), flux


def aperture_ratios(exposure: Exposure, folder: Path, width: float, brightest: float = 1.0) -> np.ndarray:
    """Return measured over true fluxes of the stars that stand alone, of the brightest part of all."""
    sky, fluxes = stars_of(folder)
    faintest = np.quantile(fluxes, 1 - brightest)
    projection, scale = exposure.info.projection, pixel_scale(exposure.info.projection, exposure.info.bbox)
    image, mask = exposure.pixels.image.array, exposure.pixels.mask
    bad = functools.reduce(np.bitwise_or, (mask.schema.bit(n).mask for n in ("BAD", "SATURATED", "NO_DATA")))
    image = np.where(mask.array[..., 0] & bad, np.nan, image)
    radius = 2.2 * width / scale
    y, x = np.indices(image.shape)
    ratios = []
    for position, flux in zip(sky, fluxes, strict=True):
        pixel = projection.sky_to_pixel(position)
        distance = np.hypot(x - float(pixel.x), y - float(pixel.y))
        star, around = image[distance < radius], image[(distance > 1.5 * radius) & (distance < 3 * radius)]
        alone = position.separation(sky).arcsec < 5 * width
        inside = radius < pixel.x < image.shape[1] - radius and radius < pixel.y < image.shape[0] - radius
        if inside and flux >= faintest and alone.sum() == 1 and np.isfinite(star).all():
            ratios.append((star - np.nanmedian(around)).sum() * exposure.to_njy / flux)
    return np.array(ratios)


def scatter(values: np.ndarray) -> float:
    middle = float(np.median(values))
    return 1.4826 * float(np.median(np.abs(values - middle))) / middle


def noise_ratio(exposure: Exposure) -> float:
    """Return the scatter of blank sky over what the variance says, by differences of pixels two apart."""
    pixels = exposure.pixels
    good = np.isfinite(pixels.variance.array) & np.isfinite(pixels.image.array)
    chi = np.where(good, pixels.image.array / np.sqrt(np.where(good, pixels.variance.array, 1.0)), 0.0)
    chi = np.where(good, chi - np.median(chi[good]), 0.0)
    # What stands out after smoothing: wings of stars are no noise.
    blank = good & (np.abs(scipy.ndimage.gaussian_filter(chi, 1.5)) < 1.0)
    both = blank[:, 2:] & blank[:, :-2]
    assert np.count_nonzero(both) > 0.1 * chi.size
    return 1.4826 * float(np.median(np.abs((chi[:, 2:] - chi[:, :-2])[both]))) / np.sqrt(2.0)


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_opens_with_right_fluxes_and_noise(shared: Path, name: str) -> None:
    folder, (format, count) = shared / "data" / "formats" / name, FORMATS[name]
    inputs = open_exposures(files_of(folder))
    assert not inputs.problems
    assert [source.info.format for source in inputs] == [format] * count
    width = WIDTHS.get(name, 1.5)
    ratios = []
    for source in inputs:
        exposure = filled(source, width).read()
        assert noise_ratio(exposure) == pytest.approx(1.0, abs=0.03)
        assert exposure.info.flux_unit.is_absolute is (name not in UNCALIBRATED)
        ratios.append(aperture_ratios(exposure, folder, width, 0.4 if name in UNCALIBRATED else 1.0))
    if name in UNCALIBRATED:
        for ratio in ratios:
            assert ratio.size > 2
            assert scatter(ratio) < 0.08
    else:
        assert np.median(np.concatenate(ratios)) == pytest.approx(1.0, abs=LIMITS.get(name, 0.01))


def test_a_mosaic_is_three_bands_of_right_colors(shared: Path) -> None:
    folder = shared / "data" / "formats" / "bayer"
    inputs = open_exposures([folder])
    assert [source.info.band for source in inputs] == [*"BGR"] * 2
    scales: dict[str, list[float]] = {}
    for source in inputs:
        exposure = filled(source, 5.0).read()
        assert noise_ratio(exposure) == pytest.approx(1.0, abs=0.03)
        ratio = aperture_ratios(exposure, folder, 5.0, 0.4)
        scales.setdefault(source.info.band, []).append(float(np.median(ratio)))
    # Stars are as bright in both exposures, and have one colour.
    for first, second in scales.values():
        assert first == pytest.approx(second, rel=0.15)  # ten stars of S/N 10
    red, green, blue = (np.mean(scales[band]) for band in "RGB")
    assert 0.5 < red / green < 0.7
    assert 0.4 < blue / green < 0.6


@pytest.mark.parametrize("name", ["degenerate", "equinox", "floatmask", "inherit", "rms"])
@pytest.mark.parametrize("suffix", [".csv", ".fits"])
def test_odd_headers_are_read_by_table_and_by_file(shared: Path, name: str, suffix: str) -> None:
    folder = shared / "data" / "formats" / "headers"
    (source,) = open_exposures([folder / f"{name}{suffix}"])
    exposure = filled(source, 1.5).read()
    if (name, suffix) != ("rms", ".csv"):  # which takes standard deviations for variances
        assert noise_ratio(exposure) == pytest.approx(1.0, abs=0.03)
    ratio = aperture_ratios(exposure, folder, 1.5)
    assert scatter(ratio) < 0.08
    if suffix == ".csv":
        bright = aperture_ratios(exposure, folder, 1.5, 0.4)  # the others have S/N below 30
        np.testing.assert_allclose(bright, 1.0, atol=0.01)


def test_a_unit_that_looks_like_no_number_is_read(shared: Path) -> None:
    (source,) = open_exposures([shared / "data" / "formats" / "nanomaggy-csv" / "exposures.csv"])
    assert source.read().to_njy == pytest.approx(3630.78, rel=1e-5)


@pytest.mark.parametrize("name", ["wrong_148px", "wrong_or_error", "x_terms_only"])
@pytest.mark.parametrize("suffix", [".csv", ".fits"])
def test_sparse_polynomials_are_read(shared: Path, name: str, suffix: str) -> None:
    (source,) = open_exposures([shared / "data" / "formats" / "sip-sparse" / f"{name}{suffix}"])
    assert filled(source, 1.5).read().pixels.bbox.shape == (60, 60)
