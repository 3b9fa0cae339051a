"""Small mistakes and odd wishes: a clear word, or what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lamella.run.patch_config import CoaddConfig

from .conftest import lamella, lamella_ok


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--set", "assemble.sigma_clop=3"], 2, "; did you mean assemble.sigma_clip?"),
        (["--set", "sigma-clop=3"], 2, "; did you mean sigma-clip?"),
        (["--set", "kernl=lanczos3"], 2, "; did you mean kernel?"),
        (["--statistic", "medain"], 2, "; did you mean MEDIAN?"),
        (["--reject", "comparewarp"], 2, "; did you mean compare-warp?"),
        (["--format", "dcam"], 2, "; did you mean decam?"),
        (["--skymap", "ringz"], 1, "; did you mean rings?"),
        (
            ["--skymap", "rings"],
            2,
            "--skymap rings: num_rings: required, and not given; make the sky map with",
        ),
        (["--band", "G"], 1, "there are 'g', 'r'; did you mean g?"),
        (["--band", "Q"], 1, "No exposure is in band 'Q'; there are 'g', 'r'."),
        (["--tract", "3"], 1, "No exposure is on tract 3 of the sky map"),
        (["--patch", "7,7"], 1, "its patches are '0,0' to '0,0'"),
    ],
)
def test_what_may_have_been_meant(survey, tmp_path, arguments, status, message):
    ended = lamella("coadd", survey.table, "-o", tmp_path / "out", *arguments)
    assert ended.status == status
    assert message in ended.err
    assert not ended.err.rstrip().endswith("?.")
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_option_of_a_kind_of_sky_map_is_told_before_a_missing_one(tmp_path):
    ended = lamella("skymap", "make", "--kind", "rings", "--set", "num_ring=3", "-o", tmp_path / "a.json")
    assert ended.status == 2
    assert "did you mean num_rings?" in ended.err
    ended = lamella("skymap", "make", "--kind", "ringz", "-o", tmp_path / "a.json")
    assert "did you mean rings?" in ended.err


@pytest.mark.parametrize(
    ("command", "option"),
    [("stack", "-o"), ("stack", "--plain"), ("stack", "--artifacts"), ("skymap make", "-o")],
)
def test_a_result_has_a_name_that_says_what_it_is(survey, tmp_path, command, option):
    words = command.split()
    more = ["-o", tmp_path / "a.fits"] if option != "-o" else []
    more += ["--reject", "compare-warp"] if option == "--artifacts" else []
    ended = lamella(*words, survey.table, *more, option, tmp_path / "mix.jpg")
    assert ended.status == 2
    assert f"{tmp_path / 'mix.jpg'}: found this name of a file to write; expected NAME." in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_of_warps_is_stacked(coadds: Path, tmp_path):
    (tmp_path / "r").mkdir()
    for warp in (coadds / "warps").glob("warp-r-*"):
        (tmp_path / "r" / warp.name).symlink_to(warp)
    lamella_ok("stack", tmp_path / "r", "-o", tmp_path / "folder.fits", "-q")
    lamella_ok("stack", *(coadds / "warps").glob("warp-r-*"), "-o", tmp_path / "files.fits", "-q")
    both = [lamella_ok("inspect", tmp_path / name) for name in ("folder.fits", "files.fits")]
    depth, other = ([line for line in text.splitlines() if "depth" in line] for text in both)
    assert depth == other != []
    (tmp_path / "empty").mkdir()
    ended = lamella("stack", tmp_path / "empty", "-o", tmp_path / "b.fits")
    assert "found a folder without FITS files" in ended.err


def test_options_are_shown_with_what_they_mean():
    text = lamella_ok("coadd", "--show-config", "--band", "r", "--sigma-clip", "4")
    assert yaml.safe_load(text)["assemble"]["sigma_clip"] == 4.0
    lines = text.splitlines()
    at = lines.index("  sigma_clip: 4.0")
    assert lines[at - 1].startswith("  # ")
    assert "[sigma]" in lines[at - 1]
    assert max(map(len, lines)) <= 110
    assert lines[lines.index("band:") - 1].startswith("# ")
    values = yaml.safe_load(text)
    assert {name: values[name] for name in CoaddConfig.model_fields}.keys() == CoaddConfig.model_fields.keys()


@pytest.mark.slow
def test_a_field_on_several_tracts_is_told_and_one_of_them_can_be_chosen(survey, tmp_path):
    lamella_ok(
        "skymap", "make", "--kind", "rings", "--set", "num_rings=200", "--set", "pixel_scale=1",
        "-o", tmp_path / "rings.json",
    )  # fmt: skip
    common = (
        "coadd",
        survey.table,
        "-o",
        tmp_path / "out",
        "--skymap",
        tmp_path / "rings.json",
        "--band",
        "r",
    )
    text = lamella_ok(*common, "--dry-run")
    assert "4 of 4 exposures lie on several tracts of the sky map, which overlap" in " ".join(text.split())
    tract = text.split("overlap (")[1].split(",")[0].split()[0]
    text = lamella_ok(*common, "--dry-run", "--tract", tract)
    assert "several tracts" not in text
    assert f"{tract} · " in text
