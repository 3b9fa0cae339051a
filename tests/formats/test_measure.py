from __future__ import annotations

import csv
import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.errors import InputError, NoInputsError
from lamella.formats.measure import measure_sources
from lamella.formats.recognise import Inputs, open_exposures
from lamella.formats.table_row import TableRow
from lamella.formats.write_table import write_exposure_table
from lamella.sky.footprint import pixel_scale

from ..starfields import draw_stars

SHAPE = (260, 280)
PIXEL = 0.5
ZERO_POINTS = (25.0, 24.8, 25.3)
WIDTHS = (3.0, 3.6, 2.6)


@dataclasses.dataclass(frozen=True)
class Bare:
    """An exposure without anything but an image and a WCS."""

    name: str
    zero_point: float = 25.0
    fwhm: float = 3.0
    """Pixels, before light falls on them."""
    stars: int = 24
    ra: float = 150.0
    shift: tuple[float, float] = (0.0, 0.0)
    """Pixels by which the WCS is wrong."""
    cards: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        rng = np.random.default_rng(7)
        x, y = rng.uniform(15.0, 245.0, (2, self.stars))
        flux = 10.0 ** (-0.4 * (rng.uniform(12.0, 15.0, self.stars) - self.zero_point))
        light = draw_stars(SHAPE, x, y, flux, fwhm=self.fwhm)
        noise = np.random.default_rng([*self.name.encode()]).normal(size=SHAPE)
        header = fits.Header(
            {
                "CTYPE1": "RA---TAN",
                "CTYPE2": "DEC--TAN",
                "CRVAL1": self.ra,
                "CRVAL2": 2.2,
                "CRPIX1": 140.0 + self.shift[0],
                "CRPIX2": 130.0 + self.shift[1],
                "CDELT1": -PIXEL / 3600.0,
                "CDELT2": PIXEL / 3600.0,
                "INSTRUME": "MyCam",
                "FILTER": "R",
                "EXPTIME": 60.0,
                "DATE-OBS": "2026-03-01T03:12:00",
                **self.cards,
            }
        )
        path = folder / self.name
        fits.writeto(path, (light + 300.0 + 10.0 * noise).astype(np.float32), header)
        return path


THREE = [
    Bare(f"{letter}.fits", zero_point, fwhm)
    for letter, zero_point, fwhm in zip("abc", ZERO_POINTS, WIDTHS, strict=True)
]


def rows_of(inputs: Inputs) -> dict[str, TableRow]:
    """Return the rows of exposures by the names of their files."""
    return {Path(source.info.path).name: source.recipe for source in inputs}  # type: ignore[attr-defined]


def opened(folder: Path, exposures: Sequence[Bare], **options: Any) -> Inputs:
    folder.mkdir(exist_ok=True)
    for exposure in exposures:
        exposure.write(folder)
    return open_exposures([folder], **options)


def told(inputs: Inputs, file: str, name: str) -> str:
    origins = next(source.info.origins for source in inputs if Path(source.info.path).name == file)
    return f"{origins[name].kind} {origins[name].how}" if name in origins else ""


