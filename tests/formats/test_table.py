from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from lsst.images.psfs import GaussianPointSpreadFunction

from lamella.data.exposure import Exposure
from lamella.data.flux_unit import FluxUnit
from lamella.data.photometry import njy_per_count
from lamella.data.times import UNKNOWN_TIMES, ExposureTimes
from lamella.errors import (
    InputError,
    LamellaError,
    MissingPartError,
    ProjectionError,
    ShapeError,
    UnitError,
    UnreadableFileError,
)
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import open_exposures
from lamella.formats.table_row import COLUMNS
from lamella.planes import Layout
from lamella.testing.contracts import check_exposure_source

SHAPE = (40, 50)
ROW: dict[str, Any] = {
    "file": "images/a.fits",
    "image_hdu": "SCI",
    "variance_hdu": "VAR",
    "mask_hdu": "DQ",
    "flags": "BAD=1 SATURATED=6",
    "zero_point": 27.0,
    "psf_fwhm": 1.0,
    "band": "g",
    "visit": 3,
    "detector": 1,
}

type Cards = Callable[..., fits.Header]


@pytest.fixture
def image(tmp_path: Path, tan_cards: Cards) -> Path:
    """Write the exposure that `ROW` describes."""
    rng = np.random.default_rng(5)
    quality = np.zeros(SHAPE, dtype=np.int16)
    quality[10, 11], quality[10, 12], quality[10, 13] = 1, 2, 4
    header = tan_cards(SHAPE)
    header["INSTRUME"] = "WFC"
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(rng.normal(30.0, 2.0, SHAPE).astype(np.float32), header, name="SCI"),
        fits.ImageHDU(np.full(SHAPE, 4.0, dtype=np.float32), name="VAR"),
        fits.ImageHDU(np.full(SHAPE, 0.25, dtype=np.float32), name="WT"),
        fits.ImageHDU(quality, name="DQ"),
        fits.ImageHDU(np.zeros((39, 50), dtype=np.float32), name="SMALL"),
        fits.ImageHDU(np.zeros(SHAPE, dtype=np.float32), name="NOWCS"),
        fits.ImageHDU(np.full(SHAPE, 4.5, dtype=np.float32), name="NOISE"),
    ]
    path = tmp_path / "images" / "a.fits"
    path.parent.mkdir()
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.fixture
def table(tmp_path: Path, image: Path) -> Callable[..., Path]:
    """Return what writes a table of one row, with some cells changed; `None` leaves one out."""

    def write(name: str = "exposures.ecsv", **changes: Any) -> Path:
        row = {key: value for key, value in (ROW | changes).items() if value is not None}
        Table([row]).write(tmp_path / name)
        return tmp_path / name

    return write


def read(path: Path, **options: Any) -> Exposure:
    return open_exposures([path], control=ReadControl(**options)).sources[0].read()


@pytest.mark.parametrize("name", ["exposures.ecsv", "mine.csv"])
def test_a_row_becomes_an_exposure(table: Callable[..., Path], name: str) -> None:
    exposure = read(table(name, mjd=60000.5, exposure_time=30.0, physical_filter="SDSS g"))
    info = exposure.info
    assert str(info.id) == "WFC visit 3 detector 1"
    assert (info.band, info.physical_filter, info.mjd, info.exposure_time) == ("g", "SDSS g", 60000.5, 30.0)
    assert info.bbox.shape == SHAPE
    assert exposure.to_njy == pytest.approx(njy_per_count(27.0))
    assert isinstance(exposure.psf, GaussianPointSpreadFunction)
    assert exposure.psf.sigma * 2.3548200 * 0.262 == pytest.approx(1.0)
    assert np.nanmedian(exposure.pixels.variance.array) == 4.0
    mask, schema = exposure.pixels.mask.array[..., 0], exposure.pixels.mask.schema
    assert np.argwhere(mask & Layout(schema).bits(["BAD"])).tolist() == [[10, 11]]
    assert np.argwhere(mask & Layout(schema).bits(["SATURATED"])).tolist() == [[10, 12], [10, 13]]
    # The file says that its sky is subtracted, unless told otherwise.
    assert np.nanmedian(exposure.pixels.image.array) == pytest.approx(30.0, abs=0.3)


