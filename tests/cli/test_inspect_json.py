"""What ``inspect``, ``skymap``, ``formats`` and ``describe`` print as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from lamella.formats.readers import format_names
from lamella.sky.registry import load_skymap

from .conftest import lamella, lamella_ok


def output(*arguments: object) -> Any:
    return json.loads(lamella_ok(*arguments, "--json"))


@pytest.mark.slow
def test_every_kind_of_file(coadds: Path, survey, tmp_path):
    fits.writeto(tmp_path / "a.fits", np.zeros((3, 4), np.float32))
    warp = next((coadds / "warps").glob("warp-r-*"))
    files = [
        coadds / "coadd-r-0-0,0.fits", coadds / "coadd-r-0-0,0-plain.fits", warp, coadds / "skymap.json",
        tmp_path / "a.fits", survey.file(101, 0),
    ]  # fmt: skip
    told = output("inspect", *files)
    kinds = ["coadd", "plain coadd", "warp", "sky map", "FITS", "exposure"]
    assert [(item["kind"], item["file"]) for item in told] == [
        (kind, str(file)) for kind, file in zip(kinds, files, strict=True)
    ]
    coadd, plain, warp_told, _, other, exposure = told
    assert (coadd["summary"]["band"], plain["band"], warp_told["band"], exposure["band"]) == ("r",) * 4
    assert coadd["position"]["center"] == pytest.approx([150.1, 2.2], abs=0.01)
    assert exposure["position"]["center"] == pytest.approx([150.1, 2.2], abs=0.02)
    assert (exposure["width"], exposure["height"]) == (80, 90)
    assert warp_told["visit"] in (101, 103)
    assert len(warp_told["detectors"]) == 2
    assert "WCS" in " ".join(other["missing"])
    pixels = output("inspect", survey.file(101, 0), "--pixels")[0]
    assert 0 < pixels["mask_fractions"]["DETECTION_EDGE"] < 1


@pytest.mark.slow
def test_a_folder_of_results(coadds: Path):
    told = output("inspect", coadds)
    assert [(item["kind"], item["summary"]["band"]) for item in told] == [("coadd", "g"), ("coadd", "r")]
    text = lamella_ok("inspect", coadds)
    assert text.count("0 · 0,0") == 2


def test_what_is_not_understood_is_told_apart(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.fits").write_bytes(b"SIMPLE")
    ended = lamella("inspect", tmp_path / "a.txt", tmp_path / "b.fits", "--json")
    assert ended.status == 1
    assert json.loads(ended.out) == []
    assert "a.txt" in ended.err


def test_sky_maps(survey, patches: Path):
    told = output("skymap", "show", patches)
    skymap = load_skymap(patches)
    assert (told["name"], told["identity"], told["tract_count"]) == (skymap.name, skymap.identity, 1)
    assert told["tracts"][0]["patches"] == list(skymap[0].n_patches)[::-1]
    at = ",".join(map(str, told["tracts"][0]["center"]))
    (place,) = output("skymap", "find", patches, "--at", at)
    assert place["tract"] == 0
    assert len(place["patches"]) == 1
    places = output("skymap", "find", patches, survey.table)
    assert len(places) == 8
    assert all(place["patches"] for place in places)


def test_formats():
    assert [row["format"] for row in output("formats")] == sorted(format_names())
    assert lamella("formats", "ztf", "--json").status == 2


def test_describe(survey, tmp_path):
    ended = lamella("describe", survey.folder, "-o", tmp_path / "a.csv", "--json")
    assert ended.err.endswith(f"8 exposures: {tmp_path / 'a.csv'}\n")
    rows = json.loads(ended.out)
    assert len(rows) == 8
    assert {row["band"] for row in rows} == {"g", "r"}