def table_of(folder: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    path = folder / "exposures.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted({name for row in rows for name in row}))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return opened(tmp_path_factory.mktemp("bare"), THREE)


def test_widths_and_relative_scales_are_numbers_in_the_rows(bare: Inputs) -> None:
    rows = rows_of(bare)
    scales = {name: float(row.values["flux_scale"]) for name, row in rows.items()}
    (reference,) = {row.values["flux_reference"] for row in rows.values()}
    assert scales[reference] == 1.0
    for exposure in THREE:
        # Of a Gaussian, with the pixel in it.
        width = PIXEL * np.hypot(exposure.fwhm, 2.3548 / np.sqrt(12.0))
        assert float(rows[exposure.name].values["psf_fwhm"]) == pytest.approx(width, rel=0.02)
        zero_point = THREE["abc".index(reference[0])].zero_point
        magnitude = -2.5 * np.log10(scales[exposure.name]) - (exposure.zero_point - zero_point)
        assert abs(magnitude) < 0.01
        assert told(bare, exposure.name, "PSF").startswith("measured")
        assert told(bare, exposure.name, "relative scale").startswith("measured")
        assert percent_of(told(bare, exposure.name, "relative scale")) <= 0.01
        assert told(bare, exposure.name, "position") == ""
        assert told(bare, exposure.name, "fluxes of stars") == ""


def test_fluxes_agree_and_the_noise_is_that_of_the_pixels(bare: Inputs) -> None:
    for source, row in zip(bare, rows_of(bare).values(), strict=True):
        exposure = source.read()
        assert exposure.to_njy == float(row.values["flux_scale"])
        assert not exposure.info.flux_unit.is_absolute
        sigma = np.sqrt(np.median(exposure.pixels.variance.array))
        assert sigma == pytest.approx(10.0, rel=0.03)


def test_neither_the_order_of_files_nor_threads_change_a_bit(bare: Inputs, tmp_path: Path) -> None:
    paths = [Path(source.info.path) for source in bare]
    expected = {name: row.values for name, row in rows_of(bare).items()}
    for order in itertools.islice(itertools.permutations(paths), 1, 3):
        assert {name: row.values for name, row in rows_of(open_exposures(order)).items()} == expected
    raw = open_exposures(paths, measure=False).sources
    for threads in (1, 3):
        measured = Inputs(measure_sources(raw, threads=threads).sources)
        assert {name: row.values for name, row in rows_of(measured).items()} == expected


def test_a_table_of_what_was_measured_gives_the_same_pixels(bare: Inputs) -> None:
    folder = Path(next(iter(bare)).info.path).parent
    table = folder.parent / "described" / "exposures.csv"
    table.parent.mkdir()
    assert write_exposure_table(bare, table) == ()
    again = open_exposures([table], strict=True)
    for first, second in zip(bare, again, strict=True):
        assert first.info.id == second.info.id
        assert first.info.flux_unit == second.info.flux_unit
        one, other = first.read(), second.read()
        assert one.to_njy == other.to_njy
        assert one.psf == other.psf
        for plane in ("image", "variance"):
            np.testing.assert_array_equal(
                getattr(one.pixels, plane).array, getattr(other.pixels, plane).array
            )


def test_strict_names_all_that_would_be_guessed(bare: Inputs) -> None:
    folder = Path(next(iter(bare)).info.path).parent
    with pytest.raises(InputError, match="strict") as caught:
        open_exposures([folder], strict=True)
    for name in ("PSF", "relative scale", "noise", "visit", "in 3 exposures"):
        assert name in str(caught.value)


def test_exposures_with_a_zero_point_tie_those_without(tmp_path: Path) -> None:
    known = dataclasses.replace(THREE[1], cards={"MAGZP": THREE[1].zero_point})
    inputs = opened(tmp_path, [THREE[0], known, THREE[2]])
    for source, exposure in zip(sorted(inputs, key=lambda item: item.info.path), THREE, strict=True):
        assert source.info.flux_unit.is_absolute
        scale = 10.0 ** (0.4 * (31.4 - exposure.zero_point))
        assert source.read().to_njy == pytest.approx(scale, rel=0.01)
    assert told(inputs, "a.fits", "zero point") == "measured by stars in common, to 0.5 %"
    assert told(inputs, "b.fits", "zero point").startswith("header")


def test_a_zero_point_that_stars_contradict_is_told_and_kept(tmp_path: Path) -> None:
    wrong = (0.0, 0.3, 0.0)
    exposures = [
        dataclasses.replace(exposure, cards={"MAGZP": exposure.zero_point + error})
        for exposure, error in zip(THREE, wrong, strict=True)
    ]
    inputs = opened(tmp_path, exposures)
    assert told(inputs, "b.fits", "fluxes of stars").startswith("measured -24 %")
    assert told(inputs, "a.fits", "fluxes of stars") == ""
    assert float(rows_of(inputs)["b.fits"].cells.text("psf_fwhm")) > 0.0


def test_an_exposure_without_stars_is_like_the_others_and_says_so(tmp_path: Path) -> None:
    empty = Bare("empty.fits", stars=0, cards={"EXPTIME": 30.0})
    inputs = opened(tmp_path, [*THREE, empty])
    rows = rows_of(inputs)
    others = [float(rows[exposure.name].values["flux_scale"]) for exposure in THREE]
    assert float(rows["empty.fits"].values["flux_scale"]) == pytest.approx(2.0 * np.median(others))
    widths = [float(rows[exposure.name].values["psf_fwhm"]) for exposure in THREE]
    assert float(rows["empty.fits"].values["psf_fwhm"]) == np.median(widths)
    assert told(inputs, "empty.fits", "PSF").startswith("assumed")
    assert told(inputs, "empty.fits", "relative scale").startswith("assumed by its exposure time")


def test_fields_that_share_no_star_have_references_of_their_own(tmp_path: Path) -> None:
    far = [dataclasses.replace(exposure, name=f"far-{exposure.name}", ra=151.0) for exposure in THREE[:2]]
    rows = rows_of(opened(tmp_path, [*THREE[:2], *far]))
    references = {name: row.values["flux_reference"] for name, row in rows.items()}
    assert references["a.fits"] == references["b.fits"] in ("a.fits", "b.fits")
    assert references["far-a.fits"] == references["far-b.fits"] in ("far-a.fits", "far-b.fits")


@pytest.mark.parametrize("numbered", [True, False])
def test_detectors_that_share_no_star_are_on_one_scale_by_their_visits(
    numbered: bool, tmp_path: Path
) -> None:
    def cards(visit: int, ccd: int) -> dict[str, Any]:
        if numbered:
            return {"EXPNUM": visit, "CCDNUM": ccd}
        # Files of one detector each, which only the time says to be of one visit.
        return {"DATE-OBS": "2026-03-01", "UT": f"0{visit}:10:12.3"}

    exposures = [
        Bare(f"{visit}{ccd}.fits", zero_point, ra=150.0 + ccd, cards=cards(visit, ccd))
        for visit, zero_point in ((1, 25.0), (2, 24.5), (3, 25.2))
        for ccd in (1, 2)
    ]
    rows = rows_of(opened(tmp_path, exposures))
    assert len({row.values["flux_reference"] for row in rows.values()}) == 1
    for visit, zero_point in ((1, 25.0), (2, 24.5), (3, 25.2)):
        expected = 10.0 ** (-0.4 * (zero_point - 25.0)) * float(rows["11.fits"].values["flux_scale"])
        for ccd in (1, 2):
            assert float(rows[f"{visit}{ccd}.fits"].values["flux_scale"]) == pytest.approx(expected, rel=0.01)


def test_without_any_star_a_width_is_assumed_unless_nothing_may_be(tmp_path: Path) -> None:
    inputs = opened(tmp_path, [Bare("empty.fits", stars=0)])
    (source,) = inputs
    assert told(inputs, "empty.fits", "PSF") == "assumed to be 3 pixels wide, for want of any star"
    assert source.info.psf_fwhm == pytest.approx(3.0 * pixel_scale(source.info.projection, source.info.bbox))
    assert np.isfinite(source.read().pixels.image.array).any()
    with pytest.raises(InputError, match="strict"):
        open_exposures([tmp_path], strict=True)


def test_a_visit_that_is_off_is_named(tmp_path: Path) -> None:
    moved = dataclasses.replace(THREE[2], shift=(3.0, -1.0))
    inputs = opened(tmp_path, [*THREE[:2], Bare("d.fits"), moved])
    assert told(inputs, "c.fits", "position").startswith("measured 3.2 pixels off the other visits")
    assert all(told(inputs, name, "position") == "" for name in ("a.fits", "b.fits", "d.fits"))


def test_a_table_can_ask_for_measurements(tmp_path: Path) -> None:
    for exposure in THREE:
        exposure.write(tmp_path)
    common = {"band": "R", "detector": "1", "noise": "measured", "sky": "present", "psf_fwhm": "measured"}
    rows = [
        {"file": exposure.name, "visit": str(visit), "flux_scale": "measured", "unit": "adu", **common}
        for visit, exposure in enumerate(THREE)
    ]
    rows[0] |= {"flux_scale": "3.0", "flux_reference": "elsewhere"}
    filled = rows_of(open_exposures([table_of(tmp_path, rows)]))
    assert filled["a.fits"].values["flux_scale"] == "3.0"
    expected = 3.0 * 10.0 ** (-0.4 * (ZERO_POINTS[1] - ZERO_POINTS[0]))
    assert float(filled["b.fits"].values["flux_scale"]) == pytest.approx(expected, rel=0.01)
    assert filled["b.fits"].values["flux_reference"] == "elsewhere"


def test_an_exposure_that_cannot_be_measured_is_left_out_with_the_reason(tmp_path: Path) -> None:
    inputs_of_all = [*THREE[:2], Bare("lost.fits")]
    for exposure in inputs_of_all:
        exposure.write(tmp_path)
    fits.update(
        tmp_path / "lost.fits", np.full(SHAPE, np.nan, np.float32), fits.getheader(tmp_path / "lost.fits"), 0
    )
    inputs = open_exposures([tmp_path])
    assert sorted(rows_of(inputs)) == ["a.fits", "b.fits"]
    (problem,) = inputs.problems
    assert "unusable" in str(problem)
    with pytest.raises(NoInputsError):
        open_exposures([tmp_path / "lost.fits"])


def bare_decam(shared: Path, folder: Path, *, band: bool) -> Inputs:
    """Open the nine DECam exposures without anything but pixels, WCS and exposure time, and perhaps band."""
    wcs = ("CTYPE", "CRVAL", "CRPIX", "CD1_", "CD2_", "CUNIT", "PV1_", "PV2_", "RADESYS", "EQUINOX")
    for path in sorted((shared / "data/decam/images").glob("*_ooi_*")):
        with fits.open(path) as hdus:
            header = fits.Header(card for card in hdus[1].header.cards if card.keyword.startswith(wcs))
            if band:
                header["FILTER"] = path.name.split("_ooi_")[1][0]
            header["EXPTIME"] = hdus[0].header["EXPTIME"]
            fits.writeto(folder / f"{path.name[:17]}.fits", hdus[1].data, header)
    return open_exposures([folder])


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_bare_decam_images_are_measured_as_their_survey_measured_them(shared: Path, tmp_path: Path) -> None:
    table = fits.getdata(shared / "data/decam/survey-ccds-1.fits.gz")
    known = {Path(row["image_filename"].strip()).name[:17]: row for row in table}
    inputs = bare_decam(shared, tmp_path, band=True)
    assert len(inputs) == 9
    for band in "grz":
        rows = [rows_of(inputs)[Path(source.info.path).name] for source in inputs if source.info.band == band]
        survey = [known[row.values["file"][:17]] for row in rows]
        zero_points = np.array([row["ccdzpt"] + 2.5 * np.log10(row["exptime"]) for row in survey])
        wrong = -2.5 * np.log10([float(row.values["flux_scale"]) for row in rows]) - zero_points
        stated = np.array([percent_of(told(inputs, row.values["file"], "relative scale")) for row in rows])
        assert np.abs(wrong - wrong[stated == 0]).max() < 1.5 * 1.086 * stated.max() < 0.1
        widths = np.array([float(row.values["psf_fwhm"]) for row in rows])
        ratios = widths / (0.262 * np.array([row["fwhm"] for row in survey]))
        assert np.abs(np.median(ratios) - 1.0) < 0.06
    for source in inputs:
        (path,) = (shared / "data/decam/images").glob(f"{Path(source.info.path).stem}_oow_*")
        weight = fits.getdata(path, 1)
        ratio = np.sqrt(source.read().pixels.variance.array * weight)[weight > 0]
        assert np.median(ratio) == pytest.approx(1.0, abs=0.05), path.name


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_images_of_several_filters_in_one_band_are_told(shared: Path, tmp_path: Path) -> None:
    inputs = bare_decam(shared, tmp_path, band=False)
    assert {source.info.band for source in inputs} == {"unknown"}
    for source in inputs:
        file = Path(source.info.path).name
        assert re.match(r"measured differ by \d\d %.*of one filter\?", told(inputs, file, "fluxes of stars"))
    assert max(percent_of(told(inputs, Path(s.info.path).name, "relative scale")) for s in inputs) > 0.3


def percent_of(told: str) -> float:
    """Return the relative error that is told of a scale; 0 for that of the reference."""
    return 0.0 if told.endswith("reference") else float(told.removesuffix(" %").rpartition(" ")[2]) / 100.0
