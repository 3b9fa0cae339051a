"""Runs of ``lamella coadd``: what they make, what a rerun does, and what cannot go wrong."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import lamella
from lamella.fits.text import from_fits
from lamella.formats.archive.products import read_product
from lamella.formats.recognise import Inputs, open_exposures
from lamella.resources import Resources
from lamella.run import outputs, plan
from lamella.run.choose_grid import GridOptions
from lamella.run.coadd_run import CoaddRun
from lamella.run.coadds import coadd_exposures
from lamella.run.folder import hold_folder
from lamella.run.progress import Progress
from lamella.testing.survey import Survey

from ..processes import limited_files
from .conftest import change_fits, fits_bits, lamella_ok, listing, product_bits
from .conftest import lamella as command

PRODUCTS = {f"coadd-{band}-0-0,0{end}" for band in "gr" for end in (".fits", "-plain.fits", ".png", ".json")}
DRAWN = ("image.jpg", "count.png", "variance.png", "mask.jpg", "psf.png")
PRODUCTS |= {f"pictures/coadd-{band}-0-0,0-{name}" for band in "gr" for name in DRAWN}
OTHERS = {
    "pictures/color-0-0,0-color.jpg",
    "color-0-0,0.png",
    "color-0-0,0.json",
    "index.html",
    "skymap.json",
}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def changed(folder: Path, before: dict[str, tuple[int, int]]) -> set[str]:
    after = listing(folder)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_each_band_gets_its_files_and_the_run_its_page(coadds: Path) -> None:
    warps = {name for name in names(coadds) if name.startswith("warps/")}
    assert names(coadds) - warps == PRODUCTS | OTHERS
    assert {Path(name).name for name in warps} == {
        f"warp-{band}-0-0,0-LamellaSim-{visit}.fits" for visit, band in enumerate("grgr", start=100)
    }
    page = (coadds / "index.html").read_text()
    assert "coadd-r-0-0,0.fits" in page
    assert not list(coadds.rglob(".*"))


def test_the_summary_tells_each_band(survey: Survey, finished: Path) -> None:
    text = lamella_ok("coadd", survey.table, "-o", finished)
    assert [line.split()[0] for line in text.splitlines() if "0 · 0,0" in line] == ["g", "r"]
    assert f"Report: {finished / 'index.html'}" in text
    assert lamella_ok("coadd", survey.table, "-o", finished, "-q") == ""


# The same bits for every front door.


def test_command_function_and_plain_python_give_the_same_bits(survey: Survey, coadds: Path) -> None:
    sources = open_exposures([survey.table.absolute()]).sources
    by_function = {coadd.band: coadd for coadd in coadd_exposures(sources)}
    for band in "gr":
        kept = read_product(coadds / f"coadd-{band}-0-0,0.fits")
        warps = [read_product(path) for path in sorted((coadds / "warps").glob(f"warp-{band}-*"))]
        by_hand = lamella.assemble(warps, target=None)
        for other in (by_function[band], by_hand):
            part = kept[other.bbox]
            for plane in ("image", "mask", "variance", "exposure_count", "exposure_count_unmasked"):
                assert getattr(part, plane).array.tobytes() == getattr(other, plane).array.tobytes(), plane
            assert [(d.id, d.weight) for d in part.detectors] == [(d.id, d.weight) for d in other.detectors]


@pytest.mark.usefixtures("quick_workers")
@pytest.mark.parametrize("workers", [pytest.param(2, marks=pytest.mark.slow), 5])
def test_workers_do_not_change_a_bit(
    survey: Survey, patches: Path, patch_coadds: Path, tmp_path: Path, workers: int
) -> None:
    bands = ["--band", "r"] + ([] if workers == 2 else ["--patch", "0,0"])  # processes, or threads
    lamella_ok(
        "coadd", survey.table, "-o", tmp_path, "--skymap", patches, "--workers", workers, *bands,
        "--memory", 16,
    )  # fmt: skip
    expected = product_bits(patch_coadds)
    found = product_bits(tmp_path)
    assert found == {name: expected[name] for name in found}
    assert len(found) == (13 if workers == 2 else 4)


def test_the_order_of_the_inputs_does_not_change_a_bit(own_survey: Survey, coadds: Path) -> None:
    rows = own_survey.table.read_text().splitlines()
    start = next(i for i, row in enumerate(rows) if not row.startswith("#")) + 1
    own_survey.table.write_text("\n".join(rows[:start] + rows[: start - 1 : -1]) + "\n")
    out = own_survey.table.parent / "out"
    lamella_ok("coadd", own_survey.table, "-o", out, "--band", "g", "--workers", 1)
    ours, theirs = (fits_bits(folder / "coadd-g-0-0,0.fits") for folder in (out, coadds))
    # All planes; the tables name the files, which lie elsewhere here.
    pixels = [(a, b) for a, b in zip(ours[1::2], theirs[1::2], strict=True)]
    assert [a == b for a, b in pixels[:6]] == [True] * 6


# A rerun.


def test_a_rerun_does_nothing_that_is_done(survey: Survey, finished: Path) -> None:
    before = listing(finished)
    text = lamella_ok("coadd", survey.table, "-o", finished, "--keep-warps")
    assert changed(finished, before) == {"index.html"}
    assert text.count("kept") == 2
    # Fewer products are asked for: nothing to do either.
    lamella_ok("coadd", survey.table, "-o", finished)
    assert changed(finished, before) == {"index.html"}


def test_overwrite_makes_all_again(survey: Survey, finished: Path) -> None:
    before = listing(finished)
    bits = product_bits(finished)
    lamella_ok("coadd", survey.table, "-o", finished, "--overwrite", "--keep-warps", "--workers", 1)
    assert changed(finished, before) >= PRODUCTS | {name for name in before if name.startswith("warps")}
    assert product_bits(finished) == bits


@pytest.mark.parametrize(
    "options",
    [["--statistic", "MEAN"], ["--kernel", "bilinear"], ["--edge-width", "3"], ["--set", "gaps.max_gap=3"]],
    ids=" ".join,
)
def test_a_changed_option_makes_all_coadds_again(survey: Survey, finished: Path, options: list[str]) -> None:
    options = [option.replace("gaps.", "assemble.gaps.") for option in options]
    before = listing(finished)
    lamella_ok("coadd", survey.table, "-o", finished, "--band", "r", "--workers", 1, *options)
    assert changed(finished, before) >= {name for name in PRODUCTS if "-r-" in name} - {"coadd-r-0-0,0.png"}
    assert not any("-g-" in name for name in changed(finished, before))


def test_a_changed_exposure_makes_its_band_again_and_no_other(own_survey: Survey, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lamella_ok("coadd", own_survey.table, "-o", out, "--workers", 1)
    before = listing(out)
    path = own_survey.file(101, 0)
    change_fits(path, lambda hdus: hdus["IMAGE"].data.__iadd__(100))
    lamella_ok("coadd", own_survey.table, "-o", out, "--workers", 1)
    assert changed(out, before) == {n for n in PRODUCTS if "-r-" in n} | OTHERS - {"skymap.json"}
    # A file that is touched, or restored, has the content that it had.
    before = listing(out)
    path, stat = own_survey.file(100, 1), own_survey.file(100, 1).stat()
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)
    lamella_ok("coadd", own_survey.table, "-o", out, "--workers", 1)
    assert not any(name.startswith("coadd") for name in changed(out, before))
    # One that is replaced by another of the same size and time has not.
    content = bytearray(path.read_bytes())
    with fits.open(path) as hdus:
        content[hdus["IMAGE"].fileinfo()["datLoc"] + 4000] ^= 1
    path.with_name("copy").write_bytes(content)
    os.utime(path.with_name("copy"), ns=(stat.st_atime_ns, path.stat().st_mtime_ns))
    path.with_name("copy").replace(path)
    lamella_ok("coadd", own_survey.table, "-o", out, "--workers", 1)
    assert {n for n in changed(out, before) if n.startswith("coadd")} >= {"coadd-g-0-0,0.fits"}
    assert not any("-r-" in name for name in changed(out, before))


def test_a_row_that_is_added_to_the_table_leaves_other_bands_alone(
    own_survey: Survey, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    text = own_survey.table.read_text().splitlines()
    own_survey.table.write_text("\n".join(text[:-1]) + "\n")  # without the last exposure, of band r
    grid = ["--center", "150.1,2.2", "--size", "0.008", "--scale", "0.2"]
    lamella_ok("coadd", own_survey.table, "-o", out, "--workers", 1, *grid)
    before = listing(out)
    own_survey.table.write_text("\n".join(text) + "\n")
    lamella_ok("coadd", own_survey.table, "-o", out, "--workers", 1, *grid)
    assert changed(out, before) == {n for n in PRODUCTS if "-r-" in n} | OTHERS - {"skymap.json"}


def test_a_missing_or_damaged_product_is_made_again(survey: Survey, finished: Path) -> None:
    bits = product_bits(finished)
    (finished / "coadd-g-0-0,0.png").unlink()
    (finished / "coadd-r-0-0,0.json").write_text("{")
    (finished / "color-0-0,0.json").write_text("{")
    ended = command("coadd", survey.table, "-o", finished, "--workers", 1)
    assert "The coadd g-0-0,0 was made again: coadd-g-0-0,0.png is no longer there." in ended.err
    assert "The coadd r-0-0,0 was made again: " in ended.err
    assert ended.status == 0
    assert product_bits(finished) == bits
    assert names(finished) >= PRODUCTS | OTHERS


def test_products_that_were_cut_off_emptied_or_changed_are_made_again_with_one_line(
    survey: Survey, finished: Path
) -> None:
    bits, texts = product_bits(finished), {}
    for number, name in enumerate(sorted(names(finished) & PRODUCTS | {"color-0-0,0.png"})):
        content = bytearray((finished / name).read_bytes())
        content[len(content) // 2] ^= 1
        texts[name] = (b"", content[: len(content) // 2], content)[number % 3]
    # Of each coadd one file, in turn.
    for name in sorted(texts)[:: len(texts) // 5]:
        before = listing(finished)
        (finished / name).write_bytes(texts[name])
        ended = command("coadd", survey.table, "-o", finished, "--workers", 1)
        assert ended.status == 0, name
        assert product_bits(finished) == bits, name
        assert ended.err.count("was made again: ") == (not name.startswith("color")), name
        band = "-r-" if "-g-" in name else "-g-"
        assert not any(band in other for other in changed(finished, before)), name


def test_warps_that_are_asked_for_later_are_made(survey: Survey, tmp_path: Path) -> None:
    command_line = ["coadd", survey.table, "-o", tmp_path, "--band", "r", "--workers", 1]
    lamella_ok(*command_line)
    assert not (tmp_path / "warps").exists()
    lamella_ok(*command_line, "--keep-warps")
    warps = sorted((tmp_path / "warps").iterdir())
    assert len(warps) == 2
    warps[0].unlink()
    lamella_ok(*command_line, "--keep-warps")
    assert sorted((tmp_path / "warps").iterdir()) == warps


def test_results_inside_of_the_input_folder_are_not_taken_for_exposures(
    own_survey: Survey, tmp_path: Path
) -> None:
    folder = own_survey.table.parent
    out = folder / "out"
    for _ in range(2):
        ended = command("coadd", folder, "-o", out, "--band", "r", "--workers", 1)
        assert (ended.status, ended.err) == (0, "")
    assert json.loads((out / "coadd-r-0-0,0.json").read_text())["summary"]["detectors"] == 4


# Writing.


def test_two_runs_in_one_folder_are_kept_apart(survey: Survey, finished: Path) -> None:
    before = listing(finished)
    with hold_folder(finished, re.compile("nothing")):
        ended = command("coadd", survey.table, "-o", finished)
    assert ended.status == 1
    assert "another run of lamella is writing to it" in ended.err
    assert changed(finished, before) == set()


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_an_output_that_is_no_folder_is_one_clear_error(survey: Survey, tmp_path: Path, output: str) -> None:
    (tmp_path / "file").write_text("mine")
    ended = command("coadd", survey.table, "-o", tmp_path / output)
    assert ended.status == 1
    assert ended.err.startswith(f"Error: {tmp_path / output}: cannot be written: ")
    assert ended.err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("broken", "left"),
    [
        ("skymap.json", set()),
        ("coadd-r-0-0,0.fits", {"skymap.json"}),
        ("coadd-r-0-0,0-plain.fits", {"skymap.json", "coadd-r-0-0,0.fits"}),
    ],
)
def test_a_full_disk_leaves_nothing_half_written_and_a_rerun_continues(
    survey: Survey, coadds: Path, tmp_path: Path, broken: str, left: set[str]
) -> None:
    command_line = ["coadd", survey.table, "-o", tmp_path, "--band", "r", "--workers", 1]
    with limited_files((coadds / broken).stat().st_size - 100):
        ended = command(*command_line)
    assert ended.status == 1
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    assert f"{broken}: cannot be written: File too large" in ended.err
    assert names(tmp_path) == left
    lamella_ok(*command_line)
    expected = product_bits(coadds)
    made = {n: b == expected[n] for n, b in product_bits(tmp_path).items() if "-r-" in n}
    assert set(made.values()) == {True}
    assert made.keys() >= {"coadd-r-0-0,0.fits", "coadd-r-0-0,0-plain.fits", "coadd-r-0-0,0.png"}


# Some of it fails.


def test_patches_that_cannot_be_made_are_reported_and_the_others_are_made(
    survey: Survey, patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = outputs.make_patch

    def fail_at_one(job, config, work):  # type: ignore[no-untyped-def]
        if job.patch == (1, 0):
            raise ZeroDivisionError("a bug")
        return make(job, config, work)

    monkeypatch.setattr(outputs, "make_patch", fail_at_one)
    command_line = ["coadd", survey.table, "-o", tmp_path, "--skymap", patches, "--band", "r"]
    ended = command(*command_line, "--workers", 1)
    assert ended.status == 1
    assert "coadd r-0-1,0" in ended.err
    assert "ZeroDivisionError: a bug" in ended.err
    assert "ZeroDivisionError: a bug" in (tmp_path / "index.html").read_text()
    made = {path.name for path in tmp_path.glob("coadd-*.json")}
    assert made == {f"coadd-r-0-{patch}.json" for patch in ("0,0", "0,1", "1,1")}
    monkeypatch.undo()
    before = listing(tmp_path)
    lamella_ok(*command_line, "--workers", 1)
    assert {name for name in changed(tmp_path, before) if name.startswith("coadd")} == {
        f"coadd-r-0-1,0{end}" for end in (".fits", "-plain.fits", ".png", ".json")
    }


def test_a_patch_without_data_is_told_and_is_no_failure(
    survey: Survey, patches: Path, tmp_path: Path
) -> None:
    ended = command(
        "coadd", survey.table, "-o", tmp_path, "--set", "select.exclude_visits=[100, 102]", "--workers", 1
    )
    assert ended.status == 0
    assert "coadd g-0-0,0" in ended.err
    assert "visit 100 is excluded" in " ".join(ended.err.split())
    assert "visit 100 is excluded" in (tmp_path / "index.html").read_text()
    assert not (tmp_path / "coadd-g-0-0,0.fits").exists()
    assert (tmp_path / "coadd-r-0-0,0.fits").exists()


def test_a_coadd_whose_exposures_cannot_be_read_is_a_failure(own_survey: Survey, tmp_path: Path) -> None:
    """The other bands are made, and the status says that one is not."""
    for detector in (0, 1):
        change_fits(own_survey.file(100, detector), lambda hdus: hdus["VARIANCE"].data.fill(-1.0))
    out = tmp_path / "out"
    options = ["--set", "select.exclude_visits=[102]", "--workers", 1]
    ended = command("coadd", own_survey.table, "-o", out, *options)
    assert ended.status == 1
    assert "Failed" in ended.err
    assert "coadd g-0-0,0" in ended.err
    assert (out / "coadd-r-0-0,0.fits").exists()


def test_when_nothing_could_be_made_the_status_says_so(survey: Survey, tmp_path: Path) -> None:
    ended = command("coadd", survey.table, "-o", tmp_path, "--max-psf-fwhm", "0.1", "--workers", 1)
    assert ended.status == 1
    assert "No coadd was made" in ended.err
    assert "PSF FWHM" in ended.err
    assert not list(tmp_path.glob("coadd-*"))


def test_a_plain_python_call_makes_the_same_and_a_second_one_finds_it_done(
    survey: Survey, coadds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[Progress] = []
    run = CoaddRun(
        output=tmp_path,
        grid=GridOptions(bands=("g",)),
        resources=Resources(threads=1),
        on_progress=steps.append,
    )
    record = run([survey.table])
    assert [coadd.summary.band for coadd in record.coadds] == ["g"]
    assert record.failures == ()
    told = [(step.stage, step.done, step.total) for step in steps]
    assert told[:3] == [("warping", 0, 2), ("warping", 1, 2), ("warping", 2, 2)]
    assert [stage for stage in ("warping", "stacking", "writing") if (stage, 0) in {t[:2] for t in told}]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert {(step.job, step.visits) for step in steps} == {("g-0-0,0", 2)}
    count = len(steps)
    bits, theirs = product_bits(tmp_path), product_bits(coadds)
    assert bits == {name: theirs[name] for name in bits}
    before = listing(tmp_path)
    again = run([survey.table])
    assert [(coadd.name, coadd.kept) for coadd in again.coadds] == [("g-0-0,0", True)]
    assert changed(tmp_path, before) == {"index.html"}
    assert len(steps) == count
    assert capsys.readouterr() == ("", "")


def test_regions_of_bright_objects_are_painted(survey: Survey, tmp_path: Path) -> None:
    regions = tmp_path / "stars.reg"
    regions.write_text("wcs; fk5\ncircle(150.1d,2.2d,0.0010d) # ID: 1\n")
    out = tmp_path / "out"
    call = ("coadd", survey.table, "-o", out, "--band", "r", "--bright-objects", regions, "--workers", 1)
    lamella_ok(*call)
    with fits.open(out / "coadd-r-0-0,0-plain.fits") as hdus:
        bit = hdus["MASK"].header["MP_BRIGHT_OBJECT"]
        painted = int(np.count_nonzero(hdus["MASK"].data & (1 << bit)))
    assert painted == pytest.approx(np.pi * (0.0010 * 3600 / 0.2) ** 2, rel=0.02)
    preview = json.loads(lamella_ok(*call, "--dry-run", "--json"))
    assert [patch["kept"] for patch in preview["patches"]] == [True]
    before = listing(out)
    regions.write_text("wcs; fk5\ncircle(150.1d,2.2d,0.0005d) # ID: 1\n")
    lamella_ok(*call)
    assert "coadd-r-0-0,0.fits" in changed(out, before)


def test_a_folder_can_be_moved(survey: Survey, finished: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(finished, moved)
    before = listing(moved)
    lamella_ok("coadd", survey.table, "-o", moved)
    assert changed(moved, before) == {"index.html"}


_DEADLY = """
import dataclasses, os
from typing import Any
@dataclasses.dataclass(frozen=True)
class Deadly:
    inner: Any
    @property
    def info(self):
        return self.inner.info
    def read(self):
        os._exit(9)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("quick_workers")
