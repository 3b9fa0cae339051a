"""Files below a folder with letters of other scripts: all products are written, and can be read back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lamella.data.coadd import PatchCoadd
from lamella.fits.text import from_fits
from lamella.formats.archive.products import read_product
from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok, product_bits

NAME = "josé Ω 日本"


@pytest.fixture(scope="module")
def folder(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names") / NAME
    assert survey.folder is not None
    shutil.copytree(survey.folder, folder / "survey")
    table = folder / "survey" / survey.table.name
    text = lamella_ok(
        "coadd", table, "-o", folder / "out", "--workers", 1, "--keep-warps", "--log", folder / "log"
    )
    assert NAME in text.replace("\n", "")
    return folder


def test_products_name_their_inputs(folder: Path) -> None:
    coadd = read_product(folder / "out" / "coadd-g-0-0,0.fits")
    assert isinstance(coadd, PatchCoadd)
    paths = {Path(detector.path) for detector in coadd.detectors}
    assert all(path.is_file() and NAME in path.parts for path in paths)
    with fits.open(folder / "out" / "coadd-g-0-0,0-plain.fits") as hdus:
        assert {Path(from_fits(text)) for text in hdus["INPUTS"].data["path"]} == paths
    record = json.loads((folder / "out" / "coadd-g-0-0,0.json").read_text(encoding="utf-8"))
    assert {Path(row["path"]) for row in record["inputs"]} == paths
    assert NAME in (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert NAME in (folder / "log").read_text(encoding="utf-8")


def test_pixels_are_those_below_any_other_folder(folder: Path, coadds: Path) -> None:
    here, there = (
        read_product(results / "coadd-g-0-0,0.fits").image.array for results in (folder / "out", coadds)
    )
    np.testing.assert_array_equal(here, there)
    pictures = {name: bits for name, bits in product_bits(coadds).items() if name.endswith(".png")}
    assert pictures
    assert {name: bits for name, bits in product_bits(folder / "out").items() if name in pictures} == pictures


@pytest.mark.parametrize("form", ["afw", "fits", "archive"])
def test_exports_are_read_back(folder: Path, form: str) -> None:
    out = folder / f"export-{form}-é"
    # What a format cannot hold is told.
    ended = lamella("export", folder / "out" / "coadd-g-0-0,0.fits", "-o", out / "g.fits", "--format", form)
    assert ended.status == 0
    with fits.open(out / "g.fits") as hdus:
        assert any(hdu.data is not None for hdu in hdus)
    assert lamella_ok("inspect", out / "g.fits")


def test_warps_are_stacked_again(folder: Path, coadds: Path) -> None:
    warps = sorted((folder / "out" / "warps").glob("warp-g-*.fits"))
    out = folder / "stapel-ü.fits"
    lamella_ok("stack", *warps, "-o", out)
    theirs = lamella_stack(coadds, folder / "plain.fits")
    np.testing.assert_array_equal(read_product(out).image.array, theirs)


def lamella_stack(coadds: Path, out: Path) -> np.ndarray:
    """Stack the warps of the same survey below another folder."""
    lamella_ok("stack", *sorted((coadds / "warps").glob("warp-g-*.fits")), "-o", out)
    image: np.ndarray = read_product(out).image.array
    return image


def test_bands_become_names_of_files(own_survey: Survey, tmp_path: Path) -> None:
    """Bands of any characters: nothing beside the folder, the record gives the name, and a rerun finds it."""
    rows = Table.read(own_survey.table)
    names = {"r": "../r/X", "g": "Hα"}
    rows["band"] = [names[band] for band in rows["band"]]
    rows.write(own_survey.table, overwrite=True)
    out = tmp_path / "results" / "out"
    for _ in range(2):
        ended = lamella("coadd", own_survey.table, "-o", out, "--workers", 1, "--keep-warps", "--json")
        assert ended.status == 0
    run = json.loads(ended.out)
    assert {coadd["summary"]["band"] for coadd in run["coadds"]} == set(names.values())
    assert all(coadd["kept"] for coadd in run["coadds"])
    assert {path.name for path in out.glob("*.fits")} == {
        f"coadd-{word}-0-0,0{end}.fits" for word in ("..~2Fr~2FX", "H~CE~B1") for end in ("", "-plain")
    } | {path.name for path in out.glob("*-artifacts.fits")}
    assert len(list((out / "warps").glob("warp-*.fits"))) == len({*rows["visit"]})
    assert [path.name for path in tmp_path.joinpath("results").iterdir()] == ["out"]
