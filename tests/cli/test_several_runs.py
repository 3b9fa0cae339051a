"""Several runs in one folder: the page lists them all, and all are on one sky map."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lamella.run.contents import find_earlier, require_same_skymap
from lamella.sky.registry import load_skymap
from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok, listing

pytestmark = pytest.mark.slow


def told(page: Path) -> list[str]:
    """Return the bands and patches that a page has a section of."""
    return re.findall(r"<h2>Band (.*?)</h2>", page.read_text(encoding="utf-8"))


def coadd(survey: Survey, skymap: Path, folder: Path, *, band: str, patch: str = "0,0") -> str:
    """Coadd one band of one patch in a folder; return what the terminal shows."""
    options = ("--skymap", skymap, "--workers", 1, "--patch", patch, "--band", band)
    return lamella_ok("coadd", survey.table, "-o", folder, *options)


@pytest.fixture(scope="module")
def band_by_band(survey: Survey, patches: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one band of one patch was made, and then the other."""
    folder = tmp_path_factory.mktemp("by_band") / "out"
    for band in ("r", "g"):
        coadd(survey, patches, folder, band=band)
    return folder


@pytest.fixture
def folder(band_by_band: Path, tmp_path: Path) -> Path:
    shutil.copytree(band_by_band, tmp_path / "out")
    return tmp_path / "out"


def test_the_page_lists_both_bands_and_has_their_picture(band_by_band):
    assert told(band_by_band / "index.html") == ["g, tract 0, patch 0,0", "r, tract 0, patch 0,0"]
    page = (band_by_band / "index.html").read_text()
    assert page.count('<span class="soft">(earlier)</span>') == 1
    assert (band_by_band / "color-0-0,0.png").exists()
    assert "Colour, " in page


def test_another_patch_is_added_and_the_terminal_tells_of_the_run_alone(survey, patches, folder):
    text = coadd(survey, patches, folder, band="r", patch="1,0")
    assert "1,0" in text
    assert "0 · 0,0" not in text
    assert [name[0] + name[-4:] for name in told(folder / "index.html")] == ["g 0,0", "r 0,0", "r 1,0"]


def test_another_sky_map_is_refused_before_anything_is_written(survey, folder):
    before = listing(folder)
    for command, option in (("coadd", ("--scale", 0.3)), ("warp", ("--scale", 0.3)), ("coadd", ())):
        ended = lamella(command, survey.table, "-o", folder, *option, "--workers", 1)
        assert ended.status == 1
        assert ended.out == ""
        assert ended.err.startswith(
            f"Error: {folder}: cannot be written: it holds results on another sky map"
        )
        assert f"--skymap {folder / 'skymap.json'}" in " ".join(ended.err.split())
        assert listing(folder) == before


def test_another_grid_is_another_sky_map(survey, band_by_band, tmp_path):
    def coadd_on(grid: Path) -> Any:
        return lamella(
            "coadd", survey.table, "-o", tmp_path / "out", "--grid", grid, "--band", "r", "--workers", 1
        )

    plain = band_by_band / "coadd-r-0-0,0-plain.fits"
    assert coadd_on(plain).status == 0
    assert coadd_on(plain).status == 0
    other = WCS(naxis=2)
    other.wcs.ctype, other.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.1, 2.2]
    other.wcs.crpix, other.wcs.cdelt = [20, 20], [-5e-5, 5e-5]
    fits.writeto(tmp_path / "other.fits", np.zeros((40, 40), np.float32), other.to_header())
    ended = coadd_on(tmp_path / "other.fits")
    assert ended.status == 1
    assert "another sky map" in ended.err


def test_warps_keep_another_sky_map_out_too(survey, tmp_path):
    lamella_ok("warp", survey.table, "-o", tmp_path, "--band", "g")
    assert "another sky map" in lamella("warp", survey.table, "-o", tmp_path, "--scale", 0.3).err


def test_a_folder_without_results_takes_any_sky_map(patches, tmp_path):
    (tmp_path / "skymap.json").write_text("{}")
    require_same_skymap(tmp_path, load_skymap(patches))
    require_same_skymap(tmp_path / "absent", load_skymap(patches))


