"""The documented commands on a repository."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lsst.daf.butler", reason="needs the extra [lsst]")

from lamella.sky.discrete import DiscreteSkyMap
from lamella.tasks.cmdline.status import EXIT_NOT_STARTED, EXIT_NOTHING
from lamella.tasks.manual import commands
from lamella.tasks.manual.assembleCoadd import AssembleCoaddTask
from lamella.tasks.manual.compareWarpAssembleCoadd import CompareWarpAssembleCoaddTask
from lamella.tasks.manual.safeClipAssembleCoadd import SafeClipAssembleCoaddTask
from lamella.tasks.repository import create_repository, open_repository

from ..hsc_fixture import SELECT_HSC_I
from .conftest import plane

pytestmark = [pytest.mark.slow, pytest.mark.any_database]

ID = ["--id", "tract=0", "patch=5,4", "filter=HSC-I"]
SELECT = shlex.split(SELECT_HSC_I)


@pytest.mark.parametrize(
    ("args", "rest", "task"),
    [
        (["--legacyCoadd", "REPO", "--id"], ["REPO", "--id"], "assembleCoadd"),
        (["REPO", "--legacyCoadd"], ["REPO"], "assembleCoadd"),
        (["REPO"], ["REPO"], "safeClipAssembleCoadd"),
        (["REPO", "--warpCompareCoadd"], ["REPO"], "compareWarpAssembleCoadd"),
        (["--compareWarpCoadd", "REPO"], ["REPO"], "compareWarpAssembleCoadd"),
    ],
)
def test_switches_choose_the_task(args: list[str], rest: list[str], task: str) -> None:
    assert commands.choose_task(args) == (rest, task)


def test_switches_exclude_each_other(capsys: Any) -> None:
    with pytest.raises(SystemExit) as exit:
        commands.assemble_coadd(["REPO", "--legacyCoadd", "--warpCompareCoadd"])
    assert exit.value.code == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "switches", "sentence"),
    [
        ("assemble_coadd", [], "between a mean and a clipped mean"),
        ("assemble_coadd", ["--legacyCoadd"], "leaves artifacts to the statistic"),
        ("assemble_coadd", ["–legacyCoadd"], "leaves artifacts to the statistic"),
        ("assemble_coadd", ["--warpCompareCoadd"], "PSF-matched warps show and the static sky does not"),
        ("make_coadd_temp_exp", [], "one warp for each visit"),
        ("make_discrete_sky_map", [], "one tract around the exposures of --id"),
        ("make_sky_map", [], "registers it with its tracts and patches"),
    ],
)
def test_help(command: str, switches: list[str], sentence: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as exit:
        getattr(commands, command)([*switches, "--help"])
    assert not exit.value.code
    text = capsys.readouterr().out
    assert sentence in " ".join(text.split())
    assert "--rerun" in text
    script = f"{command.title().replace('_', '')[0].lower()}{command.title().replace('_', '')[1:]}.py"
    assert f"Example:\n  {script} " in text
    for switch in ("--legacyCoadd", "--warpCompareCoadd"):
        assert (f"  {switch}" in text) == (command == "assemble_coadd")


def test_a_switch_is_for_the_command(capsys: Any) -> None:
    """A class that is called with the switch of another one does not do as if it had not been there."""
    with pytest.raises(SystemExit) as exit:
        AssembleCoaddTask._makeArgumentParser()._parse_options(["--warpCompareCoadd"], argparse.Namespace())
    assert exit.value.code == 2
    assert "--warpCompareCoadd is for the command assembleCoadd.py" in capsys.readouterr().err


def test_switches_may_stand_in_a_file_of_options(tmp_path: Path) -> None:
    (tmp_path / "options").write_text("--legacyCoadd # the mean\n--id = patch=5,4 tract=0\n")
    rest, task = commands.choose_task(["REPO", f"@{tmp_path / 'options'}"])
    assert (rest, task) == (["REPO", "--id", "patch=5,4", "tract=0"], "assembleCoadd")


@pytest.fixture(scope="module")
def warped(matched_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A repository with the warps, and with matched warps of one filter."""
    return matched_site.copy(tmp_path_factory.mktemp("manual") / "site")


