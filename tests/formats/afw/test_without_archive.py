"""Files whose archive was left behind, and old ones with EXTTYPE in an empty primary HDU."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.data.photometry import njy_per_count
from lamella.errors import MissingPartError
from lamella.formats.afw.calibration import scale_to_njy
from lamella.formats.afw.exposure import AfwFile
from lamella.formats.afw.identity import identify
from lamella.formats.afw.kinds import Kind, kind_of
from lamella.formats.afw.photo import FLUX_AT_ZERO_MAG
from lamella.formats.recognise import open_exposures

from .exposures import CARDS, pixels, write_exposure

ZERO_POINT_FLUX = 6.3e10


def take_off(path: Path, target: Path, *, keep: int = 4, cards: dict | None = None) -> Path:
    """Copy a file with its first HDUs alone, as a server does that cuts out images."""
    with fits.open(path) as hdus:
        hdus[0].header.update(cards or {})
        fits.HDUList([hdu.copy() for hdu in hdus[:keep]]).writeto(target)
    return target


def same_planes(file: AfwFile, other: AfwFile) -> None:
    for name in ("image", "variance"):
        np.testing.assert_array_equal(getattr(file.read(), name).array, getattr(other.read(), name).array)
    assert file.read().mask == other.read().mask
    assert file.bbox == other.bbox


@pytest.mark.parametrize(
    "name",
    ["obs_base_calexp_hsc.fits", "meas_modelfit_calexp_pcapsf.fits", "afw_exposure-version-1.fits",
     "afw_exposure-noversion.fits"],
)  # fmt: skip
def test_planes_projection_and_zero_point_need_no_archive(afw_files, tmp_path, name):
    path = take_off(afw_files / name, tmp_path / name, cards={"FLUXMAG0": ZERO_POINT_FLUX})
    whole, cut = AfwFile(afw_files / name), AfwFile(path)
    assert cut.container.primary["AR_HDU"] > len(cut.container.units)
    assert kind_of(path) is Kind.IMAGE
    assert cut.archive is None
    same_planes(cut, whole)
    box = cut.bbox
    here, there = (file.projection.pixel_to_sky(x=box.x.center, y=box.y.center) for file in (cut, whole))
    # Headers of afw hold the projection to a tenth of a pixel.
    assert here.separation(there).arcsec < 0.02
    assert cut.photo_calib is not None
    assert cut.photo_calib.mean == pytest.approx(FLUX_AT_ZERO_MAG / ZERO_POINT_FLUX)
    assert cut.component("PSF") is None
    assert cut.valid_polygon is cut.summary is cut.detector is None
    assert "AR_HDU names an archive that the file does not have" in " ".join(cut.notes)
    assert scale_to_njy(cut)[0] == pytest.approx(FLUX_AT_ZERO_MAG / ZERO_POINT_FLUX)


def test_a_calexp_says_who_it_is_without_its_archive(afw_files, tmp_path):
    path = take_off(afw_files / "obs_base_calexp_hsc.fits", tmp_path / "c.fits", cards={"FLUXMAG0": 1e12})
    identity = identify(AfwFile(path))
    assert (identity.id.visit, identity.id.detector, identity.band) == (904010, 4, "i")
    assert "Detector 4 taken from DET-ID of the header." in identity.notes
    with pytest.raises(MissingPartError, match=r"found no PSF; .*a row of an exposure table, with psf_fwhm"):
        open_exposures([path])


def test_what_has_no_psf_is_an_exposure_by_a_table(afw_files, tmp_path):
    take_off(afw_files / "meas_modelfit_calexp_pcapsf.fits", tmp_path / "c.fits")
    names = "file,variance_hdu,mask_hdu,zero_point,psf_fwhm,band,visit,detector"
    (tmp_path / "t.csv").write_text(f"{names}\nc.fits,3,2,27,0.8,i,5,1\n")
    (source,) = open_exposures([tmp_path / "t.csv"])
    exposure = source.read()
    assert exposure.to_njy == pytest.approx(njy_per_count(27))
    good = np.isfinite(exposure.pixels.image.array)
    np.testing.assert_array_equal(
        exposure.pixels.image.array[good], AfwFile(tmp_path / "c.fits").read().image.array[good]
    )


@pytest.mark.parametrize("kind", ["IMAGE", "MASK", "VARIANCE"])
@pytest.mark.parametrize("named", [True, False])
def test_an_empty_primary_hdu_is_no_plane(tmp_path, kind, named):
    path = write_exposure(tmp_path / "a.fits", planes=pixels(1), cards=CARDS)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["EXTTYPE"] = kind
        if not named:
            for hdu in hdus[1:4]:
                del hdu.header["EXTTYPE"], hdu.header["EXTNAME"]
    (source,) = open_exposures([path])
    exposure = source.read()
    image, wanted = exposure.pixels.image.array, pixels(1)["IMAGE"]
    good = np.isfinite(image)
    assert good.sum() > wanted.size - 5
    np.testing.assert_array_equal(image[good], wanted[good])
    assert exposure.pixels.variance.array[good].tolist() == [9.0] * int(good.sum())


def test_a_file_with_no_other_mark_than_that_is_known(tmp_path):
    path = write_exposure(tmp_path / "a.fits", planes=pixels(1), cards=CARDS)
    with fits.open(path) as hdus:
        del hdus[0].header["AR_HDU"], hdus[0].header["EXPINFO_V"]
        hdus[0].header["EXTTYPE"] = "IMAGE"
        for hdu in hdus[1:4]:
            del hdu.header["EXTTYPE"]
        fits.HDUList(hdus[:4]).writeto(tmp_path / "old.fits")
    assert kind_of(tmp_path / "old.fits") is Kind.IMAGE
    same_planes(AfwFile(tmp_path / "old.fits"), AfwFile(path))
