"""Rejection of artifacts and matched warps on the command line: files, reruns, warnings, the same bits."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import lamella
from lamella.coadd.assemble_control import AssembleConfig
from lamella.coadd.reject.reject import Findings
from lamella.coadd.stack.prepare import input_of
from lamella.data.coadd import PatchCoadd
from lamella.data.inputs import WarpInput
from lamella.formats.archive.products import read_product
from lamella.formats.recognise import open_exposures
from lamella.resources import Resources
from lamella.run import patch as patch_module
from lamella.run.coadd_run import CoaddRun
from lamella.run.patch_config import CoaddConfig, PatchConfig
from lamella.testing.config import SurveyConfig
from lamella.testing.survey import Survey, simulate_survey

from .conftest import lamella as command
from .conftest import lamella_ok, listing, product_bits

FOUR = SurveyConfig(
    bands=("r",),
    visits_per_band=4,
    detector_grid=(1, 2),
    detector_shape=(100, 90),
    stars=8,
    galaxies=5,
    bright_stars=1,
    dither=3.0,
    cosmic_rays=4,
    asteroids=0,
    satellites=1,
)
NAME = "coadd-r-0-0,0"
PLANES = ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked")
COMPARE = AssembleConfig(statistic="MEAN", reject={"method": "compare_warp"})
VISITS = (100, 101, 102, 103)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Four visits, one of them crossed by a satellite."""
    return simulate_survey(tmp_path_factory.mktemp("four"), FOUR)


