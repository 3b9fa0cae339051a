import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lamella.planes import STANDARD_PLANES
from lamella.testing.artifacts import ARTIFACT_KINDS
from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.hdus import exposure_hdus, truth_mask_hdus
from lamella.testing.spherical import separation

EXPOSURE = SimulatedExposure(SurveyConfig(bands=("r",), visits_per_band=2, detector_shape=(90, 100)), 101, 1)


def test_headers(tmp_path):
    exposure = EXPOSURE
    exposure_hdus(exposure, exposure.pixels()).writeto(tmp_path / "exposure.fits")
    with fits.open(tmp_path / "exposure.fits") as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "IMAGE", "MASK", "VARIANCE"]
        image, mask = hdus["IMAGE"].header, hdus["MASK"].header
        planes = {card.removeprefix("MP_"): bit for card, bit in mask.items() if card.startswith("MP_")}
    assert planes == {name: bit for bit, name in enumerate(STANDARD_PLANES)}
    assert (image["VISIT"], image["DETECTOR"], image["FILTER"], image["BUNIT"]) == (101, 1, "r", "adu")
    assert image["MJD-OBS"] == pytest.approx(exposure.plan.mjd - 15 / 86400, abs=1e-8)
    assert image["DATE-OBS"] == "2025-11-21T02:29:45.000"
    ra, dec = WCS(image).all_pix2world(10.0, 20.0, 0)
    sky = exposure.projection.pixel_to_sky(x=10.0, y=20.0)
    assert separation(float(ra), float(dec), sky.ra.deg, sky.dec.deg) < 1e-5


def test_truth_mask_has_a_bit_for_each_kind():
    pixels = EXPOSURE.pixels()
    (hdu,) = truth_mask_hdus(pixels)
    assert hdu.data.dtype == np.uint8
    for kind in ARTIFACT_KINDS:
        found = (hdu.data >> hdu.header[f"MP_{kind}"]) & 1
        assert np.array_equal(found.astype(bool), pixels.artifacts.planes[kind])