def test_a_worker_that_dies_costs_its_own_coadd_only(
    survey: Survey, coadds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text(_DEADLY)
    monkeypatch.syspath_prepend(tmp_path)
    deadly = importlib.import_module("deadly").Deadly
    find = plan.open_exposures

    def find_deadly(*arguments: Any, **options: Any) -> Inputs:
        found = find(*arguments, **options)
        return Inputs(tuple(deadly(s) if s.info.id.visit == 101 else s for s in found.sources))

    monkeypatch.setattr(plan, "open_exposures", find_deadly)
    out = tmp_path / "out"
    ended = command("coadd", survey.table, "-o", out, "--workers", 2)
    assert ended.status == 1
    assert "coadd r-0-0,0" in ended.err
    assert "died" in ended.err
    assert {path.name for path in out.glob("coadd-*.fits")} == {
        "coadd-g-0-0,0.fits",
        "coadd-g-0-0,0-plain.fits",
    }
    assert fits_bits(out / "coadd-g-0-0,0.fits") == fits_bits(coadds / "coadd-g-0-0,0.fits")
    assert not list(out.rglob(".lamella*"))


def test_folders_and_files_may_have_any_letters(survey: Survey, tmp_path: Path) -> None:
    folder = tmp_path / "José_星"
    shutil.copytree(survey.table.parent, folder)
    out = tmp_path / "öut"
    lamella_ok("coadd", folder, "-o", out, "--band", "r", "--workers", 1, "--quiet")
    with fits.open(out / "coadd-r-0-0,0-plain.fits") as hdus:
        paths = [from_fits(path) for path in hdus["INPUTS"].data["path"]]
    assert paths
    assert all(path.startswith(str(folder)) for path in paths)
    assert str(folder) in (out / "coadd-r-0-0,0.json").read_text(encoding="utf-8")
    assert "José_星" in (out / "index.html").read_text(encoding="utf-8")