@pytest.fixture(scope="module")
def compared(four: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of their coadd by CompareWarp, with the warps; not to be changed."""
    folder = tmp_path_factory.mktemp("compared")
    ended = command(
        "coadd", four.table, "-o", folder, "--reject", "compare-warp", "--keep-warps", "--workers", 1
    )
    assert ended.status == 0
    return folder


@pytest.fixture
def again(compared: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(compared, tmp_path / "again")
    return tmp_path / "again"


def run(survey: Survey, folder: Path, *options: object) -> None:
    ended = command("coadd", survey.table, "-o", folder, "--workers", 1, *options)
    assert ended.status == 0, ended.err


def coadd_of(folder: Path) -> PatchCoadd:
    coadd = read_product(folder / f"{NAME}.fits")
    assert isinstance(coadd, PatchCoadd)
    return coadd


def same_planes(ours: PatchCoadd, theirs: PatchCoadd) -> bool:
    part = theirs[ours.bbox]
    return all(getattr(ours, name).array.tobytes() == getattr(part, name).array.tobytes() for name in PLANES)


def changed(folder: Path, before: dict[str, tuple[int, int]]) -> set[str]:
    after = listing(folder)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


# What is written.


def test_files_record_and_page_tell_what_was_left_out(compared: Path) -> None:
    coadd, masks = coadd_of(compared), lamella.read_artifacts(compared / f"{NAME}-artifacts.fits")
    assert coadd.settings["assemble"]["statistic"] == "MEAN"
    assert [one.visit for one in masks.removals] == list(VISITS)
    assert masks.removals == coadd.removals
    assert any(one.streak for one in masks.removals)
    used = coadd.exposure_count.array
    assert (coadd.exposure_count_unmasked.array == used).all()  # what was removed counts as masked
    assert coadd.mask.get("CLIPPED")[masks.counts() > 0].all()
    record = json.loads((compared / f"{NAME}.json").read_text())
    assert record["files"]["artifacts"] == f"{NAME}-artifacts.fits"
    assert (compared / record["files"]["picture of artifacts"]).exists()
    assert [row["visit"] for row in record["artifacts"]] == list(VISITS)
    assert len(record["matching"]["detectors"]) == 8
    assert "matching" not in record["settings"]
    assert {"artifacts", "removed"} <= {picture["name"] for picture in record["pictures"]}
    page = (compared / "index.html").read_text()
    for text in ("Artifacts of all visits", "Visits left out per pixel", "px FWHM", f"{NAME}-artifacts.fits"):
        assert text in page


def test_kept_warps_come_in_pairs(compared: Path) -> None:
    names = {path.name for path in (compared / "warps").iterdir()}
    assert names == {
        f"{kind}-r-0-0,0-LamellaSim-{visit}.fits" for kind in ("warp", "matched") for visit in VISITS
    }
    pair = [
        read_product(compared / "warps" / f"{kind}-r-0-0,0-LamellaSim-101.fits")
        for kind in ("warp", "matched")
    ]
    assert pair[0].matched_psf is None
    assert pair[1].matched_psf is not None
    assert {record.id.visit for record in pair[1].match_records} == {101}


def test_a_satellite_is_gone(four: Survey, compared: Path, tmp_path: Path) -> None:
    """Where a visit lost a streak, the mean is that of the others; without rejection it is not."""
    masks = lamella.read_artifacts(compared / f"{NAME}-artifacts.fits")
    (visit,) = [one for one in masks.visits if one.removal.streak]
    streak = masks.counts("STREAK") > 0
    run(four, tmp_path, "--statistic", "MEAN")
    clean, plain = coadd_of(compared), coadd_of(tmp_path)
    good = streak & (clean.exposure_count.array > 0)
    noise = np.sqrt(clean.variance.array[good])
    assert np.median(clean.image.array[good] / noise) < 0.5
    assert np.median(plain.image.array[good] / noise) > 1.0
    assert visit.removal.fraction > 0.02


def test_a_visit_that_loses_much_is_told_everywhere(
    four: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # so that no text is folded
    ended = command(
        "coadd", four.table, "-o", tmp_path, "--reject", "compare-warp", "--workers", 1, "-q",
        "--set", "assemble.reject.warn_fraction=0.001",
    )  # fmt: skip
    assert ended.status == 0
    assert "Warnings" in ended.err
    # One cause is told once on the screen, with the number of visits.
    assert f"coadd {NAME.removeprefix('coadd-')}, LamellaSim visit 100 and 3 more" in ended.err
    record = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert [one["what"] for one in record["warnings"]] == [f"LamellaSim visit {visit}" for visit in VISITS]
    assert "more than 0.1 %" in record["warnings"][0]["reason"]
    assert "more than 0.1 %" in (tmp_path / "index.html").read_text()


def test_one_visit_is_no_error_and_said(four: Survey, tmp_path: Path) -> None:
    ended = command(
        "coadd", four.table, "-o", tmp_path, "--reject", "compare-warp", "--workers", 1,
        "--set", "select.exclude_visits=[100, 101, 102]",
    )  # fmt: skip
    assert ended.status == 0
    assert "visit 103 is the only visit" in " ".join(ended.err.split())
    coadd = coadd_of(tmp_path)
    assert any("the only visit" in note for note in coadd.notes)
    assert "the only visit" in (tmp_path / "index.html").read_text()
    assert lamella.read_artifacts(tmp_path / f"{NAME}-artifacts.fits").counts().sum() == 0


def test_a_target_that_no_visit_fits_is_a_failure_with_its_reason(four: Survey, tmp_path: Path) -> None:
    ended = command(
        "coadd", four.table, "-o", tmp_path, "--reject", "compare-warp", "--match-fwhm", 1.2, "--workers", 1
    )
    assert ended.status == 1
    assert "too narrow" in ended.err
    assert not (tmp_path / f"{NAME}.fits").exists()


def test_a_visit_without_a_match_is_compared_all_the_same_and_told(four: Survey, tmp_path: Path) -> None:
    infos = [source.info for source in open_exposures([four.table.absolute()]).sources]
    widths = sorted({info.psf_fwhm for info in infos if info.psf_fwhm is not None})
    between = 0.9 * widths[-1] / FOUR.pixel_scale  # too narrow for the worst
    ended = command(
        "coadd", four.table, "-o", tmp_path, "--reject", "compare-warp", "--match-fwhm", between,
        "--set", "match.max_residual=0.008", "--workers", 1, "--keep-warps",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    record = json.loads((tmp_path / f"{NAME}.json").read_text())
    failed = record["matching"]["unmatched"]
    assert len(failed) >= 1
    assert all("too narrow" in one["reason"] for one in failed)
    assert "too narrow" in (tmp_path / "index.html").read_text()
    assert "no matched warp" in " ".join(ended.err.split())
    # A rerun does not miss the matched warps that cannot be.
    before = listing(tmp_path)
    run(four, tmp_path, "--reject", "compare-warp", "--match-fwhm", between, "--keep-warps",
        "--set", "match.max_residual=0.008")  # fmt: skip
    assert changed(tmp_path, before) == {"index.html"}


# The same bits.


def test_all_front_doors_threads_and_budgets_give_the_same_bits(
    four: Survey, compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = coadd_of(compared)
    artifacts = (compared / f"{NAME}-artifacts.fits").read_bytes()
    # By hand: warps, matched warps, assemble.
    by_hand: list[WarpInput] = []
    for visit in reversed(VISITS):
        direct, matched = (
            read_product(compared / "warps" / f"{kind}-r-0-0,0-LamellaSim-{visit}.fits")
            for kind in ("warp", "matched")
        )
        by_hand.append(dataclasses.replace(input_of(direct), matched=input_of(matched).source))
    target = lamella.CoaddTarget(outer_bbox=expected.bbox, projection=expected.sky_projection)
    for threads in (1, 3):
        found = lamella.assemble(by_hand, COMPARE, target=target, resources=Resources(threads=threads))
        assert same_planes(found, expected)
        assert found.removals == expected.removals
    # By the function; a small budget puts warps on disk.
    written: list[Path] = []
    write = patch_module.write_scratch
    monkeypatch.setattr(
        patch_module, "write_scratch", lambda source, path: written.append(path) or write(source, path)
    )
    sources = open_exposures([four.table.absolute()]).sources
    for resources in (Resources(threads=2), Resources(threads=3, memory=0.5)):
        assert written == []
        seen: list[Findings] = []
        (found,) = lamella.coadd_exposures(
            sources[::-1],
            config=PatchConfig(assemble=COMPARE),
            resources=resources,
            on_findings=seen.append,
        )
        assert same_planes(found, expected)
        assert found.removals == expected.removals
        masks = lamella.ArtifactMasks.of(found, seen[0])
        lamella.write_artifacts(masks, tmp_path / "a.fits")
        assert (tmp_path / "a.fits").read_bytes() == artifacts
    assert len(written) == 2 * len(VISITS)
    # By the command, in threads and with warps on disk.
    out = tmp_path / "out"
    CoaddRun(
        output=out,
        config=CoaddConfig(assemble=COMPARE),
        resources=Resources(threads=4, memory=0.5),
    )([four.table])
    ours, theirs = product_bits(out), product_bits(compared)
    assert ours == {name: theirs[name] for name in ours}
    assert (out / f"{NAME}-artifacts.fits").read_bytes() == artifacts


@pytest.mark.slow
@pytest.mark.usefixtures("quick_workers")
def test_processes_give_the_same_bits(four: Survey, patches: Path, tmp_path: Path) -> None:
    options = "--reject", "compare-warp", "--skymap", patches, "--patch", "0,0", "--patch", "1,0"
    for workers in (1, 2):
        run(four, tmp_path / str(workers), *options, "--workers", workers)
    found = [product_bits(tmp_path / str(workers)) for workers in (1, 2)]
    assert found[0] == found[1]
    assert sum("artifacts" in name for name in found[0]) == 4


# A rerun.


def test_a_rerun_makes_what_is_missing_and_no_more(four: Survey, again: Path) -> None:
    options = ("--reject", "compare-warp", "--keep-warps")
    before = listing(again)
    run(four, again, *options)
    assert changed(again, before) == {"index.html"}
    bits = product_bits(again)
    for name in (
        f"{NAME}-artifacts.fits",
        f"{NAME}-artifacts.png",
        "warps/matched-r-0-0,0-LamellaSim-102.fits",
    ):
        (again / name).unlink()
        run(four, again, *options)
        assert product_bits(again) == bits


@pytest.mark.parametrize(
    "options",
    [
        ["--reject", "safe-clip"],
        ["--reject", "compare-warp", "--match-fwhm", "7"],
        ["--reject", "compare-warp", "--set", "assemble.reject.compare_warp.threshold=6"],
    ],
    ids=" ".join,
)
def test_a_changed_option_makes_the_coadd_again(four: Survey, again: Path, options: list[str]) -> None:
    before = listing(again)
    run(four, again, *options)
    assert {f"{NAME}.fits", f"{NAME}-artifacts.fits", f"{NAME}.json"} <= changed(again, before)


def test_artifacts_of_an_earlier_run_do_not_stay(four: Survey, again: Path) -> None:
    run(four, again, "--reject", "none")
    assert not list(again.glob("*artifacts*"))
    record = json.loads((again / f"{NAME}.json").read_text())
    assert (record["artifacts"], record["matching"], record["warnings"]) == ([], {}, [])
    assert "Artifacts of all visits" not in (again / "index.html").read_text()


# Matched warps.


def test_a_coadd_of_matched_warps(four: Survey, compared: Path, tmp_path: Path) -> None:
    run(four, tmp_path / "a", "--psf-matched", "--statistic", "MEAN")
    coadd = coadd_of(tmp_path / "a")
    assert coadd.matched_psf is not None
    assert coadd.psf == coadd.matched_psf
    page = (tmp_path / "a" / "index.html").read_text()
    assert "PSF matching" in page
    out = tmp_path / "b.fits"
    matched = sorted((compared / "warps").glob("matched-*"))
    common = ("--statistic", "MEAN", "--skymap", compared / "skymap.json", "--patch", "0,0", "--workers", 1)
    lamella_ok("stack", *matched, "-o", out, *common)
    assert same_planes(read_product(out), coadd)
    # Of pairs, the option takes the matched ones.
    lamella_ok("stack", *(compared / "warps").iterdir(), "-o", out, "--overwrite", "--psf-matched", *common)
    assert same_planes(read_product(out), coadd)
    wide = tmp_path / "wide"
    run(four, wide, "--psf-matched", "--match-fwhm", 7.0)
    record = json.loads((wide / f"{NAME}.json").read_text())
    assert record["matching"]["fwhm"] == 7.0


def test_warps_of_the_command_are_those_that_coadd_keeps(
    four: Survey, compared: Path, tmp_path: Path
) -> None:
    text = lamella_ok("warp", four.table, "-o", tmp_path, "--psf-matched", "--workers", 2)
    names = {path.name for path in tmp_path.glob("*.fits")}
    assert names == {path.name for path in (compared / "warps").iterdir()}
    for name in names:
        ours, theirs = (read_product(folder / name) for folder in (tmp_path, compared / "warps"))
        assert ours.bbox == theirs.bbox
        for plane in PLANES[:3]:
            assert getattr(ours, plane).array.tobytes() == getattr(theirs, plane).array.tobytes(), name
        assert ours.metadata["lamella_fingerprint"] == theirs.metadata["lamella_fingerprint"]
    assert all(name in text for name in names)
    before = listing(tmp_path)
    text = lamella_ok("warp", four.table, "-o", tmp_path, "--psf-matched", "--workers", 1)
    assert changed(tmp_path, before) == set()
    assert text.count("kept") == 8
    # Another target: the direct warps stay.
    lamella_ok("warp", four.table, "-o", tmp_path, "--psf-matched", "--match-fwhm", 7, "--workers", 1)
    assert changed(tmp_path, before) == {name for name in names if name.startswith("matched")}


def test_warps_that_cannot_be_matched_are_told(four: Survey, tmp_path: Path) -> None:
    ended = command("warp", four.table, "-o", tmp_path, "--psf-matched", "--match-fwhm", 1.2, "--workers", 1)
    assert ended.status == 0
    assert "too narrow" in " ".join(ended.err.split())
    assert not list(tmp_path.glob("matched-*"))
    assert len(list(tmp_path.glob("warp-*"))) == 4


# Warps on disk.


def test_pairs_on_disk_give_the_coadd_of_the_command(compared: Path, tmp_path: Path) -> None:
    out, artifacts = tmp_path / "a.fits", tmp_path / "artifacts.fits"
    warps = sorted((compared / "warps").iterdir())[::-1]
    place = ("--skymap", compared / "skymap.json", "--patch", "0,0", "--workers", 2)
    ended = command("stack", *warps, "-o", out, "--reject", "compare-warp", "--artifacts", artifacts, *place)
    assert ended.status == 0
    assert same_planes(read_product(out), coadd_of(compared))
    assert artifacts.read_bytes() == (compared / f"{NAME}-artifacts.fits").read_bytes()
    # SafeClip needs no matched warps, and does not mind them.
    for inputs in (warps, [path for path in warps if path.name.startswith("warp")]):
        ended = command("stack", *inputs, "-o", out, "--overwrite", "--reject", "safe-clip", *place)
        assert ended.status == 0
        assert sum(one.clipped for one in read_product(out).removals) > 0


def test_stack_says_what_is_missing(compared: Path, tmp_path: Path) -> None:
    warps, out = compared / "warps", tmp_path / "a.fits"
    direct, matched = (sorted(warps.glob(f"{kind}-*")) for kind in ("warp", "matched"))
    for arguments, status, message in (
        ([*direct, "--reject", "compare-warp"], 1, "no warp has a PSF-matched one"),
        ([*direct[1:], *matched], 1, "the only warp of its visit"),
        ([*direct, *matched[1:], "--psf-matched"], 1, "the only warp of its visit"),
        ([*direct, "--artifacts", tmp_path / "b.fits"], 2, "--artifacts goes with --reject"),
        ([*direct, "--reject", "safe-clip", "--statistic", "MEDIAN"], 2, "MEAN of the rest"),
    ):
        ended = command("stack", *arguments, "-o", out)
        assert (ended.status, message in " ".join(ended.err.split())) == (status, True), ended.err
    assert not out.exists()
    ended = command("stack", direct[0], "-o", out, "--reject", "safe-clip")
    assert (ended.status, "is the only visit" in " ".join(ended.err.split())) == (0, True)


# Looking at it.


def test_inspect_tells_of_artifacts_and_matches(compared: Path) -> None:
    text = lamella_ok("inspect", compared / f"{NAME}-artifacts.fits")
    words = " ".join(text.split())
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    for piece in ("band r, tract 0, patch 0,0", "compare_warp", "LamellaSim 103", "transient", "CLIPPED"):
        assert piece in words, piece
    warp = " ".join(lamella_ok("inspect", compared / "warps" / "matched-r-0-0,0-LamellaSim-100.fits").split())
    assert "pixels full width at half maximum" in warp
    assert "of the peak of the PSF; noise at most" in warp
    coadd = " ".join(lamella_ok("inspect", compared / f"{NAME}.fits").split())
    assert "4 visits to a PSF of" in coadd
    assert "artifacts" in coadd


def test_inspect_of_a_broken_file_is_one_clear_error(compared: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes((compared / f"{NAME}-artifacts.fits").read_bytes()[:9000])
    ended = command("inspect", path)
    assert (ended.status, str(path) in ended.err, ended.err.count("\n")) == (1, True, 1)
