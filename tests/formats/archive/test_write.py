"""Plain FITS files are read by every other tool; archives are written all or nothing."""

from __future__ import annotations

import dataclasses
import re
import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from lsst.images import Box, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.coadd.summary import summarize
from lamella.data.coadd import PatchCoadd, Rejection
from lamella.data.exposure import ExposureId
from lamella.data.removals import Removal
from lamella.errors import OutputError, ProjectionError
from lamella.formats.archive.products import read_product
from lamella.formats.archive.write import psf_position, write_archive, write_plain_fits
from lamella.planes import Layout, make_schema

from ... import makers
from ...processes import limited_files
from ...projections import turned_tan

BOX = Box.factory[1000:1040, 2000:2050]
SCALE = 0.2


def make_projection(code: str = "TAN", dec: float = 2.0) -> SkyProjection[Any]:
    angle = np.degrees(np.arctan2(0.6, 0.8))
    return turned_tan(150.0, dec, x=1799.5, y=899.25, scale=SCALE, angle=angle, tract=BOX, code=code)


def make_coadd(projection: SkyProjection[Any] | None = None, *, detectors: int = 2) -> PatchCoadd:
    projection = projection or make_projection()
    schema = make_schema(["EXTRA_PLANE"])
    mask = np.zeros(BOX.shape, np.int32)
    mask[:5] |= Layout(schema).bits(["NO_DATA", "EXTRA_PLANE"])
    image = np.random.default_rng(0).normal(size=BOX.shape)
    image[:5] = np.nan
    variance = np.where(mask, np.inf, 2.0)
    record = {"good_pixels": 1750, "weight": 0.25, "psf_fwhm": 0.94, "notes": ("sky subtracted",)}
    return makers.make_coadd(
        makers.make_planes(image, variance, mask, box=BOX, schema=schema, unit=u.nJy, projection=projection),
        np.where(mask, 0, 2),
        band="r",
        skymap="test",
        tract=3,
        patch=(4, 5),
        detectors=[
            makers.make_detector(visit, 7, BOX, projection, path=f"visit{visit}.fits", **record)
            for visit in range(1, detectors + 1)
        ],
        rejections=(Rejection(ExposureId("Cam", 9, 7, "r"), "visit9.fits", "select", "too wide"),),
        versions={"lamella": "0.1.0"},
    )


@pytest.fixture(scope="module")
def coadd() -> PatchCoadd:
    return make_coadd()


