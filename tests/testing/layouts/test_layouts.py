"""Layouts as files, seen by astropy; what lamella reads of them is tested beside its readers."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lamella.errors import ConfigError
from lamella.testing.config import SurveyConfig
from lamella.testing.layouts.layouts import LAYOUTS, write_layout
from lamella.testing.spherical import separation
from lamella.testing.survey import Survey

QUADRANTS = [f"1-1.{quadrant}.{kind}" for quadrant in "EF" for kind in ("SCI", "RMS", "FLG")]
IMAGES = {
    "2mass": ("j*.fits", ["PRIMARY"], "float32"),
    "blackgem": ("ML1*_red.fits.fz", ["PRIMARY", "COMPRESSED_IMAGE"], "float32"),
    "ccddata": ("*.fits", ["PRIMARY", "MASK", "UNCERT"], "float32"),
    "cfht-megacam": ("*p.fits.fz", ["PRIMARY", "CCD00", "CCD01"], "uint16"),
    "des": ("*_immasked.fits.fz", ["PRIMARY", "SCI", "MSK", "WGT"], "float32"),
    "dragons": ("*_image.fits", ["PRIMARY", "SCI", "VAR", "DQ"], "float32"),
    "euclid-vis": ("*DET*.fits", ["PRIMARY", *QUADRANTS], "float32"),
    "hst-acs": ("*_flc.fits", ["PRIMARY", *["SCI", "ERR", "DQ"] * 2], "float32"),
    "hst-wfc3": ("*_flt.fits", ["PRIMARY", *["SCI", "ERR", "DQ"] * 2], "float32"),
    "irac-mosaic": ("*_maic.fits", ["PRIMARY"], "float32"),
    "irac": ("*_cbcd.fits", ["PRIMARY"], "float32"),
    "jwst": ("*_cal.fits", ["PRIMARY", "SCI", "ERR", "DQ", "AREA", "VAR_POISSON", "VAR_RNOISE"], "float32"),
    "lco": ("*-e91.fits.fz", ["PRIMARY", "SCI", "CAT", "BPM", "ERR"], "float32"),
    "noirlab-cp": ("*_ooi_*.fits.fz", ["PRIMARY", "CCD1", "CCD2"], "float32"),
    "ps1-stack": ("*.unconv.fits", ["PRIMARY", "COMPRESSED_IMAGE"], "float32"),
    "ps1-warp": ("*_00100.fits", ["PRIMARY", "COMPRESSED_IMAGE"], "float32"),
    "sdss-frame": ("frame-*.fits.bz2", ["PRIMARY", "", ""], "float32"),
    "skymapper": ("skymapper*.fits", ["PRIMARY"], "int16"),
    "unwise": ("*-img-m.fits", ["PRIMARY"], "float32"),
    "vista": ("*_st.fit", ["PRIMARY", "DET1.CHIP1", "DET1.CHIP2"], "int32"),
    "wfcam": ("*_st.fit", ["PRIMARY", "COMPRESSED_IMAGE", "COMPRESSED_IMAGE"], "int32"),
    "wise-atlas": ("*-int-3.fits", ["PRIMARY"], "float32"),
    "wise": ("*-int-1b.fits", ["PRIMARY"], "float32"),
    "ztf": ("*_sciimg.fits", ["PRIMARY"], "float32"),
}  # fmt: skip
"""Name, HDUs and type of the images, as the documents of the surveys have them."""


def config(name: str) -> SurveyConfig:
    return SurveyConfig(
        bands=("r",),
        visits_per_band=1,
        detector_grid=(1, 2),
        detector_shape=(60, 70),
        stars=2,
        bright_stars=0,
        galaxies=0,
        distortion=1.5 if LAYOUTS[name].distorted else 0.0,
    )


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@pytest.mark.parametrize("name", LAYOUTS)
def test_files_have_the_names_hdus_types_and_projections_of_the_survey(name, tmp_path):
    pattern, names, dtype = IMAGES[name]
    survey = Survey(config(name))
    folder = write_layout(name, survey.exposures(), tmp_path)
    path = sorted(folder.glob(pattern))[0]
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == names
        image = next(hdu for hdu in hdus if hdu.is_image and hdu.header["NAXIS"] == 2)
        assert image.data.dtype.newbyteorder("=") == np.dtype(dtype)
        header = image.header.copy()
        for i, j in np.ndindex(2, 2):
            if (old := f"PC{i + 1:03d}{j + 1:03d}") in header:
                header[f"PC{i + 1}_{j + 1}"] = header.pop(old)
        ra, dec = WCS(header).all_pix2world(10.0, 20.0, 0)
    sky = survey.exposures()[0].projection.pixel_to_sky(x=10.0, y=20.0)
    assert separation(float(ra), float(dec), sky.ra.deg, sky.dec.deg) < 1e-4 * survey.config.pixel_scale


def test_unknown_layouts_and_distortions_that_one_has_not_are_refused(tmp_path):
    exposures = Survey(SurveyConfig(detector_shape=(60, 70))).exposures()[:1]
    with pytest.raises(ConfigError, match="no layout 'sdss'; there are 2mass, blackgem"):
        write_layout("sdss", exposures, tmp_path)
    with pytest.raises(ConfigError, match="projections of ztf have no SIP"):
        write_layout("ztf", exposures, tmp_path)
