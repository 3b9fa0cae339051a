"""``--reject auto``, the default: the line that says what was chosen, reruns, patches, and the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lamella.formats.archive.products import read_product
from lamella.testing.survey import simulate_survey

from ..surveys import TINY
from .conftest import lamella as command

BANDS = ("g", "r")
PLANES = ("image", "mask", "variance", "exposure_count")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exposures of two bands with three visits each, tables of some, and a sky map of several patches."""
    folder = tmp_path_factory.mktemp("auto")
    survey = simulate_survey(folder, TINY.replace(bands=BANDS, visits_per_band=3, dither=1.0, rotation=2.0))
    rows = survey.table.read_text().splitlines(keepends=True)
    # The visits 100, 102, 104 are of band g.
    last_of_r = [row for row in rows if "visit-0105-" not in row]
    (folder / "two-of-r.ecsv").write_text("".join(last_of_r))
    words = ["skymap", "make", survey.table, "-o", folder / "patches.json"]
    assert command(*words, "--set", "patch_size=100", "--set", "patch_border=10").status == 0
    return folder


def coadd(folder: Path, output: Path, *options: object, table: str = "exposures.ecsv") -> str:
    """Coadd without saying how artifacts are left out; return what the terminal shows, without breaks."""
    ended = command("coadd", folder / table, "-o", output, "--workers", 1, *options)
    assert ended.status == 0, ended.err
    return " ".join(ended.out.split())


def record(output: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / f"coadd-{name}.json").read_text())
    return content


def bits(path: Path) -> list[bytes]:
    product = read_product(path)
    return [getattr(product, name).array.tobytes() for name in PLANES]


def test_one_line_says_what_was_chosen_and_reruns_follow_it(folder: Path, tmp_path: Path) -> None:
    text = coadd(folder, tmp_path)
    assert "Rejection of artifacts (auto), bands g, r: compare-warp, because three or more visits" in text
    for band in BANDS:
        content = record(tmp_path, f"{band}-0-0,0")
        assert content["settings"]["rejection"]["method"] == "compare_warp"
        assert content["settings"]["assemble"]["statistic"] == "MEAN"
        assert any("(auto): compare-warp" in note for note in content["notes"])
        assert (tmp_path / f"coadd-{band}-0-0,0-artifacts.png").exists()
    page = (tmp_path / "index.html").read_text()
    assert page.count("Rejection of artifacts (auto)") == 3  # of the run, and of each coadd
    assert coadd(folder, tmp_path, "--quiet") == ""
    kept = coadd(folder, tmp_path)
    assert kept.count("kept") == 2
    # With a visit less r is made in another way.
    again = ("--skymap", tmp_path / "skymap.json")
    text = coadd(folder, tmp_path, *again, table="two-of-r.ecsv")
    assert "band g: compare-warp, because" in text
    assert "band r: none, statistic NOISECLIP, because fewer than three visits" in text
    content = record(tmp_path, "r-0-0,0")
    assert content["settings"]["assemble"]["reject"]["method"] == "none"
    assert not (tmp_path / "coadd-r-0-0,0-artifacts.fits").exists()
    assert coadd(folder, tmp_path, *again, table="two-of-r.ecsv").count("kept") == 2
    coadd(folder, tmp_path, "--band", "r")
    assert record(tmp_path, "r-0-0,0")["settings"]["assemble"]["reject"]["method"] == "compare_warp"


def test_a_patch_alone_is_as_it_is_among_all(folder: Path, tmp_path: Path) -> None:
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    words = ("--skymap", folder / "patches.json", "--band", "r")
    coadd(folder, whole, *words)
    coadd(folder, alone, *words, "--patch", "1,1")
    for name in ("coadd-r-0-1,1.fits", "coadd-r-0-1,1-artifacts.fits"):
        assert (alone / name).exists()
    assert bits(alone / "coadd-r-0-1,1.fits") == bits(whole / "coadd-r-0-1,1.fits")
    assert record(alone, "r-0-1,1")["fingerprint"] == record(whole, "r-0-1,1")["fingerprint"]


@pytest.mark.parametrize(
    "words", [["--statistic", "noiseclip"], ["--set", "statistic=NOISECLIP"], ["-c", "FILE"]]
)
def test_a_statistic_means_that_nothing_is_chosen(words: list[str], tmp_path: Path) -> None:
    options = tmp_path / "options.yaml"
    options.write_text("statistic: NOISECLIP\n")
    shown = command(
        "coadd", "-o", "out", *[word.replace("FILE", str(options)) for word in words], "--show-config"
    )
    assemble = yaml.safe_load(shown.out)["assemble"]
    assert (assemble["reject"]["method"], assemble["statistic"]) == ("none", "NOISECLIP")


def test_what_is_shown_is_read_again(tmp_path: Path) -> None:
    shown = command("coadd", "-o", "out", "--show-config")
    assert yaml.safe_load(shown.out)["assemble"]["reject"]["method"] == "auto"
    options = tmp_path / "options.yaml"
    options.write_text(shown.out)
    assert command("coadd", "-c", options, "--show-config").out == shown.out
    refused = command("coadd", "-c", options, "--statistic", "median", "--show-config")
    assert "the statistic is chosen, too" in refused.err


def test_stacks_of_warps_have_no_choice() -> None:
    shown = command("stack", "-o", "out.fits", "--show-config")
    assert yaml.safe_load(shown.out)["assemble"]["reject"]["method"] == "none"
    assert "'auto' is not one of" in command("stack", "x", "-o", "out.fits", "--reject", "auto").err
    told = command("stack", "x", "-o", "out.fits", "--set", "reject=auto").err
    assert "chosen from all exposures of a band" in told
    texts = {name: " ".join(command(name, "--help").out.split()) for name in ("stack", "coadd")}
    assert "auto: compare-warp where" in texts["coadd"]
    assert "[default: auto]" in texts["coadd"]
    assert "auto: compare-warp where" not in texts["stack"]