def assemble(site: Any, *options: str, select: Sequence[str] = SELECT) -> Any:
    args = [str(site.repository), *ID, *select, *options]
    (found,) = AssembleCoaddTask.parseAndRun(args, doReturnResults=True).resultList
    return found


def test_a_rerun_takes_warps_over_and_writes_its_own_coadd(warped: Any) -> None:
    found = assemble(warped, "--rerun", "one", "-c", "doNImage=True").result
    with open_repository(warped.repository, collections="rerun/one") as butler:
        where = {
            "skymap": butler.query_dimension_records("skymap")[0].name,
            "tract": 0,
            "patch": 69,
            "band": "i",
        }
        metadata = butler.get("deep_assembleCoadd_metadata", **where)
        stored, count = butler.get("deepCoadd", **where), butler.get("deepCoadd_nImage", **where)
    assert metadata["assembleCoadd:interpImage"]["interpolated_pixel_count"] > 0
    folder = warped.repository / "rerun" / "one"
    assert "config.doNImage=True" in (folder / "config" / "deep_assembleCoadd.py").read_text()
    pairs = [(row["visit"], row["detector"]) for row in stored.inputs]
    assert pairs == list(warped.example.pairs["HSC-I"])
    assert (stored.image.array == found.coaddExposure.image.array).sum() == found.coaddExposure.bbox.area
    assert (count.array == stored.exposure_count.array).all()


@pytest.mark.parametrize(
    ("switch", "task", "method"),
    [
        ([], SafeClipAssembleCoaddTask, "safe_clip"),
        (["--warpCompareCoadd"], CompareWarpAssembleCoaddTask, "compare_warp"),
    ],
)
def test_artifacts_are_rejected(switch: list[str], task: Any, method: str, warped: Any) -> None:
    output = ["--rerun", method]
    commands.assemble_coadd([*switch, str(warped.repository), *ID, *SELECT, *output])
    with open_repository(warped.repository, collections=f"rerun/{method}") as butler:
        where = {"skymap": butler.query_dimension_records("skymap")[0].name, "tract": 0, "patch": 69}
        coadd = butler.get("deepCoadd", band="i", **where)
    assert coadd.settings["assemble"] == task.ConfigClass().toCore().to_dict()
    assert coadd.settings["assemble"]["reject"]["method"] == method
    assert len(coadd.artifacts) == 5
    assert coadd.artifacts["removed"].sum() > 20
    assert plane(coadd, "CLIPPED").sum() > 20
    folder = warped.repository / "rerun" / method / "config"
    assert (folder / f"deep_{task._DefaultName}.py").exists()


def test_missing_matched_warps_are_told_of(warped_site: Any, tmp_path: Path) -> None:
    site = warped_site.copy(tmp_path / "site")
    args = [str(site.repository), *ID, *SELECT]
    with pytest.raises(RuntimeError, match=r"no deepCoadd_psfMatchedWarp of .* -c makePsfMatched=True"):
        CompareWarpAssembleCoaddTask.parseAndRun([*args, "--doraise"])
    with pytest.raises(SystemExit) as exit:
        commands.assemble_coadd(["--warpCompareCoadd", *args])
    assert exit.value.code == 1


