"""What a dry run says, that it writes nothing, and that the run does what it said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok, listing

pytestmark = pytest.mark.slow


def preview(*arguments: object, command: str = "coadd") -> dict[str, Any]:
    values: dict[str, Any] = json.loads(lamella_ok(command, *arguments, "--dry-run", "--json"))
    return values


def test_it_tells_exposures_patches_and_cost_and_writes_nothing(survey, patches, tmp_path):
    text = lamella_ok("coadd", survey.table, "-o", tmp_path / "out", "--skymap", patches, "--dry-run")
    assert "Exposures: 8 (band g 4, r 4)" in text
    assert text.count("0 · ") == 8
    for word in (
        "Time:",
        "Memory:",
        "Disk:",
        "free)",
        "Nothing was written.",
        "Rejection of artifacts (auto)",
    ):
        assert word in text
    assert max(map(len, text.splitlines())) <= 80 or "Rejection" in max(text.splitlines(), key=len)
    assert list(tmp_path.iterdir()) == []


def test_what_it_says_is_what_the_run_does(survey: Survey, coadds: Path):
    told = preview(survey.table, "-o", coadds, "--overwrite")
    for patch in told["patches"]:
        summary = json.loads((coadds / f"coadd-{patch['name']}.json").read_text())["summary"]
        assert (patch["visits"], patch["exposures"]) == (summary["visits"], summary["detectors"])
        assert (patch["width"], patch["height"]) == (summary["width"], summary["height"])
        # Outlines hold masked rims, which have no data.
        assert patch["covered"] == pytest.approx(summary["covered_fraction"], abs=0.3)
        warps = [fits.getheader(path, "IMAGE") for path in (coadds / "warps").glob(f"warp-{patch['name']}-*")]
        area = sum(head["ZNAXIS1" if "ZNAXIS1" in head else "NAXIS1"] * head["NAXIS2"] for head in warps)
        assert patch["warp_pixels"] == pytest.approx(area, rel=0.2)
    files = [path for path in coadds.rglob("*") if path.is_file() and "warps" not in path.parts]
    size = sum(path.stat().st_size for path in files)
    assert size / 3 < told["disk"] < 3 * size


def test_what_is_done_is_told_as_kept(survey, finished):
    before = listing(finished)
    told = preview(survey.table, "-o", finished, "--keep-warps")
    assert [patch["kept"] for patch in told["patches"]] == [True, True]
    assert told["disk"] == 0
    assert "kept" in lamella_ok("coadd", survey.table, "-o", finished, "--dry-run")
    other = preview(survey.table, "-o", finished, "--statistic", "MEDIAN")
    assert [patch["kept"] for patch in other["patches"]] == [False, False]
    assert listing(finished) == before


def test_what_selection_leaves_out_is_told_with_its_reason(survey, tmp_path):
    arguments = (survey.table, "-o", tmp_path / "out", "--set", "select.exclude_visits=[100]")
    told = {patch["band"]: patch["left_out"] for patch in preview(*arguments)["patches"]}
    assert told == {"g": {"visit 100 is excluded": 2}, "r": {}}
    ended = lamella("coadd", *arguments, "--dry-run")
    assert "visit 100 is excluded" in ended.err


def test_more_work_costs_more(survey, tmp_path):
    def costs(*options: object) -> dict[str, Any]:
        return preview(survey.table, "-o", tmp_path, "--workers", 1, "--scale", 0.05, *options)

    plain, finer = costs("--reject", "none"), preview(survey.table, "-o", tmp_path, "--workers", 1)
    compared, kept = costs("--reject", "compare-warp"), costs("--keep-warps", "--reject", "none")
    assert compared["cpu_seconds"] > plain["cpu_seconds"] > finer["cpu_seconds"]
    assert kept["disk"] > plain["disk"] > finer["disk"]
    assert plain["memory"] < 2048


def test_warps(survey, tmp_path):
    told = preview(survey.table, "-o", tmp_path / "out", command="warp")
    assert [patch["visits"] for patch in told["patches"]] == [2, 2]
    matched = preview(survey.table, "-o", tmp_path / "out", "--psf-matched", command="warp")
    assert matched["disk"] == 2 * told["disk"]
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_told_as_by_the_run(survey, coadds, tmp_path):
    ended = lamella("coadd", survey.table, "-o", tmp_path / "out", "--band", "Q", "--dry-run")
    assert ended.status == 1
    assert "No exposure is in band 'Q'; there are 'g', 'r'" in ended.err
    ended = lamella("coadd", survey.table, "-o", coadds, "--scale", 0.3, "--dry-run")
    assert "another sky map" in ended.err