@pytest.mark.parametrize(("cells", "name"), [({"unit": "ELECTRONS/S"}, "electron / s"), ({}, "adu")])
def test_fluxes_without_a_zero_point_are_those_of_a_reference(
    table: Callable[..., Path], cells: dict[str, Any], name: str
) -> None:
    exposure = read(table(zero_point=None, flux_scale=0.25, flux_reference="a.fits", **cells))
    assert exposure.to_njy == 0.25
    assert exposure.info.flux_unit == FluxUnit(name, "a.fits")


def test_times_are_those_of_the_table_or_of_the_headers(table: Callable[..., Path], image: Path) -> None:
    def of(**cells: Any) -> ExposureTimes:
        path = table("a.csv", **cells)
        times = open_exposures([path]).sources[0].info.times
        path.unlink()
        return times

    assert of() == UNKNOWN_TIMES
    begin = ExposureTimes.of(begin=60310.125, exposure_time=30.0)
    assert of(date="2024-01-01T03:00:00", exposure_time=30.0) == begin
    with fits.open(image, mode="update") as hdus:
        hdus[0].header.update({"DATE-OBS": "2024-01-01T03:00:00", "EXPTIME": 30.0, "MJD-OBS": 0.0})
    assert of() == begin
    assert of(exposure_time=10.0) == ExposureTimes.of(begin=60310.125, exposure_time=10.0)
    assert of(mjd=60000.5) == ExposureTimes.of(middle=60000.5, exposure_time=30.0)
    with fits.open(image, mode="update") as hdus:
        hdus["SCI"].header.update({"TIMESYS": "TAI", "DATE-OBS": "2024-01-01T03:00:37", "EXPTIME": 60.0})
    assert of().begin == pytest.approx(60310.125, abs=1e-9)
    assert of().exposure_time == 60.0


def move_wcs(image: Path, **cards: Any) -> None:
    """Put the WCS of the image into the primary header, and some cards into that of the image."""
    with fits.open(image, mode="update") as hdus:
        wcs = {key: hdus["SCI"].header[key] for key in hdus["SCI"].header if key[:5] in WCS_CARDS}
        hdus[0].header.update(wcs)
        for key in wcs:
            del hdus["SCI"].header[key]
        hdus["SCI"].header.update(cards)
        hdus["NOWCS"].name = "MASK"  # no image of the sky, as its name says


WCS_CARDS = ("CTYPE", "CUNIT", "CRVAL", "CRPIX", "CD1_1", "CD1_2", "CD2_1", "CD2_2")


@pytest.mark.parametrize("cells", [{}, {"image_hdu": None}])
@pytest.mark.parametrize("cards", [{}, {"INHERIT": True}])
def test_a_wcs_in_the_primary_header_is_that_of_the_only_image(
    table: Callable[..., Path], image: Path, cells: dict[str, Any], cards: dict[str, Any]
) -> None:
    own = read(table("own.csv", **cells))
    move_wcs(image, **cards)
    with fits.open(image, mode="update") as hdus:
        hdus["SMALL"].name = "WEIGHT"
    inherited = read(table("inherited.csv", **cells))
    x, y = np.array([0.0, 49.0]), np.array([0.0, 39.0])
    there, here = (source.info.projection.pixel_to_sky(x=x, y=y) for source in (own, inherited))
    assert here.separation(there).arcsec.max() < 1e-9
    assert "WCS taken from the primary header." in inherited.notes
    assert not any("primary" in note for note in own.notes)


def test_of_two_wcs_that_of_the_image_is_believed(table: Callable[..., Path], image: Path) -> None:
    own = read(table("own.csv"))
    with fits.open(image, mode="update") as hdus:
        wcs = {key: value for key, value in hdus["SCI"].header.items() if key[:5] in WCS_CARDS}
        hdus[0].header.update(wcs | {"CRVAL1": 10.0})
    both = read(table("both.csv"))
    assert both.info.projection == own.info.projection
    assert both.notes == own.notes