def test_what_is_stored_with_an_output_must_agree(warped: Any) -> None:
    one_visit = ["--selectId", "visit=903986", "ccd=0..111"]
    first = assemble(warped, "--rerun", "checked", select=one_visit)
    assert first.exitStatus == 0
    folder = warped.repository / "rerun" / "checked"
    args = [str(warped.repository), *ID, *one_visit, "--rerun", "checked"]
    with pytest.raises(SystemExit) as exit:
        AssembleCoaddTask.parseAndRun([*args, "-c", "sigmaClip=2"])
    assert exit.value.code == EXIT_NOT_STARTED
    AssembleCoaddTask.parseAndRun([*args, "-c", "sigmaClip=2", "--clobber-config"])
    versions = next(folder.rglob("packages.yaml"))
    versions.write_text(re.sub(r"(?m)^numpy: .*$", "numpy: '0.1'", versions.read_text()))
    with pytest.raises(SystemExit) as exit:
        AssembleCoaddTask.parseAndRun([*args, "-c", "sigmaClip=2"])
    assert exit.value.code == EXIT_NOT_STARTED
    AssembleCoaddTask.parseAndRun([*args, "-c", "sigmaClip=2", "--clobber-versions"])
    assert "0.1'" not in versions.read_text()


def test_subtasks_are_retargeted_by_file_and_by_command_line(warped: Any, tmp_path: Path) -> None:
    module = "lamella.tasks.manual.selectImages"
    overrides = tmp_path / "seeing.py"
    overrides.write_text(
        f"from {module} import BestSeeingWcsSelectImagesTask\n"
        "config.select.retarget(BestSeeingWcsSelectImagesTask)\n"
        "config.select.nImagesMax = 2\n"
    )
    by_file = assemble(warped, "--rerun", "file", "-C", str(overrides)).result.coaddExposure
    by_line = assemble(
        warped,
        *("--rerun", "line", "-c"),
        f"select.retarget={module}.BestSeeingWcsSelectImagesTask",
        "select.nImagesMax=2",
    ).result.coaddExposure
    for coadd in (by_file, by_line):
        assert len(set(coadd.inputs["visit"])) == 2
    assert (by_file.inputs["visit"] == by_line.inputs["visit"]).all()
    assert len(set(assemble(warped, "--rerun", "plain").result.coaddExposure.inputs["visit"])) == 5


def test_nothing_to_coadd_has_a_status_of_its_own(warped: Any) -> None:
    args = ["--legacyCoadd", str(warped.repository), *ID, "--selectId", "visit=903334", "ccd=0..111"]
    with pytest.raises(SystemExit) as exit:
        commands.assemble_coadd([*args[:2], "--id", "tract=0", "patch=0,0", "filter=HSC-I", *args[6:]])
    assert exit.value.code == EXIT_NOTHING


def test_a_repository_gets_its_sky_map(tmp_path: Path) -> None:
    create_repository(tmp_path / "repo")
    options = (
        "skyMap=equat skyMap.active.pixelScale=60 skyMap.active.numTracts=12 skyMap.active.patchBorder=1 "
        "skyMap.active.patchInnerDimensions=[400,400]"
    )
    commands.make_sky_map([str(tmp_path / "repo"), "-c", *options.split()])
    with open_repository(tmp_path / "repo", collections="skymaps") as butler:
        skymap = butler.get("skyMap", skymap="deepCoadd")
        assert len(butler.query_dimension_records("tract", skymap="deepCoadd")) == len(skymap) == 12
    assert skymap.config.pixel_scale == 60
    assert skymap.config.patches.border == 1


def test_exposures_get_a_sky_map_around_them(hsc_site: Any, tmp_path: Path) -> None:
    site = hsc_site.copy(tmp_path / "site")
    options = (
        "-c skyMapName=around skyMap.pixelScale=20 skyMap.patchInnerDimensions=[100,100] borderSize=0.01"
    )
    commands.make_discrete_sky_map(
        [str(site.repository), "--id", "visit=903986", "ccd=16^22^23", *options.split()]
    )
    with open_repository(site.repository, collections="skymaps") as butler:
        skymap = butler.get("skyMap", skymap="around")
    assert isinstance(skymap, DiscreteSkyMap)
    assert len(skymap) == 1
