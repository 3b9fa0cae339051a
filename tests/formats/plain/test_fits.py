"""Tests of the last resort: any file with an image and a WCS."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamella.errors import InputError, MissingPartError, NoInputsError, ProjectionError
from lamella.formats.file_index import FileIndex
from lamella.formats.plain.fits import plain_rows
from lamella.formats.read_control import ReadControl
from lamella.formats.recognise import open_exposures, recognise
from lamella.formats.table_row import TableRow

SHAPE = (50, 60)
IMAGE = np.random.default_rng(2).normal(100.0, 5.0, SHAPE).astype(np.float32)

type Row = dict[str, str]


@pytest.fixture
def write(tmp_path: Path, tan_cards: Callable[..., fits.Header]) -> Callable[..., Path]:
    """Return what writes an image and further HDUs, and gives its path."""

    def write_file(
        name: str = "a.fits",
        cards: dict[str, Any] | None = None,
        image: np.ndarray = IMAGE,
        **hdus: np.ndarray,
    ) -> Path:
        header = tan_cards(SHAPE)
        header.update(cards or {})
        units = [
            fits.PrimaryHDU(image, header),
            *(fits.ImageHDU(data, name=key) for key, data in hdus.items()),
        ]
        fits.HDUList(units).writeto(tmp_path / name)
        return tmp_path / name

    return write_file


def rows_of(path: Path) -> list[Row]:
    files = FileIndex(path.parent.iterdir())
    rows = []
    for row in plain_rows(path, files):
        if isinstance(row, InputError):
            raise row
        rows.append(row)
    return rows


def test_what_an_image_does_not_tell_is_measured(write: Callable[..., Path]) -> None:
    (row,) = rows_of(write(cards={"FILTER": "R", "EXPTIME": 60.0}))
    assert {row[column] for column in ("noise", "psf_fwhm", "flux_scale", "sky", "defects")} == {"measured"}
    assert (row["band"], row["detector"]) == ("R", "1")
    assert int(row["visit"]) > 0
    assert "visit: assumed from the file's name and DATE-OBS" in row["notes"]


@pytest.mark.parametrize(
    ("cards", "column", "cell"),
    [
        ({"MAGZP": 25.5}, "zero_point", "MAGZP"),
        ({"MAGZPT": 25.5, "EXPTIME": 3.0}, "zero_point", "MAGZPT + 2.5*log10(EXPTIME)"),
        ({"L1ZP": 23.0, "EXPTIME": 3.0}, "zero_point", "L1ZP + 2.5*log10(EXPTIME)"),
        ({"PC-ZP": 23.0}, "zero_point", "'PC-ZP'"),
        ({"FLUXMAG0": 6.3e10}, "zero_point", "2.5*log10(FLUXMAG0)"),
        # That of a count per second is that of a unit of a rate, whatever the time.
        ({"MAGZPT": 25.5, "EXPTIME": 3.0, "BUNIT": "adu/s"}, "zero_point", "MAGZPT"),
        ({"L1ZP": 25.5, "EXPTIME": 3.0, "BUNIT": "electron s-1"}, "zero_point", "L1ZP"),
        ({"MAGZPT": 25.5, "EXPTIME": 3.0, "BUNIT": "adu"}, "zero_point", "MAGZPT + 2.5*log10(EXPTIME)"),
        # Those of Vega are no AB magnitudes, but tell how exposures compare.
        ({"MAGZP": 20.8, "FILTER": "j"}, "flux_scale", "10**(-0.4*(MAGZP - 25))"),
        ({"MAGZP": 20.8, "FILTER": "Ks", "MAGSYS": "AB"}, "zero_point", "MAGZP"),
        ({"MAGZP": 20.8, "FILTER": "R", "PHOTSYS": "Vega"}, "flux_scale", "10**(-0.4*(MAGZP - 25))"),
        ({"MAGZP": 0.0, "PHOTZP": 24.0}, "zero_point", "PHOTZP"),
        ({"MAGZEROP": 30.0, "FLXSCALE": 1.2}, "zero_point", "MAGZEROP - 2.5*log10(FLXSCALE)"),
        ({"FLXSCALE": 1.2}, "flux_scale", "FLXSCALE"),
        ({"MAGZP": -99.0}, "flux_scale", "measured"),
        ({"MAGZP": "n/a"}, "flux_scale", "measured"),
        ({"BUNIT": "MJy/sr", "MAGZP": 20.0}, "unit", "MJy/sr"),
        ({"BUNIT": "nanomaggy"}, "unit", "nanomaggy"),
        ({"BUNIT": "Jy/pixel"}, "unit", "Jy/pixel"),
        ({"BUNIT": "mJy pix-1"}, "unit", "mJy pix-1"),
        ({"BUNIT": "Jy/beam", "MAGZP": 25.0}, "zero_point", "MAGZP"),
        ({"BUNIT": "nJy", "SATURATE": 60000}, "saturation", None),
        ({"BUNIT": "adu"}, "flux_scale", "measured"),
        ({"BUNIT": "adu", "GAIN": 1.5}, "gain", "GAIN"),
        ({"BUNIT": "adu/s", "GAIN": 1.5, "EXPTIME": 9.0}, "gain", "GAIN * EXPTIME"),
        ({"BUNIT": "electrons", "GAIN": 1.5}, "gain", "1"),
        ({"BUNIT": "ELECTRONS/S", "EXPTIME": 9.0}, "gain", "1 * EXPTIME"),
        ({"BUNIT": "nanomaggy", "GAIN": 1.5}, "gain", None),
        ({"GAIN": 120.0}, "gain", None),
        ({"INSTRUME": "ZWO ASI1600MM", "GAIN": 1.0}, "gain", None),
        ({"INSTRUME": "ZWO ASI1600MM", "GAIN": 139, "EGAIN": 1.1}, "gain", "EGAIN"),
        ({"SWCREATE": "N.I.N.A. 2.1", "GAIN": 10}, "gain", None),
        ({"SATURATE": 60000}, "saturation", "SATURATE"),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}, "band", "F814W"),
        ({"EXPNUM": 77, "CCDNUM": 3}, "visit", "EXPNUM"),
        ({"EXPNUM": 77, "CCDNUM": 3}, "detector", "CCDNUM"),
    ],
)
def test_cards_are_used_where_they_mean_what_they_say(
    write: Callable[..., Path], cards: dict[str, Any], column: str, cell: str | None
) -> None:
    (row,) = rows_of(write(cards=cards))
    assert row.get(column) == cell


def test_a_number_of_the_night_is_no_visit(write: Callable[..., Path]) -> None:
    (row,) = rows_of(write(cards={"EXPNUM": 12}))
    assert row["visit"].isdecimal()


@pytest.mark.parametrize(("gain", "believed"), [(4.0, False), (40.0, True), (None, True)])
def test_a_unit_that_the_noise_contradicts_is_not_believed(
    write: Callable[..., Path], gain: float | None, believed: bool
) -> None:
    # The noise is 5, that of 100 counts of 4 electrons; BUNIT says that they are no counts.
    cards = {"BUNIT": "nanomaggy"} | ({} if gain is None else {"GAIN": gain})
    (row,) = rows_of(write(cards=cards))
    assert row["unit"] == ("nanomaggy" if believed else "adu")
    assert ("flux_scale" in row) is ("gain" in row) is not believed
    assert ("is not believed" in row["notes"]) is not believed


@pytest.mark.parametrize(
    ("hdu", "cells"),
    [
        ("ERR", {"stddev_hdu": "ERR"}),
        ("SIGMA", {"stddev_hdu": "SIGMA"}),
        ("VAR", {"variance_hdu": "VAR"}),
        ("IVAR", {"weight_hdu": "IVAR"}),
        ("WEIGHT", {"confidence_hdu": "WEIGHT"}),
        ("MASK", {"mask_hdu": "MASK", "flags": "NONZERO=BAD"}),
        ("DQ", {"mask_hdu": "DQ", "flags": "NONZERO=BAD"}),
        ("OTHER", {"noise": "measured", "defects": "measured"}),
    ],
)
def test_hdus_beside_the_image_are_known_by_their_names(
    write: Callable[..., Path], hdu: str, cells: dict[str, str]
) -> None:
    plane = np.zeros(SHAPE, np.int16) if "mask_hdu" in cells else np.ones(SHAPE, np.int16)
    (row,) = rows_of(write(**{hdu: plane}))
    assert row.items() >= cells.items()
    (small,) = rows_of(write("b.fits", **{hdu: np.ones((5, 6), np.int16)}))
    assert small["noise"] == "measured"


@pytest.mark.parametrize(
    ("utype", "column"),
    [
        ("StdDevUncertainty", "stddev_hdu"),
        ("VarianceUncertainty", "variance_hdu"),
        ("InverseVariance", "weight_hdu"),
    ],
)
def test_the_kind_of_an_uncertainty_is_that_of_its_card(
    write: Callable[..., Path], utype: str, column: str
) -> None:
    path = write(UNCERT=np.ones(SHAPE, np.float32))
    fits.setval(path, "UTYPE", value=utype, ext=1)
    assert rows_of(path)[0][column] == "UNCERT"


@pytest.mark.parametrize(
    ("suffix", "column"),
    [
        (".weight", "confidence_file"),
        ("_rms", "stddev_file"),
        ("-mask", "mask_file"),
        (".var", "variance_file"),
    ],
)
def test_files_beside_the_image_are_known_by_their_names(
    write: Callable[..., Path], suffix: str, column: str
) -> None:
    path = write()
    other = write(f"a{suffix}.fits", image=np.ones(SHAPE, np.float32))
    assert rows_of(path)[0][column] == other.name
    inputs = open_exposures([path.parent], measure=False)
    assert [Path(source.info.path).name for source in inputs] == ["a.fits"]
    assert not inputs.problems


def test_a_map_that_the_noise_contradicts_is_what_its_values_are(write: Callable[..., Path]) -> None:
    (row,) = rows_of(write(ERR=np.full(SHAPE, 25.0, np.float32)))
    assert row["variance_hdu"] == "ERR"
    assert "noise: file HDU ERR (variance by the noise of the pixels, although called stddev)" in row["notes"]


@pytest.mark.parametrize(("level", "column"), [(5.0, "stddev_file"), (17.0, None), (100.0, None)])
def test_a_scatter_that_is_not_that_of_the_pixels_is_not_used(
    write: Callable[..., Path], level: float, column: str | None
) -> None:
    path = write()
    write("a_std.fits", image=np.full(SHAPE, level, np.float32))
    (row,) = rows_of(path)
    assert (row.get("noise"), row.get("stddev_file")) == (
        (None, "a_std.fits") if column else ("measured", None)
    )


def test_a_mask_of_ones_where_pixels_are_good_loses_the_others(write: Callable[..., Path]) -> None:
    path = write("x_sci.fits", cards={"FILTER": "R", "MAGZP": 25.0})
    mask = np.ones(SHAPE, np.uint8)
    mask[:, 7] = 0
    write("x_mask.fits", image=mask)
    (row,) = rows_of(path)
    assert row["flags"] == "ZERO=BAD"
    (source,) = open_exposures([path.parent])
    pixels = source.read().pixels
    bad = (pixels.mask.array[..., 0] & int(pixels.mask.schema.bit("BAD").mask)) != 0
    np.testing.assert_array_equal(np.flatnonzero(bad.any(axis=0)), [7])


def test_flags_that_leave_hardly_a_pixel_are_not_believed(write: Callable[..., Path]) -> None:
    path = write("x_sci.fits", cards={"FILTER": "R", "MAGZP": 25.0})
    mask = np.random.default_rng(3).integers(0, 10, SHAPE).astype(np.uint8)
    write("x_mask.fits", image=mask)
    (row,) = rows_of(path)
    assert "flags" not in row
    assert "mask_file" not in row
    assert row["defects"] == "measured"
    (source,) = open_exposures([path.parent])
    assert source.info.origins["mask"].kind == "measured"
    how = source.info.origins["mask"].how
    assert re.match(
        r"in the pixels, as .*mask.* is not believed: with all but 0 bad, \d+ % would be good", how
    )
    pixels = source.read().pixels
    assert np.mean(np.isfinite(pixels.image.array) & np.isfinite(pixels.variance.array)) > 0.9
    with pytest.raises(InputError, match="strict"):
        open_exposures([path.parent], strict=True)


def test_planes_of_detectors_are_those_of_the_same_name(
    tmp_path: Path, tan_cards: Callable[..., fits.Header]
) -> None:
    units: list[Any] = [fits.PrimaryHDU()]
    for name in ("DET11", "DET12"):
        for plane in ("SCI", "RMS", "DQ"):
            data = np.zeros(SHAPE, np.int16) if plane == "DQ" else IMAGE
            units.append(fits.ImageHDU(data, tan_cards(SHAPE), name=f"{name}.{plane}"))
    fits.HDUList(units).writeto(tmp_path / "m.fits")
    assert [
        (row["image_hdu"], row["stddev_hdu"], row["mask_hdu"], row["detector"])
        for row in rows_of(tmp_path / "m.fits")
    ] == [
        ("DET11.SCI", "DET11.RMS", "DET11.DQ", "1"),
        ("DET12.SCI", "DET12.RMS", "DET12.DQ", "2"),
    ]


def test_the_cards_of_a_solver_are_read(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write()
    header = fits.getheader(path)
    for key in ("CTYPE1", "CTYPE2"):
        fits.delval(path, key)
    with pytest.raises(ProjectionError, match=r"found no projection to the sky; expected a WCS.*solve-field"):
        rows_of(path)
    fits.HDUList([fits.PrimaryHDU(header=header)]).writeto(tmp_path / "a.wcs")
    (row,) = rows_of(path)
    assert row["wcs_head"] == "a.wcs"
    assert "WCS: file *.wcs;" in row["notes"]
    (source,) = open_exposures([path])
    assert source.info.bbox.shape == SHAPE


def test_mosaics_and_cubes_are_three_bands(write: Callable[..., Path]) -> None:
    rows = rows_of(write(cards={"BAYERPAT": "GRBG"}))
    assert [(row["band"], row["color"], row["bayer"]) for row in rows] == [(c, c, "GRBG") for c in "RGB"]
    for name, cards in (("b.fits", {}), ("c.fits", {"CTYPE3": "RGB"})):
        rows = rows_of(write(name, cards, np.stack([IMAGE] * 3)))
        assert [(row["band"], row["color"], row.get("bayer")) for row in rows] == [
            (c, c, None) for c in "RGB"
        ]


def test_a_unit_per_pixel_is_what_a_pixel_holds(write: Callable[..., Path]) -> None:
    (source,) = open_exposures([write(cards={"BUNIT": "uJy/pix", "FILTER": "R"})])
    assert source.read().to_njy == pytest.approx(1e3)


@pytest.mark.parametrize(
    ("cards", "pattern"),
    [({"XBAYROFF": 1}, "RGGB"), ({"YBAYROFF": 1}, "BGGR"), ({"ROWORDER": "BOTTOM-UP"}, "BGGR")],
)
def test_patterns_begin_where_the_cards_say(
    write: Callable[..., Path], cards: dict[str, Any], pattern: str
) -> None:
    assert {row["bayer"] for row in rows_of(write(cards={"BAYERPAT": "GRBG", **cards}))} == {pattern}


def test_a_pattern_that_is_none_leaves_one_band(write: Callable[..., Path]) -> None:
    assert len(rows_of(write(cards={"BAYERPAT": "MONO"}))) == 1


def test_each_image_with_a_wcs_is_an_exposure(tmp_path: Path, tan_cards: Callable[..., fits.Header]) -> None:
    units = [fits.PrimaryHDU()]
    for number in (1, 2):
        units.append(fits.ImageHDU(IMAGE, tan_cards(SHAPE), name="CHIP", ver=number))
        units.append(fits.ImageHDU(IMAGE, name="ERR", ver=number))
    units.append(fits.ImageHDU(IMAGE[:5, :5], name="PREVIEW"))
    fits.HDUList(units).writeto(tmp_path / "m.fits")
    rows = rows_of(tmp_path / "m.fits")
    assert [(row["image_hdu"], row["stddev_hdu"], row["detector"]) for row in rows] == [
        ("CHIP,1", "ERR,1", "1"),
        ("CHIP,2", "ERR,2", "2"),
    ]
    assert len({row["visit"] for row in rows}) == 1


def test_tables_and_products_of_lamella_are_no_exposures(write: Callable[..., Path], tmp_path: Path) -> None:
    fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])]).writeto(tmp_path / "t.fits")
    write("c.fits", cards={"CREATOR": "lamella 0.1.0"})
    assert recognise(tmp_path / "t.fits")[0] is None
    assert recognise(tmp_path / "c.fits")[0] is None
    with pytest.raises(NoInputsError):
        open_exposures([tmp_path])
    with pytest.raises(MissingPartError, match="no 2-d image"):
        rows_of(tmp_path / "t.fits")


KEYWORDS = [
    *("MAGZP", "MAGZPT", "L1ZP", "PHOT_C", "PHOTFLAM", "FLXSCALE", "EXPTIME", "GAIN", "EGAIN", "RDNOISE"),
    *("SATURATE", "FILTER", "EXPNUM", "CCDNUM", "DETECTOR", "OBSID", "BUNIT", "BAYERPAT", "XBAYROFF"),
    *("ROWORDER", "DATE-OBS", "INSTRUME"),
]


@given(
    st.dictionaries(
        st.sampled_from(KEYWORDS),
        st.one_of(
            st.booleans(),
            st.integers(-(2**62), 2**62),
            st.floats(-1e30, 1e30),
            st.text("abRGBr /s0123'-.", max_size=12),
            st.sampled_from(["GRBG", "adu", "nJy", "electrons/s", "1e400", "nan", "2024-01-01"]),
        ),
        max_size=8,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_cards_hold_an_image_is_an_exposure(
    write: Callable[..., Path], cards: dict[str, bool | int | float | str]
) -> None:
    path = write("fuzzed.fits")
    try:
        header = fits.getheader(path)
        header.update(cards)
        fits.PrimaryHDU(IMAGE, header).writeto(path, overwrite=True)
        for row in rows_of(path):
            recipe = TableRow(path, 0, row, ReadControl(), "fits")
            assert recipe.describe().bbox.shape in (SHAPE, (SHAPE[0] // 2, SHAPE[1] // 2))
    finally:
        path.unlink()


def test_a_hot_column_that_weights_do_not_know_is_found(write: Callable[..., Path]) -> None:
    hot = IMAGE.copy()
    hot[:, 33] = 8e4
    path = write(image=hot, WHT=np.full(SHAPE, 0.04, np.float32))
    (row,) = rows_of(path)
    assert (row["confidence_hdu"], row["defects"]) == ("WHT", "measured")
    (source,) = open_exposures([path])
    pixels = source.read().pixels
    planes = ("BAD", "SATURATED", "NO_DATA")
    bad = np.logical_or.reduce([pixels.mask.get(name) for name in planes])
    assert bad[:, 33].all()
    assert bad[:, 10:30].mean() < 0.02