def test_where_the_sky_map_is_damaged_the_records_tell_it(survey, patches, folder, tmp_path):
    (folder / "skymap.json").write_text("{")
    require_same_skymap(folder, load_skymap(patches))
    lamella_ok("skymap", "make", survey.table, "-o", tmp_path / "other.json", "--scale", 0.3)
    ended = lamella("coadd", survey.table, "-o", folder, "--skymap", tmp_path / "other.json")
    assert "another sky map" in ended.err


def _as_in_version_0_1(record: Path) -> None:
    values = json.loads(record.read_text())
    for picture in values["pictures"]:
        path = record.parent / picture["source"]
        kind = "jpeg" if path.suffix == ".jpg" else "png"
        picture["source"] = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        path.unlink()
    for name in ("grid", "position", "earlier", "origins", "visit_checks"):
        del values[name]
    for name in ("times", "flux_unit", "flux_reference", "flux_limit", "flux_limit_stated", "depth_stated"):
        del values["summary"][name]
    for row in values["inputs"]:
        for name in ("mjd", "mjd_begin", "mjd_end", "date_obs", "exposure_time"):
            del row[name]
    record.write_text(json.dumps(values))


def test_records_of_version_0_1_are_listed(survey, patches, folder):
    _as_in_version_0_1(folder / "coadd-r-0-0,0.json")
    skymap = load_skymap(patches)
    (earlier,) = find_earlier(folder, {"g-0-0,0"}, skymap).coadds
    assert (earlier.summary.band, earlier.position) == ("r", None)
    assert all(picture.source.startswith("data:image/") for picture in earlier.pictures)
    coadd(survey, patches, folder, band="g")
    assert told(folder / "index.html") == ["g, tract 0, patch 0,0", "r, tract 0, patch 0,0"]
    lamella_ok("skymap", "make", survey.table, "-o", folder / "other.json", "--scale", 0.3)
    (problem,) = find_earlier(folder, {"g-0-0,0"}, load_skymap(folder / "other.json")).problems
    assert (problem.what, problem.reason) == ("coadd-r-0-0,0.json", "it is on another sky map")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("coadd-r-0-0,0.fits", "coadd-r-0-0,0.fits of it is no longer there"),
        ("pictures/coadd-r-0-0,0-count.png", "No such file"),
        ("coadd-r-0-0,0.json", None),
    ],
)
def test_what_is_no_longer_whole_is_not_listed_and_told(survey, patches, folder, name, reason):
    (folder / name).unlink()
    coadd(survey, patches, folder, band="g")
    assert told(folder / "index.html") == ["g, tract 0, patch 0,0"]
    assert ("coadd-r-0-0,0.json" in (folder / "index.html").read_text()) == (reason is not None)
    if reason:
        assert reason in (folder / "index.html").read_text()


def test_records_hold_no_pictures_and_say_where_the_coadd_is(band_by_band):
    record = band_by_band / "coadd-g-0-0,0.json"
    assert record.stat().st_size < 40_000
    values = json.loads(record.read_text())
    for picture in values["pictures"]:
        assert (band_by_band / picture["source"]).stat().st_size > 50
    patch = load_skymap(band_by_band / "skymap.json")[0].patch("0,0")
    corners = (
        patch.projection.pixel_to_sky(x=patch.outer_bbox.x.start - 0.5, y=patch.outer_bbox.y.start - 0.5),
        patch.projection.pixel_to_sky(x=patch.outer_bbox.x.stop - 0.5, y=patch.outer_bbox.y.stop - 0.5),
    )
    first, _, third, _ = values["position"]["corners"]
    assert first == pytest.approx((corners[0].ra.deg, corners[0].dec.deg), abs=1e-10)
    assert third == pytest.approx((corners[1].ra.deg, corners[1].dec.deg), abs=1e-10)
    assert values["position"]["center"][1] == pytest.approx((first[1] + third[1]) / 2, abs=1e-5)
