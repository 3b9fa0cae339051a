import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lamella.testing.config import SurveyConfig
from lamella.testing.exposure import SimulatedExposure
from lamella.testing.layouts.frame import Frame, packed_hdu, primary_hdu, save, with_cards
from lamella.testing.spherical import separation

CONFIG = SurveyConfig.on_common_grid(bands=("r",), visits_per_band=1, detector_shape=(90, 100), rotation=20.0)


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame.of(SimulatedExposure(CONFIG, 100, 0))


@pytest.mark.parametrize("projection", ["", "TPV", "ZPN", "SIN"])
def test_projections_agree_over_a_detector(frame, projection):
    wcs = WCS(frame.wcs(projection))
    for x, y in [(0.0, 0.0), (99.0, 3.0), (40.0, 89.0)]:
        ra, dec = wcs.all_pix2world(x, y, 0)
        sky = frame.exposure.projection.pixel_to_sky(x=x, y=y)
        error = separation(float(ra), float(dec), sky.ra.deg, sky.dec.deg)
        assert error < 1e-4 * frame.scale


def test_flags_are_in_the_numbers_of_the_survey(frame):
    flags = frame.flags({"BAD": 4, "NO_DATA": 2**31}, "u4")
    assert flags.dtype == np.uint32
    np.testing.assert_array_equal(flags & 4 != 0, frame.has("BAD"))
    np.testing.assert_array_equal(flags >> 31 != 0, np.isnan(frame.pixels.image))


def test_units_are_those_asked_for(frame):
    good = ~frame.has("NO_DATA")
    flux = (frame.image(1e3, sky=2.0) - 2.0) * 1e3
    np.testing.assert_allclose(flux[good], frame.pixels.image[good] * frame.plan.to_njy, rtol=1e-5, atol=0.1)
    np.testing.assert_allclose(frame.weight()[good] * frame.variance()[good], 1.0, rtol=1e-6)
    assert (frame.weight()[~good] == 0).all()


def test_photons_of_the_sky_and_read_noise_are_the_noise(frame):
    sky, read_noise = frame.sky_for(4.0), 4.0
    variance = sky / frame.gain + (read_noise / frame.gain) ** 2
    assert variance == pytest.approx((frame.plan.sky_noise / frame.plan.to_njy) ** 2)


def test_the_stamp_has_the_width_of_the_psf(frame):
    stamp = frame.stamp(25)
    assert stamp.sum() == pytest.approx(1, abs=1e-6)
    steps = np.arange(25) - 12
    assert np.sqrt((stamp.sum(axis=0) * steps**2).sum()) * np.sqrt(8 * np.log(2)) == pytest.approx(
        frame.fwhm, rel=1e-2
    )


def test_packed_files_are_read_back_within_their_rounding(frame, tmp_path):
    header = with_cards(None, {"FPA.ZP": 25.0, "ESO DET CHIP NO": 3, "EXPTIME": 1.0})
    image = np.nan_to_num(frame.image())
    save(
        tmp_path / "x.fits.fz",
        [primary_hdu({}), packed_hdu(image, header, "SCI"), packed_hdu(image, name="ERR", lossless=True)],
    )
    with fits.open(tmp_path / "x.fits.fz") as hdus:
        assert hdus["SCI"].header["ESO DET CHIP NO"] == 3
        error = np.abs(hdus["SCI"].data - image)
        # Bright stars are noise to fpack: their rows are rounded more coarsely.
        assert 0 < np.median(error) < 0.1 * frame.plan.sky_noise / frame.plan.to_njy
        np.testing.assert_array_equal(hdus["ERR"].data, image)
