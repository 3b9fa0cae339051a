"""Coadds of exposures without a zero point: in the units of a reference exposure, without magnitudes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.data.flux_unit import FluxUnit
from lamella.data.photometry import njy_per_count
from lamella.formats.archive.products import read_product
from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok

REFERENCE = "the best night"


def relative_table(
    survey: Survey, change: Callable[[Table], None] = lambda table: None
) -> tuple[Path, float]:
    """Write the table of band r without zero points; return it, and nJy per unit of its first exposure."""
    table = Table.read(survey.table, format="ascii.ecsv")
    table = table[table["band"] == "r"]
    scale = np.array([njy_per_count(zero_point) for zero_point in table["zero_point"]])
    table["flux_scale"] = scale / scale[0]
    table["unit"], table["flux_reference"] = "adu", REFERENCE
    table.remove_column("zero_point")
    change(table)
    path = survey.table.with_name("relative.ecsv")
    table.write(path, format="ascii.ecsv")
    return path, float(scale[0])


@pytest.fixture
def relative(own_survey: Survey, coadds: Path, tmp_path: Path) -> tuple[Path, float]:
    """Folder of the coadd without zero points, and nJy per unit of it."""
    table, scale = relative_table(own_survey)
    text = lamella_ok(
        "coadd", table, "-o", tmp_path / "out", "--keep-warps", "--skymap", coadds / "skymap.json"
    )
    assert "5σ mag" not in text
    assert re.search(r"\d adu", text)
    return tmp_path / "out", scale


def test_the_coadd_is_that_with_zero_points_in_another_unit(relative: Any, coadds: Path) -> None:
    folder, scale = relative
    coadd, absolute = (read_product(path / "coadd-r-0-0,0.fits") for path in (folder, coadds))
    assert coadd.flux_unit == FluxUnit("adu", REFERENCE)
    assert (str(coadd.image.unit), str(coadd.variance.unit)) == ("adu", "adu2")
    np.testing.assert_allclose(coadd.image.array * scale, absolute.image.array, rtol=2e-4, atol=1e-3)
    np.testing.assert_allclose(coadd.variance.array * scale**2, absolute.variance.array, rtol=1e-3)
    np.testing.assert_array_equal(coadd.exposure_count.array, absolute.exposure_count.array)
    assert str(coadd.inputs["weight"].unit) == "arcsec2 / adu2"
    assert any(REFERENCE in note and "no magnitudes" in note for note in coadd.notes)


def test_nothing_has_a_magnitude(relative: Any, tmp_path: Path) -> None:
    folder, _scale = relative
    record = json.loads((folder / "coadd-r-0-0,0.json").read_text())["summary"]
    assert (record["depth"], record["depth_stated"]) == (None, None)
    assert (record["flux_unit"], record["flux_reference"]) == ("adu", REFERENCE)
    with fits.open(folder / "coadd-r-0-0,0-plain.fits") as hdus:
        head = hdus[0].header
        assert not {"DEPTH", "DEPTHVAR"} & set(head)
        assert (head["FLUXUNIT"], head["FLUXREF"]) == ("adu", REFERENCE)
        assert head["FLUXLVAR"] == pytest.approx(record["flux_limit_stated"], rel=1e-5)
        assert (hdus["IMAGE"].header["BUNIT"], hdus["VARIANCE"].header["BUNIT"]) == ("adu", "adu2")
    archive = fits.getheader(folder / "coadd-r-0-0,0.fits", 0)
    assert (archive["FLUXUNIT"], archive["FLUXREF"]) == ("adu", REFERENCE)
    page = re.sub(r"data:[^\"]*|<style>.*?</style>", "", (folder / "index.html").read_text(), flags=re.DOTALL)
    assert REFERENCE in page
    for word in ("AB", "nJy", '<span class="unit">mag'):
        assert not re.search(rf"\b{word}\b" if word.isalpha() else word, page.partition("<h2>Settings")[0]), (
            word
        )
    text = lamella_ok("inspect", folder / "coadd-r-0-0,0.fits")
    assert f"in adu of the reference exposure {REFERENCE}, without magnitudes" in " ".join(text.split())
    assert "AB" not in text
    assert "nJy" not in text


def test_warps_of_it_stack_and_are_not_mixed_with_others(relative: Any, coadds: Path, tmp_path: Path) -> None:
    folder, _ = relative
    warps = sorted((folder / "warps").glob("warp-r-*"))
    text = lamella_ok("stack", *warps, "-o", tmp_path / "stack.fits")
    assert re.search(r"\d adu", text)
    assert read_product(tmp_path / "stack.fits").flux_unit == FluxUnit("adu", REFERENCE)
    other = max((coadds / "warps").glob("warp-r-*"))
    ended = lamella("stack", warps[0], other, "-o", tmp_path / "mixed.fits")
    assert ended.status == 1
    assert "flux unit" in ended.err
    assert "nJy" in ended.err
    assert REFERENCE in " ".join(ended.err.split())


def test_the_c_stack_gets_no_calibration(relative: Any, tmp_path: Path) -> None:
    ended = lamella("export", relative[0] / "coadd-r-0-0,0.fits", "-o", tmp_path / "afw.fits")
    assert ended.status == 0, ended.err
    assert "no calibration (PhotoCalib)" in " ".join((ended.out + ended.err).split())
    with fits.open(tmp_path / "afw.fits") as hdus:
        assert not [key for key in hdus[0].header if "PHOTOCALIB" in key]
        assert hdus[1].header["BUNIT"] == "adu"
        assert hdus[3].header["BUNIT"] == "adu2"
    ours, again = read_product(relative[0] / "coadd-r-0-0,0.fits"), read_product(tmp_path / "afw.fits")
    assert again.flux_unit == ours.flux_unit == FluxUnit("adu", REFERENCE)
    assert again.image.unit == ours.image.unit
    np.testing.assert_array_equal(again.image.array, ours.image.array)


def test_warps_for_the_c_stack_are_stacked_in_their_unit(relative: Any, tmp_path: Path) -> None:
    warps = sorted((relative[0] / "warps").glob("warp-r-*"))
    for warp in warps:
        assert lamella("export", warp, "-o", tmp_path / warp.name).status == 0
    exported = sorted(tmp_path.glob("warp-r-*"))
    for paths, name in (
        (warps, "ours.fits"),
        (exported, "theirs.fits"),
        ((warps[0], exported[1]), "mixed.fits"),
    ):
        lamella_ok("stack", *paths, "-o", tmp_path / name, "--weights", "variance")
    ours, theirs, mixed = (read_product(tmp_path / f"{name}.fits") for name in ("ours", "theirs", "mixed"))
    assert ours.flux_unit == theirs.flux_unit == mixed.flux_unit
    np.testing.assert_array_equal(ours.image.array, theirs.image.array)
    np.testing.assert_array_equal(ours.image.array, mixed.image.array)


def test_exposures_with_zero_points_go_first(own_survey: Survey, tmp_path: Path) -> None:
    def calibrate(table: Table) -> None:
        first = table["visit"] == table["visit"][0]
        table["zero_point"] = np.where(first, "27.0", "")
        for name in ("flux_scale", "unit", "flux_reference"):
            table[name] = np.where(first, "", np.asarray(table[name], dtype=str))

    table, _ = relative_table(own_survey, calibrate)
    ended = lamella("coadd", table, "-o", tmp_path / "out")
    assert ended.status == 0, ended.err
    coadd = read_product(tmp_path / "out" / "coadd-r-0-0,0.fits")
    assert coadd.flux_unit.is_absolute
    assert len({detector.id.visit for detector in coadd.detectors}) == 1
    reasons = {item.reason for item in coadd.rejections}
    assert reasons == {f"fluxes are in adu of the reference exposure {REFERENCE}, those of the coadd in nJy"}