@pytest.fixture(scope="module")
def plain(coadd: PatchCoadd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "coadd.fits"
    write_plain_fits(coadd, path)
    return path


def test_it_is_a_sound_fits_file(plain: Path) -> None:
    assert plain.stat().st_size % 2880 == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(plain, checksum=True, memmap=False) as hdus:
            hdus.verify("exception")
            assert [hdu.name for hdu in hdus] == [
                "PRIMARY", "IMAGE", "MASK", "VARIANCE", "COUNT", "PSF", "INPUTS", "REJECTED",
            ]  # fmt: skip
            for hdu in hdus:
                assert (hdu.verify_checksum(), hdu.verify_datasum()) == (1, 1)
                keywords = [k for k in hdu.header if k not in ("COMMENT", "HISTORY", "")]
                assert len(keywords) == len(set(keywords))


def test_the_planes_are_those_of_the_coadd(coadd: PatchCoadd, plain: Path) -> None:
    with fits.open(plain) as hdus:
        for name, expected in (
            ("IMAGE", coadd.image.array),
            ("MASK", coadd.mask.array[..., 0]),
            ("VARIANCE", coadd.variance.array),
            ("COUNT", coadd.exposure_count.array),
        ):
            plane = hdus[name].data
            assert plane.dtype.kind + str(plane.dtype.itemsize) == expected.dtype.kind + "4"
            assert np.array_equal(plane, expected, equal_nan=expected.dtype.kind == "f")


def test_units_are_understood_by_astropy(plain: Path) -> None:
    with fits.open(plain) as hdus:
        assert u.Unit(hdus["IMAGE"].header["BUNIT"]) == u.nJy
        assert u.Unit(hdus["VARIANCE"].header["BUNIT"]) == u.nJy**2
        assert "BUNIT" not in hdus["MASK"].header


@pytest.mark.parametrize(("code", "dec"), [("TAN", 2.0), ("TAN", -89.9), ("STG", 40.0), ("CEA", 0.0)])
def test_the_header_agrees_with_the_projection(tmp_path: Path, code: str, dec: float) -> None:
    projection = make_projection(code, dec)
    write_plain_fits(make_coadd(projection), tmp_path / "a.fits")
    y, x = np.mgrid[BOX.y.start : BOX.y.stop : 13, BOX.x.start : BOX.x.stop : 11]
    sky = projection.pixel_to_sky(x=x.astype(float), y=y.astype(float))
    with fits.open(tmp_path / "a.fits") as hdus:
        for name in ("IMAGE", "MASK", "VARIANCE", "COUNT"):
            header = hdus[name].header
            found_x, found_y = WCS(header).world_to_pixel(SkyCoord(sky.ra, sky.dec))
            # LTV: local = parent + LTV
            assert np.abs(found_x - header["LTV1"] - x).max() < 1e-6
            assert np.abs(found_y - header["LTV2"] - y).max() < 1e-6


def test_the_header_has_nothing_that_other_tools_take_for_a_distortion(plain: Path) -> None:
    header = fits.getheader(plain, "IMAGE")
    assert header["CTYPE1"] == "RA---TAN"
    assert not [key for key in header if re.match(r"(PV|A_|B_|AP_|BP_|CDELT|PC\d)", key)]
    scale = np.sqrt(abs(header["CD1_1"] * header["CD2_2"] - header["CD1_2"] * header["CD2_1"])) * 3600
    assert scale == pytest.approx(SCALE, rel=1e-9)


def test_each_mask_plane_has_its_card(coadd: PatchCoadd, plain: Path) -> None:
    header, mask = fits.getheader(plain, "MASK"), fits.getdata(plain, "MASK")
    legacy = {"SATURATED": "SAT", "COSMIC_RAY": "CR", "INTERPOLATED": "INTRP", "DETECTION_EDGE": "EDGE"}
    cards = {key: header[key] for key in header if key.startswith("MP_")}
    assert len(cards) == len(list(coadd.mask.schema.names))
    for name in coadd.mask.schema.names:
        bit = cards[f"MP_{legacy.get(name, name)}"] if name != "UNMASKED_NAN" else cards["MP_UNMASKEDNAN"]
        assert np.array_equal((mask & (1 << bit)) != 0, coadd.mask.get(name))
    for card in header.cards:
        if card.keyword.startswith("MP_"):
            assert len(str(card)) == 80
            assert re.search(r"[.\w]$", card.comment), card
    assert header.comments["MP_BAD"] == coadd.mask.schema.descriptions["BAD"]


def test_the_psf_is_that_at_its_position(coadd: PatchCoadd, plain: Path) -> None:
    psf, header = fits.getdata(plain, "PSF"), fits.getheader(plain, "PSF")
    x, y = header["PSFX"], header["PSFY"]
    assert (x, y) == psf_position(coadd) == summarize(coadd).psf_position
    assert BOX.contains(x=int(x), y=int(y))
    expected = coadd.psf.compute_kernel_image(x=x, y=y).array
    assert np.array_equal(psf, expected.astype(np.float32))
    assert float(psf.sum()) == pytest.approx(1.0, rel=1e-5)


def test_a_psf_that_is_not_defined_in_the_middle_is_that_at_another_position() -> None:
    coadd = make_coadd()
    corner = Box.factory[BOX.y.start : BOX.y.start + 10, BOX.x.start : BOX.x.start + 10]
    coadd = coadd.replace(
        detectors=tuple(dataclasses.replace(detector, bbox=corner) for detector in coadd.detectors)
    )
    x, y = psf_position(coadd)
    assert coadd.psf.is_defined(x=x, y=y)
    assert corner.contains(x=int(x), y=int(y))


def test_the_tables_can_be_read(coadd: PatchCoadd, plain: Path) -> None:
    inputs, rejected = (Table.read(plain, hdu=name) for name in ("INPUTS", "REJECTED"))
    assert list(inputs["visit"]) == [1, 2]
    assert list(inputs["weight"]) == [0.25, 0.25]
    assert inputs["weight"].unit == u.nJy**-2
    assert list(inputs["path"]) == ["visit1.fits", "visit2.fits"]
    assert [tuple(row) for row in rejected] == [("Cam", 9, 7, "r", "visit9.fits", "select", "too wide")]


def test_the_primary_header_identifies_the_coadd(plain: Path) -> None:
    header = fits.getheader(plain, 0)
    cards = {key: header[key] for key in ("BAND", "SKYMAP", "TRACT", "PATCH", "NVISITS", "CREATOR")}
    assert cards == {
        "BAND": "r", "SKYMAP": "test", "TRACT": 3, "PATCH": "4,5", "NVISITS": 2, "CREATOR": "lamella 0.1.0",
    }  # fmt: skip


def test_equal_coadds_are_equal_files(coadd: PatchCoadd, plain: Path, tmp_path: Path) -> None:
    write_plain_fits(coadd, tmp_path / "again.fits")
    assert (tmp_path / "again.fits").read_bytes() == plain.read_bytes()


def test_a_coadd_without_inputs_or_data_has_no_psf(tmp_path: Path) -> None:
    coadd = make_coadd(detectors=0)
    write_plain_fits(coadd, tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        assert "PSF" not in [hdu.name for hdu in hdus]
        assert len(hdus["INPUTS"].data) == 0
    coadd.exposure_count.array[...] = 0
    assert psf_position(coadd) is None


def test_a_projection_that_fits_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatchCoadd, "fits_wcs", None)
    with pytest.raises(ProjectionError, match=r"a\.fits, the WCS: "):
        write_plain_fits(make_coadd(), tmp_path / "a.fits")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_archive, write_plain_fits])