def test_one_wcs_of_the_primary_header_is_not_that_of_several_images(
    table: Callable[..., Path], image: Path
) -> None:
    move_wcs(image)  # SMALL is a second image that has none
    with pytest.raises(ProjectionError, match=r"HDU 0, the primary .* 2 images .* \(HDUs 1 SCI, 5 SMALL\)"):
        open_exposures([table("default.csv", image_hdu=None)])
    assert read(table("named.csv")).info.bbox.shape == SHAPE


@pytest.mark.parametrize(
    ("cards", "lost"),
    [
        *(({card: value}, []) for card, value in (("INHERIT", False), ("CRPIX1", 3.0), ("CD1_1", 1e-4))),
        *(({}, [card]) for card in ("CTYPE2", "CRVAL1", "CRPIX2")),
    ],
)
def test_a_wcs_of_the_primary_header_is_whole_and_not_used_against_the_image(
    table: Callable[..., Path], image: Path, cards: dict[str, Any], lost: list[str]
) -> None:
    move_wcs(image, **cards)
    with fits.open(image, mode="update") as hdus:
        for card in lost:
            del hdus[0].header[card]
    with pytest.raises(ProjectionError, match=r"SCI.*no projection to the sky"):
        open_exposures([table()])


def test_columns_for_selection_become_numbers_of_the_exposure(table: Callable[..., Path]) -> None:
    path = table(psf_ellipticity_residual=0.004, psf_stars=31, quality_effTime=28.5, star_ellipticity="nan")
    quality = open_exposures([path]).sources[0].info.quality
    assert math.isnan(quality.pop("star_ellipticity"))  # measured, and found to be no number
    assert quality == {"psf_ellipticity_residual": 0.004, "psf_stars": 31.0, "effTime": 28.5}
    with pytest.raises(InputError, match=r"row 1, column 'psf_stars'.*'many'.*a number"):
        open_exposures([table("b.ecsv", psf_stars="many")])


@pytest.mark.parametrize("width", ["nan", "inf", "0", "-1", "wide", "1 +"])
def test_a_width_that_is_none_is_told_when_the_table_is_opened(
    table: Callable[..., Path], width: str
) -> None:
    with pytest.raises(InputError, match=r"exposures.csv, row 1, column 'psf_fwhm': found .*; expected "):
        open_exposures([table("exposures.csv", psf_fwhm=width)]).sources[0].read()


@pytest.mark.parametrize("width", ["400", "1e-6"])
def test_a_width_that_no_psf_can_have_costs_the_exposure_when_it_is_read_not_the_run(
    table: Callable[..., Path], width: str
) -> None:
    source = open_exposures([table("exposures.csv", psf_fwhm=width)]).sources[0]
    with pytest.raises(InputError, match=r"exposures.csv, row 1, column 'psf_fwhm': found .*; expected "):
        source.read()


def test_weights_serve_as_well_as_variances(table: Callable[..., Path]) -> None:
    exposure = read(table(variance_hdu=None, weight_hdu="WT"))
    np.testing.assert_allclose(exposure.pixels.variance.array, 4.0)


def test_parts_may_lie_in_other_files_and_hdus_be_numbered(table: Callable[..., Path], image: Path) -> None:
    with fits.open(image) as hdus:
        fits.PrimaryHDU(np.full(SHAPE, 9.0, dtype=np.float32)).writeto(image.with_name("v.fits"))
        fits.PrimaryHDU(hdus["DQ"].data).writeto(image.with_name("m.fits"))
    changes = {
        "variance_hdu": 0,
        "variance_file": "images/v.fits",
        "mask_hdu": 0,
        "mask_file": "images/m.fits",
    }
    exposure = read(table(image_hdu=1, **changes))
    assert np.nanmedian(exposure.pixels.variance.array) == 9.0
    assert (exposure.pixels.mask.array & Layout(exposure.pixels.mask.schema).bits(["BAD"])).sum() == 1


def test_the_first_image_is_taken_when_no_hdu_is_named(table: Callable[..., Path]) -> None:
    assert np.nanmedian(read(table(image_hdu=None)).pixels.image.array) == pytest.approx(30.0, abs=0.3)


def test_sky_that_is_present_is_subtracted(table: Callable[..., Path]) -> None:
    path = table(sky="present")
    exposure = read(path)
    assert np.nanmedian(exposure.pixels.image.array) == pytest.approx(0.0, abs=0.3)
    assert "Sky of" in exposure.notes[0]
    assert "Sky left in." in read(path, subtract_background="never").notes


