"""Lookup tables are read from the file of the image, in whatever case, and go with it into archives."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from lsst.images.serialization import open_archive

from lamella.data.exposure_archive import ExposureImage
from lamella.errors import MissingPartError
from lamella.formats.wcs_tables import lookup_tables

from .conftest import SCALE, open_row, tan_header

SHAPE = (90, 120)


def table(version: int, shape: tuple[int, ...] = (4, 5), name: str = "WCSDVARR") -> fits.ImageHDU:
    values = np.random.default_rng(version).normal(0.0, 0.2, shape).astype(np.float32)
    cards = fits.Header({"CRPIX1": 1.0, "CRPIX2": 1.0, "CDELT1": 30.0, "CDELT2": 30.0})
    hdu = fits.ImageHDU(values, cards, name=name)
    hdu.ver = version
    return hdu


def write(path: Path, *tables: fits.ImageHDU, lower: bool = False) -> Path:
    """Write an image, its variance, and tables that correct both coordinates."""
    cards = tan_header(SHAPE)
    cards["RADESYS"] = "ICRS"
    for axis in (1, 2):
        cards[f"CPDIS{axis}"] = "LOOKUP"
        for text in (f"EXTVER: {axis}", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2"):
            cards.append(fits.Card.fromstring(f"DP{axis}     = '{text}'"), end=True)
    pixels = np.random.default_rng(0).normal(0.0, 2.0, SHAPE).astype(np.float32)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels, cards, name="SCI")]
    hdus.append(fits.ImageHDU(np.full(SHAPE, 4.0, np.float32), name="VAR"))
    fits.HDUList([*hdus, *tables]).writeto(path)
    if lower:
        path.write_bytes(path.read_bytes().replace(b"'WCSDVARR'", b"'wcsdvarr'"))
    return path


def astropy_sky(path: Path, x: np.ndarray, y: np.ndarray) -> Any:
    with fits.open(path) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for hdu in hdus[3:]:
            hdu.name = "WCSDVARR"
        return WCS(hdus[1].header, hdus).pixel_to_world(x, y).icrs


@pytest.mark.parametrize("lower", [False, True])
def test_an_exposure_has_the_positions_of_its_tables_also_in_an_archive(tmp_path: Path, lower: bool) -> None:
    path = write(tmp_path / "a.fits", table(1), table(2), lower=lower)
    source = open_row(tmp_path, variance_hdu="VAR", sky="subtracted")
    exposure = source.read()
    x, y = np.random.default_rng(1).uniform(-10, 110, (2, 200))
    expected = astropy_sky(path, x, y)
    ExposureImage(exposure).write(str(tmp_path / "archive.fits"))
    with open_archive(str(tmp_path / "archive.fits"), ExposureImage) as reader:
        archived = reader.read().exposure
    for info in (source.info, exposure.info, archived.info):
        apart = info.projection.pixel_to_sky(x=x, y=y).separation(expected).deg / SCALE
        assert apart.max() < 0.001
        back = info.projection.sky_to_pixel(expected)
        assert np.hypot(back.x - x, back.y - y).max() < 0.001
    assert archived.info.projection == exposure.info.projection


def test_the_tables_of_hst_are_in_its_exposures(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "a.fits").symlink_to(shared / "data" / "formats" / "hst-flc-lookup" / "j94f05bgq_flc.fits")
    x, y = np.random.default_rng(1).uniform(0, 119, (2, 200))
    with fits.open(tmp_path / "a.fits") as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, version in ((1, 1), (4, 2)):
            info = open_row(tmp_path, image_hdu=index, variance_hdu=index + 1).info
            expected = WCS(hdus["SCI", version].header, hdus).pixel_to_world(x, y)
            apart = info.projection.pixel_to_sky(x=x, y=y).separation(expected).arcsec
            assert apart.max() < 0.001 * 0.05


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.fits", table(1))
    with pytest.raises(
        MissingPartError, match="WCSDVARR,2: found only WCSDVARR,1; expected the lookup table"
    ):
        open_row(tmp_path, variance_hdu="VAR").info  # noqa: B018
    write(tmp_path / "b.fits")
    with pytest.raises(MissingPartError, match="WCSDVARR,1: found no such HDU"):
        open_row(tmp_path, file="b.fits", variance_hdu="VAR").info  # noqa: B018


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", table(1, (2, 3, 4)), table(1, (30,), "D2IMARR"))
    read = lookup_tables(path)
    with pytest.raises(MissingPartError, match=r"HDU 3: found an array with the axes \[2, 3, 4\]"):
        read("WCSDVARR", 1)
    values, header = read("D2IMARR", 1)
    assert values.shape == (30,)
    assert header["CDELT1"] == 30.0
