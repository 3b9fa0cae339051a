"""``lamella skymap``: make, show, find."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.sky.registry import load_skymap
from lamella.testing.survey import Survey

from .conftest import lamella, lamella_ok


def test_a_map_around_exposures_is_that_of_the_coadd(survey: Survey, coadds: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    text = lamella_ok("skymap", "make", survey.table, "-o", path)
    assert load_skymap(path) == load_skymap(coadds / "skymap.json")
    assert load_skymap(path).identity in text


def test_options_and_name_of_a_fitted_map(survey: Survey, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    lamella_ok(
        "skymap", "make", survey.table, "-o", path, "--scale", "0.4", "--set", "patch_size=50",
        "--set", "border=3.0", "--name", "mine",
    )  # fmt: skip
    skymap = load_skymap(path)
    assert skymap.name == "mine"
    assert skymap[0].n_patches.x > 1
    assert skymap.config.to_dict()["pixel_scale"] == 0.4


def test_a_map_for_an_area_needs_no_exposures(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    area = ["--center", "10:00:00,-01:30:00", "--size", "0.1,0.05"]
    lamella_ok("skymap", "make", *area, "--scale", "0.5", "-o", path)
    tract = load_skymap(path)[0]
    assert (tract.bbox.x.size, tract.bbox.y.size) == (720, 360)
    assert (tract.center.ra.deg, tract.center.dec.deg) == pytest.approx((150.0, -1.5))
    ended = lamella("skymap", "make", *area, "-o", tmp_path / "other.json")
    assert (ended.status, "--scale is needed" in ended.err) == (2, True)
    ended = lamella("skymap", "make", "-o", tmp_path / "other.json")
    assert ended.status == 1
    ended = lamella("skymap", "make", "--center", "1,2", "-o", tmp_path / "other.json")
    assert (ended.status, "go together" in ended.err) == (2, True)
    assert not (tmp_path / "other.json").exists()


def test_a_map_of_a_kind_that_covers_the_sky(tmp_path: Path) -> None:
    path = tmp_path / "rings.json"
    text = lamella_ok("skymap", "make", "--kind", "rings", "--set", "num_rings=20", "-o", path)
    skymap = load_skymap(path)
    assert skymap.kind == "rings"
    assert f"and {len(skymap) - 20} more tracts" in text
    for wrong, status in (
        (["--set", "num_rungs=20"], 2),
        (["--set", "num_rings"], 2),
        (["--center", "1,2", "--size", "1"], 2),
        (["a.fits"], 2),
    ):
        assert (
            lamella("skymap", "make", "--kind", "rings", *wrong, "-o", tmp_path / "b.json").status == status
        )
    assert not (tmp_path / "b.json").exists()


def test_a_map_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text("mine")
    command = ["skymap", "make", "--kind", "dodeca", "-o", path]
    ended = lamella(*command)
    assert (ended.status, "--overwrite" in ended.err) == (1, True)
    assert path.read_text() == "mine"
    lamella_ok(*command, "--overwrite")
    assert load_skymap(path).kind == "dodeca"


def test_show_and_find(survey: Survey, patches: Path) -> None:
    shown = lamella_ok("skymap", "show", patches)
    assert "2 x 2" in shown
    assert "2 x 2" in lamella_ok("skymap", "show", patches, "--tract", "0")
    ended = lamella("skymap", "show", patches, "--tract", "9")
    assert (ended.status, "9" in ended.err) == (1, True)

    patch = load_skymap(patches)[0].patch((1, 0))
    centre = patch.projection.pixel_to_sky(x=patch.inner_bbox.x.center, y=patch.inner_bbox.y.center)
    found = lamella_ok("skymap", "find", patches, "--at", f"{centre.ra.deg:.8f},{centre.dec.deg:.8f}")
    assert found.split()[-2:] == ["0", "1,0"]
    rows = lamella_ok("skymap", "find", patches, survey.table).splitlines()[1:]
    assert len(rows) == 8
    assert rows[0].startswith("LamellaSim visit 100 detector 0")
    ended = lamella("skymap", "find", patches, "--at", "10,20")
    assert (ended.status, ended.err.startswith("Error: ")) == (1, True)


def test_a_map_by_name_or_by_file_can_be_used(survey: Survey, patches: Path, tmp_path: Path) -> None:
    ended = lamella("coadd", survey.table, "-o", tmp_path, "--skymap", patches, "--scale", "1")
    assert (ended.status, "fixes the pixel grid" in ended.err) == (2, True)
    ended = lamella("coadd", survey.table, "-o", tmp_path, "--skymap", "dodeca", "--patch", "999,999")
    assert (ended.status, "There is no patch '999,999' in tract" in ended.err) == (1, True)