def test_a_psfex_file_replaces_the_width(table: Callable[..., Path], shared: Path) -> None:
    psf = shared / "data" / "psf_and_regions" / "esheldon_test_psfcat.psf"
    exposure = read(table(psf_fwhm=None, psf_file=str(psf)))
    assert exposure.psf.bounds == exposure.info.bbox
    assert exposure.psf.compute_kernel_image(x=20.0, y=20.0).array.sum() == pytest.approx(1.0)


def write_psfex_rows(path: Path, *without: str) -> Path:
    """Write a PSFEx table of the Legacy Surveys' form: round models of 2, 3 ... pixels, a row per CCD."""
    y, x = np.mgrid[-12:13, -12:13]
    places = [(1, "S29", 3), (2, "S30", 3), (3, "S31", 3), (1, "S29", 4), (2, "S30", 5), (2, "S30", 5)]
    rows = [
        {
            "psf_mask": np.exp(-0.5 * (x**2 + y**2) / sigma**2)[np.newaxis].astype(np.float32),
            "polnaxis": 0,
            "psf_samp": 1.0,
            "ccdnum": number,
            "ccdname": name,
            "expnum": exposure,
        }
        for sigma, (number, name, exposure) in enumerate(places, 2)
    ]
    Table([{key: value for key, value in row.items() if key not in without} for row in rows]).write(path)
    return path


@pytest.fixture
def psfex_row(table: Callable[..., Path], image: Path, tmp_path: Path) -> Callable[..., Exposure]:
    """Return what reads an exposure whose PSF is in a table without some columns."""

    def read_with(without: tuple[str, ...], cards: dict[str, Any], cells: dict[str, Any]) -> Exposure:
        psf = write_psfex_rows(tmp_path / "psfex.fits", *without)
        with fits.open(image, mode="update") as hdus:
            hdus["SCI"].header.update(cards)
        return read(table("a.csv", psf_fwhm=None, psf_file=str(psf), **cells))

    return read_with


