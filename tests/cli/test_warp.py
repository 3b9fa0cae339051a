"""``lamella warp``: one warp per visit and patch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamella.formats.archive.products import read_metadata, read_product
from lamella.resources import Resources
from lamella.run import warp_run
from lamella.run.choose_grid import GridOptions
from lamella.run.patch_config import CoaddConfig
from lamella.testing.survey import Survey

from .conftest import change_fits, fits_bits, lamella, lamella_ok, listing


def test_the_warps_are_those_that_the_coadd_keeps(survey: Survey, coadds: Path, tmp_path: Path) -> None:
    text = lamella_ok("warp", survey.table, "-o", tmp_path, "--workers", 2)
    made = sorted(tmp_path.glob("warp-*"))
    assert [path.name for path in made] == [path.name for path in sorted((coadds / "warps").iterdir())]
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [[path.name, "2"] for path in made]
    for path in made:
        assert fits_bits(path) == fits_bits(coadds / "warps" / path.name)
    assert (tmp_path / "skymap.json").read_bytes() == (coadds / "skymap.json").read_bytes()


def test_the_grid_of_a_coadd_gives_the_same_bits(survey: Survey, coadds: Path, tmp_path: Path) -> None:
    for number, grid in enumerate(
        (f"{coadds}/coadd-r-0-0,0-plain.fits,IMAGE", f"{coadds}/coadd-r-0-0,0.fits")
    ):
        out = tmp_path / str(number)
        lamella_ok("warp", survey.table, "-o", out, "--band", "r", "--workers", 1, "--grid", grid)
        made = sorted(out.glob("warp-*"))
        assert len(made) == 2
        for path in made:
            ours, theirs = read_product(path), read_product(coadds / "warps" / path.name)
            assert ours.bbox == theirs.bbox
            for plane in ("image", "mask", "variance"):
                assert getattr(ours, plane).array.tobytes() == getattr(theirs, plane).array.tobytes()


def test_a_rerun_makes_what_is_missing_or_changed(own_survey: Survey, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["warp", own_survey.table, "-o", out, "--band", "r", "--workers", 1]
    lamella_ok(*command)
    first, second = sorted(out.glob("warp-*"))
    before = listing(out)
    assert lamella_ok(*command).count("kept") == 2
    assert listing(out) == before
    # Options of later stages do not matter to warps.
    lamella_ok(*command, "--set", "assemble.statistic=MEAN")
    assert listing(out) == before
    change_fits(own_survey.file(101, 1), lambda hdus: hdus["IMAGE"].data.__iadd__(1))
    assert lamella_ok(*command).count("kept") == 1
    after = listing(out)
    assert [before[path.name] == after[path.name] for path in (first, second)] == [False, True]
    second.write_bytes(second.read_bytes()[:9000])
    ended = lamella(*command)
    assert (ended.status, ended.out.count("kept")) == (0, 1)
    assert ended.err.startswith("Warning: A warp is made again: ")
    assert ended.err.count("\n") == 1
    assert read_product(second).visit == 103
    assert lamella_ok(*command, "--kernel", "bilinear").count("kept") == 0
    assert lamella_ok(*command, "--kernel", "bilinear", "--overwrite").count("kept") == 0
    assert set(read_metadata(first)) == {"lamella_fingerprint"}


def test_as_many_warps_are_matched_at_a_time_as_memory_allows(
    survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            sizes.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(warp_run, "ThreadPoolExecutor", Pool)
    config = CoaddConfig(warp_type="psf_matched")
    made = []
    for memory in (16.0, 1e5):
        folder = tmp_path / str(memory)
        run = warp_run.WarpRun(
            output=folder,
            config=config,
            grid=GridOptions(bands=("r",)),
            resources=Resources(threads=3, memory=memory),
        )
        run([survey.table])
        made.append([fits_bits(path) for path in sorted(folder.glob("matched-*"))])
    assert sizes == [3, 1, 3, 3]
    assert len(made[0]) == 2
    assert made[0] == made[1]
    text = lamella_ok(
        "warp", survey.table, "-o", tmp_path / "16.0", "--band", "r", "--psf-matched", "--memory", 16
    )
    assert text.count("kept") == 4


def test_compressed_warps_hold_the_same(survey: Survey, coadds: Path, tmp_path: Path) -> None:
    lamella_ok("warp", survey.table, "-o", tmp_path, "--band", "g", "--compress")
    path = sorted(tmp_path.glob("warp-*"))[0]
    ours, theirs = read_product(path), read_product(coadds / "warps" / path.name)
    assert path.stat().st_size < (coadds / "warps" / path.name).stat().st_size
    for plane in ("image", "mask", "variance"):
        assert getattr(ours, plane).array.tobytes() == getattr(theirs, plane).array.tobytes()


def test_a_visit_on_several_patches_and_a_choice_of_them(
    survey: Survey, patches: Path, tmp_path: Path
) -> None:
    lamella_ok("warp", survey.table, "-o", tmp_path, "--band", "r", "--skymap", patches, "--patch", "1,1")
    assert {path.name.split("-LamellaSim")[0] for path in tmp_path.glob("warp-*")} == {"warp-r-0-1,1"}


@pytest.mark.parametrize("hdu", ["VARIANCE", "IMAGE"])
def test_what_cannot_be_used_is_reported(own_survey: Survey, tmp_path: Path, hdu: str) -> None:
    change_fits(own_survey.file(101, 0), lambda hdus: hdus[hdu].data.fill(float("nan")))
    ended = lamella("warp", own_survey.table, "-o", tmp_path / "out", "--band", "r", "--workers", 1)
    assert ended.status == 0
    assert "visit 101 detector 0" in " ".join(ended.err.split())
    (path,) = (tmp_path / "out").glob("warp-*-101.fits")
    assert [one.id.detector for one in read_product(path).detectors] == [1]
    none = lamella(
        "warp", own_survey.table, "-o", tmp_path / "none", "--band", "r",
        "--set", "select.exclude_visits=[101, 103]",
    )  # fmt: skip
    assert none.status == 1
    assert "No warp was made" in none.err


def test_nothing_on_the_patch_is_an_error(survey: Survey, tmp_path: Path) -> None:
    ended = lamella("warp", survey.table, "-o", tmp_path / "out", "--center", "10,20", "--size", "0.01")
    assert ended.status == 1
    assert ended.err.startswith("Error: No warp was made")
