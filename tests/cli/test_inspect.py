"""``lamella inspect``: short and useful, in 80 columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok


def inspect(*arguments: object) -> str:
    text = lamella_ok("inspect", *arguments)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    return text


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_coadd(coadds: Path) -> None:
    text = inspect(coadds / "coadd-r-0-0,0.fits")
    for piece in (
        "band r, tract 0, patch 0,0 of sky map field-",
        "deg, ICRS)",
        "0.2000 arcsec per pixel",
        "mag (AB) for a point source of 5 sigma",
        "4 detector images of 2 visits",
        "left out none",
        "statistic NOISECLIP",
        "SENSOR_EDGE",
        "101 0 ",
        "visit-0103-detector-01.fits",
    ):
        assert piece in words(text), piece
    assert "GHOST" not in text  # a plane without a pixel is no news
    assert len(text.splitlines()) < 50
    verbose = inspect("-v", coadds / "coadd-r-0-0,0.fits")
    assert "clip_iter: 2" in verbose
    assert "edge_width: 5" in verbose
    assert "numpy: " in verbose


def test_rejected_exposures_are_told(survey: Survey, tmp_path: Path) -> None:
    lamella_ok(
        "coadd", survey.table, "-o", tmp_path, "--band", "r", "--set", "select.exclude_visits=[101]",
        "--workers", 1,
    )  # fmt: skip
    text = words(inspect(tmp_path / "coadd-r-0-0,0.fits"))
    assert "2 × visit 101 is excluded" in text
    assert text.count("visit 101 is excluded") == 1
    assert words(inspect("-v", tmp_path / "coadd-r-0-0,0.fits")).count("visit 101 is excluded") == 3


def test_a_warp_a_plain_fits_file_and_a_sky_map(coadds: Path) -> None:
    warp = words(inspect(coadds / "warps" / "warp-g-0-0,0-LamellaSim-100.fits"))
    assert "LamellaSim visit 100, band g" in warp
    assert "nJy per pixel" in warp
    plain = words(inspect(coadds / "coadd-g-0-0,0-plain.fits"))
    assert "band g, tract 0, patch 0,0" in plain
    assert "3 VARIANCE" in plain
    assert "nJy2" in plain
    assert "INPUTS 4 rows" in plain
    assert "REJECTED 0 rows" in plain
    assert "kind field" in words(inspect(coadds / "skymap.json"))


def test_exposures(survey: Survey) -> None:
    text = inspect(survey.table)
    assert len([line for line in text.splitlines() if "visit-01" in line]) == 8
    assert "110" not in text
    assert "80×90" in inspect("-v", survey.table)
    pixels = words(inspect("--pixels", survey.table))
    assert pixels.count("nJy per unit") == 8
    assert "DETECTION_EDGE" in pixels


@pytest.mark.parametrize("folder", ["decam/images", "sdss"])
def test_real_exposures(shared: Path, folder: str) -> None:
    text = inspect(shared / "data" / folder)
    survey = folder.split("/")[0]
    assert survey.upper() in text.upper()
    assert len([line for line in text.splitlines() if ".fit" in line]) == (9 if survey == "decam" else 4)


def test_nonsense_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nonsense")
    (tmp_path / "a.fits").write_bytes(b"SIMPLE  = nonsense" * 300)
    (tmp_path / "a.json").write_text("[1]")
    for name in ("a.txt", "a.fits", "a.json", "absent.fits"):
        ended = lamella("inspect", tmp_path / name)
        assert (ended.status, ended.out) == (1, "")
        assert ended.err.startswith("Error: ")
        assert str(tmp_path / name) in ended.err
        assert ended.err.count("\n") == 1


def test_one_bad_file_does_not_hide_the_others(
    survey: Survey, coadds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # so that no path is folded
    cut = tmp_path / "cut.fits"
    cut.write_bytes((coadds / "coadd-r-0-0,0.fits").read_bytes()[:30000])
    (tmp_path / "a.txt").write_text("nonsense")
    ended = lamella("inspect", cut, coadds / "skymap.json", tmp_path / "a.txt", survey.table)
    assert ended.status == 1
    assert "kind" in ended.out
    assert "visit-0100-detector-00.fits" in ended.out
    assert "Not understood" in ended.err
    assert "cut.fits" in "".join(ended.err.split())
    assert "a.txt" in "".join(ended.err.split())


def test_any_fits_file_is_shown_by_its_headers(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.zeros((4, 6), np.float32), fits.Header({"MAGZPT": 25.5, "EXPTIME": 30.0}))
    hdu.writeto(tmp_path / "mine.fits")
    text = words(inspect(tmp_path / "mine.fits"))
    for piece in ("6×4 float32", "zero point MAGZPT = 25.5", "exposure time EXPTIME = 30.0", "celestial WCS"):
        assert piece in text, piece