@pytest.mark.parametrize(
    ("without", "cards", "cells", "sigma"),
    [
        ((), {}, {}, 2),
        ((), {}, {"detector": 3}, 4),
        ((), {}, {"visit": 4}, 5),
        ((), {"CCDNUM": 2}, {}, 3),
        ((), {"EXPNUM": 4}, {"visit": 1}, 5),
        ((), {"DETPOS": "S31"}, {"detector": 3}, 4),
        (("ccdnum",), {"CCDNAME": "s31"}, {}, 4),
        (("ccdname",), {"CCDNAME": "S31"}, {"detector": 2}, 3),
    ],
)
def test_the_row_of_a_psfex_table_is_that_of_ccd_and_exposure(
    psfex_row: Callable[..., Exposure], without: Any, cards: Any, cells: Any, sigma: float
) -> None:
    stamp = psfex_row(without, cards, cells).psf.compute_kernel_image(x=20.0, y=20.0).array
    assert float((2 * np.pi * stamp.max()) ** -0.5) == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize(
    ("without", "cards", "cells", "message"),
    [
        ((), {}, {"detector": 9}, "found 0 rows of CCD number 9 of exposure 3"),
        ((), {}, {"visit": 9}, "found 0 rows of CCD number 1 of exposure 9"),
        ((), {}, {"visit": 5, "detector": 2}, "found 2 rows of CCD number 2 of exposure 5"),
        ((), {"DETPOS": "S31"}, {}, "found 0 rows of CCD number 1 of CCD S31 or SCI of exposure 3"),
        (("ccdnum",), {}, {}, "found 0 rows of CCD SCI of exposure 3"),
        (("ccdnum", "ccdname", "expnum"), {}, {}, "found 6 rows; expected one row"),
    ],
)
def test_a_psfex_table_without_the_one_row_is_refused(
    psfex_row: Callable[..., Exposure], without: Any, cards: Any, cells: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        psfex_row(without, cards, cells)


@pytest.mark.parametrize(
    ("unit", "njy"), [("nJy", 1.0), ("uJy", 1000.0), ("nanomaggy", 3630.7805477), ("mJy", 1e6)]
)
def test_units_replace_zero_points(table: Callable[..., Path], unit: str, njy: float) -> None:
    assert read(table(zero_point=None, unit=unit)).to_njy == pytest.approx(njy)


def test_the_unit_of_the_header_is_the_last_resort(table: Callable[..., Path], image: Path) -> None:
    with fits.open(image, mode="update") as hdus:
        hdus["SCI"].header["BUNIT"] = "uJy"
    assert read(table(zero_point=None)).to_njy == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"file": None},
            MissingPartError,
            "found a table without the column file; expected an exposure table",
        ),
        (
            {"file": None, "band": None, "visit": None},
            MissingPartError,
            "found a table without the columns file, band, visit; expected",
        ),
        (
            {"file": "images/b.fits"},
            UnreadableFileError,
            r"row 1, column 'file': found .*b\.fits: found No such file",
        ),
        ({"visit": 1.5}, InputError, "row 1, column 'visit': found 1.5; expected a whole number"),
        (
            {"detector": "S1"},
            InputError,
            "row 1, column 'detector': found 'S1', but .*; expected a finite number",
        ),
        ({"zero_point": np.nan}, InputError, "row 1, column 'zero_point': found 'nan'"),
        ({"zero_point": None}, MissingPartError, "row 1, column 'zero_point': found neither"),
        ({"zero_point": None, "unit": "km"}, UnitError, "row 1, column 'unit': found 'km'"),
        ({"flux_scale": 2.0}, InputError, "row 1, column 'flux_scale': found a number beside zero_point"),
        (
            {"flux_reference": "b"},
            MissingPartError,
            "row 1, column 'flux_reference': found 'b'; expected a col",
        ),
        ({"zero_point": None, "flux_scale": -2.0}, InputError, "row 1, column 'flux_scale': found '-2.0'"),
        (
            {"zero_point": None, "flux_scale": 2.0, "unit": "nJy"},
            UnitError,
            "row 1, column 'unit': found 'nJy'; expected a unit of counts",
        ),
        ({"zero_point": None, "unit": "widgets"}, UnitError, "row 1, column 'unit': found 'widgets'"),
        ({"psf_fwhm": None}, MissingPartError, "row 1: found neither psf_fwhm nor psf_file"),
        ({"psf_fwhm": -1.0}, InputError, "row 1, column 'psf_fwhm': found -1"),
        ({"variance_hdu": None}, MissingPartError, "row 1: found neither variance_hdu nor weight_hdu"),
        ({"variance_hdu": "XX"}, MissingPartError, "HDU XX: found only HDUs"),
        ({"variance_hdu": "SMALL"}, ShapeError, r"variance has shape \(39, 50\)"),
        ({"mask_hdu": "SMALL"}, ShapeError, "mask has shape"),
        ({"mask_hdu": "NOISE"}, InputError, "HDU NOISE: found flags of type float32 that are not whole"),
        ({"image_hdu": "XX"}, MissingPartError, "HDU XX: found only HDUs 0, 1 SCI"),
        ({"image_hdu": 0}, InputError, "HDU 0: found no 2-d image"),
        ({"image_hdu": "NOWCS"}, ProjectionError, "NOWCS"),
        ({"flags": None}, MissingPartError, "flags without a meaning"),
        ({"flags": "SATURATD=6"}, InputError, "column 'flags'.*unknown plane SATURATD.*mean SATURATED"),
        ({"flags": "BAD"}, InputError, "row 1, column 'flags'"),
        (
            {"sky": "blue"},
            InputError,
            "row 1, column 'sky': found 'blue'; expected 'subtracted', 'present', 'file' or 'measured'",
        ),
        (
            {"date": "2024-01-31"},
            InputError,
            "row 1, column 'date': found '2024-01-31'; expected date and time",
        ),
        ({"colour": 1.0}, InputError, r"column 'colour': found an unknown column.*did you mean color\?"),
    ],
)
def test_each_mistake_names_its_row_and_column(
    table: Callable[..., Path], changes: dict[str, Any], error: type[LamellaError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(table(**changes))


def test_empty_cells_are_as_if_the_column_were_not_there(tmp_path: Path, table: Callable[..., Path]) -> None:
    path = table("a.csv")
    header, cells = path.read_text().splitlines()
    other = path.parent / "images" / "b.fits"
    with fits.open(path.parent / "images" / "a.fits") as hdus:
        hdus["SCI"].data = hdus["SCI"].data[::-1]
        hdus.writeto(other)
    more = cells.replace(",3,1", ",4,1").replace("a.fits", "b.fits")
    both = f"{header},weight_hdu,unit\n{cells},,\n{more},,\n"
    path.write_text(both)
    assert [source.info.id.visit for source in open_exposures([path])] == [3, 4]
    path.write_text(both.replace("g,4,1", ",4,1"))
    with pytest.raises(MissingPartError, match="row 2, column 'band': found an empty cell"):
        open_exposures([path])


def test_a_broken_table_is_unreadable(table: Callable[..., Path]) -> None:
    path = table("a.csv")
    path.write_text(path.read_text() + "1,2,3,4,5,6,7,8,9,10,11,12,13\n")
    with pytest.raises(UnreadableFileError, match=r"a\.csv"):
        open_exposures([path])


def test_all_columns_are_explained() -> None:
    assert set(ROW) <= COLUMNS.keys()
    assert all(text and not text.endswith(".") for text in COLUMNS.values())


def test_the_simulated_survey_is_read_bit_for_bit(tmp_path: Path) -> None:
    from lamella.testing.config import SurveyConfig
    from lamella.testing.survey import simulate_survey

    config = SurveyConfig(
        detector_shape=(96, 128), detector_grid=(1, 2), visits_per_band=1, bands=("r",), stars=20, galaxies=5
    )
    survey = simulate_survey(tmp_path, config)
    inputs = open_exposures([tmp_path])
    assert not inputs.problems
    assert len(inputs) == len(survey.exposures()) == 2
    for source, simulated in zip(inputs, survey.exposures(), strict=True):
        check_exposure_source(source)
        ours, theirs = source.read(), simulated.read()
        assert ours.info.id == theirs.info.id
        assert ours.to_njy == theirs.to_njy
        for name in ("image", "variance", "mask"):
            plane, expected = getattr(ours.pixels, name).array, getattr(theirs.pixels, name).array
            np.testing.assert_array_equal(plane, expected)


def test_flags_that_nobody_names_are_bad(table: Callable[..., Path]) -> None:
    exposure = read(table(flags="BAD=1"))
    mask = exposure.pixels.mask
    bad = mask.array[..., 0] & Layout(mask.schema).bits(["BAD"])
    assert np.argwhere(bad).tolist() == [[10, 11], [10, 12], [10, 13]]
    assert "without a name (0x6) in 2 pixels" in " ".join(exposure.notes)


def test_flags_that_are_called_harmless_are_none(table: Callable[..., Path]) -> None:
    exposure = read(table(flags="BAD=1 IGNORE=*"))
    mask = exposure.pixels.mask
    assert np.argwhere(mask.array[..., 0] & Layout(mask.schema).bits(["BAD"])).tolist() == [[10, 11]]
    assert mask.schema.names == read(table("b.ecsv", visit=4)).pixels.mask.schema.names


def test_one_fault_in_many_rows_is_one_sentence(table: Callable[..., Path]) -> None:
    path = table()
    rows = Table.read(path)
    many = Table(
        rows=[{**dict(rows[0]), "file": f"images/{visit}.fits", "visit": visit} for visit in range(60)]
    )
    many.write(path, overwrite=True)
    with pytest.raises(InputError) as caught:
        open_exposures([path])
    message = str(caught.value)
    assert message.startswith(f"{path}: found 60 exposures that cannot be used; expected none. ")
    assert message.count("column 'file'") == 1
    assert message.endswith("(the same for 59 others).")


def test_different_faults_are_all_told(table: Callable[..., Path]) -> None:
    path = table()
    row = dict(Table.read(path)[0])
    Table(rows=[row | {"visit": 3.5}, row | {"image_hdu": "XX"}]).write(path, overwrite=True)
    with pytest.raises(InputError, match=r"2 exposures .*row 1, column 'visit': found .*HDU XX: found only"):
        open_exposures([path])