@pytest.mark.parametrize("size", [1000, 15000])
def test_a_full_disk_leaves_the_old_file(coadd: PatchCoadd, tmp_path: Path, write: Any, size: int) -> None:
    path = tmp_path / "a.fits"
    path.write_text("old")
    with limited_files(size), pytest.raises(OutputError, match="File too large"):
        write(coadd, path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.fits"]


@pytest.mark.parametrize("compress", [False, True])
def test_archives_keep_all_bits(coadd: PatchCoadd, tmp_path: Path, compress: bool) -> None:
    write_archive(coadd, tmp_path / "a.fits", compress=compress)
    again = read_product(tmp_path / "a.fits")
    assert isinstance(again, PatchCoadd)
    for name in ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked"):
        ours, theirs = getattr(coadd, name).array, getattr(again, name).array
        assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
    assert again.rejections == coadd.rejections
    assert [d.id for d in again.detectors] == [d.id for d in coadd.detectors]


def test_a_matched_coadd_has_its_model_and_artifacts_have_a_table(tmp_path: Path) -> None:
    coadd = make_coadd().replace(
        matched_psf=GaussianPointSpreadFunction(2.5, BOX, 21),
        removals=(Removal(instrument="Cam", visit=1, valid=100, removed=4, streak=4),),
    )
    write_plain_fits(coadd, tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        x, y = hdus["PSF"].header["PSFX"], hdus["PSF"].header["PSFY"]
        assert np.allclose(hdus["PSF"].data, coadd.matched_psf.compute_kernel_image(x=x, y=y).array)
        assert hdus["ARTIFACTS"].data["streak"].tolist() == [4]
    write_plain_fits(make_coadd(), tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits") as hdus:
        assert "ARTIFACTS" not in hdus
