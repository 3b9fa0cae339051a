"""Coadds as values of astropy."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, VarianceUncertainty

import lamella
from lamella.data.inputs import CoaddTarget
from lamella.formats.archive.write import write_plain_fits

from ...makers import WarpMaker, varied_warps

MAKER = WarpMaker()
TARGET = CoaddTarget(outer_bbox=MAKER.bbox, projection=MAKER.projection)


@pytest.fixture
def coadd() -> lamella.PatchCoadd:
    return lamella.assemble(varied_warps(MAKER), lamella.AssembleConfig(statistic="MEAN"), target=TARGET)


def test_hdus_are_those_of_the_plain_file(coadd: lamella.PatchCoadd, tmp_path: Path) -> None:
    write_plain_fits(coadd, tmp_path / "file.fits")
    hdus = coadd.to_hdulist()
    hdus.writeto(tmp_path / "hdus.fits")
    assert (tmp_path / "hdus.fits").read_bytes() == (tmp_path / "file.fits").read_bytes()
    hdus["IMAGE"].data[...] = 7.0
    assert not (coadd.image.array == 7.0).all()


def test_ccddata_has_the_planes_and_the_sky_of_the_coadd(coadd: lamella.PatchCoadd) -> None:
    data = coadd.to_ccddata()
    assert isinstance(data, CCDData)
    assert data.unit == u.nJy
    assert isinstance(data.uncertainty, VarianceUncertainty)
    lost = coadd.plane("NO_DATA") | ~np.isfinite(coadd.image.array) | ~np.isfinite(coadd.variance.array)
    assert np.array_equal(data.mask, lost)
    assert np.array_equal(data.data, coadd.image.array, equal_nan=True)
    assert np.array_equal(data.uncertainty.array[~lost], coadd.variance.array[~lost])
    assert np.array_equal(data.flags, coadd.mask.array[..., 0])
    assert data.meta["MP_SAT"] == 1
    sky = coadd.sky_projection.pixel_to_sky(x=coadd.bbox.x.start + 3.0, y=coadd.bbox.y.start + 2.0)
    assert data.wcs.pixel_to_world(3.0, 2.0).separation(sky).arcsec < 1e-6
    data.data[...] = 1.0
    assert not (coadd.image.array == 1.0).all()


def test_ccddata_of_a_coadd_can_be_written_and_is_an_input(coadd: lamella.PatchCoadd, tmp_path: Path) -> None:
    data = coadd.to_ccddata()
    data.write(tmp_path / "ccd.fits")
    with fits.open(tmp_path / "ccd.fits") as hdus:
        assert np.array_equal(hdus[0].data, coadd.image.array, equal_nan=True)
    exposure = lamella.Exposure.from_ccddata(data, fwhm=1.0, sky="subtracted")
    assert exposure.to_njy == 1.0
    good = ~data.mask
    assert np.array_equal(exposure.pixels.image.array[good], coadd.image.array[good])
